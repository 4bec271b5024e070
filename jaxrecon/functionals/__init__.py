"""Terms of cost functions: data fidelities, norms, total variation, and constraints."""

from jaxrecon.functionals.group_l21 import GroupL21
from jaxrecon.functionals.huber import Huber
from jaxrecon.functionals.huber_total_variation import HuberTotalVariation
from jaxrecon.functionals.indicators import Affine, Box, NonNegative, Simplex
from jaxrecon.functionals.kullback_leibler import KullbackLeibler
from jaxrecon.functionals.l1 import L1, soft_threshold
from jaxrecon.functionals.least_squares import LeastSquares
from jaxrecon.functionals.squared_l2 import SquaredL2
from jaxrecon.functionals.total_variation import TotalVariation
from jaxrecon.functionals.transmission_poisson import TransmissionPoisson
from jaxrecon.functionals.zero import Zero

__all__ = [
    "L1",
    "Affine",
    "Box",
    "GroupL21",
    "Huber",
    "HuberTotalVariation",
    "KullbackLeibler",
    "LeastSquares",
    "NonNegative",
    "Simplex",
    "SquaredL2",
    "TotalVariation",
    "TransmissionPoisson",
    "Zero",
    "soft_threshold",
]
