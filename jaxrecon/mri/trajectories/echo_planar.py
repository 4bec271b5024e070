"""Echo-planar imaging: all lines of k-space, to and fro, after one excitation."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.mri.trajectories.time_optimal import Readout


def echo_planar(
    lines: int,
    samples: int,
    *,
    echo_spacing: Any,
    echo_time: Any,
    acceleration: int = 1,
    first_line: int = 0,
    ramp: Any = 0.0,
    ramp_sampling: bool = False,
    dtype: Any = jnp.float32,
) -> Readout:
    r"""Lines k_y = (l - lines // 2) / lines read in alternating directions, with their times.

    Even readouts go towards +x, odd ones back over the same positions. A readout takes
    echo_spacing, a trapezoidal gradient with ramps of `ramp` seconds at either end. Its samples are
    equally spaced in time,

    - over the flat part only (ramp_sampling=False): k_x = (j - samples // 2) / samples, equally
      spaced, one sample each (echo_spacing - 2 ramp) / samples; or
    - over all of it (ramp_sampling=True): denser at the ends of a line, k_x from -1/2 to 1/2 over
      the whole trapezoid at the middles of `samples` equal intervals.

    Blips fall between the readouts. The centre of the line nearest k_y = 0 is reached at echo_time.

    Args:
        lines: static number of lines of a full k-space, that of image rows.
        samples: static number of samples in a readout.
        echo_spacing: s from the middle of one readout to that of the next.
        echo_time: s from the excitation to the centre of k-space.
        acceleration: static; every acceleration-th line is read.
        first_line: static; the first line read. More than acceleration - 1 leaves out one side:
            partial Fourier.
        ramp: s, at most half the echo spacing.
        ramp_sampling: static.
        dtype: real.

    Returns:
        :class:`Readout`: positions (readouts, samples, 2) in cycles per pixel, (y, x), and times
        (readouts, samples) in s after the excitation.

    Raises:
        ValueError: counts that are no positive whole numbers, a first line outside of k-space.

    Sources: Mansfield 1977, doi:10.1088/0022-3719/10/3/004; samples on the ramps: Bruder, Fischer,
    Reinfelder and Schmitt 1992, doi:10.1002/mrm.1910230211.
    """
    what = "echo_planar"
    lines = check_positive_int(lines, what=what, argument="lines")
    samples = check_positive_int(samples, what=what, argument="samples")
    acceleration = check_positive_int(acceleration, what=what, argument="acceleration")
    if not 0 <= first_line < lines:
        raise ValueError(f"{what} expected first_line from 0 to {lines - 1}, got {first_line}.")
    read = np.arange(first_line, lines, acceleration)
    middle = int(np.argmin(np.abs(read - lines // 2)))
    backwards = (np.arange(len(read)) % 2 == 1)[:, None]
    spacing, ramp = jnp.asarray(echo_spacing, dtype), jnp.asarray(ramp, dtype)
    if ramp_sampling:
        since = spacing * jnp.asarray((np.arange(samples) + 0.5) / samples - 0.5, dtype)
        x = _trapezoid(since, spacing, ramp)
    else:
        even = jnp.asarray((np.arange(samples) - samples // 2) / samples, dtype)
        since, x = even * (spacing - 2 * ramp), even
    x, since = jnp.where(backwards, x[::-1], x), jnp.where(backwards, -since[::-1], since)
    y = jnp.broadcast_to(jnp.asarray((read - lines // 2) / lines, dtype)[:, None], x.shape)
    echoes = jnp.asarray(echo_time, dtype) + spacing * jnp.asarray(
        np.arange(len(read)) - middle, dtype
    )
    return Readout(jnp.stack([y, x], axis=-1), echoes[:, None] + since)


def _trapezoid(since: Any, spacing: Any, ramp: Any) -> Any:
    """Position at a time since the middle, from -1/2 to 1/2 over the whole trapezoid."""
    away = jnp.abs(since)
    into = jnp.maximum(away - (spacing / 2 - ramp), 0)  # time spent on the ramp
    bend = jnp.where(ramp > 0, into**2 / (2 * jnp.where(ramp > 0, ramp, 1)), 0)
    return jnp.sign(since) * (away - bend) / (spacing - ramp)
