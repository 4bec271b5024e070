"""Balls of the l1, l2 and l-infinity norms: how far an image may be from data, and sparse sets."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_no_nan, check_nonnegative, check_real
from jaxrecon.core.functional import Indicator
from jaxrecon.core.vectors import add, inner, norm, real_like, scaled, subtract
from jaxrecon.functionals.indicators import indicator
from jaxrecon.functionals.l1 import L1, soft_threshold


class Ball(Indicator):
    """The indicator of ||x - centre|| <= radius; the base of the balls below."""

    radius: Any = 1.0
    centre: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"{type(self).__name__}(radius, centre)"
        for radius in jax.tree.leaves(self.radius):
            check_real(radius, what=what, argument="radius")
            check_no_nan(radius, what=what, argument="radius")
            check_nonnegative(radius, what=what, argument="radius", cause="The set is empty.")
        check_no_nan(self.centre, what=what, argument="centre")

    def from_centre(self, x: Any) -> Any:
        return x if self.centre is None else subtract(x, self.centre)

    def to_centre(self, x: Any) -> Any:
        return x if self.centre is None else add(self.centre, x)

    def height(self, y: Any) -> jax.Array:
        """Re <centre, y>, with which every conjugate begins."""
        return jnp.zeros_like(inner(y, y)) if self.centre is None else inner(self.centre, y)

    def slack(self, x: Any, count: int = 1) -> Any:
        """1 and a few roundings: what the radius is multiplied with before it is compared."""
        return 1 + 10 * count * jnp.finfo(inner(x, x).dtype).eps


class L2Ball(Ball):
    r"""0 where ||x - centre||_2 <= radius, else infinity; any array or pytree, real or complex.

    The noise-constrained form of reconstruction, min g(x) with ||A x - m|| <= radius, is
    ``L2Ball(radius, m) @ A``, whose parts go to primal-dual methods: the expected ||noise|| is
    sigma sqrt(n). prox: the projection c + (v - c) radius / max(||v - c||, radius). The conjugate
    is radius ||y|| + Re <c, y>. A distance counts as equal to the radius up to ten roundings.

    Args:
        radius: >= 0, traced scalar.
        centre: in the space of x, traced; None is 0.

    Raises:
        ValueError: a negative radius, NaN (checked when concrete).
        TypeError: a complex radius.

    Source: Afonso, Bioucas-Dias and Figueiredo 2011, doi:10.1109/TIP.2010.2076294.
    """

    def __call__(self, x: Any) -> jax.Array:
        size = norm(self.from_centre(x))
        return indicator(size <= real_like(self.radius, size) * self.slack(x), size)

    def prox(self, v: Any, step: Any) -> Any:
        away = self.from_centre(v)
        size = norm(away)
        radius = real_like(self.radius, size)
        outside = size > radius
        shrink = jnp.where(outside, radius / jnp.where(outside, size, 1), 1)
        return self.to_centre(scaled(shrink, away))

    def conjugate(self, y: Any) -> jax.Array:
        size = norm(y)
        return self.height(y) + real_like(self.radius, size) * size


class LInfinityBall(Ball):
    r"""0 where |x_i - centre_i| <= radius_i for all i, else infinity; real or complex.

    Uniform noise, rounded data (radius half a step). prox: every v_i moves to the nearest point of
    its interval, or disc. The conjugate is sum radius_i |y_i| + Re <c, y>. A distance counts as
    equal to the radius up to ten roundings.

    Args:
        radius: >= 0, traced: a scalar, an array that broadcasts to x, or a pytree like x.
        centre: in the space of x, traced; None is 0.

    Raises:
        ValueError: a negative radius, NaN (checked when concrete).
        TypeError: a complex radius.

    Source: Combettes and Pesquet, Proximal splitting methods in signal processing,
    doi:10.1007/978-1-4419-9569-8_10.
    """

    def __call__(self, x: Any) -> jax.Array:
        return L1(self.radius).conjugate(self.from_centre(x))

    def prox(self, v: Any, step: Any) -> Any:
        return self.to_centre(L1(self.radius).conj_prox(self.from_centre(v), step))

    def conjugate(self, y: Any) -> jax.Array:
        return self.height(y) + L1(self.radius)(y)


class L1Ball(Ball):
    r"""0 where ||x - centre||_1 <= radius, else infinity; any array or pytree, real or complex.

    The constrained form of sparse reconstruction (LASSO). prox: v if it is inside, else the soft
    threshold of v - c at theta, with ||x - c||_1 = radius: exact, by sorting the n magnitudes. The
    conjugate is radius max |y_i| + Re <c, y>. A norm counts as equal to the radius up to 10 n
    roundings.

    Args:
        radius: >= 0, traced scalar.
        centre: in the space of x, traced; None is 0.

    Raises:
        ValueError: a negative radius, NaN (checked when concrete).
        TypeError: a complex radius.

    Source: Duchi, Shalev-Shwartz, Singer and Chandra 2008, doi:10.1145/1390156.1390191; Tibshirani
    1996, doi:10.1111/j.2517-6161.1996.tb02080.x.
    """

    def __call__(self, x: Any) -> jax.Array:
        sizes = magnitudes(self.from_centre(x))
        largest = real_like(self.radius, sizes) * self.slack(x, sizes.size)
        return indicator(jnp.sum(sizes) <= largest, sizes)

    def prox(self, v: Any, step: Any) -> Any:
        away = self.from_centre(v)
        sizes = magnitudes(away)
        radius = real_like(self.radius, sizes)
        outside = jnp.sum(sizes) > radius
        theta = l1_threshold(sizes, radius)

        def project(a: jax.Array) -> jax.Array:
            return jnp.where(outside, soft_threshold(a, theta), a)

        return self.to_centre(jax.tree.map(project, away))

    def conjugate(self, y: Any) -> jax.Array:
        sizes = magnitudes(y)
        return self.height(y) + real_like(self.radius, sizes) * jnp.max(sizes)


def magnitudes(x: Any) -> jax.Array:
    """|x_i| of all entries of a pytree, in one vector."""
    return jnp.concatenate([jnp.ravel(jnp.abs(a)) for a in jax.tree.leaves(x)])


def l1_threshold(sizes: jax.Array, radius: jax.Array) -> jax.Array:
    """theta >= 0 with sum max(sizes - theta, 0) = radius, where sum sizes exceeds the radius."""
    descending = -jnp.sort(-sizes)
    thetas = (jnp.cumsum(descending) - radius) / jnp.arange(1, sizes.size + 1, dtype=sizes.dtype)
    support = jnp.sum(descending >= thetas)
    return jnp.maximum(thetas[support - 1], 0)
