r"""The linogram of an image: parallel views at equal steps of their slope, by FFTs alone.

With rows f_y of the band-limited image, lines X + y t of the slope t collect

    q(t, X) = sum over rows y of f_y(X + y t),    q^(t, w) = sum over y of f_y^(w) exp(2 pi i w t y)

in the Fourier domain of X. At the slopes t = k / m this is a chirp z-transform for each w: by
2 k y = k^2 + y^2 - (k - y)^2 it is a convolution between two products, all with chirps
exp(+- i pi w x^2 / m). Slopes run over |t| <= 1 and a little beyond; the transposed image gives
the other lines. Every line of the plane that meets the image then is a point (t, X) of a grid with
equal steps, whatever the sides of a pixel are.

The grid holds cubic B-spline coefficients in t and in X: their filter is a factor of w and one of
w y / m, which is the frequency along t.

Sources: Edholm and Herman, Linograms in image reconstruction from projections, IEEE Transactions
on Medical Imaging 6, 1987; Rabiner, Schafer and Rader, The chirp z-transform algorithm,
doi:10.1109/TAU.1969.1162034.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.ct.geometry import FanGeometry, VectorGeometry
from jaxrecon.ct.projectors.bspline import least_squares_filter
from jaxrecon.ct.projectors.fourier import zeros_after
from jaxrecon.ct.projectors.sheared_views import embed, extract, side_of
from jaxrecon.linops.kaiser_bessel import fast_length

_STEPS = 0.4  # of the slope from 0 to 1, a pixel of the side
_BLOCK = 2**17  # complex numbers of each orientation worked on at a time: bounds the memory


PlanarGeometry = FanGeometry | VectorGeometry


class Grid(NamedTuple):
    """Of a linogram (2, slopes, length): first of the image, then of its transpose."""

    side: int
    """of the square that holds the image, in pixels."""
    steps: int
    """of the slope from 0 to 1."""
    slopes: int
    length: int
    """positions X, in pixels."""

    @property
    def level(self) -> int:
        """Index of the slope 0."""
        return self.steps + 1

    @property
    def left(self) -> int:
        """Index in X of column 0 of the square."""
        return self.length // 2 - self.side // 2

    @property
    def shape(self) -> tuple[int, int, int]:
        """(2, slopes, length)."""
        return 2, self.slopes, self.length


def grid_of(geometry: PlanarGeometry) -> Grid:
    """The grid that holds the four taps in t and in X around each line that meets the image."""
    side = side_of(geometry)
    steps = max(2, int(np.ceil(_STEPS * side)))
    return Grid(side, steps, 2 * steps + 4, fast_length(2 * side + 12))


class _Tables(NamedTuple):
    """Chirps are those at the first frequency of a block times those at the frequency within."""

    first: Any  # (blocks,); the last block overlaps the one before
    size: int  # frequencies of a block
    height: int  # period of the convolution
    zero: int  # index in it of the row 0 and of the slope 0
    factor: Any  # of the splines, (frequencies, rows)
    spectrum: Any  # of the chirp convolved with, which is even: (frequencies, height / 2 + 1)
    rows: tuple[Any, Any]  # chirps over the rows: (blocks, 1, rows), (size, rows)
    slopes: tuple[Any, Any]  # and over the slopes


@lru_cache(maxsize=8)
def _tables(grid: Grid) -> _Tables:
    y = np.arange(grid.side) - grid.side // 2
    k = np.arange(grid.slopes) - grid.level
    count, height = grid.length // 2 + 1, fast_length(2 * (k[-1] - y[0]))
    number = -(-count * height // _BLOCK)
    size = -(-count // number)
    first = np.minimum(np.arange(number) * size, count - size)

    def chirp(w: Any, x: np.ndarray) -> np.ndarray:
        turns = np.multiply.outer(w, x.astype(np.int64) ** 2) % (2 * grid.length * grid.steps)
        return np.exp(1j * np.pi / (grid.length * grid.steps) * turns)

    gap = np.minimum(np.arange(height), height - np.arange(height))
    w = np.arange(count) / grid.length
    factor = least_squares_filter(w)[:, None] * least_squares_filter(w[:, None] * y / grid.steps)
    return _Tables(
        first,
        size,
        height,
        max(grid.side // 2, grid.level),
        factor,
        np.fft.fft(chirp(np.arange(count), gap).conj())[:, : height // 2 + 1],
        (chirp(first, y)[:, None], chirp(np.arange(size), y)),
        (chirp(first, k)[:, None], chirp(np.arange(size), k)),
    )


def _convolved(x: jax.Array, at: int, spectrum: jax.Array, tables: _Tables) -> jax.Array:
    """The periodic convolution over the last axis, of x from index `at` on."""
    rest = tables.height - at - x.shape[-1]
    both = jnp.concatenate([spectrum, spectrum[:, -2:0:-1]], axis=1)
    padded = jnp.pad(x, ((0, 0), (0, 0), (at, rest)))
    return jnp.fft.ifft(jnp.fft.fft(padded) * both)


def _by_frequency(step: Any, x: jax.Array, wanted: int, grid: Grid) -> jax.Array:
    """`step` on blocks of x (2, ., frequencies): (2, wanted, frequencies).

    It takes (2, size, .), where the block begins, and the chirps of rows and of slopes.
    """
    tables, dtype = _tables(grid), x.dtype
    (rows, rows_within), (slopes, slopes_within) = (
        tuple(jnp.asarray(c, dtype) for c in pair) for pair in (tables.rows, tables.slopes)
    )

    def add(out: jax.Array, block: Any) -> tuple[jax.Array, None]:
        first, by_row, by_slope = block
        part = jax.lax.dynamic_slice_in_dim(x, first, tables.size, axis=2).swapaxes(1, 2)
        part = step(part, first, by_row * rows_within, by_slope * slopes_within).swapaxes(1, 2)
        return jax.lax.dynamic_update_slice_in_dim(out, part, first, axis=2), None

    blocks = jnp.asarray(tables.first, jnp.int32), rows, slopes
    return jax.lax.scan(add, zeros_after(x, (2, wanted, x.shape[2])), blocks)[0]


def linogram(image: jax.Array, geometry: PlanarGeometry) -> jax.Array:
    """B-spline coefficients of q(t, X), in pixels: (2, slopes, length)."""
    grid = grid_of(geometry)
    tables = _tables(grid)
    after = grid.length - grid.left - grid.side
    squares = jnp.pad(embed(image, geometry), ((0, 0), (0, 0), (grid.left, after)))
    spectra = jnp.fft.rfft(squares)
    factor = jnp.asarray(tables.factor, image.dtype)
    spectrum = jnp.asarray(tables.spectrum, spectra.dtype)

    def step(part: jax.Array, first: jax.Array, by_row: jax.Array, by_slope: jax.Array) -> Any:
        f, c = (jax.lax.dynamic_slice_in_dim(a, first, tables.size) for a in (factor, spectrum))
        sums = _convolved(part * (f * by_row), tables.zero - grid.side // 2, c, tables)
        start = tables.zero - grid.level
        return sums[..., start : start + grid.slopes] * by_slope

    q = _by_frequency(step, spectra, grid.slopes, grid)
    return jnp.fft.irfft(q, n=grid.length)


def spread_linogram(q: jax.Array, geometry: PlanarGeometry) -> jax.Array:
    """The adjoint of :func:`linogram`: (2, slopes, length) to an image."""
    grid = grid_of(geometry)
    tables = _tables(grid)
    spectra = jnp.fft.rfft(q)
    factor = jnp.asarray(tables.factor, q.dtype)
    spectrum = jnp.asarray(tables.spectrum.conj(), spectra.dtype)

    def step(part: jax.Array, first: jax.Array, by_row: jax.Array, by_slope: jax.Array) -> Any:
        f, c = (jax.lax.dynamic_slice_in_dim(a, first, tables.size) for a in (factor, spectrum))
        sums = _convolved(part * by_slope.conj(), tables.zero - grid.level, c, tables)
        start = tables.zero - grid.side // 2
        return sums[..., start : start + grid.side] * (f * by_row.conj())

    rows = _by_frequency(step, spectra, grid.side, grid)
    squares = jnp.fft.irfft(rows, n=grid.length)[..., grid.left : grid.left + grid.side]
    return extract(squares, geometry)
