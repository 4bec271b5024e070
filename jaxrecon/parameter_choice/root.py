"""A root of a continuous function between two ends, without derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Point(NamedTuple):
    """Where the function was evaluated."""

    t: jax.Array
    value: jax.Array


class Search(NamedTuple):
    """The bracket [newest, opposite], the end dropped last, the best point with what belongs to it,
    and the next place to look at, as a fraction of the bracket from the newest end."""

    newest: Point
    opposite: Point
    dropped: Point
    best: Point
    found: Any
    start: Any
    fraction: jax.Array
    evaluations: jax.Array


def find_root(
    function: Callable, low: Any, high: Any, start: Any, *, evaluations: int, tolerance: Any
) -> tuple[Search, jax.Array]:
    r"""t in [low, high] with |h(t)| <= tolerance, for h with another sign at each end.

    Chandrupatla's method: inverse quadratic interpolation where three points say that it will do,
    bisection otherwise, so that the bracket shrinks in any case.

    Args:
        function: (t, start) -> (h(t), what to keep of t, start of the next evaluation).
        low: scalar.
        high: scalar.
        start: pytree, handed from each evaluation to the next.
        evaluations: static, at least 2; at most so many.
        tolerance: on |h|, traced.

    Returns:
        (the last :class:`Search`, whether the ends have different signs). If not, only the ends are
        evaluated.

    Source: Chandrupatla 1997, doi:10.1016/S0965-9978(96)00051-8.
    """
    value, at_low, start = function(low, start)
    first = Point(low, value)
    value, at_high, start = function(high, start)
    second = Point(high, value)
    low_is_best = jnp.abs(first.value) <= jnp.abs(second.value)
    best, kept = _choose(low_is_best, (first, at_low), (second, at_high))
    bracketed = (first.value * second.value <= 0) & jnp.isfinite(first.value + second.value)
    half = jnp.full_like(low, 0.5)
    search = Search(second, first, first, best, kept, start, half, jnp.int32(2))

    def unfinished(search: Search) -> jax.Array:
        open_ = bracketed & (jnp.abs(search.best.value) > tolerance)
        return open_ & (search.evaluations < evaluations)

    def narrow(search: Search) -> Search:
        a, b = search.newest, search.opposite
        t = a.t + search.fraction * (b.t - a.t)
        value, kept, start = function(t, search.start)
        new = Point(t, value)
        same = (value > 0) == (a.value > 0)
        opposite, dropped = _choose(same, (b, a), (a, b))
        better = jnp.abs(value) < jnp.abs(search.best.value)
        best, kept = _choose(better, (new, kept), (search.best, search.found))
        fraction = _fraction(new, opposite, dropped)
        return Search(new, opposite, dropped, best, kept, start, fraction, search.evaluations + 1)

    return jax.lax.while_loop(unfinished, narrow, search), bracketed


def _fraction(a: Point, b: Point, c: Point) -> jax.Array:
    """Where the quadratic t(h) through three points vanishes, from a to b; 1/2 if it won't do."""
    xi = _ratio(a.t - b.t, c.t - b.t)
    phi = _ratio(a.value - b.value, c.value - b.value)
    smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
    fraction = _ratio(a.value, b.value - a.value) * _ratio(c.value, b.value - c.value)
    fraction += (
        _ratio(c.t - a.t, b.t - a.t)
        * _ratio(a.value, c.value - a.value)
        * _ratio(b.value, c.value - b.value)
    )
    margin = 4 * jnp.finfo(a.t.dtype).eps
    return jnp.where(smooth, jnp.clip(fraction, margin, 1 - margin), 0.5).astype(a.t.dtype)


def _ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(b != 0, a / jnp.where(b != 0, b, 1), 0)


def _choose(condition: jax.Array, one: Any, other: Any) -> Any:
    return jax.tree.map(lambda p, q: jnp.where(condition, p, q), one, other)
