"""Direct Fourier inversion of parallel beams: the Fourier-slice theorem and gridding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_space
from jaxrecon.ct.direct.filters import padded_length, ramp_response
from jaxrecon.ct.geometry import ParallelGeometry
from jaxrecon.linops.kaiser_bessel import (
    OVERSAMPLING,
    TAPS,
    fast_length,
    window_transform,
    window_weights,
)


def fourier_slice_gridding(
    sinogram: Any,
    geometry: ParallelGeometry,
    window: str | Callable = "ram-lak",
    cutoff: Any = 1.0,
    *,
    weights: Any = None,
) -> jax.Array:
    r"""Parallel beams inverted in the Fourier plane, in 1/mm from line integrals.

    By the Fourier-slice theorem the transform of a view at theta is the image's along the line at
    theta. With the density |w| of these lines (windowed, without bias at w = 0),

        f(x) = sum over views and w of weight |w| p_theta^(w) exp(2 pi i w x . n_theta),

    n_theta = (cos theta, sin theta), a non-uniform Fourier sum: each sample is added to a grid of
    twice the size with a Kaiser-Bessel window of 6 x 6, followed by one inverse FFT and a division
    by the window's transform. It is filtered backprojection in another order, without any
    interpolation between bins; :func:`filtered_backprojection` interpolates with splines, is four
    times as fast, and keeps the corners of the image's Fourier square, which the circle of sampled
    frequencies does not reach. Both average over pixels; smoothed by a window they agree. Any
    angles, pitch and offset; linear in the sinogram and differentiable.

    Args:
        sinogram: (views, bins), line integrals, in the dtype of the geometry.
        geometry: the rays.
        window: as in :func:`ramp_response`.
        cutoff: as there.
        weights: (views,), radians, the share of each view in the integral over pi; pi / views when
            not given.

    Returns:
        (rows, columns), 1/mm.

    Raises:
        ValueError, TypeError: the sinogram is not of geometry.sinogram_space, weights of another
            shape; a geometry that is not parallel.

    Source: O'Sullivan, IEEE Trans. Med. Imaging 4 (1985) 200, doi:10.1109/TMI.1985.4307723; window:
    Beatty, Nishimura and Pauly, doi:10.1109/TMI.2005.848376.
    """
    what = "fourier_slice_gridding"
    if not isinstance(geometry, ParallelGeometry):
        raise TypeError(
            f"{what} expected a ParallelGeometry, got {type(geometry).__name__}; "
            "filtered_backprojection inverts fans and cones."
        )
    sinogram = jnp.asarray(sinogram)
    check_space(sinogram, geometry.sinogram_space, what=what, argument="sinogram")
    share = np.pi / geometry.views if weights is None else jnp.asarray(weights, geometry.dtype)
    if jnp.shape(share) not in ((), (geometry.views,)):
        raise ValueError(
            f"{what} expected weights of shape ({geometry.views},), got {jnp.shape(share)}."
        )
    n, (dy, dx) = padded_length(geometry.bins), geometry.pixel_size
    response = ramp_response(geometry.bins, geometry.pitch, window, cutoff, geometry.dtype)
    both = jnp.full(n // 2 + 1, 2.0, geometry.dtype).at[0].set(1).at[-1].set(1)  # w and -w
    values = jnp.fft.rfft(sinogram, n=n) * (response * both / n)

    cos, sin = jnp.cos(geometry.angles)[:, None], jnp.sin(geometry.angles)[:, None]
    w = jnp.arange(n // 2 + 1, dtype=geometry.dtype) / (n * geometry.pitch)  # cycles per mm
    along_y, along_x = w * sin * dy, w * cos * dx  # cycles per pixel
    averages = jnp.sinc(along_y) * jnp.sinc(along_x)
    (row, column), (x, y) = _middle(geometry), geometry.centre
    turns = along_y * row + along_x * column - w * (geometry.positions[0] - x * cos - y * sin)
    phase = jnp.exp(2j * np.pi * turns)
    share = jnp.broadcast_to(share, (geometry.views,))[:, None]
    return _inverse_transform(values * phase * averages * share, along_y, along_x, geometry)


def _middle(geometry: ParallelGeometry) -> tuple[float, float]:
    """Of the image, in pixels from pixel n // 2: the sum runs over whole numbers around it."""
    rows, columns = geometry.image_shape
    return rows // 2 - (rows - 1) / 2, columns // 2 - (columns - 1) / 2


def _inverse_transform(
    values: jax.Array, along_y: jax.Array, along_x: jax.Array, geometry: ParallelGeometry
) -> jax.Array:
    """Re sum of values exp(2 pi i (along_y r + along_x c)), r and c pixels from n // 2."""
    rows, columns = geometry.image_shape
    height, width = (fast_length(max(TAPS, OVERSAMPLING * n)) for n in (rows, columns))
    (first_y, by_y), (first_x, by_x) = _taps(along_y, height), _taps(along_x, width)
    stride = width + TAPS  # taps never wrap along x
    windows = jax.lax.ScatterDimensionNumbers(
        update_window_dims=(1,), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,)
    )

    def add(grid: jax.Array, tap: jax.Array) -> tuple[jax.Array, None]:
        start = (first_y + tap) % height * stride + first_x
        weighted = (by_y[:, tap] * values.ravel())[:, None] * by_x
        mode = jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS
        return jax.lax.scatter_add(grid, start[:, None], weighted, windows, mode=mode), None

    grid = jnp.zeros(height * stride, values.dtype)
    grid = jax.lax.scan(add, grid, jnp.arange(TAPS))[0].reshape(height, stride)
    grid = grid[:, :width].at[:, :TAPS].add(grid[:, width:])
    image = jnp.fft.ifft2(grid).real * (height * width)
    image = jnp.roll(image, (rows // 2, columns // 2), axis=(0, 1))[:rows, :columns]
    along = window_transform(rows, height)[:, None] * window_transform(columns, width)
    return image / jnp.asarray(along, image.dtype)


def _taps(frequency: jax.Array, length: int) -> tuple[jax.Array, jax.Array]:
    """Where the taps begin on a periodic grid of `length`, (points,), and their weights."""
    place = frequency.ravel() * length
    whole = jnp.floor(place)
    first = (whole.astype(jnp.int32) - (TAPS // 2 - 1)) % length
    return first, window_weights(place - whole)
