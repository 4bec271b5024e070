"""Unrolled networks: each the step of a solver with a network in the place of one of its parts."""

from jaxrecon.nn.unrolled.proximal_gradient import (
    UnrolledProximalGradient,
    unrolled_proximal_gradient,
)
from jaxrecon.nn.unrolled.unroll import unroll

__all__ = [
    "UnrolledProximalGradient",
    "unroll",
    "unrolled_proximal_gradient",
]
