"""The weight at which a criterion is least, on a path or between two ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.parameter_choice.path import path
from jaxrecon.parameter_choice.weights import as_bracket, as_weights, check_same_length

GOLDEN = (5**0.5 - 1) / 2


class Best(NamedTuple):
    """What :func:`best_on_path` and :func:`best_weight` return."""

    weight: jax.Array
    """lambda"""
    value: jax.Array
    """The criterion there (on a path: of its interpolation)."""
    index: jax.Array
    """That of the nearest point of the path or grid."""
    interior: jax.Array
    """False where the least value is at an end: then look farther out."""


def best_on_path(weights: Any, values: Any) -> Best:
    r"""argmin over lambda of the parabola through the least value and its two neighbours.

    In log lambda; at an end of the path, or beside values that are not finite, the point itself.

    Args:
        weights: (n,), > 0, in increasing or decreasing order.
        values: (n,), of a criterion: :func:`gcv`, :func:`sure`, or a true error. NaN is passed
            over.

    Returns:
        :class:`Best` (weight, value, index, interior).

    Raises:
        ValueError: other shapes, n < 3, weights that are not positive (where concrete).
    """
    what = "best_on_path"
    weights = as_weights(weights, least=3, what=what)
    values = check_same_length(values, weights, what=what, argument="values")
    values = jnp.where(jnp.isnan(values), jnp.inf, values)
    index = jnp.argmin(values)
    interior = (index > 0) & (index < len(weights) - 1)
    middle = jnp.clip(index, 1, len(weights) - 2)
    t = jnp.log(weights)[middle + jnp.arange(-1, 2)]
    v = values[middle + jnp.arange(-1, 2)]
    usable = interior & jnp.all(jnp.isfinite(v))
    v = jnp.where(usable, v, jnp.array([1, 0, 1], v.dtype))
    before, after = (v[1] - v[0]) / (t[1] - t[0]), (v[2] - v[1]) / (t[2] - t[1])
    curvature = (after - before) / (t[2] - t[0])
    slope = (before * (t[2] - t[1]) + after * (t[1] - t[0])) / (t[2] - t[0])
    shift = jnp.where(curvature > 0, -slope / jnp.where(curvature > 0, 2 * curvature, 1), 0)
    value = v[1] + shift * (slope + shift * curvature)
    weight = jnp.where(usable, jnp.exp(t[1] + shift), weights[index])
    return Best(weight, jnp.where(usable, value, values[index]), index, interior)


def best_weight(
    criterion: Callable[[Any], Any],
    low: Any,
    high: Any,
    *,
    grid: int = 17,
    steps: int = 12,
    batch: int | None = None,
) -> Best:
    r"""argmin of criterion(lambda) for low <= lambda <= high, on a logarithmic scale.

    First on a grid, which finds the valley of the least value even where there are several, then by
    golden sections between its neighbours. The interval of log lambda shrinks to
    0.618^(steps - 1) of two grid spacings; steps = 12 gives 1 % of one.

    Args:
        criterion: weight -> real scalar, pure: say ``lambda w: gcv(lambda m: solver(m, w), m,
            key).value``, with one key for all weights, so that it is smooth.
        low: smallest weight, > 0.
        high: largest weight.
        grid: static, >= 3; evaluations at equal distances of log lambda.
        steps: static, >= 2; evaluations of golden sections.
        batch: static; as in :func:`path`, for the grid.

    Returns:
        :class:`Best` (weight, value, index, interior), the best of all that was evaluated.

    Raises:
        ValueError: not 0 < low < high (where concrete), grid < 3, steps < 2.

    Source: Kiefer 1953, doi:10.1090/S0002-9939-1953-0055639-3.
    """
    what = "best_weight"
    for name, number, least in (("grid", grid, 3), ("steps", steps, 2)):
        if check_positive_int(number, what=what, argument=name) < least:
            raise ValueError(f"{what} expected {name} >= {least}, got {number}.")
    t = jnp.linspace(*as_bracket(low, high, what=what), grid)

    def evaluate(t: jax.Array) -> jax.Array:
        return criterion(jnp.exp(t)).astype(t.dtype)

    def passed_over(values: jax.Array) -> jax.Array:
        return jnp.where(jnp.isnan(values), jnp.inf, values)

    values = passed_over(path(lambda w: criterion(w).astype(t.dtype), jnp.exp(t), batch=batch).x)
    index = jnp.argmin(values)
    left, right = t[jnp.maximum(index - 1, 0)], t[jnp.minimum(index + 1, grid - 1)]
    inner = jnp.stack([right - GOLDEN * (right - left), left + GOLDEN * (right - left)])

    def narrow(carry: tuple, _: None) -> tuple:
        left, right, t, v = carry
        lower = v[0] < v[1]
        left, right = jnp.where(lower, left, t[0]), jnp.where(lower, t[1], right)
        kept, kept_value = jnp.where(lower, t[0], t[1]), jnp.where(lower, v[0], v[1])
        new = jnp.where(lower, right - GOLDEN * (right - left), left + GOLDEN * (right - left))
        value = passed_over(evaluate(new))
        t = jnp.where(lower, jnp.stack([new, kept]), jnp.stack([kept, new]))
        v = jnp.where(lower, jnp.stack([value, kept_value]), jnp.stack([kept_value, value]))
        return (left, right, t, v), None

    start = left, right, inner, passed_over(jax.lax.map(evaluate, inner))
    (_, _, ends, found), _ = jax.lax.scan(narrow, start, None, steps - 2)
    candidates = jnp.stack([t[index], *ends])
    heights = jnp.stack([values[index], *found])
    least = jnp.argmin(heights)
    interior = (index > 0) & (index < grid - 1)
    return Best(jnp.exp(candidates[least]), heights[least], index, interior)
