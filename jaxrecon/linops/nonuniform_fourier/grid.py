"""The oversampled grid of a non-uniform transform, and the way of an image to it and back."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.linops.kaiser_bessel import (
    Window,
    alias_energies,
    fast_length,
    rounding_gain,
    window_transform,
)

_OVERSAMPLINGS = (1.25, 1.375, 1.5, 1.625, 1.75, 1.875, 2.0)
_MOST_TAPS = 16
_ROUNDING = {"float32": 3e-7, "float64": 2e-14}
# nanoseconds of a 2-core CPU, for a point of the grid and for a tap of a sample: only their ratio
# matters, and it is much the same on accelerators
_COST_OF_POINT, _COST_OF_TAP = 5.0, 0.75


class Grid(NamedTuple):
    """Of an image of `shape`: points along each axis and the window of each axis. Hashable.

    Its axes lie in the order 1, 2, ..., 0 of those of the image, as the transforms leave them.
    """

    shape: tuple[int, ...]
    lengths: tuple[int, ...]
    windows: tuple[Window, ...]

    @property
    def taps(self) -> int:
        """Of a sample along each axis."""
        return self.windows[0].taps

    @property
    def order(self) -> tuple[int, ...]:
        """Axis of the image for each axis of the grid."""
        return (*range(1, len(self.shape)), 0)

    @property
    def wrapped(self) -> tuple[int, ...]:
        """Shape with the first taps - 1 points of each axis repeated after its end."""
        return tuple(self.lengths[axis] + self.taps - 1 for axis in self.order)


@lru_cache
def least_accuracy(precision: str) -> float:
    """The least relative error that may be asked for in float32 or float64."""
    return 1e-6 if precision == "float32" else 1e-12


@lru_cache
def choose_grid(shape: tuple[int, ...], samples: int, accuracy: float, precision: str) -> Grid:
    """The cheapest grid and window whose aliases and rounding stay below the accuracy."""
    best, least = None, np.inf
    for oversampling in _OVERSAMPLINGS:
        for taps in range(2, _MOST_TAPS + 1):
            lengths = tuple(fast_length(max(taps, int(np.ceil(oversampling * n)))) for n in shape)
            ratios = [length / n for length, n in zip(lengths, shape, strict=True)]
            windows = tuple(Window(taps, ratio) for ratio in ratios if _exists(taps, ratio))
            if len(windows) < len(shape):
                continue
            axes = list(zip(shape, lengths, windows, strict=True))
            aliases = _alias_energy([alias_energies(*axis) for axis in axes])
            gain = np.prod([max(1.0, rounding_gain(*axis)) for axis in axes])
            cost = _COST_OF_POINT * np.prod(lengths) + _COST_OF_TAP * samples * taps ** len(shape)
            if aliases + (_ROUNDING[precision] * gain) ** 2 <= (0.95 * accuracy) ** 2:
                if cost < least:
                    best, least = Grid(shape, lengths, windows), cost
                break
    assert best is not None, "least_accuracy is within reach of 16 taps"
    return best


def _alias_energy(energies: list[np.ndarray]) -> float:
    """Of white images, four standard deviations above its mean, which few pixels may dominate."""
    mean = [np.mean(energy) for energy in energies]
    variance = sum(mean) ** 2 + sum(np.var(energy) for energy in energies)
    pixels = np.prod([len(energy) for energy in energies])
    return float(sum(mean) + 4 * np.sqrt(variance / pixels))


def _exists(taps: int, oversampling: float) -> bool:
    """Whether the shape of the window is real."""
    return (taps / oversampling * (oversampling - 0.5)) ** 2 > 0.8


def _correction(grid: Grid, precision: str) -> np.ndarray:
    """One over the transform of the windows, and the factor of an orthonormal transform."""
    total = np.ones(())
    for n, length, window in zip(grid.shape, grid.lengths, grid.windows, strict=True):
        along = window_transform(n, length, window) * np.sqrt(n)
        total = total[..., None] / along
    return total.astype(precision)


def to_grid(images: jax.Array, grid: Grid) -> jax.Array:
    """The transform on the grid: (batch, *shape) to (batch, *lengths in the order of the grid).

    One axis after the other, so that no row of zeros is transformed; pixel n // 2 goes to entry 0
    while zeros are added, so that no phase is left.
    """
    x = images * _correction(grid, images.real.dtype.name)
    for axis in reversed(range(len(grid.shape))):
        n, length = grid.shape[axis], grid.lengths[axis]
        zeros = jnp.zeros((*x.shape[:-1], length - n), x.dtype)
        x = jnp.fft.fft(jnp.concatenate([x[..., n // 2 :], zeros, x[..., : n // 2]], axis=-1))
        if axis > 0:
            x = jnp.moveaxis(x, -1, 1)
    return x


def from_grid(spectra: jax.Array, grid: Grid) -> jax.Array:
    """The adjoint of :func:`to_grid`."""
    x = spectra
    for axis in range(len(grid.shape)):
        if axis > 0:
            x = jnp.moveaxis(x, 1, -1)
        n, length = grid.shape[axis], grid.lengths[axis]
        x = jnp.fft.ifft(x)
        x = jnp.concatenate([x[..., length - n // 2 :], x[..., : n - n // 2]], axis=-1)
    return x * (_correction(grid, x.real.dtype.name) * np.prod(grid.lengths)).astype(x.real.dtype)


def wrap(spectra: jax.Array, grid: Grid) -> jax.Array:
    """The first points of each axis repeated after its end, so that taps never wrap.

    (points of the grid, *rest) to (points of the wrapped grid, *rest).
    """
    rest = spectra.shape[1:]
    spectra = spectra.reshape(*(grid.lengths[axis] for axis in grid.order), *rest)
    for axis in range(len(grid.shape)):
        start = jax.lax.slice_in_dim(spectra, 0, grid.taps - 1, axis=axis)
        spectra = jnp.concatenate([spectra, start], axis=axis)
    return spectra.reshape(-1, *rest)


def unwrap(spectra: jax.Array, grid: Grid) -> jax.Array:
    """The adjoint of :func:`wrap`: what lies after the end is added to the start."""
    rest = spectra.shape[1:]
    spectra = spectra.reshape(*grid.wrapped, *rest)
    for axis in range(len(grid.shape)):
        length, repeated = spectra.shape[axis] - grid.taps + 1, grid.taps - 1
        start = jax.lax.slice_in_dim(spectra, 0, repeated, axis=axis)
        inner = jax.lax.slice_in_dim(spectra, repeated, length, axis=axis)
        over = jax.lax.slice_in_dim(spectra, length, None, axis=axis)
        spectra = jnp.concatenate([start + over, inner], axis=axis)
    return spectra.reshape(-1, *rest)
