"""The ramp filter of filtered backprojection, without bias at zero frequency, and its windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_choice, check_positive_int, check_real

WINDOWS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")
"""The windows on the ramp, from the sharpest to about the smoothest."""


def ramp_response(
    bins: int,
    pitch: Any,
    window: str | Callable = "ram-lak",
    cutoff: Any = 1.0,
    dtype: Any = None,
    *,
    equiangular: bool = False,
) -> jax.Array:
    r"""Frequency response |f| W(f) of the filter, on the grid of the padded real FFT, in 1/mm.

    It is the transform of the band-limited ramp sampled in space,

    h(0) = 1 / (4 pitch^2),  h(n) = -1 / (pi n pitch)^2 for odd n, 0 for even n,

    times the pitch. Sampling |f| itself would lose the mean of the image. The windows are, with
    v = f / (cutoff * Nyquist) and W = 0 for v > 1: ram-lak 1; shepp-logan sin(pi v/2) / (pi v/2);
    cosine cos(pi v/2); hamming 0.54 + 0.46 cos(pi v); hann 0.5 + 0.5 cos(pi v).

    Args:
        bins: length of a sinogram row.
        pitch: distance of two bins in mm (or in radians, for the rows of a fan).
        window: one of :data:`WINDOWS`, or a function v -> W(v) of arrays on [0, 1].
        cutoff: fraction of the Nyquist frequency 1 / (2 pitch), 0 < cutoff <= 1.
        dtype: float32 when not given.
        equiangular: the kernel of a fan of equal angles `pitch`, h(n) (n pitch / sin(n pitch))^2.

    Returns:
        (n/2 + 1,), where n is the power of two from 2 * bins on, so that nothing wraps around.

    Raises:
        ValueError: an unknown window, a cutoff out of (0, 1] (checked outside of jit).

    Source: Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, chapter 3,
    doi:10.1137/1.9780898719277.
    """
    if not callable(window):
        check_choice(window, WINDOWS, what="ramp_response", argument="window")
    bins = check_positive_int(bins, what="ramp_response", argument="bins")
    _check_cutoff(cutoff)
    dtype = jnp.float32 if dtype is None else dtype
    pitch = jnp.asarray(pitch, dtype)
    padded = padded_length(bins)
    n = np.fft.fftfreq(padded, 1 / padded)
    odd = np.abs(n) % 2 == 1
    kernel = np.where(odd, -1 / (np.pi * np.where(odd, n, 1)) ** 2, 0)
    kernel[0] = 1 / 4
    if equiangular:
        # within a fan |n pitch| < pi; what is farther apart never meets in one row
        angle = jnp.where(jnp.abs(n * pitch) < 0.95 * np.pi, n, 0) * pitch
        ramp = jnp.fft.rfft(jnp.asarray(kernel, dtype) / jnp.sinc(angle / np.pi) ** 2).real
    else:
        ramp = jnp.asarray(np.fft.rfft(kernel).real, dtype)
    v = jnp.asarray(np.arange(padded // 2 + 1) / (padded // 2), dtype) / jnp.asarray(cutoff, dtype)
    shape = window(v) if callable(window) else _window(window, v)
    return jnp.where(v <= 1, ramp / pitch * shape, 0)


def filter_sinogram(sinogram: Any, response: Any) -> jax.Array:
    """Convolve each row of a sinogram (..., bins) with the filter of :func:`ramp_response`.

    The response may be any other, e.g. a learned one; the map is linear in both arguments.

    Raises:
        ValueError: the response is not of the length that belongs to the bins.
        TypeError: a complex sinogram.
    """
    sinogram = jnp.asarray(sinogram)
    check_real(sinogram, what="filter_sinogram", argument="sinogram")
    bins = sinogram.shape[-1]
    padded = padded_length(bins)
    if jnp.shape(response) != (padded // 2 + 1,):
        raise ValueError(
            f"filter_sinogram expected a response of shape ({padded // 2 + 1},) for {bins} bins, "
            f"got {jnp.shape(response)}; ramp_response(bins, pitch) makes one."
        )
    spectrum = jnp.fft.rfft(sinogram, n=padded)
    return jnp.fft.irfft(spectrum * response, n=padded)[..., :bins]


def padded_length(bins: int) -> int:
    """Samples of a padded row: a power of two, so that convolution does not wrap around."""
    return max(2, 2 ** (2 * bins - 1).bit_length())


def _window(name: str, v: jax.Array) -> jax.Array:
    if name == "shepp-logan":
        return jnp.sinc(v / 2)
    if name == "cosine":
        return jnp.cos(np.pi * v / 2)
    if name == "hamming":
        return 0.54 + 0.46 * jnp.cos(np.pi * v)
    if name == "hann":
        return 0.5 + 0.5 * jnp.cos(np.pi * v)
    return jnp.ones_like(v)


def _check_cutoff(cutoff: Any) -> None:
    if not isinstance(cutoff, Tracer) and not 0 < float(cutoff) <= 1:
        raise ValueError(
            f"ramp_response expected 0 < cutoff <= 1 (a fraction of Nyquist), got {cutoff}."
        )
