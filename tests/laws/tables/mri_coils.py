"""Operators of jaxrecon.mri.coils: the linear parts of joint reconstruction of image and coils."""

import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import complex_dtype
from jaxrecon.linops import Fourier, Mask
from jaxrecon.mri.coils import BilinearDerivative, CoilEncoding, PolynomialCoils
from tests.laws.cases import OperatorCase
from tests.laws.tables.linops import numbers

SHAPE = (4, 5)


def sampling(d):
    mask = np.random.default_rng(3).random(SHAPE) < 0.6
    return Mask(mask, SHAPE, complex_dtype(d)) @ Fourier(SHAPE, dtype=complex_dtype(d))


def of(*shape):
    return lambda d: jnp.asarray(numbers(shape, complex_dtype(d)))


def derivative(d):
    weights = jnp.asarray(numbers(SHAPE, d))
    return BilinearDerivative(sampling(d), weights, of(*SHAPE)(d), of(2, *SHAPE)(d))


def polynomial(d):
    basis = jnp.asarray(numbers((3, *SHAPE), d))
    return PolynomialCoils(sampling(d), basis, of(*SHAPE)(d), 2)


OPERATORS = [
    OperatorCase("mri.BilinearDerivative", derivative),
    OperatorCase("mri.PolynomialCoils", polynomial),
    OperatorCase("mri.CoilEncoding", lambda d: CoilEncoding(sampling(d), of(2, *SHAPE)(d))),
]
