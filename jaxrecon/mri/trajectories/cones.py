"""Three-dimensional cones: spirals on cones of all polar angles."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int


def cones(pixels: int, samples: int, turns: float, *, dtype: Any = jnp.float32) -> jax.Array:
    r"""Readouts from the centre outwards, each winding `turns` times about z on one cone.

    On the cone of polar angle p a readout is k = t / 2 (cos p, sin p sin a, sin p cos a) in the
    order (z, y, x), a = 2 pi turns t + start, t = j / samples. Cones are 1 / pixels apart at the
    edge of k-space, and each carries the fewest interleaves whose distance across the winding,

        (pi sin p / interleaves) / sqrt(1 + (2 pi turns sin p)^2),

    is at most 1 / pixels, so that the ball of radius 1/2 is sampled at the Nyquist rate with far
    fewer readouts than by straight spokes (turns = 0, pi pixels^2 of them). This is the geometry of
    cones only: Gurney's design varies the pitch along the readout within gradient limits. For times
    that a scanner can keep give a readout to :func:`time_optimal`.

    Args:
        pixels: static size of the field of view.
        samples: static number of samples on a readout; more than pixels / 2, times
            sqrt(1 + (2 pi turns)^2) for Nyquist along the curve.
        turns: of a readout, >= 0; static, as it decides how many readouts there are.
        dtype: real.

    Returns:
        (readouts, samples, 3), cycles per pixel.

    Raises:
        ValueError: counts that are no positive whole numbers, negative turns.

    Source, of which this is a simplification: Gurney, Hargreaves and Nishimura 2006,
    doi:10.1002/mrm.20796.
    """
    pixels = check_positive_int(pixels, what="cones", argument="pixels")
    samples = check_positive_int(samples, what="cones", argument="samples")
    if not turns >= 0:
        raise ValueError(f"cones expected turns >= 0, got {turns}.")
    count = int(np.ceil(np.pi * pixels / 2))
    polar = np.pi * (np.arange(count) + 0.5) / count
    sine = np.sin(polar)
    needed = np.ceil(np.pi * pixels * sine / np.sqrt(1 + (2 * np.pi * turns * sine) ** 2) - 1e-9)
    interleaves = np.maximum(needed, 1).astype(int)
    cone = np.repeat(np.arange(count), interleaves)
    start = np.concatenate([2 * np.pi * np.arange(n) / n for n in interleaves])
    t = np.arange(samples) / samples
    azimuth = 2 * np.pi * turns * t + start[:, None]
    across = sine[cone, None]
    along = np.broadcast_to(np.cos(polar)[cone, None], azimuth.shape)
    unit = np.stack([along, across * np.sin(azimuth), across * np.cos(azimuth)], axis=-1)
    return jnp.asarray(t[:, None] / 2 * unit, dtype)
