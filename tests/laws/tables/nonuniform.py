"""Non-uniform Fourier transforms. In float64 so accurate that finite differences see no error."""

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import complex_dtype
from jaxrecon.linops import Circulant, NonuniformFourier, Toeplitz
from tests.laws.cases import OperatorCase


def positions(d, *shape):
    return jax.random.uniform(jax.random.key(0), shape, d, -0.5, 0.5)


def accuracy(d):
    return 1e-4 if d == jnp.float32 else 1e-12


def nonuniform(shape, samples, **options):
    return lambda d: NonuniformFourier(
        positions(d, *samples, len(shape)),
        shape,
        accuracy=accuracy(d),
        dtype=complex_dtype(d),
        **options,
    )


def spectrum(d, shape):
    return jax.random.normal(jax.random.key(1), shape, d)


OPERATORS = [
    OperatorCase("nonuniform_fourier", nonuniform((5, 6), (3, 4))),
    OperatorCase("nonuniform_fourier_1d", nonuniform((8,), (7,)), variant=True),
    OperatorCase("nonuniform_fourier_3d", nonuniform((3, 4, 2), (6,)), variant=True),
    OperatorCase(
        "nonuniform_fourier_toeplitz",
        nonuniform((5, 6), (3, 4), normal_by_toeplitz=True),
        float64_tolerance=4e-12,  # A^H A twice, each as accurate as A^H and A: 1e-12
        variant=True,
    ),
    OperatorCase("toeplitz", lambda d: Toeplitz(spectrum(d, (2, 2, 4, 6)), (3, 6))),
    OperatorCase("circulant", lambda d: Circulant(spectrum(d, (3, 5)))),
]
