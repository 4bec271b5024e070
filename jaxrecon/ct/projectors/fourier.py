r"""The model "fourier": parallel-beam line integrals of the band-limited image, by FFTs.

The image is taken as the band-limited function through its pixels, and each view as a shear of
its rows f_y (see `sheared_views`), q(X) = sum_y f_y(X - y t). In the Fourier domain of X this is

    q^(w) = sum over rows y of f_y^(w) exp(-2 pi i w t y),

a non-uniform Fourier sum along y at the frequencies w t: divide the rows by the transform of a
Kaiser-Bessel window, take one FFT of twice the length, and sum six weighted coefficients
around w t. An inverse FFT gives cubic B-spline coefficients of q (their inverse filter is a factor
in the Fourier domain), and four of them give q at the bins. Angles, pitch and offset are arbitrary
and differentiable; the cost is N^2 log N for the transforms and views x N for the sums.

The adjoint runs the same steps, transposed, backwards. Weights reach over the whole row and can be
negative, so row and column sums are not those of positive weights: MLEM, SIRT and SART take the
model "shear" or "joseph".

Source of the non-uniform transform: Fessler and Sutton, doi:10.1109/TSP.2002.807005.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.matched import matched
from jaxrecon.ct.geometry import ParallelGeometry
from jaxrecon.ct.projectors.bspline import interpolate_rows, inverse_filter, spread_rows
from jaxrecon.ct.projectors.sheared_views import (
    ShearedViews,
    embed,
    extract,
    middle_in_square,
    sheared_views,
    side_of,
)
from jaxrecon.linops.kaiser_bessel import (
    OVERSAMPLING,
    TAPS,
    fast_length,
    window_transform,
    window_weight,
    window_weights,
)

_BLOCK = 2**24  # side times views times frequencies worked on at a time: bounds the memory


def grid_length(geometry: ParallelGeometry) -> int:
    """Samples of q around the middle: those that a view can meet, and room for ripples beyond."""
    return fast_length(2 * side_of(geometry) + 12)


def _row_length(geometry: ParallelGeometry) -> int:
    """Of the transform along y."""
    side = side_of(geometry)
    return fast_length(max(TAPS, OVERSAMPLING * side), off_powers=side >= 64)


def _blocks(geometry: ParallelGeometry) -> tuple[jax.Array, int]:
    """The first frequency of each block that is worked on at a time, and their common size.

    The last block overlaps the one before, and computes the same there.
    """
    count = grid_length(geometry) // 2 + 1
    number = -(-count // max(64, _BLOCK // (geometry.views * side_of(geometry))))
    size = -(-count // number)
    return jnp.minimum(jnp.arange(number) * size, count - size), size


def _row_sums(
    first_w: jax.Array, size: int, views: ShearedViews, geometry: ParallelGeometry
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """For the frequencies of a block: where the taps along y begin in the flattened spectrum,
    the fraction their weights depend on, and the phase of each sum; all (views, size).
    """
    length, height, side = grid_length(geometry), _row_length(geometry), side_of(geometry)
    w = (first_w + jnp.arange(size)).astype(geometry.dtype) / length  # cycles per pixel
    along_y = w * views.slope[:, None]
    place = along_y * height - (TAPS // 2 - 1)
    first = jnp.floor(place)
    start = (views.steep[:, None] * size + jnp.arange(size)) * (height + TAPS)
    start += first.astype(jnp.int32) % height
    # rows are counted from side // 2, columns from 0; q is wanted around the middle of the image
    (row, column), (row_steep, column_steep) = middle_in_square(geometry)
    steep = views.steep[:, None]
    row = jnp.where(steep, row_steep - side // 2, row - side // 2)
    column = jnp.where(steep, int(column_steep), int(column)) - length // 2
    angle = 2 * np.pi * (along_y * row + w * column)
    return start, place - first, jax.lax.complex(jnp.cos(angle), jnp.sin(angle))


def _gather(spectrum: jax.Array, start: jax.Array, a: jax.Array) -> jax.Array:
    """sum over taps of weight(a) * spectrum[start + tap]."""
    total = jnp.zeros(a.shape, spectrum.dtype)
    for tap in range(TAPS):
        total += window_weight(tap, a) * spectrum.at[start + tap].get(mode="promise_in_bounds")
    return total


def _scatter(values: jax.Array, start: jax.Array, a: jax.Array, size: int) -> jax.Array:
    """The adjoint of :func:`_gather`: each value adds a window of six to the spectrum."""
    weights, start = window_weights(a), start.reshape(-1, 1)
    windows = jax.lax.ScatterDimensionNumbers(
        update_window_dims=(1,), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,)
    )

    def add(part: jax.Array) -> jax.Array:
        updates, mode = weights * part.reshape(-1, 1), "promise_in_bounds"
        zeros = jnp.zeros(size, part.dtype)
        return jax.lax.scatter_add(zeros, start, updates, windows, mode=mode)

    return jax.lax.complex(add(values.real), add(values.imag))


def _strip(views: ShearedViews, geometry: ParallelGeometry) -> jax.Array:
    """Factor at each w of square pixels and of bins that integrate over their width."""
    length = grid_length(geometry)
    w = jnp.asarray(np.arange(length // 2 + 1) / length, geometry.dtype)
    bins = jnp.sinc(w * (geometry.pitch / views.unit)[:, None])
    return jnp.sinc(w) * jnp.sinc(w * views.slope[:, None]) * bins


def _response(factor: jax.Array | None, geometry: ParallelGeometry) -> jax.Array:
    """Real factors at each w: the inverse filter of the B-spline in X, times what is given."""
    length = grid_length(geometry)
    spline = jnp.asarray(inverse_filter(np.arange(length // 2 + 1) / length), geometry.dtype)
    return spline if factor is None else spline * factor


def zeros_after(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Zeros that depend on x, or XLA makes them first and holds their memory meanwhile.

    They are all overwritten, so that a NaN in x does not matter.
    """
    return jnp.broadcast_to(0 * x[(0,) * x.ndim], shape)


def sheared_sums(
    image: jax.Array,
    views: ShearedViews,
    geometry: ParallelGeometry,
    factor: jax.Array | None = None,
) -> jax.Array:
    """B-spline coefficients of q at the pixels of the grid: (views, length).

    `factor`, (views, length / 2 + 1) or None, filters q: a real response at each frequency w.
    """
    length, height, side = grid_length(geometry), _row_length(geometry), side_of(geometry)
    (blocks, size), count = _blocks(geometry), length // 2 + 1
    window = jnp.asarray(window_transform(side, height), geometry.dtype)
    rows = jnp.fft.rfft(embed(image, geometry) / window[:, None], n=length)

    def add(q: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        part = jax.lax.dynamic_slice_in_dim(rows, first, size, axis=2).swapaxes(1, 2)
        # row side // 2 first, so that the window's transform needs no phase
        part = jnp.pad(part, ((0, 0), (0, 0), (0, height - side)))
        spectrum = jnp.fft.fft(jnp.roll(part, -(side // 2), axis=2))
        spectrum = jnp.concatenate([spectrum, spectrum[..., :TAPS]], axis=2)  # taps never wrap
        start, a, phase = _row_sums(first, size, views, geometry)
        sums = _gather(spectrum.ravel(), start, a) * phase
        return jax.lax.dynamic_update_slice_in_dim(q, sums, first, axis=1), None

    q, _ = jax.lax.scan(add, zeros_after(rows, (len(views.slope), count)), blocks)
    return jnp.fft.irfft(q * _response(factor, geometry), n=length)


def spread_sums(
    q: jax.Array,
    views: ShearedViews,
    geometry: ParallelGeometry,
    factor: jax.Array | None = None,
) -> jax.Array:
    """The adjoint of :func:`sheared_sums`: (views, length) to an image."""
    length, height, side = grid_length(geometry), _row_length(geometry), side_of(geometry)
    (blocks, size), count = _blocks(geometry), length // 2 + 1
    spectra = jnp.fft.rfft(q) * _response(factor, geometry)

    def add(rows: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        part = jax.lax.dynamic_slice_in_dim(spectra, first, size, axis=1)
        start, a, phase = _row_sums(first, size, views, geometry)
        spectrum = _scatter(part * phase.conj(), start, a, 2 * size * (height + TAPS))
        spectrum = spectrum.reshape(2, size, -1)
        spectrum = spectrum[..., :height].at[..., :TAPS].add(spectrum[..., height:])
        part = jnp.roll(jnp.fft.ifft(spectrum), side // 2, axis=2)[:, :, :side].swapaxes(1, 2)
        return jax.lax.dynamic_update_slice_in_dim(rows, part, first, axis=2), None

    rows, _ = jax.lax.scan(add, zeros_after(spectra, (2, side, count)), blocks)
    squares = jnp.fft.irfft(rows, n=length)[:, :, :side]
    window = jnp.asarray(window_transform(side, height) / height, geometry.dtype)
    return extract(squares / window[:, None], geometry)


def grid_middle(views: ShearedViews, geometry: ParallelGeometry) -> jax.Array:
    """Where the middle of the image lies on the grid of q: (views, 1). Pixels lie on the grid."""
    (_, column), (_, column_steep) = middle_in_square(geometry)
    between = jnp.where(views.steep, column_steep % 1, column % 1)
    return (grid_length(geometry) // 2 + between).astype(geometry.dtype)[:, None]


def bin_positions(views: ShearedViews, geometry: ParallelGeometry) -> tuple[jax.Array, jax.Array]:
    """X of the bins on the grid of q, (views, bins), and whether their rays meet the image."""
    x = (geometry.positions - views.middle[:, None]) / views.unit[:, None]
    inside = jnp.abs(x) < views.reach[:, None] + 1
    return jnp.where(inside, x, 0) + grid_middle(views, geometry), inside


def _project(geometry: ParallelGeometry, image: jax.Array, strip: bool) -> jax.Array:
    if jnp.iscomplexobj(image):
        parts = (_project(geometry, part, strip) for part in (image.real, image.imag))
        return jax.lax.complex(*parts)
    views = sheared_views(geometry)
    x, inside = bin_positions(views, geometry)
    factor = _strip(views, geometry) if strip else None
    p = interpolate_rows(sheared_sums(image, views, geometry, factor), x)
    return jnp.where(inside, views.length[:, None] * p, 0)


def _backproject(geometry: ParallelGeometry, sinogram: jax.Array, strip: bool) -> jax.Array:
    if jnp.iscomplexobj(sinogram):
        parts = (_backproject(geometry, part, strip) for part in (sinogram.real, sinogram.imag))
        return jax.lax.complex(*parts)
    views = sheared_views(geometry)
    x, inside = bin_positions(views, geometry)
    values = jnp.where(inside, views.length[:, None] * sinogram, 0)
    q = spread_rows(values, x, grid_length(geometry))
    return spread_sums(q, views, geometry, _strip(views, geometry) if strip else None)


project_fourier, backproject_fourier = matched(
    partial(_project, strip=False), partial(_backproject, strip=False), loop_on_cpu=True
)
project_strip, backproject_strip = matched(
    partial(_project, strip=True), partial(_backproject, strip=True), loop_on_cpu=True
)
