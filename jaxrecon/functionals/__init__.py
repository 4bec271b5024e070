"""Terms of cost functions: data fidelities, norms, total variation, and constraints."""

from jaxrecon.core.zero import Zero
from jaxrecon.functionals.bandlimited import Bandlimited
from jaxrecon.functionals.directional_total_variation import DirectionalTotalVariation
from jaxrecon.functionals.elastic_net import ElasticNet
from jaxrecon.functionals.group_l21 import GroupL21
from jaxrecon.functionals.group_nuclear import GroupNuclear
from jaxrecon.functionals.half_space import HalfSpace
from jaxrecon.functionals.huber import Huber
from jaxrecon.functionals.huber_total_variation import HuberTotalVariation
from jaxrecon.functionals.indicators import Affine, Box, NonNegative, Simplex
from jaxrecon.functionals.kullback_leibler import KullbackLeibler
from jaxrecon.functionals.l0 import L0, L0Ball, hard_threshold
from jaxrecon.functionals.l1 import L1, soft_threshold
from jaxrecon.functionals.least_squares import LeastSquares
from jaxrecon.functionals.linfinity import LInfinity
from jaxrecon.functionals.locally_low_rank import LocallyLowRank
from jaxrecon.functionals.log_cosh import LogCosh
from jaxrecon.functionals.moreau_envelope import MoreauEnvelope
from jaxrecon.functionals.neighbourhood import neighbour_weights
from jaxrecon.functionals.norm_balls import L1Ball, L2Ball, LInfinityBall
from jaxrecon.functionals.nuclear_norm import NuclearNorm
from jaxrecon.functionals.perturbed import perturbed
from jaxrecon.functionals.quadratic_prior import QuadraticPrior
from jaxrecon.functionals.relative_difference_prior import RelativeDifferencePrior
from jaxrecon.functionals.rescaled import rescaled
from jaxrecon.functionals.singular_values import shrink_singular_values
from jaxrecon.functionals.squared_l2 import SquaredL2
from jaxrecon.functionals.total_generalised_variation import TotalGeneralisedVariation
from jaxrecon.functionals.total_variation import TotalVariation
from jaxrecon.functionals.transmission_poisson import TransmissionPoisson
from jaxrecon.functionals.unknown_variance import UnknownVariance
from jaxrecon.functionals.vectorial_total_variation import VectorialTotalVariation
from jaxrecon.functionals.wavelet_l1 import WaveletL1

__all__ = [
    "L0",
    "L1",
    "Affine",
    "Bandlimited",
    "Box",
    "DirectionalTotalVariation",
    "ElasticNet",
    "GroupL21",
    "GroupNuclear",
    "HalfSpace",
    "Huber",
    "HuberTotalVariation",
    "KullbackLeibler",
    "L0Ball",
    "L1Ball",
    "L2Ball",
    "LInfinity",
    "LInfinityBall",
    "LeastSquares",
    "LocallyLowRank",
    "LogCosh",
    "MoreauEnvelope",
    "NonNegative",
    "NuclearNorm",
    "QuadraticPrior",
    "RelativeDifferencePrior",
    "Simplex",
    "SquaredL2",
    "TotalGeneralisedVariation",
    "TotalVariation",
    "TransmissionPoisson",
    "UnknownVariance",
    "VectorialTotalVariation",
    "WaveletL1",
    "Zero",
    "hard_threshold",
    "neighbour_weights",
    "perturbed",
    "rescaled",
    "shrink_singular_values",
    "soft_threshold",
]
