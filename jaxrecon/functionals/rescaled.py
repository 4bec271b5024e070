"""A functional of a rescaled argument."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_real
from jaxrecon.core.functional import Functional
from jaxrecon.core.vectors import scaled


class Rescaled(Functional):
    r"""x -> f(c x). Made by :func:`rescaled`."""

    functional: Functional
    factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        check_real(self.factor, what="rescaled(f, factor)", argument="factor")
        known = not isinstance(self.factor, Tracer)
        if known and (np.ndim(self.factor) != 0 or not np.abs(self.factor) > 0):
            raise ValueError(f"rescaled expected a scalar factor, not 0, got {self.factor}.")

    def __call__(self, x: Any) -> jax.Array:
        return self.functional(scaled(self.factor, x))

    def grad(self, x: Any) -> Any:
        return scaled(self.factor, self.functional.grad(scaled(self.factor, x)))

    def hessian(self, x: Any) -> Any:
        return scaled(self.factor, self.functional.hessian(scaled(self.factor, x)))

    def lipschitz(self) -> jax.Array:
        return self.functional.lipschitz() * self.factor**2

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        return self.functional.constraints(scaled(self.factor, x))

    def prox(self, v: Any, step: Any) -> Any:
        moved = self.functional.prox(scaled(self.factor, v), step * self.factor**2)
        return scaled(1 / self.factor, moved)

    def prox_start(self, v: Any) -> Any:
        return self.functional.prox_start(scaled(self.factor, v))

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        v, step = scaled(self.factor, v), step * self.factor**2
        moved, start = self.functional.prox_from(v, step, start)
        return scaled(1 / self.factor, moved), start

    def conjugate(self, y: Any) -> jax.Array:
        return self.functional.conjugate(scaled(1 / self.factor, y))


def rescaled(f: Functional, factor: Any) -> Functional:
    r"""x -> f(c x), c a real scalar other than 0: another unit of x, or its mirror image.

    prox_s(v) = prox_{s c^2 f}(c v) / c; the gradient is c grad f(c x), with the Lipschitz constant
    c^2 L; the conjugate is f*(y / c).

    Args:
        f: any functional.
        factor: c, traced.

    Raises:
        ValueError: c = 0 or NaN, or not a scalar (checked when concrete).
        TypeError: a complex c.

    Source: Combettes and Pesquet, Proximal splitting methods in signal processing, table
    10.1(ii), doi:10.1007/978-1-4419-9569-8_10.
    """
    return Rescaled(f, factor)
