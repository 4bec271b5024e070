"""Iterative methods: each is a `Method` of pure functions, run by `jaxrecon.solve`."""

from jaxrecon.solvers.admm import ADMM, admm
from jaxrecon.solvers.conjugate_gradient import (
    ConjugateGradient,
    conjugate_gradient,
    solve_normal,
    solve_positive_definite,
)
from jaxrecon.solvers.gradient_descent import GradientDescent, gradient_descent
from jaxrecon.solvers.power import operator_norm
from jaxrecon.solvers.primal_dual import PrimalDualHybridGradient, primal_dual_hybrid_gradient
from jaxrecon.solvers.proximal_gradient import FISTA, ISTA, fista, ista, proximal_gradient_step

__all__ = [
    "ADMM",
    "FISTA",
    "ISTA",
    "ConjugateGradient",
    "GradientDescent",
    "PrimalDualHybridGradient",
    "admm",
    "conjugate_gradient",
    "fista",
    "gradient_descent",
    "ista",
    "operator_norm",
    "primal_dual_hybrid_gradient",
    "proximal_gradient_step",
    "solve_normal",
    "solve_positive_definite",
]
