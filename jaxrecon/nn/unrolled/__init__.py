"""Unrolled networks: each the step of a solver with a network in the place of one of its parts."""

from jaxrecon.nn.unrolled.admm_net import ADMMNet
from jaxrecon.nn.unrolled.end_to_end import EndToEndVariationalNetwork
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.half_quadratic import UnrolledHalfQuadratic
from jaxrecon.nn.unrolled.ista_net import ISTANet, TransformThreshold
from jaxrecon.nn.unrolled.learned_em import LearnedEM
from jaxrecon.nn.unrolled.learned_gradient import LearnedGradient, learned_gradient_step
from jaxrecon.nn.unrolled.learned_primal_dual import (
    LearnedPrimalDual,
    learned_primal_dual_step,
)
from jaxrecon.nn.unrolled.lista import ALISTA, LISTA, analytic_weights
from jaxrecon.nn.unrolled.modl import MoDL, data_consistency
from jaxrecon.nn.unrolled.proximal_gradient import UnrolledProximalGradient
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.nn.unrolled.unroll import spread, unroll
from jaxrecon.nn.unrolled.update import UpdateNetwork
from jaxrecon.nn.unrolled.variational_network import ExpertsGradient, VariationalNetwork

__all__ = [
    "ALISTA",
    "LISTA",
    "ADMMNet",
    "BatchedFidelity",
    "EndToEndVariationalNetwork",
    "ExpertsGradient",
    "ISTANet",
    "LearnedEM",
    "LearnedGradient",
    "LearnedPrimalDual",
    "MoDL",
    "TransformThreshold",
    "UnrolledHalfQuadratic",
    "UnrolledProximalGradient",
    "UnrolledScheme",
    "UpdateNetwork",
    "VariationalNetwork",
    "analytic_weights",
    "data_consistency",
    "learned_gradient_step",
    "learned_primal_dual_step",
    "spread",
    "unroll",
]
