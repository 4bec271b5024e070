"""The log-cosh function: quadratic for small values, linear for large ones, smooth throughout."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import iterate
from jaxrecon.core.vectors import real_like
from jaxrecon.functionals.group_l21 import group_norm
from jaxrecon.functionals.huber import check_delta

NEWTON_STEPS = 24


class LogCosh(Functional):
    r"""f(x) = sum delta log cosh(|x_i| / delta): about t^2 / (2 delta) near 0, t - delta log 2 far.

    Like the :class:`Huber` function it lies below the l1 norm, but has derivatives of all orders.
    Real or complex. As a robust fidelity, ``LogCosh(delta).translate(m) @ A``.

    grad f(x) = tanh(|x| / delta) x / |x|, with the Lipschitz constant 1/delta. The prox keeps signs
    and phases; magnitudes solve t + s tanh(t / delta) = |v| by Newton's method from
    max(|v| - s, |v| / (1 + s / delta)), which increases to the root: 24 steps reach rounding for
    s <= 1e7 delta. The conjugate is delta/2 sum (1 + p) log(1 + p) + (1 - p) log(1 - p) with
    p = |y_i| <= 1, and infinite elsewhere.

    Args:
        delta: where quadratic turns to linear, > 0, in the unit of x; a traced scalar.

    Raises:
        ValueError: delta <= 0 (checked when concrete).
        TypeError: a complex delta.

    Source: Green 1990, doi:10.1109/42.52985.
    """

    delta: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        check_delta(self.delta, what="LogCosh(delta)")

    def _parts(self, x: Any) -> tuple[jax.Array, jax.Array]:
        """|x| / delta and delta, in the precision of x."""
        delta = real_like(self.delta, x)
        return group_norm(x, ()) / delta, delta

    def __call__(self, x: Any) -> jax.Array:
        t, delta = self._parts(x)
        return delta * jnp.sum(_log_cosh(t))

    def grad(self, x: Any) -> Any:
        t, delta = self._parts(x)
        return x / delta * _over(jnp.tanh(t), t, 1)

    def lipschitz(self) -> jax.Array:
        return jnp.asarray(1 / self.delta)

    def prox(self, v: Any, step: Any) -> Any:
        a, delta = self._parts(v)
        r = real_like(step, v) / delta
        return v * _over(_root(a, r), a, 1 / (1 + r))

    def conjugate(self, y: Any) -> jax.Array:
        p = group_norm(y, ())
        inside = jnp.all(p <= 1 + 10 * jnp.finfo(p.dtype).eps)
        return jnp.where(inside, real_like(self.delta, y) / 2 * jnp.sum(_entropy(p)), jnp.inf)


def _over(a: jax.Array, t: jax.Array, limit: Any) -> jax.Array:
    """a / t, and its limit at t = 0."""
    positive = t > 0
    return jnp.where(positive, a / jnp.where(positive, t, 1), limit)


def _log_cosh(t: jax.Array) -> jax.Array:
    """For t >= 0, without overflow, and without cancellation at 0."""
    small = t < 1
    near, far = jnp.where(small, t, 0), jnp.where(small, 1, t)
    return jnp.where(
        small,
        jnp.log1p(2 * jnp.sinh(near / 2) ** 2),
        far + jnp.log1p(jnp.exp(-2 * far)) - jnp.log(2),
    )


def _entropy(p: jax.Array) -> jax.Array:
    """(1 + p) log(1 + p) + (1 - p) log(1 - p), 0 log 0 = 0."""
    gap = 1 - p > 0
    return (1 + p) * jnp.log1p(p) + jnp.where(gap, (1 - p) * jnp.log1p(-jnp.where(gap, p, 0)), 0)


@jax.custom_jvp
def _root(a: jax.Array, r: jax.Array) -> jax.Array:
    """u >= 0 with u + r tanh u = a, for a, r >= 0."""

    def newton(u: jax.Array) -> jax.Array:
        tanh = jnp.tanh(u)
        return jnp.maximum(u - (u + r * tanh - a) / (1 + r * (1 - tanh**2)), u)

    return iterate(newton, jnp.maximum(a - r, a / (1 + r)), NEWTON_STEPS)[0]


@_root.defjvp
def _root_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (a, r), (da, dr) = primals, tangents
    u = _root(a, r)
    tanh = jnp.tanh(u)
    return u, (da - tanh * dr) / (1 + r * (1 - tanh**2))
