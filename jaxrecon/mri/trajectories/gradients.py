"""Gradient amplitude and slew rate of a trajectory, in the units of a scanner."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_real

GAMMA = 42.577478518e6
"""Gyromagnetic ratio of the proton over 2 pi, Hz/T (CODATA 2018)."""


class Gradients(NamedTuple):
    """Waveforms that a trajectory needs."""

    amplitude: jax.Array
    """(..., samples - 1, d), mT/m: constant between two samples."""
    slew_rate: jax.Array
    """(..., samples - 2, d), T/m/s: change from one such interval to the next."""


def gradients(positions: Any, pixel_size: Any, raster: Any, *, gamma: Any = GAMMA) -> Gradients:
    r"""G = (dk/dt) / gamma and dG/dt from finite differences along the samples of each readout.

    k in cycles per metre is the position in cycles per pixel over the pixel size, and between two
    samples the mean gradient is exactly (k_{j+1} - k_j) / (gamma raster).

    Args:
        positions: (..., samples, d), cycles per pixel, samples in the order of time.
        pixel_size: mm, one number or (d,); the field of view over the number of pixels.
        raster: time between samples, s.
        gamma: Hz/T; the proton's when not given.

    Returns:
        :class:`Gradients`, in mT/m and T/m/s.

    Raises:
        TypeError: complex positions. ValueError: fewer than three samples.
    """
    positions = jnp.asarray(positions)
    check_real(positions, what="gradients", argument="positions")
    if positions.ndim < 2 or positions.shape[-2] < 3:
        raise ValueError(
            "gradients expected positions of shape (..., samples, d) with at least three samples, "
            f"got {positions.shape}."
        )
    scale = 1e6 / (jnp.asarray(pixel_size, positions.dtype) * raster * gamma)  # per m, then mT
    amplitude = jnp.diff(positions, axis=-2) * scale
    return Gradients(amplitude, jnp.diff(amplitude, axis=-2) / (1e3 * raster))


def check_limits(
    positions: Any,
    pixel_size: Any,
    raster: Any,
    *,
    max_amplitude: float,
    max_slew_rate: float,
    gamma: Any = GAMMA,
    tolerance: float = 1e-3,
) -> None:
    """Raise unless a known trajectory keeps within a scanner's limits; of vectors, not of axes.

    The Euclidean length of gradient and slew rate is compared, so that the trajectory may be
    rotated freely.

    Args:
        positions, pixel_size, raster, gamma: as for :func:`gradients`.
        max_amplitude: mT/m.
        max_slew_rate: T/m/s.
        tolerance: share by which rounding may exceed a limit. Differences of float32 positions are
            coarse at short rasters: give positions in float64, or raise it.

    Raises:
        ValueError: a limit is exceeded, with the largest value and where it is.
        TypeError: traced positions.
    """
    if isinstance(positions, Tracer):
        raise TypeError("check_limits expected known positions, got traced ones; call it eagerly.")
    k = np.asarray(positions, np.float64)
    amplitude = np.diff(k, axis=-2) * 1e6 / (np.asarray(pixel_size) * raster * gamma)
    slew_rate = np.diff(amplitude, axis=-2) / (1e3 * raster)
    for name, values, limit, unit in (
        ("gradient", amplitude, max_amplitude, "mT/m"),
        ("slew rate", slew_rate, max_slew_rate, "T/m/s"),
    ):
        length = np.linalg.norm(values, axis=-1)
        if length.size and length.max() > limit * (1 + tolerance):
            where = tuple(int(i) for i in np.unravel_index(length.argmax(), length.shape))
            raise ValueError(
                f"check_limits expected a {name} of at most {limit} {unit}, got "
                f"{length.max():.4g} {unit} at sample {where}. Slow the readout down, or see "
                "time_optimal."
            )
