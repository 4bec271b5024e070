"""Radial trajectories: spokes through the centre of k-space, in the plane and in space."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int, check_real


def uniform_angles(spokes: int, *, dtype: Any = jnp.float32) -> jax.Array:
    """Angles pi s / spokes of equally spaced spokes, s = 0 to spokes - 1: (spokes,), radians.

    About pi n / 2 spokes sample a field of view of n pixels as densely as its Nyquist rate asks for
    at the edge of k-space.

    Args:
        spokes: static number of spokes.
        dtype: real.

    Raises:
        ValueError: spokes that are no positive whole number.
    """
    spokes = check_positive_int(spokes, what="uniform_angles", argument="spokes")
    return jnp.asarray(np.pi * np.arange(spokes) / spokes, dtype)


def golden_angles(spokes: int, *, tiny: int = 1, dtype: Any = jnp.float32) -> jax.Array:
    r"""Angles s pi / (tau + tiny - 1) modulo 2 pi, tau = (1 + sqrt 5) / 2: (spokes,), radians.

    Any run of successive spokes fills k-space nearly evenly, most evenly when its length is a
    (generalised) Fibonacci number. `tiny` = 1 is the golden angle of 111.25 degrees; larger numbers
    give the tiny golden angles (68.75, 49.75, 38.98, 32.04, 27.20, 23.63 degrees for 2 to 7), whose
    small steps spare eddy currents, and which are as even in runs of at least 2 tiny spokes.

    Args:
        spokes: static number of spokes.
        tiny: which angle of the sequence, at least 1.
        dtype: real. Angles are computed in float64, as s grows large in long scans.

    Raises:
        ValueError: spokes or tiny that are no positive whole number.

    Sources: Winkelmann et al. 2007, doi:10.1109/TMI.2006.885337; Wundrak et al. 2015,
    doi:10.1109/TMI.2014.2382572.
    """
    spokes = check_positive_int(spokes, what="golden_angles", argument="spokes")
    tiny = check_positive_int(tiny, what="golden_angles", argument="tiny")
    step = np.pi / ((1 + np.sqrt(5)) / 2 + tiny - 1)
    return jnp.asarray(np.arange(spokes) * step % (2 * np.pi), dtype)


def radial(angles: Any, samples: int) -> jax.Array:
    r"""Spokes through the centre of the plane: k = r (sin angle, cos angle), in the order (y, x).

    r = (j - samples // 2) / samples runs over [-1/2, 1/2), so that a spoke at angle 0 goes along
    +x and holds the centre at j = samples // 2. With samples = 2 n the readout of an image n pixels
    wide is oversampled twice, as scanners do, and nothing folds in along the spokes.

    Args:
        angles: (spokes,), radians, traced and differentiable; its dtype is that of the result. See
            :func:`uniform_angles` and :func:`golden_angles`.
        samples: static number of samples on a spoke.

    Returns:
        (spokes, samples, 2), cycles per pixel.

    Raises:
        TypeError: complex angles. ValueError: angles of another shape.

    Source: Lauterbur 1973, doi:10.1038/242190a0.
    """
    angles = _inexact(angles, "radial", "angles", 1)
    directions = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return radial_along(directions, samples)


def radial_along(directions: Any, samples: int) -> jax.Array:
    """Spokes along given directions, r = (j - samples // 2) / samples times each: the kooshball.

    Args:
        directions: (spokes, d), unit vectors in the order of the image axes; traced. See
            :func:`golden_means_directions` and :func:`phyllotaxis_directions`.
        samples: static number of samples on a spoke.

    Returns:
        (spokes, samples, d), cycles per pixel, in the dtype of the directions.

    Raises:
        TypeError: complex directions. ValueError: directions of another shape.

    Source: Chan et al. 2009, doi:10.1002/mrm.21837.
    """
    directions = _inexact(directions, "radial_along", "directions", 2)
    samples = check_positive_int(samples, what="radial_along", argument="samples")
    radius = (np.arange(samples) - samples // 2) / samples
    return jnp.asarray(radius, directions.dtype)[:, None] * directions[:, None]


def golden_means_directions(spokes: int, *, dtype: Any = jnp.float32) -> jax.Array:
    r"""Directions (z, y, x) of a kooshball whose successive spokes cover the sphere evenly.

    z = {s g_1} and azimuth 2 pi {s g_2}, {} the fractional part, with the golden means of two
    dimensions g_1 = 0.4656 and g_2 = 0.6823 (g_2^3 + g_2 = 1, g_1 = g_2^2). Spokes go through the
    centre, so directions on the half sphere z >= 0 cover the whole.

    Args:
        spokes: static number of spokes.
        dtype: real.

    Returns:
        (spokes, 3), unit vectors.

    Raises:
        ValueError: spokes that are no positive whole number.

    Source: Chan et al. 2009, doi:10.1002/mrm.21837.
    """
    spokes = check_positive_int(spokes, what="golden_means_directions", argument="spokes")
    mean = np.real(next(r for r in np.roots([1, 0, 1, -1]) if abs(r.imag) < 1e-9))
    index = np.arange(spokes)
    return _on_sphere(index * mean**2 % 1, 2 * np.pi * (index * mean % 1), dtype)


def phyllotaxis_directions(
    spokes: int, *, interleaves: int = 1, dtype: Any = jnp.float32
) -> jax.Array:
    r"""Directions (z, y, x) on a spiral like that of sunflower seeds, in interleaves.

    Polar angle (pi / 2) sqrt(i / spokes) and azimuth i times 2 pi (1 - 1 / tau) = 137.51 degrees,
    tau the golden ratio. Interleave p holds i = p, p + interleaves, ...; with a Fibonacci number of
    interleaves each is a smooth spiral from pole to equator, which spares eddy currents. The spokes
    come one interleave after the other.

    Args:
        spokes: static number of all spokes, a multiple of interleaves.
        interleaves: static.
        dtype: real.

    Returns:
        (spokes, 3), unit vectors, on the half sphere z >= 0.

    Raises:
        ValueError: spokes that interleaves do not divide.

    Source: Piccini et al. 2011, doi:10.1002/mrm.22898.
    """
    what = "phyllotaxis_directions"
    spokes = check_positive_int(spokes, what=what, argument="spokes")
    interleaves = check_positive_int(interleaves, what=what, argument="interleaves")
    if spokes % interleaves:
        raise ValueError(
            f"{what} expected spokes as a multiple of interleaves, got {spokes} and {interleaves}."
        )
    index = np.arange(spokes).reshape(-1, interleaves).T.ravel()
    polar = np.pi / 2 * np.sqrt(index / spokes)
    azimuth = index * (2 * np.pi * (1 - 2 / (1 + np.sqrt(5))))
    return _on_sphere(np.cos(polar), azimuth, dtype)


def stack(positions: Any, partitions: int) -> jax.Array:
    """A stack of stars or spirals: a trajectory in the plane repeated at equally spaced k_z.

    Stars of :func:`golden_angles` (Winkelmann et al. 2007, doi:10.1109/TMI.2006.885337) have the
    same angles at all k_z.

    Args:
        positions: (*samples, 2), (y, x) in cycles per pixel.
        partitions: static number of k_z = (p - partitions // 2) / partitions.

    Returns:
        (partitions, *samples, 3), (z, y, x) in cycles per pixel.

    Raises:
        ValueError: positions that do not lie in the plane.
    """
    positions = jnp.asarray(positions)
    partitions = check_positive_int(partitions, what="stack", argument="partitions")
    if positions.ndim < 1 or positions.shape[-1] != 2:
        raise ValueError(
            f"stack expected positions of shape (*samples, 2), got {positions.shape}. The last "
            "axis holds (y, x)."
        )
    heights = jnp.asarray((np.arange(partitions) - partitions // 2) / partitions, positions.dtype)
    shape = (partitions, *positions.shape[:-1])
    z = jnp.broadcast_to(heights.reshape(-1, *[1] * (positions.ndim - 1)), shape)
    return jnp.concatenate(
        [z[..., None], jnp.broadcast_to(positions, (partitions, *positions.shape))], axis=-1
    )


def _on_sphere(height: np.ndarray, azimuth: np.ndarray, dtype: Any) -> jax.Array:
    across = np.sqrt(1 - height**2)
    unit = np.stack([height, across * np.sin(azimuth), across * np.cos(azimuth)], axis=-1)
    return jnp.asarray(unit, dtype)


def _inexact(x: Any, what: str, argument: str, ndim: int) -> jax.Array:
    x = jnp.asarray(x)
    check_real(x, what=what, argument=argument)
    if x.ndim != ndim:
        shape = "(spokes,)" if ndim == 1 else "(spokes, d)"
        raise ValueError(f"{what} expected {argument} of shape {shape}, got {x.shape}.")
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.float32)
