"""The Huber function: quadratic for small values, linear for large ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_real
from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import real_like
from jaxrecon.functionals.group_l21 import group_norm


class Huber(Functional):
    r"""f(x) = sum h(|x_i|), h(t) = t^2 / (2 delta) for t <= delta, and t - delta/2 beyond.

    It is the l1 norm, rounded where |x_i| < delta: the Moreau envelope of |.|, between
    ||x||_1 - n delta/2 and ||x||_1. With `axis` it is the group norm l2,1, rounded in the same way:
    |x_i| is the Euclidean length along these axes. Real or complex.

    grad f(x) = x / max(|x|, delta), with the Lipschitz constant 1/delta.
    prox: v - s v / max(|v|, delta + s). The conjugate is delta/2 ||y||^2 where every |y_i| <= 1 (to
    ten roundings) and infinite elsewhere; conj_prox shrinks by 1 / (1 + s delta), then projects
    onto these balls. delta * f is the other usual form, t^2 / 2 near 0. As a fidelity, for data
    with outliers, it is ``Huber(delta).translate(m) @ A``; ordered subsets take it with
    ``curvature=1 / delta``.

    Args:
        delta: where quadratic turns to linear, > 0, in the unit of x; a traced scalar.
        axis: static; an axis or a tuple of them along which values form a group; None is each
            value for itself.

    Raises:
        ValueError: delta <= 0 (checked when concrete).
        TypeError: a complex delta.

    Source: Huber 1964, doi:10.1214/aoms/1177703732; the prox: Chambolle and Pock 2011, section
    6.2.3, doi:10.1007/s10851-010-0251-1.
    """

    delta: Any
    axis: int | tuple[int, ...] | None = static(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_delta(self.delta, what="Huber(delta)")

    def _size(self, x: Any) -> jax.Array:
        return group_norm(x, () if self.axis is None else self.axis)

    def __call__(self, x: Any) -> jax.Array:
        size = self._size(x)
        delta = real_like(self.delta, x)
        return jnp.sum(jnp.where(size <= delta, size**2 / (2 * delta), size - delta / 2))

    def grad(self, x: Any) -> Any:
        return x / jnp.maximum(self._size(x), real_like(self.delta, x))

    def lipschitz(self) -> jax.Array:
        return jnp.asarray(1 / self.delta)

    def prox(self, v: Any, step: Any) -> Any:
        step = real_like(step, v)
        return v * (1 - step / jnp.maximum(self._size(v), real_like(self.delta, v) + step))

    def conj_prox(self, v: Any, step: Any) -> Any:
        shrunk = v / (1 + real_like(step, v) * real_like(self.delta, v))
        return shrunk / jnp.maximum(self._size(shrunk), 1)

    def conjugate(self, y: Any) -> jax.Array:
        size = self._size(y)
        inside = jnp.all(size <= 1 + 10 * jnp.finfo(y.dtype).eps)
        return jnp.where(inside, real_like(self.delta, y) / 2 * jnp.sum(size**2), jnp.inf)


def check_delta(delta: Any, *, what: str) -> None:
    """Raise unless `delta` is real and, when concrete, positive."""
    check_real(delta, what=what, argument="delta")
    if not isinstance(delta, Tracer) and not np.all(np.asarray(delta) > 0):
        raise ValueError(f"{what} expected delta > 0, got {delta}. For delta = 0 take L1.")
