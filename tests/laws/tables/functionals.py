"""The functionals, with points inside their domains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon import separable
from jaxrecon.core.checks import complex_dtype
from jaxrecon.functionals import (
    L1,
    Affine,
    Box,
    GroupL21,
    Huber,
    KullbackLeibler,
    LeastSquares,
    NonNegative,
    Simplex,
    SquaredL2,
    TransmissionPoisson,
    Zero,
)
from jaxrecon.linops.matrix import Matrix
from tests.laws.cases import FunctionalCase
from tests.solvers.problems import draw


def _of(make: Callable, shape: tuple[int, ...] = (6,), complex_valued: bool = False) -> Callable:
    """dtype -> (make(dtype), a normal x)."""

    def case(dtype: Any) -> tuple:
        dtype = complex_dtype(dtype) if complex_valued else dtype
        return make(dtype), jnp.asarray(draw(7, shape, dtype))

    return case


def _matrix(dtype: Any, rows: int = 8, columns: int = 6) -> Matrix:
    return Matrix(jnp.asarray(draw(8, (rows, columns), dtype) / 3))


def _data(dtype: Any, n: int = 8) -> Any:
    return jnp.asarray(draw(9, (n,), dtype))


def _weights(dtype: Any, n: int = 8) -> Any:
    return jnp.linspace(0.5, 2.0, n, dtype=jnp.finfo(dtype).dtype)


def _least_squares(dtype: Any) -> LeastSquares:
    return LeastSquares(_matrix(dtype), _data(dtype))


def _weighted_least_squares(dtype: Any) -> LeastSquares:
    return LeastSquares(_matrix(dtype), _data(dtype), _weights(dtype))


def _direct_least_squares(dtype: Any) -> LeastSquares:
    return LeastSquares(None, _data(dtype, 6), _weights(dtype, 6))


_COUNTS = np.array([0.0, 1.0, 2.0, 5.0, 0.0, 9.0])


def _kullback_leibler(dtype: Any) -> tuple:
    return KullbackLeibler(None, jnp.asarray(_COUNTS, dtype), 0.5), jnp.asarray(_COUNTS + 1, dtype)


def _kullback_leibler_no_background(dtype: Any) -> tuple:
    return KullbackLeibler(None, jnp.asarray(_COUNTS, dtype)), jnp.asarray(_COUNTS + 1, dtype)


def _kullback_leibler_operator(dtype: Any) -> tuple:
    matrix = np.abs(draw(8, (6, 4), dtype))
    f = KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(_COUNTS, dtype), 0.25)
    return f, jnp.linspace(0.5, 2.0, 4, dtype=dtype)


_PHOTONS = np.array([8.0, 9.0, 10.0, 11.0, 12.0, 13.0])


def _transmission(dtype: Any) -> tuple:
    counts, photons = jnp.asarray(_COUNTS, dtype), jnp.asarray(_PHOTONS, dtype)
    return TransmissionPoisson(None, counts, photons, 0.5), jnp.linspace(0.1, 2, 6, dtype=dtype)


def _transmission_operator(dtype: Any) -> tuple:
    matrix = np.abs(draw(8, (6, 4), dtype))
    f = TransmissionPoisson(Matrix(jnp.asarray(matrix)), jnp.asarray(_COUNTS, dtype), 10.0)
    return f, jnp.linspace(0.1, 0.6, 4, dtype=dtype)


def _affine(dtype: Any) -> Affine:
    return Affine(_matrix(dtype, 3, 6), _data(dtype, 3))


def _affine_orthonormal(dtype: Any) -> Affine:
    rows = np.linalg.qr(draw(8, (6, 3), dtype))[0].conj().T
    return Affine(Matrix(jnp.asarray(rows)), _data(dtype, 3), orthonormal_rows=True)


def _separable(dtype: Any) -> tuple:
    x = jnp.asarray(draw(7, (4,), dtype)), jnp.asarray(draw(8, (2, 3), dtype))
    return separable(0.5 * L1(), GroupL21(axis=0)), x


def _simplex(dtype: Any) -> tuple:
    return Simplex(total=2.0), jnp.full((6,), 1 / 3, dtype)


def _simplex_columns(dtype: Any) -> tuple:
    return Simplex(axis=0), jnp.full((3, 2), 1 / 3, dtype)


def _box(dtype: Any) -> tuple:
    return Box(jnp.linspace(-1, 0, 6, dtype=dtype), 0.5), jnp.zeros((6,), dtype)


def _nonnegative(dtype: Any) -> tuple:
    return NonNegative(), jnp.ones((6,), dtype)


_SMOOTH = {"has_grad": True}
_SMOOTH_CONJUGATE = {"has_grad": True, "has_conjugate": True}
_CONJUGATE = {"has_conjugate": True}

FUNCTIONALS = [
    FunctionalCase("least squares", _of(_least_squares), **_SMOOTH),
    FunctionalCase("least squares, complex", _of(_least_squares, complex_valued=True), **_SMOOTH),
    FunctionalCase(
        "weighted least squares, complex",
        _of(_weighted_least_squares, complex_valued=True),
        **_SMOOTH,
    ),
    FunctionalCase(
        "least squares of the identity",
        _of(_direct_least_squares, complex_valued=True),
        **_SMOOTH_CONJUGATE,
    ),
    FunctionalCase("Kullback-Leibler", _kullback_leibler, **_SMOOTH_CONJUGATE),
    FunctionalCase(
        "Kullback-Leibler, no background", _kullback_leibler_no_background, **_SMOOTH_CONJUGATE
    ),
    FunctionalCase(
        "Kullback-Leibler of an operator", _kullback_leibler_operator, has_prox=False, has_grad=True
    ),
    FunctionalCase("squared l2", _of(lambda d: SquaredL2()), **_SMOOTH_CONJUGATE),
    FunctionalCase(
        "squared l2, weighted and translated",
        _of(lambda d: 0.5 * SquaredL2().translate(_data(d, 6)), complex_valued=True),
        **_SMOOTH_CONJUGATE,
    ),
    FunctionalCase(
        "generalised Tikhonov",
        _of(lambda d: SquaredL2() @ _matrix(d)),
        has_prox=False,
        has_grad=True,
    ),
    FunctionalCase("l1", _of(lambda d: L1()), **_CONJUGATE),
    FunctionalCase("l1, complex", _of(lambda d: L1(), complex_valued=True), **_CONJUGATE),
    FunctionalCase("l1, weighted", _of(lambda d: L1(_weights(d, 6))), **_CONJUGATE),
    FunctionalCase(
        "l1, weighted, complex",
        _of(lambda d: L1(_weights(d, 6)), complex_valued=True),
        **_CONJUGATE,
    ),
    FunctionalCase("group l2,1", _of(lambda d: GroupL21(), (2, 4)), **_CONJUGATE),
    FunctionalCase(
        "group l2,1, complex", _of(lambda d: GroupL21((0, 2)), (2, 2, 3), True), **_CONJUGATE
    ),
    FunctionalCase("Huber", _of(lambda d: Huber(0.4)), **_SMOOTH_CONJUGATE),
    FunctionalCase("Huber, complex", _of(lambda d: Huber(0.7), (6,), True), **_SMOOTH_CONJUGATE),
    FunctionalCase(
        "Huber of groups, complex",
        _of(lambda d: Huber(1.5, axis=(0, 2)), (2, 2, 3), True),
        **_SMOOTH_CONJUGATE,
    ),
    FunctionalCase("transmission Poisson", _transmission, has_prox=False, has_grad=True),
    FunctionalCase(
        "transmission Poisson of an operator",
        _transmission_operator,
        has_prox=False,
        has_grad=True,
    ),
    FunctionalCase("separable", _separable, **_CONJUGATE),
    FunctionalCase("box", _box, **_CONJUGATE),
    FunctionalCase("non-negative", _nonnegative, **_CONJUGATE),
    FunctionalCase("simplex", _simplex, **_CONJUGATE),
    FunctionalCase("simplex of each column", _simplex_columns, **_CONJUGATE),
    FunctionalCase("affine, complex", _of(_affine, complex_valued=True)),
    FunctionalCase("affine, orthonormal rows", _of(_affine_orthonormal, complex_valued=True)),
    FunctionalCase("zero", _of(lambda d: Zero()), **_SMOOTH_CONJUGATE),
]
