"""Single-pixel imaging: Hadamard patterns, split acquisition, photon noise, image statistics."""

from jaxrecon.single_pixel.covariance import Moments, estimate_moments, symmetrise
from jaxrecon.single_pixel.operator import (
    HadamardSubsampling,
    SplitHadamard,
    hadamard_coefficients,
    hadamard_covariance,
    sequency_order_2d,
    variance_order,
)
from jaxrecon.single_pixel.simulate import Preprocessed, acquire, preprocess

__all__ = [
    "HadamardSubsampling",
    "Moments",
    "Preprocessed",
    "SplitHadamard",
    "acquire",
    "estimate_moments",
    "hadamard_coefficients",
    "hadamard_covariance",
    "preprocess",
    "sequency_order_2d",
    "symmetrise",
    "variance_order",
]
