"""Iterative methods: each is a `Method` of pure functions, run by `jaxrecon.solve`."""

from jaxrecon.solvers.accelerated_primal_dual import AcceleratedPrimalDual, accelerated_primal_dual
from jaxrecon.solvers.adaptive_primal_dual import AdaptivePrimalDual, adaptive_primal_dual
from jaxrecon.solvers.admm import ADMM, admm
from jaxrecon.solvers.anderson import Anderson, anderson
from jaxrecon.solvers.barzilai_borwein import BarzilaiBorwein, barzilai_borwein
from jaxrecon.solvers.bsrem import BSREM, bsrem
from jaxrecon.solvers.cgls import CGLS, cgls
from jaxrecon.solvers.choose import Choice, choose
from jaxrecon.solvers.conjugate_gradient import (
    ConjugateGradient,
    conjugate_gradient,
    solve_normal,
    solve_positive_definite,
)
from jaxrecon.solvers.constraints import constraint_violation
from jaxrecon.solvers.davis_yin import DavisYin, davis_yin
from jaxrecon.solvers.diagonal_steps import diagonal_steps
from jaxrecon.solvers.douglas_rachford import DouglasRachford, douglas_rachford
from jaxrecon.solvers.emission import EmissionStep, emission_step
from jaxrecon.solvers.forward_backward_forward import (
    ForwardBackwardForward,
    ForwardBackwardForwardPrimalDual,
    forward_backward_forward,
    forward_backward_forward_primal_dual,
)
from jaxrecon.solvers.fourier_quadratic import (
    FourierQuadratic,
    FourierUpdate,
    fourier_quadratic,
    fourier_update,
)
from jaxrecon.solvers.gradient_descent import (
    GradientDescent,
    LineSearchDescent,
    gradient_descent,
)
from jaxrecon.solvers.half_quadratic_splitting import (
    HalfQuadraticSplitting,
    geometric_penalties,
    half_quadratic_splitting,
)
from jaxrecon.solvers.landweber import Landweber, landweber
from jaxrecon.solvers.lbfgs import LBFGS, lbfgs
from jaxrecon.solvers.linearised_admm import LinearisedADMM, linearised_admm
from jaxrecon.solvers.lsqr import LSQR, lsqr
from jaxrecon.solvers.map_em import MAPEM, map_em
from jaxrecon.solvers.minimise import Minimum, minimise
from jaxrecon.solvers.mlem import MLEM, mlem
from jaxrecon.solvers.nesterov import Nesterov, nesterov
from jaxrecon.solvers.nonlinear_conjugate_gradient import (
    NonlinearConjugateGradient,
    nonlinear_conjugate_gradient,
)
from jaxrecon.solvers.ordered_subsets import OrderedSubsets, ordered_subsets
from jaxrecon.solvers.osem import OSEM, osem
from jaxrecon.solvers.pd3o import PD3O, pd3o
from jaxrecon.solvers.pogm import POGM, pogm
from jaxrecon.solvers.power import operator_norm
from jaxrecon.solvers.primal_dual import PrimalDualHybridGradient, primal_dual_hybrid_gradient
from jaxrecon.solvers.proximal_backtracking import ProximalBacktracking
from jaxrecon.solvers.proximal_gradient import FISTA, ISTA, fista, ista, proximal_gradient_step
from jaxrecon.solvers.saga import SAGA, saga
from jaxrecon.solvers.sart import SART, sart
from jaxrecon.solvers.sirt import SIRT, sirt
from jaxrecon.solvers.stochastic_gradient import StochasticGradient, stochastic_gradient
from jaxrecon.solvers.stochastic_primal_dual import StochasticPrimalDual, stochastic_primal_dual
from jaxrecon.solvers.subset_fidelity import SubsetFidelity
from jaxrecon.solvers.subsets import Subsets, split_rows
from jaxrecon.solvers.svrg import SVRG, svrg

__all__ = [
    "ADMM",
    "BSREM",
    "CGLS",
    "FISTA",
    "ISTA",
    "LBFGS",
    "LSQR",
    "MAPEM",
    "MLEM",
    "OSEM",
    "PD3O",
    "POGM",
    "SAGA",
    "SART",
    "SIRT",
    "SVRG",
    "AcceleratedPrimalDual",
    "AdaptivePrimalDual",
    "Anderson",
    "BarzilaiBorwein",
    "Choice",
    "ConjugateGradient",
    "DavisYin",
    "DouglasRachford",
    "EmissionStep",
    "ForwardBackwardForward",
    "ForwardBackwardForwardPrimalDual",
    "FourierQuadratic",
    "FourierUpdate",
    "GradientDescent",
    "HalfQuadraticSplitting",
    "Landweber",
    "LineSearchDescent",
    "LinearisedADMM",
    "Minimum",
    "Nesterov",
    "NonlinearConjugateGradient",
    "OrderedSubsets",
    "PrimalDualHybridGradient",
    "ProximalBacktracking",
    "StochasticGradient",
    "StochasticPrimalDual",
    "SubsetFidelity",
    "Subsets",
    "accelerated_primal_dual",
    "adaptive_primal_dual",
    "admm",
    "anderson",
    "barzilai_borwein",
    "bsrem",
    "cgls",
    "choose",
    "conjugate_gradient",
    "constraint_violation",
    "davis_yin",
    "diagonal_steps",
    "douglas_rachford",
    "emission_step",
    "fista",
    "forward_backward_forward",
    "forward_backward_forward_primal_dual",
    "fourier_quadratic",
    "fourier_update",
    "geometric_penalties",
    "gradient_descent",
    "half_quadratic_splitting",
    "ista",
    "landweber",
    "lbfgs",
    "linearised_admm",
    "lsqr",
    "map_em",
    "minimise",
    "mlem",
    "nesterov",
    "nonlinear_conjugate_gradient",
    "operator_norm",
    "ordered_subsets",
    "osem",
    "pd3o",
    "pogm",
    "primal_dual_hybrid_gradient",
    "proximal_gradient_step",
    "saga",
    "sart",
    "sirt",
    "solve_normal",
    "solve_positive_definite",
    "split_rows",
    "stochastic_gradient",
    "stochastic_primal_dual",
    "svrg",
]
