"""The fastest way along a given curve through k-space that gradient coils can go."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.mri.trajectories.gradients import GAMMA

_SHARE = 0.995  # of both limits that is used


class Readout(NamedTuple):
    """Where k-space is sampled and when."""

    positions: jax.Array
    """(..., samples, d), cycles per pixel."""
    times: jax.Array
    """Of the samples, s; the last axis is that of the samples."""


def time_optimal(
    curve: Any,
    pixel_size: float,
    *,
    max_amplitude: float,
    max_slew_rate: float,
    raster: float,
    gamma: float = GAMMA,
    dtype: Any = jnp.float32,
) -> Readout:
    r"""Samples at equal times along a curve, traversed as fast as amplitude and slew rate allow.

    With arc length s and curvature c(s), the speed v = ds/dt obeys

        v <= gamma G_max,   v^2 c <= gamma S_max,   |v dv/ds| <= sqrt((gamma S_max)^2 - (c v^2)^2),

    both limits for the Euclidean length of the vector, so that the result may be rotated. It
    starts and ends at rest; the largest v is the smaller of a forward and of a backward integration
    in s. Designed on the host in float64 with NumPy, not traced. 0.5 % of either limit is kept
    back, and where the differences of the samples exceed the slew rate nevertheless, v is lowered
    until none does.

    Args:
        curve: (points, d) in cycles per pixel, smooth and dense (neighbouring points well within
            the radius of curvature; 100 points to a turn are enough). Corners need rounding.
        pixel_size: mm.
        max_amplitude: mT/m.
        max_slew_rate: T/m/s.
        raster: time between samples, s.
        gamma: Hz/T.
        dtype: of the result.

    Returns:
        :class:`Readout`: positions (samples, d), the first the start of the curve, and times
        raster * (0 to samples - 1). The last sample is at most one raster before the curve's end.

    Raises:
        TypeError: a traced curve. ValueError: fewer than four points, repeated points, limits that
            are not positive, a raster so long that the curve has fewer than three samples.

    Source: Lustig, Kim and Pauly 2008, doi:10.1109/TMI.2008.922699.
    """
    if isinstance(curve, Tracer):
        raise TypeError("time_optimal expected a known curve, got a traced one; design it eagerly.")
    positions, times = fastest(curve, pixel_size, max_amplitude, max_slew_rate, raster, gamma)
    return Readout(jnp.asarray(positions, dtype), jnp.asarray(times, dtype))


def fastest(
    curve: Any,
    pixel_size: float,
    max_amplitude: float,
    max_slew_rate: float,
    raster: float,
    gamma: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and times of :func:`time_optimal` as NumPy arrays in float64."""
    what = "time_optimal"
    k = np.asarray(curve, np.float64)
    if k.ndim != 2 or len(k) < 4:
        raise ValueError(f"{what} expected a curve of shape (points >= 4, d), got {k.shape}.")
    positive = {
        "pixel_size": pixel_size,
        "max_amplitude": max_amplitude,
        "max_slew_rate": max_slew_rate,
        "raster": raster,
        "gamma": gamma,
    }
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{what} expected {name} > 0, got {value}.")
    arc, k, curvature = _by_arc_length(k, what)
    step = arc[1]
    unit = gamma * pixel_size * 1e-3 * _SHARE  # from T/m to cycles per pixel and second
    speed, steepest = unit * max_amplitude * 1e-3, unit * max_slew_rate
    limit = np.minimum(speed**2, steepest / np.maximum(curvature, 1e-30))  # of v squared
    limit[0] = limit[-1] = 0
    for _ in range(30):
        forward = _integrate(limit, curvature, steepest, step)
        square = _integrate(forward[::-1], curvature[::-1], steepest, step)[::-1]
        s = _places(square, step, raster)
        if len(s) < 3:
            raise ValueError(
                f"{what} expected a raster shorter than half of the traversal, got {raster} s."
            )
        positions = np.stack([_cubic(s, step, axis) for axis in k.T], axis=-1)
        slew = np.linalg.norm(np.diff(positions, 2, axis=0), axis=1) / raster**2
        excess = slew / (steepest / _SHARE)
        if excess.max() <= 1:
            return positions, raster * np.arange(len(s))
        for j in np.flatnonzero(excess > 1):  # where curvature changes within a step: slower
            low, high = int(s[j] / step) - 1, int(s[j + 2] / step) + 3
            near = slice(max(low, 0), high)
            limit[near] = np.minimum(limit[near], square[near].max() * 0.9 / excess[j])
    raise ValueError(
        f"{what} could not keep max_slew_rate within 30 rounds; the worst place is "
        f"{s[excess.argmax()] / arc[-1]:.3f} along the curve. Is there a corner, or are the "
        "points too far apart?"
    )


def _places(square: np.ndarray, step: float, raster: float) -> np.ndarray:
    """Arc lengths at equal times, from v^2 at equal steps of arc length."""
    speed = np.sqrt(square)
    # with v^2 linear in s between points, the time of an interval is 2 ds / (v_0 + v_1)
    time = np.concatenate([[0], np.cumsum(2 * step / (speed[1:] + speed[:-1]))])
    times = raster * np.arange(int(np.floor(time[-1] / raster)) + 1)
    interval = np.clip(np.searchsorted(time, times, side="right") - 1, 0, len(square) - 2)
    since = times - time[interval]
    acceleration = (square[interval + 1] - square[interval]) / (2 * step)
    return step * interval + speed[interval] * since + acceleration * since**2 / 2


def _by_arc_length(k: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points at equal steps of arc length, and the curvature there."""
    chords = np.linalg.norm(np.diff(k, axis=0), axis=1)
    if not chords.min() > 0:
        raise ValueError(f"{what} expected a curve without repeated points or NaN.")
    index = np.arange(len(k), dtype=float)
    for _ in range(3):  # where on the curve equal steps of arc length lie
        points = np.stack([_cubic(index, 1.0, axis) for axis in k.T], axis=-1)
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        total = np.concatenate([[0], np.cumsum(lengths)])
        count = max(10 * len(k), 2000) + 1  # fine enough for the start, where v^2 grows fast
        index = np.interp(np.linspace(0, total[-1], count), total, index)
    points = np.stack([_cubic(index, 1.0, axis) for axis in k.T], axis=-1)
    step = np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
    second = np.gradient(np.gradient(points, step, axis=0, edge_order=2), step, axis=0)
    curvature = np.linalg.norm(second, axis=1)
    curvature[:2], curvature[-2:] = curvature[2:4].max(), curvature[-4:-2].max()
    near = np.pad(curvature, 2, mode="edge")  # what a step away is largest counts
    curvature = np.max([near[i : i + count] for i in range(5)], axis=0)
    return step * np.arange(count), points, curvature


def _integrate(
    limit: np.ndarray, curvature: np.ndarray, steepest: float, step: float
) -> np.ndarray:
    """v^2 along s from v = 0 at full acceleration, never above the limit."""
    square = np.zeros_like(limit)
    for i in range(len(limit) - 1):
        across = curvature[i] * square[i]
        along = np.sqrt(max(steepest**2 - across**2, 0.0))
        square[i + 1] = min(square[i] + 2 * step * along, limit[i + 1])
    return square


def _cubic(place: np.ndarray, step: float, values: np.ndarray) -> np.ndarray:
    """Catmull-Rom interpolation of values at 0, step, 2 step, ... ."""
    u = place / step
    i = np.clip(np.floor(u).astype(int), 0, len(values) - 2)
    a = u - i
    slope = np.gradient(values)
    h = values[i + 1] - values[i]
    bend = a * (1 - a) * ((1 - a) * (slope[i] - h) - a * (slope[i + 1] - h))
    return values[i] + a * h + bend
