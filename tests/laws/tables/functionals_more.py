"""The functionals that are not total variation: robust data terms, norms, sets, priors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import complex_dtype
from jaxrecon.functionals import (
    L0,
    L1,
    Bandlimited,
    ElasticNet,
    HalfSpace,
    Huber,
    L0Ball,
    L1Ball,
    L2Ball,
    LInfinity,
    LInfinityBall,
    LocallyLowRank,
    LogCosh,
    MoreauEnvelope,
    NuclearNorm,
    QuadraticPrior,
    RelativeDifferencePrior,
    SquaredL2,
    UnknownVariance,
    WaveletL1,
    neighbour_weights,
    perturbed,
    rescaled,
)
from jaxrecon.linops import FiniteDifference, Matrix
from tests.laws.cases import FunctionalCase
from tests.solvers.problems import draw


def _of(make: Callable, shape: tuple[int, ...] = (6,), complex_valued: bool = False) -> Callable:
    """dtype -> (make(dtype), a normal x)."""

    def case(dtype: Any) -> tuple:
        dtype = complex_dtype(dtype) if complex_valued else dtype
        return make(dtype), jnp.asarray(draw(7, shape, dtype))

    return case


def _inside(
    make: Callable, shape: tuple[int, ...] = (6,), complex_valued: bool = False
) -> Callable:
    """dtype -> (make(dtype), a point of the set)."""

    def case(dtype: Any) -> tuple:
        dtype = complex_dtype(dtype) if complex_valued else dtype
        f = make(dtype)
        return f, f.prox(jnp.asarray(draw(7, shape, dtype)), 1.0)

    return case


def _data(dtype: Any, n: int = 6) -> Any:
    return jnp.asarray(draw(9, (n,), dtype))


def _matrix(dtype: Any, rows: int = 8, columns: int = 6) -> Matrix:
    return Matrix(jnp.asarray(draw(8, (rows, columns), dtype) / 3))


def _kappa(dtype: Any) -> Any:
    return jnp.linspace(0.5, 1.5, 12, dtype=jnp.finfo(dtype).dtype).reshape(3, 4)


def _relative_difference(**options: Any) -> Callable:
    def case(dtype: Any) -> tuple:
        f = RelativeDifferencePrior((3, 4), kappa=_kappa(dtype), **options)
        return f, jnp.asarray(np.abs(draw(7, (3, 4), dtype)) + 0.1)

    return case


def _band(dtype: Any) -> Bandlimited:
    return Bandlimited(np.arange(12).reshape(3, 4) % 5 < 3)


_SMOOTH = {"has_grad": True}
_SMOOTH_CONJUGATE = {"has_grad": True, "has_conjugate": True}
_SMOOTH_ONLY = {"has_grad": True, "has_prox": False}
_CONJUGATE = {"has_conjugate": True}
_NOT_CONVEX = {"convex": False}

FUNCTIONALS = [
    FunctionalCase("log-cosh", _of(lambda d: LogCosh(0.4)), **_SMOOTH_CONJUGATE),
    FunctionalCase(
        "log-cosh, complex", _of(lambda d: LogCosh(0.7), (6,), True), **_SMOOTH_CONJUGATE
    ),
    FunctionalCase(
        "unknown variance, complex",
        _of(lambda d: UnknownVariance(_matrix(d), _data(d, 8)), (6,), True),
        **_SMOOTH_ONLY,
    ),
    FunctionalCase("l1 of a residual", _of(lambda d: L1().translate(_data(d))), **_CONJUGATE),
    FunctionalCase(
        "Huber of a residual of an operator",
        _of(lambda d: 2.0 * (Huber(0.5).translate(_data(d, 8)) @ _matrix(d)), (6,), True),
        **_SMOOTH_ONLY,
    ),
    FunctionalCase(
        "generalised Tikhonov with its prox",
        _of(
            lambda d: 0.5 * SquaredL2() @ FiniteDifference((3, 4), dtype=d),
            (3, 4),
            True,
        ),
        **_SMOOTH,
    ),
    FunctionalCase("l0", _of(lambda d: 0.3 * L0()), **_NOT_CONVEX),
    FunctionalCase("l0, complex", _of(lambda d: 0.7 * L0(), (6,), True), **_NOT_CONVEX),
    FunctionalCase("l0 ball, complex", _inside(lambda d: L0Ball(3), (6,), True), **_NOT_CONVEX),
    FunctionalCase(
        "elastic net, complex", _of(lambda d: ElasticNet(0.4, 0.7), (6,), True), **_CONJUGATE
    ),
    FunctionalCase("l-infinity", _of(lambda d: LInfinity()), **_CONJUGATE),
    FunctionalCase("l-infinity, complex", _of(lambda d: LInfinity(), (6,), True), **_CONJUGATE),
    FunctionalCase("nuclear norm", _of(lambda d: NuclearNorm(), (3, 4)), **_CONJUGATE),
    FunctionalCase(
        "nuclear norm, tall matrices along inner axes, complex",
        _of(lambda d: NuclearNorm(rows=(1, -1), columns=0), (2, 2, 2, 2), True),
        **_CONJUGATE,
    ),
    FunctionalCase(
        "locally low rank, complex",
        _of(lambda d: LocallyLowRank((2, 1), shift=(1, 0)), (2, 4, 2), True),
        **_CONJUGATE,
    ),
    FunctionalCase("l1 ball", _inside(lambda d: L1Ball(1.5)), **_CONJUGATE),
    FunctionalCase(
        "l1 ball about a centre, complex",
        _inside(lambda d: L1Ball(1.5, _data(d)), (6,), True),
        **_CONJUGATE,
    ),
    FunctionalCase(
        "l2 ball about a centre, complex",
        _inside(lambda d: L2Ball(0.8, _data(d)), (6,), True),
        **_CONJUGATE,
    ),
    FunctionalCase(
        "l-infinity ball about a centre",
        _inside(lambda d: LInfinityBall(jnp.linspace(0.1, 0.6, 6, dtype=d), _data(d))),
        **_CONJUGATE,
    ),
    FunctionalCase("band-limited", _inside(_band, (3, 4)), **_CONJUGATE),
    FunctionalCase("band-limited, complex", _inside(_band, (3, 4), True), **_CONJUGATE),
    FunctionalCase(
        "half-space, complex",
        _inside(lambda d: HalfSpace(_data(d), -0.5), (6,), True),
        **_CONJUGATE,
    ),
    FunctionalCase(
        "quadratic prior",
        _of(
            lambda d: QuadraticPrior((3, 4), neighbour_weights((2.0, 1.0)), _kappa(d)),
            (3, 4),
            True,
        ),
        **_SMOOTH,
    ),
    FunctionalCase("relative difference prior", _relative_difference(epsilon=0.2), **_SMOOTH_ONLY),
    FunctionalCase(
        "wavelet l1, complex",
        _of(lambda d: WaveletL1((4, 4), "db2", 1), (4, 4), True),
        **_CONJUGATE,
    ),
    FunctionalCase(
        "Moreau envelope of l1, complex",
        _of(lambda d: MoreauEnvelope(L1(), 0.6), (6,), True),
        **_SMOOTH_CONJUGATE,
    ),
    FunctionalCase(
        "Moreau envelope of a ball",
        _of(lambda d: MoreauEnvelope(L1Ball(1.5), 0.6)),
        **_SMOOTH_CONJUGATE,
    ),
    FunctionalCase(
        "l1, perturbed, complex",
        _of(lambda d: perturbed(L1(), slope=0.4 * _data(d), curvature=0.8), (6,), True),
        **_CONJUGATE,
    ),
    FunctionalCase(
        "log-cosh, perturbed by a linear term",
        _of(lambda d: perturbed(LogCosh(0.5), slope=0.4 * _data(d))),
        **_SMOOTH_CONJUGATE,
    ),
    FunctionalCase(
        "log-cosh of a mirrored, rescaled argument",
        _of(lambda d: rescaled(LogCosh(0.5).translate(_data(d)), -1.7)),
        **_SMOOTH_CONJUGATE,
    ),
]
