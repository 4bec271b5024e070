"""Iterative methods: each is a `Method` of pure functions, run by `jaxrecon.solve`."""

from jaxrecon.solvers.admm import ADMM, admm
from jaxrecon.solvers.cgls import CGLS, cgls
from jaxrecon.solvers.conjugate_gradient import (
    ConjugateGradient,
    conjugate_gradient,
    solve_normal,
    solve_positive_definite,
)
from jaxrecon.solvers.gradient_descent import GradientDescent, gradient_descent
from jaxrecon.solvers.ordered_subsets import OrderedSubsets, ordered_subsets
from jaxrecon.solvers.power import operator_norm
from jaxrecon.solvers.primal_dual import PrimalDualHybridGradient, primal_dual_hybrid_gradient
from jaxrecon.solvers.proximal_gradient import FISTA, ISTA, fista, ista, proximal_gradient_step
from jaxrecon.solvers.sart import SART, sart
from jaxrecon.solvers.sirt import SIRT, sirt
from jaxrecon.solvers.subsets import Subsets, split_rows

__all__ = [
    "ADMM",
    "CGLS",
    "FISTA",
    "ISTA",
    "SART",
    "SIRT",
    "ConjugateGradient",
    "GradientDescent",
    "OrderedSubsets",
    "PrimalDualHybridGradient",
    "Subsets",
    "admm",
    "cgls",
    "conjugate_gradient",
    "fista",
    "gradient_descent",
    "ista",
    "operator_norm",
    "ordered_subsets",
    "primal_dual_hybrid_gradient",
    "proximal_gradient_step",
    "sart",
    "sirt",
    "solve_normal",
    "solve_positive_definite",
    "split_rows",
]
