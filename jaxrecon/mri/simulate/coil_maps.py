"""Receive sensitivities of an array of circular loops, from the law of Biot and Savart."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice, check_positive_int, complex_dtype
from jaxrecon.mri.simulate.sensitivities import pixel_centres

_MICROTESLA = 100.0  # mu_0 / 4 pi = 1e-7 T m / A, in microtesla mm / A


def loop_maps(
    coils: int,
    shape: tuple[int, ...],
    pixel_size: Any,
    *,
    radius: Any,
    distance: Any,
    rings: int = 1,
    ring_spacing: Any = 0.0,
    offset: Any = 0.0,
    segments: int = 64,
    normalise: str | None = None,
    dtype: Any = jnp.float32,
) -> jax.Array:
    r"""Maps B_1^- = (B_x - i B_y) / 2 of loops on a cylinder around the object, microtesla per A.

    By reciprocity the field of 1 A in a loop is its sensitivity as a receiver. Loops face the z
    axis, that of the main field, at equal angles on rings; loops of neighbouring rings are turned
    by half a step. Each is a polygon of straight segments, whose field is known exactly,

        B = (mu_0 I / 4 pi) sum (a x b) (|a| + |b|) / (|a| |b| (|a| |b| + a . b)),

    a and b the vectors from the ends of a segment to the point. Quasi-static: no wave effects, as
    below about 3 T in a head. Differentiable in all sizes.

    Args:
        coils: static number of all loops, a multiple of rings.
        shape: static, (y, x) for the slice at z = 0 or (z, y, x).
        pixel_size: mm, one number or one for each axis.
        radius: of a loop, mm. About pi distance / (loops on a ring) lets neighbours touch.
        distance: of the middle of a loop from the z axis, mm, beyond the object.
        rings: static.
        ring_spacing: mm along z between rings, which lie evenly about z = 0.
        offset: angle of the first loop, radians, from +x towards +y (rows downwards).
        segments: static; 64 give the field of a circle within 0.2 %.
        normalise: None for microtesla per ampere; "peak" divides all maps by the largest
            root-sum-of-squares of the image; "rss" divides by it at every pixel.
        dtype: real dtype of the computation.

    Returns:
        (coil, *shape), complex.

    Raises:
        ValueError: coils that rings do not divide, a shape of other than two or three axes, an
            unknown normalise.

    Sources: Roemer et al. 1990, doi:10.1002/mrm.1910160203; Guerquin-Kern et al. 2012,
    doi:10.1109/TMI.2011.2174158.
    """
    what = "loop_maps"
    coils = check_positive_int(coils, what=what, argument="coils")
    rings = check_positive_int(rings, what=what, argument="rings")
    segments = check_positive_int(segments, what=what, argument="segments")
    check_choice(normalise, (None, "peak", "rss"), what=what, argument="normalise")
    if coils % rings:
        raise ValueError(f"{what} expected coils as a multiple of rings, got {coils} and {rings}.")
    if len(shape) not in (2, 3):
        raise ValueError(f"{what} expected a shape (y, x) or (z, y, x), got {shape}.")
    points = pixel_centres(shape, pixel_size, dtype)[..., ::-1]  # x, y[, z]
    if len(shape) == 2:
        points = jnp.concatenate([points, jnp.zeros((*shape, 1), dtype)], axis=-1)
    radius, distance, ring_spacing, offset = (
        jnp.asarray(v, dtype) for v in (radius, distance, ring_spacing, offset)
    )
    corners = _corners(coils, rings, segments, radius, distance, ring_spacing, offset)
    maps = _fields(points, corners)
    if normalise is not None:
        rss = jnp.sqrt(jnp.sum(jnp.abs(maps) ** 2, axis=0))
        maps = maps / (jnp.max(rss) if normalise == "peak" else rss)
    return maps


def _corners(
    coils: int,
    rings: int,
    segments: int,
    radius: jax.Array,
    distance: jax.Array,
    ring_spacing: jax.Array,
    offset: jax.Array,
) -> jax.Array:
    """Of all loops, (coil, segments + 1, 3): x, y, z in mm."""
    dtype = radius.dtype
    each = coils // rings
    ring = np.repeat(np.arange(rings), each)
    turns = (np.tile(np.arange(each), rings) + 0.5 * (ring % 2)) / each
    azimuth = (offset + jnp.asarray(2 * np.pi * turns, dtype))[:, None]
    height = (ring_spacing * jnp.asarray(ring - (rings - 1) / 2, dtype))[:, None]
    # the polygon whose circle of equal area is the loop
    angle = 2 * np.pi * np.arange(segments + 1) / segments
    fit = np.sqrt(2 * np.pi / segments / np.sin(2 * np.pi / segments)) if segments > 2 else 1.0
    across = radius * fit * jnp.asarray(np.cos(angle), dtype)  # along the azimuth
    along = radius * fit * jnp.asarray(np.sin(angle), dtype)  # along z
    cos, sin = jnp.cos(azimuth), jnp.sin(azimuth)
    x, y = distance * cos - across * sin, distance * sin + across * cos
    return jnp.stack([x, y, height + along + jnp.zeros_like(x)], axis=-1)


@jax.jit
def _fields(points: jax.Array, corners: jax.Array) -> jax.Array:
    """(B_x - i B_y) / 2 at points (*points, 3), microtesla, one segment of all loops at a time."""
    place = points[None]

    def one(total: tuple[jax.Array, jax.Array], ends: tuple[jax.Array, jax.Array]) -> Any:
        a, b = (place - e.reshape(-1, *[1] * (points.ndim - 1), 3) for e in ends)
        (ax, ay, az), (bx, by, bz) = (tuple(v[..., i] for i in range(3)) for v in (a, b))
        la, lb = jnp.sqrt(ax**2 + ay**2 + az**2), jnp.sqrt(bx**2 + by**2 + bz**2)
        product = la * lb
        strength = (la + lb) / (product * (product + ax * bx + ay * by + az * bz))
        x, y = total
        return (x + strength * (ay * bz - az * by), y + strength * (az * bx - ax * bz)), None

    zero = jnp.zeros((len(corners), *points.shape[:-1]), points.dtype)
    ends = (jnp.moveaxis(corners[:, :-1], 1, 0), jnp.moveaxis(corners[:, 1:], 1, 0))
    x, y = jax.lax.scan(jax.checkpoint(one), (zero, zero), ends)[0]
    half = _MICROTESLA / 2
    return jax.lax.complex(half * x, -half * y).astype(complex_dtype(points.dtype))
