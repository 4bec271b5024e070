"""Cubic B-spline interpolation: four taps a sample, after an inverse filter on the grid.

The weights sum to 1 and are twice continuously differentiable in the position. The grid holds
B-spline coefficients: samples to which the inverse of the filter (1, 4, 1) / 6 was applied.

Source: Unser, Splines: a perfect fit for signal and image processing, doi:10.1109/79.799930.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

TAPS = np.arange(-1, 3)
"""Grid points that a sample between 0 and 1 uses."""

_POLYNOMIALS = np.array([[1, -3, 3, -1], [4, 0, -6, 3], [1, 3, 3, -3], [0, 0, 0, 1]]) / 6
# of each tap: coefficients of 1, a, a^2, a^3 in the fraction a


def locate(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whole part (int32) and fraction of positions in grid units."""
    whole = jnp.floor(x)
    return whole.astype(jnp.int32), x - whole


def tap_weights(fraction: jax.Array) -> list[jax.Array]:
    """Weights of the four :data:`TAPS`."""
    return [_polynomial(row, fraction) for row in _POLYNOMIALS]


def _polynomial(coefficients: Any, a: jax.Array) -> jax.Array:
    c = jnp.asarray(coefficients, a.dtype)
    return ((c[3] * a + c[2]) * a + c[1]) * a + c[0]


def interpolate_rows(grid: jax.Array, x: jax.Array) -> jax.Array:
    """Each row of a periodic grid (rows, length) at positions (rows, samples) of its own."""
    whole, fraction = locate(x)
    start = grid.shape[1] * jnp.arange(len(x))[:, None]
    flat = grid.ravel()
    total = jnp.zeros_like(x)
    for tap, weight in zip(TAPS, tap_weights(fraction), strict=True):
        index = start + (whole + int(tap)) % grid.shape[1]
        total += weight * flat.at[index].get(mode="promise_in_bounds")
    return total


def spread_rows(values: jax.Array, x: jax.Array, length: int) -> jax.Array:
    """The adjoint of :func:`interpolate_rows`: (rows, samples) to (rows, length)."""
    whole, fraction = locate(x)
    start = length * jnp.arange(len(x))[:, None]

    def add(flat: jax.Array, item: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        tap, coefficients = item
        index = start + (whole + tap) % length
        weighted = _polynomial(coefficients, fraction) * values
        return flat.at[index].add(weighted, mode="promise_in_bounds"), None

    flat = jnp.zeros(len(x) * length, values.dtype)
    taps = jnp.asarray(TAPS, jnp.int32), jnp.asarray(_POLYNOMIALS, values.dtype)
    return jax.lax.scan(add, flat, taps)[0].reshape(-1, length)


def inverse_filter(frequency: Any) -> np.ndarray:
    """6 / (4 + 2 cos(2 pi w)): from samples to coefficients, at w in cycles per sample."""
    return 6 / (4 + 2 * np.cos(2 * np.pi * np.asarray(frequency)))


def least_squares_filter(frequency: Any) -> np.ndarray:
    """From samples of a wave to the coefficients whose spline is nearest to it, at any frequency.

    It is B^(w) / sum over n of B^(w + n)^2, where B^ = sinc^4: the :func:`inverse_filter` at low
    frequencies, and less where a spline cannot follow.
    """
    w = np.asarray(frequency)
    cosines = [np.cos(2 * np.pi * n * w) for n in range(4)]
    squares = sum(c * cos for c, cos in zip((2416, 2382, 240, 2), cosines, strict=True)) / 5040
    return np.sinc(w) ** 4 / squares
