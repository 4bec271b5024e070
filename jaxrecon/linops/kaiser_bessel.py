"""The Kaiser-Bessel window of non-uniform Fourier transforms: six taps on a grid twice as long.

A sum over n samples at any frequency is a sum of six coefficients of a FFT of twice the length,
once the samples are divided by the transform of the window; the error is 2e-6.

Source: Beatty, Nishimura and Pauly, doi:10.1109/TMI.2005.848376.
"""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.products import matmul

TAPS = 6
OVERSAMPLING = 2
_SHAPE = float(np.pi * np.sqrt((TAPS / OVERSAMPLING) ** 2 * (OVERSAMPLING - 0.5) ** 2 - 0.8))
_DEGREE = {"float32": 7, "float64": 10}  # of the polynomials that stand for the window


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


def _kaiser_bessel(u: np.ndarray) -> np.ndarray:
    """The window on [-1, 1]: I0(shape sqrt(1 - u^2)) / I0(shape)."""
    return np.i0(_SHAPE * np.sqrt(np.maximum(1 - u**2, 0))) / np.i0(_SHAPE)


@lru_cache
def window_transform(samples: int, length: int) -> np.ndarray:
    """Transform of the window at n - samples // 2 of a grid of `length`: (samples,)."""
    x = np.pi * TAPS * (np.arange(samples) - samples // 2) / length
    root = np.sqrt(_SHAPE**2 - x**2)
    return TAPS * np.sinh(root) / root / np.i0(_SHAPE)


@lru_cache
def _polynomials(precision: str) -> np.ndarray:
    """Weight of each tap as a polynomial in the fraction a in [0, 1): (taps, degree + 1)."""
    a = (np.cos(np.pi * (np.arange(64) + 0.5) / 64) + 1) / 2
    pieces = [_kaiser_bessel((a + TAPS / 2 - 1 - tap) * 2 / TAPS) for tap in range(TAPS)]
    return np.polynomial.polynomial.polyfit(a, np.stack(pieces, axis=1), _DEGREE[precision]).T


def window_weight(tap: int, a: jax.Array) -> jax.Array:
    """Weight of one tap at fractions a; tap 0 lies TAPS / 2 - 1 before the whole part."""
    weight = jnp.zeros_like(a)
    for coefficient in _polynomials(a.dtype.name)[tap, ::-1]:
        weight = weight * a + coefficient
    return weight


def window_weights(a: jax.Array) -> jax.Array:
    """Weights of all taps at each fraction, flattened: (a.size, TAPS).

    They are a matrix product, as XLA computes nothing well that it fuses into a scatter.
    """
    polynomials = jnp.asarray(_polynomials(a.dtype.name), a.dtype)
    powers = [jnp.ones_like(a)]
    for _ in range(polynomials.shape[1] - 1):
        powers.append(powers[-1] * a)
    stacked = jnp.stack(powers).reshape(len(powers), -1)
    return matmul(polynomials, stacked).T
