"""Derivatives beyond forward differences."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import complex_dtype
from jaxrecon.functionals import TotalGeneralisedVariation
from jaxrecon.linops import DirectionalDifference, FiniteDifference, SymmetrisedDerivative
from tests.laws.cases import OperatorCase


def directional(shape, kind=lambda d: d):
    def make(d):
        difference = FiniteDifference(shape, spacing=(1.0, 0.5), dtype=kind(d))
        xi = jax.random.uniform(jax.random.key(3), (2, *shape), d, -0.7, 0.7)
        return DirectionalDifference(difference, jnp.asarray(xi))

    return make


def symmetrised(shape, boundary: Any = "replicate", spacing: Any = 1.0, kind=lambda d: d):
    return lambda d: SymmetrisedDerivative(shape, boundary, spacing, kind(d))


OPERATORS = [
    OperatorCase("directional_difference", directional((4, 5))),
    OperatorCase("directional_difference_complex", directional((4, 5), complex_dtype)),
    OperatorCase("symmetrised_derivative", symmetrised((4, 5), spacing=(1.0, 0.5))),
    OperatorCase(
        "symmetrised_derivative_periodic_3d_complex",
        symmetrised((3, 4, 3), "periodic", kind=complex_dtype),
    ),
    OperatorCase(
        "second_order_difference",
        lambda d: TotalGeneralisedVariation((4, 3), spacing=(0.5, 1.0)).difference(d),
    ),
]
