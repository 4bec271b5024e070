"""The Kaiser-Bessel window of non-uniform Fourier transforms: a few taps on a longer grid.

A sum over n samples at any frequency is a sum of a few coefficients of a FFT of the oversampled
length, once the samples are divided by the transform of the window. What the taps leave out comes
back as aliases, whose size `alias_error` gives: 5e-6 for the six taps on a grid twice as long
that are the default here.

Source: Beatty, Nishimura and Pauly, doi:10.1109/TMI.2005.848376.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.products import matmul

TAPS = 6
OVERSAMPLING = 2


class Window(NamedTuple):
    """How many taps a sample has along an axis, and for which oversampling they are shaped."""

    taps: int
    oversampling: float

    @property
    def shape(self) -> float:
        """beta of Beatty, Nishimura and Pauly, equation 5."""
        width = self.taps / self.oversampling
        return float(np.pi * np.sqrt((width * (self.oversampling - 0.5)) ** 2 - 0.8))


SIX_TAPS = Window(TAPS, OVERSAMPLING)


@lru_cache
def fast_length(n: int, *, off_powers: bool = False) -> int:
    """The least even number from n on without a prime factor above 11.

    With `off_powers` no multiple of 64 either: columns of an array with such rows fall into few
    sets of a CPU's cache.
    """
    n += n % 2
    while True:
        rest = n
        for prime in (2, 3, 5, 7, 11):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and not (off_powers and n % 64 == 0):
            return n
        n += 2


def _kaiser_bessel(u: np.ndarray, window: Window) -> np.ndarray:
    """The window on [-1, 1]: I0(shape sqrt(1 - u^2)) / I0(shape)."""
    return np.i0(window.shape * np.sqrt(np.maximum(1 - u**2, 0))) / np.i0(window.shape)


def _transform(frequency: np.ndarray, window: Window) -> np.ndarray:
    """Transform of the window at frequencies in cycles per grid point."""
    square = window.shape**2 - (np.pi * window.taps * frequency) ** 2
    root = np.sqrt(np.abs(square))
    inside = np.sinh(np.where(square > 0, root, 1)) / np.where(square > 0, root, 1)
    outside = np.sinc(np.where(square > 0, 0, root) / np.pi)
    return window.taps * np.where(square > 0, inside, outside) / np.i0(window.shape)


def _pixels(samples: int, length: int) -> np.ndarray:
    """Cycles per grid point of the waves that the pixels are, on a grid of `length`."""
    return (np.arange(samples) - samples // 2) / length


@lru_cache
def window_transform(samples: int, length: int, window: Window = SIX_TAPS) -> np.ndarray:
    """Transform of the window at n - samples // 2 of a grid of `length`: (samples,)."""
    return _transform(_pixels(samples, length), window)


@lru_cache
def alias_energies(samples: int, length: int, window: Window = SIX_TAPS) -> np.ndarray:
    """Squared error that each pixel brings into a sum along one axis, relative to its own square.

    Squares of the transform of the window at the aliases of a pixel, relative to that at the
    pixel: (samples,).
    """
    pixels, shifts = _pixels(samples, length), np.arange(1, 30)[:, None]
    squares = _transform(pixels + shifts, window) ** 2 + _transform(pixels - shifts, window) ** 2
    return squares.sum(axis=0) / _transform(pixels, window) ** 2


def alias_error(samples: int, length: int, window: Window = SIX_TAPS) -> float:
    """Relative error of a sum along one axis, as root mean square over all images."""
    return float(np.sqrt(np.mean(alias_energies(samples, length, window))))


@lru_cache
def rounding_gain(samples: int, length: int, window: Window = SIX_TAPS) -> float:
    """How much rounding errors on the grid grow along one axis, relative to the sums.

    Pixels are divided by the transform of the window, which is small at the ends of an image that
    nearly fills the grid; the large numbers cancel when the taps are summed.
    """
    u = (np.arange(512) + 0.5) / 256 - 1
    taps = np.sqrt(window.taps * np.mean(_kaiser_bessel(u, window) ** 2))
    return float(taps * np.sqrt(np.mean(_transform(_pixels(samples, length), window) ** -2.0)))


@lru_cache
def _polynomials(window: Window, precision: str) -> np.ndarray:
    """Weight of each tap as a polynomial in 2 a - 1, a in [0, 1): (taps, degree + 1).

    The degree is the least whose error hides behind that of the window itself, and, in float32,
    behind rounding.
    """
    t = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    a = (t + 1) / 2
    taps = np.arange(window.taps)
    values = _kaiser_bessel((a[:, None] + window.taps / 2 - 1 - taps) * 2 / window.taps, window)
    wanted = alias_error(256, round(256 * window.oversampling), window) * (
        0.03 if precision == "float32" else 1e-3
    )
    wanted = max(wanted, 2e-8 if precision == "float32" else 1e-14)
    for degree in range(2, 30):
        fit = np.polynomial.chebyshev.chebfit(t, values, degree)
        error = np.abs(np.polynomial.chebyshev.chebval(t, fit) - values.T)
        if np.sqrt(np.mean(error**2, axis=1).sum()) <= wanted:
            break
    return np.stack([np.polynomial.chebyshev.cheb2poly(column) for column in fit.T])


def window_weight(tap: int, a: jax.Array, window: Window = SIX_TAPS) -> jax.Array:
    """Weight of one tap at fractions a of place - taps / 2; tap 0 is the first point after it.

    For an even number of taps a is the fraction of the place itself, and tap 0 lies taps / 2 - 1
    before its whole part.
    """
    weight, t = jnp.zeros_like(a), 2 * a - 1
    for coefficient in _polynomials(window, a.dtype.name)[tap, ::-1].tolist():
        weight = weight * t + coefficient
    return weight


def window_weights(a: jax.Array, window: Window = SIX_TAPS) -> jax.Array:
    """Weights of all taps at each fraction, flattened: (a.size, taps).

    They are a matrix product, as XLA computes nothing well that it fuses into a scatter.
    """
    polynomials = jnp.asarray(_polynomials(window, a.dtype.name), a.dtype)
    powers = [jnp.ones_like(a)]
    for _ in range(polynomials.shape[1] - 1):
        powers.append(powers[-1] * (2 * a - 1))
    stacked = jnp.stack(powers).reshape(len(powers), -1)
    return matmul(polynomials, stacked).T
