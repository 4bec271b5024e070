"""Spirals: Archimedean and of variable density, as curves and as waveforms that a scanner plays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.mri.trajectories.gradients import GAMMA
from jaxrecon.mri.trajectories.time_optimal import Readout, fastest


def spiral(
    interleaves: int,
    samples: int,
    turns: Any,
    *,
    power: Any = 1.0,
    angles: Any = None,
    dtype: Any = jnp.float32,
) -> jax.Array:
    r"""Spirals from the centre outwards, k = t^power / 2 (sin, cos)(2 pi turns t + angle), (y, x).

    t = j / samples lies in [0, 1). power = 1 is the Archimedean spiral, whose turns are equally far
    apart; larger powers sample the centre more densely. Neighbouring turns of an Archimedean spiral
    are 1 / (2 turns interleaves) cycles per pixel apart, so that

        turns = n / (2 interleaves)

    meets the Nyquist rate of an image of n pixels. The samples are even in t, hence dense in the
    middle; :func:`spiral_readout` times them as gradients can.

    Args:
        interleaves: static number of rotated copies.
        samples: static number of samples on each.
        turns: of one interleave; traced.
        power: > 0; traced.
        angles: (interleaves,), radians, where each starts; 2 pi i / interleaves when not given.
        dtype: real.

    Returns:
        (interleaves, samples, 2), cycles per pixel.

    Raises:
        ValueError: counts that are no positive whole numbers, angles of another shape.

    Source: Kim, Adalsteinsson and Spielman 2003, doi:10.1002/mrm.10493.
    """
    interleaves = check_positive_int(interleaves, what="spiral", argument="interleaves")
    samples = check_positive_int(samples, what="spiral", argument="samples")
    start = _starts(interleaves, angles, dtype)
    t = jnp.asarray(np.arange(samples) / samples, dtype)
    radius = jnp.where(t > 0, jnp.where(t > 0, t, 1) ** jnp.asarray(power, dtype), 0) / 2
    turn = 2 * np.pi * jnp.asarray(turns, dtype) * t + start[:, None]
    return jnp.stack([radius * jnp.sin(turn), radius * jnp.cos(turn)], axis=-1)


def spiral_readout(
    interleaves: int,
    field_of_view: float,
    pixel_size: float,
    *,
    max_amplitude: float,
    max_slew_rate: float,
    raster: float,
    power: float = 1.0,
    acceleration: float = 1.0,
    gamma: float = GAMMA,
    dtype: Any = jnp.float32,
) -> Readout:
    r"""The fastest spiral within the limits of gradient amplitude and slew rate, sampled in time.

    The curve is that of :func:`spiral` with turns = power n / (2 interleaves acceleration),
    n = field_of_view / pixel_size pixels: at the edge of k-space, where they are widest, the turns
    of all interleaves are acceleration / n cycles per pixel apart. It is traversed by
    :func:`time_optimal`: limited by the slew rate in the middle, by the amplitude outside, and
    within both from the first sample on, as closed formulas for spirals are not.

    Args:
        interleaves: static.
        field_of_view: mm.
        pixel_size: mm.
        max_amplitude: mT/m, Euclidean, so that every rotated interleave keeps it.
        max_slew_rate: T/m/s, Euclidean.
        raster: time between samples, s; at most 1 / (gamma G field_of_view) for the largest
            gradient G that is reached, the Nyquist rate along the readout.
        power: at least 1; larger than 1 samples the centre more densely, and the distance of
            turns grows to the Nyquist distance at the edge of k-space.
        acceleration: at least 1; undersampling factor.
        gamma: Hz/T.
        dtype: of the result; the design itself is done in float64 with NumPy.

    Returns:
        :class:`Readout`: positions (interleaves, samples, 2) in cycles per pixel and times
        (samples,) in s from the start of the readout.

    Raises:
        ValueError: what is not positive, power or acceleration below 1, a raster too long.

    Sources: Glover 1999, doi:10.1002/(SICI)1522-2594(199908)42:2<412::AID-MRM25>3.0.CO;2-U; Kim,
    Adalsteinsson and Spielman 2003, doi:10.1002/mrm.10493; traversal: Lustig, Kim and Pauly 2008,
    doi:10.1109/TMI.2008.922699.
    """
    what = "spiral_readout"
    interleaves = check_positive_int(interleaves, what=what, argument="interleaves")
    for name, value in (("power", power), ("acceleration", acceleration)):
        if not value >= 1:
            raise ValueError(f"{what} expected {name} >= 1, got {value}.")
    if not 0 < pixel_size < field_of_view:
        raise ValueError(
            f"{what} expected 0 < pixel_size < field_of_view, got {pixel_size} and {field_of_view}."
        )
    pixels = field_of_view / pixel_size
    turns = power * pixels / (2 * interleaves * acceleration)
    t = np.linspace(0, 1, int(np.ceil(400 * max(turns, 1))) + 1)
    turn = 2 * np.pi * turns * t
    curve = 0.5 * t[:, None] ** power * np.stack([np.sin(turn), np.cos(turn)], axis=-1)
    one, times = fastest(curve, pixel_size, max_amplitude, max_slew_rate, raster, gamma)
    widest = np.linalg.norm(np.diff(one, axis=0), axis=1).max() * pixels
    if widest > 1:
        raise ValueError(
            f"{what} expected a raster short enough for the Nyquist rate along the readout, at "
            f"most {raster / widest:.3g} s here, got {raster} s."
        )
    start = 2 * np.pi * np.arange(interleaves)[:, None] / interleaves
    y, x = one.T
    rotated = [np.cos(start) * y + np.sin(start) * x, np.cos(start) * x - np.sin(start) * y]
    return Readout(jnp.asarray(np.stack(rotated, axis=-1), dtype), jnp.asarray(times, dtype))


def _starts(interleaves: int, angles: Any, dtype: Any) -> jax.Array:
    if angles is None:
        return jnp.asarray(2 * np.pi * np.arange(interleaves) / interleaves, dtype)
    angles = jnp.asarray(angles, dtype)
    if angles.shape != (interleaves,):
        raise ValueError(
            f"spiral expected angles of shape ({interleaves},), got {angles.shape}. There is one "
            "for each interleave."
        )
    return angles
