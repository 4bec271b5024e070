"""Rosettes: petals that pass the centre of k-space again and again."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.mri.trajectories.time_optimal import Readout


def rosette(
    shots: int,
    samples: int,
    *,
    radial_frequency: Any,
    rotation_frequency: Any,
    raster: Any,
    dtype: Any = jnp.float32,
) -> Readout:
    r"""k(t) = sin(2 pi f_r t) / 2 (sin, cos)(2 pi f_a t + pi shot / shots), in the order (y, x).

    t = raster (0 to samples - 1). The readout oscillates f_r times a second through the centre,
    which separates off-resonance from position, while the petals rotate f_a times a second. The
    largest gradient is pi max(f_r, f_a) over gamma times the pixel size: see :func:`gradients`.

    Args:
        shots: static number of rotated copies; half a turn holds them all, as the curve is
            symmetric to the centre.
        samples: static number of samples in a shot.
        radial_frequency: f_r in Hz; traced.
        rotation_frequency: f_a in Hz; traced.
        raster: time between samples, s; traced.
        dtype: real.

    Returns:
        :class:`Readout`: positions (shots, samples, 2) in cycles per pixel, times (samples,) in s.

    Raises:
        ValueError: counts that are no positive whole numbers.

    Source: Noll, Multishot rosette trajectories for spectrally selective MR imaging, IEEE Trans.
    Med. Imaging 16 (1997) 372.
    """
    shots = check_positive_int(shots, what="rosette", argument="shots")
    samples = check_positive_int(samples, what="rosette", argument="samples")
    times = jnp.asarray(raster, dtype) * jnp.arange(samples, dtype=dtype)
    radius = jnp.sin(2 * np.pi * jnp.asarray(radial_frequency, dtype) * times) / 2
    start = jnp.asarray(np.pi * np.arange(shots) / shots, dtype)[:, None]
    turn = 2 * np.pi * jnp.asarray(rotation_frequency, dtype) * times + start
    return Readout(jnp.stack([radius * jnp.sin(turn), radius * jnp.cos(turn)], axis=-1), times)
