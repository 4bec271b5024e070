"""Feldkamp, Davis and Kress: filtered backprojection of cone beams, on a circle and on a helix."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.ct.direct.filters import filter_sinogram
from jaxrecon.ct.direct.redundancy import fan_angles
from jaxrecon.ct.geometry import ConeGeometry
from jaxrecon.ct.geometry.base import unit_vectors

_HALF_TURNS = 8  # on either side, in which a voxel of a helix looks for its other views


def backproject_cone(
    sinogram: jax.Array,
    response: jax.Array,
    weights: jax.Array,
    geometry: ConeGeometry,
    *,
    helix: bool,
) -> jax.Array:
    r"""f(x) = sum over views of 1 / L(x)^2 (h * [w J c p])(u(x), v(x)), voxel-driven, bilinear.

    As for a fan (J, L), with c the cosine of the cone angle of each detector pixel; rows are
    filtered. Exact in the plane of a circular source and approximate off it. On a helix each view
    gets a smooth weight by the detector row that sees the voxel, divided by the sum of the weights
    of all views half turns apart, so that every direction counts once. Their number is taken from
    a geometry of known values; a traced one with more than 17 gives NaN rather than a wrong result.
    """
    z, y, x = geometry.pixel_positions()
    y = y[:, None]
    rows_v, columns = geometry.detector_positions()
    reach = geometry.source_distance + geometry.detector_distance
    g = fan_angles(geometry)
    jacobian = geometry.source_distance * jnp.cos(g) - geometry.axis_shift * jnp.sin(g)
    curved = geometry.detector == "curved"
    across = jnp.full_like(columns, reach) if curved else jnp.hypot(columns, reach)
    cone = across / jnp.hypot(across, rows_v[:, None])
    data = sinogram * (weights * jacobian)[:, None, :] * cone
    data = jnp.pad(filter_sinogram(data, response), ((0, 0), (1, 1), (1, 1)))
    rows, bins = geometry.detector_shape
    dv, du = geometry.pitch

    half = (rows_v[-1] - rows_v[0]) / 2 + dv / 2
    middle = (rows_v[-1] + rows_v[0]) / 2
    feed = (geometry.source_z[-1] - geometry.source_z[0]) / (
        geometry.angles[-1] - geometry.angles[0]
    )  # mm for each radian
    half_turn = feed * np.pi
    first_z, last_z = jnp.min(geometry.source_z), jnp.max(geometry.source_z)
    farthest = geometry.source_distance + jnp.hypot(jnp.abs(x).max(), jnp.abs(y).max())
    needed = (half + jnp.abs(middle)) / reach * farthest / jnp.abs(half_turn)
    half_turns = _HALF_TURNS
    if helix and not isinstance(needed, Tracer):
        half_turns = int(np.ceil(float(needed)))

    @partial(jax.checkpoint, prevent_cse=False)
    def view(image: jax.Array, item: tuple) -> tuple[jax.Array, None]:
        angle, source_z, values = item
        u, d = unit_vectors(angle)
        along = x * u[0] + y * u[1] - geometry.axis_shift
        away = x * d[0] + y * d[1] + geometry.source_distance
        if curved:
            place_u, square = jnp.arctan(along / away) * reach, along**2 + away**2
            lift = reach / jnp.sqrt(square)
        else:
            place_u, square = along / away * reach, away**2
            lift = reach / away

        # bilinear: columns once for all slices, then rows
        k_u = jnp.clip((place_u - columns[0]) / du + 1, 0, bins + 1)
        k = jnp.minimum(jnp.floor(k_u), bins)
        a, k = k_u - k, k.astype(jnp.int32)
        lines = values.T  # (columns, rows): a gather takes whole lines
        line = (1 - a)[..., None] * lines[k] + a[..., None] * lines[k + 1]

        height = (z - source_z) * lift[..., None]  # (y, x, z) on the detector
        k_v = jnp.clip((height - rows_v[0]) / dv + 1, 0, rows + 1)
        m = jnp.minimum(jnp.floor(k_v), rows)
        b, m = k_v - m, m.astype(jnp.int32)
        lower = jnp.take_along_axis(line, m, axis=-1)
        upper = jnp.take_along_axis(line, m + 1, axis=-1)
        value = ((1 - b) * lower + b * upper) / square[..., None]
        return image + (value * share(height, source_z, along, away) if helix else value), None

    def window(height: jax.Array) -> jax.Array:
        """1 in the middle of the detector, falling to 0 over its outer rows."""
        return jnp.clip((1 - jnp.abs(height - middle) / half) * 4, 0, 1)

    def share(
        height: jax.Array, source_z: jax.Array, along: jax.Array, away: jax.Array
    ) -> jax.Array:
        """The weight of this view among those that see the voxel half turns apart."""
        opposite = 2 * geometry.source_distance - away
        total = jnp.zeros_like(height)
        for k in range(-half_turns, half_turns + 1):
            there = source_z + k * half_turn
            distance = away if k % 2 == 0 else opposite
            if curved:
                distance = jnp.hypot(along, distance)
            seen = window((z - there) * (reach / distance)[..., None])
            total += jnp.where((there >= first_z) & (there <= last_z), seen, 0)
        own = window(height)
        return own / jnp.maximum(total, own + (own == 0))

    slices, image_rows, image_columns = geometry.image_shape
    image = jnp.zeros((image_rows, image_columns, slices), geometry.dtype)
    image, _ = jax.lax.scan(view, image, (geometry.angles, geometry.source_z, data))
    if helix:
        image = jnp.where(needed <= half_turns, image, jnp.nan)
    return image.transpose(2, 0, 1)
