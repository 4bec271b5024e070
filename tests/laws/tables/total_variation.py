"""The total variations. Their proxes run to convergence, as the laws compare them to rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxrecon.core.checks import complex_dtype
from jaxrecon.functionals import (
    DirectionalTotalVariation,
    GroupNuclear,
    HuberTotalVariation,
    TotalGeneralisedVariation,
    TotalVariation,
    VectorialTotalVariation,
)
from tests.laws.cases import FunctionalCase
from tests.solvers.problems import draw

_CONVERGED = {"tolerance": 0.0, "iterations": 1000}


def _of(make: Callable, shape: tuple[int, ...] = (3, 4), complex_valued: bool = False) -> Callable:
    """dtype -> (make(dtype), a normal x)."""

    def case(dtype: Any) -> tuple:
        x = draw(7, shape, complex_dtype(dtype) if complex_valued else dtype)
        return make(dtype), jnp.asarray(x)

    return case


def _total(**options: Any) -> Callable:
    return lambda dtype: TotalVariation((3, 4), **options, **_CONVERGED)


def _huber(**options: Any) -> Callable:
    return lambda dtype: HuberTotalVariation((3, 4), 0.8, **options, **_CONVERGED)


def _vectorial(shape: tuple[int, ...], **options: Any) -> Callable:
    return lambda dtype: VectorialTotalVariation(shape, **options, **_CONVERGED)


def _directional(**options: Any) -> Callable:
    def make(dtype: Any) -> DirectionalTotalVariation:
        side = jnp.asarray(draw(5, (3, 4), dtype))
        return DirectionalTotalVariation(side, 0.5, **options, **_CONVERGED)

    return make


def _generalised(dtype: Any) -> TotalGeneralisedVariation:
    return TotalGeneralisedVariation((4, 5), spacing=(1.0, 0.5), tolerance=0.0, iterations=400)


_SMOOTH = {"has_grad": True}
_CONJUGATE = {"has_conjugate": True}

FUNCTIONALS = [
    FunctionalCase("total variation", _of(_total())),
    FunctionalCase(
        "total variation, anisotropic, zero boundary",
        _of(_total(isotropic=False, boundary="zero", axes=(1,))),
    ),
    FunctionalCase(
        "total variation, periodic, complex",
        _of(_total(boundary="periodic", spacing=(1.0, 0.5)), complex_valued=True),
        variant=True,
    ),
    FunctionalCase("Huber total variation", _of(_huber(spacing=(1.0, 0.5))), **_SMOOTH),
    FunctionalCase(
        "Huber total variation, anisotropic, complex",
        _of(_huber(isotropic=False, boundary="periodic"), complex_valued=True),
        **_SMOOTH,
        variant=True,
    ),
    FunctionalCase(
        "vectorial total variation, complex",
        _of(_vectorial((3, 2, 4), channel_axis=1), (3, 2, 4), True),
        variant=True,
    ),
    FunctionalCase(
        "total nuclear variation, complex",
        _of(_vectorial((2, 3, 2), coupling="nuclear"), (2, 3, 2), True),
        variant=True,
    ),
    FunctionalCase(
        "directional total variation, rounded, complex",
        _of(_directional(delta=0.3, boundary="periodic"), complex_valued=True),
        variant=True,
    ),
    FunctionalCase(
        "nuclear norm of groups", _of(lambda d: GroupNuclear(), (2, 3, 3)), **_CONJUGATE
    ),
    FunctionalCase(
        "nuclear norm of groups, three rows, complex",
        _of(lambda d: GroupNuclear((2, 0)), (3, 2, 4), True),
        **_CONJUGATE,
        variant=True,
    ),
    FunctionalCase("total generalised variation", _of(_generalised, (4, 5)), has_prox=False),
]
