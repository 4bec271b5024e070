"""A view of a cone beam in the coordinates of the model "planes"."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.ct.geometry import ConeGeometry
from jaxrecon.ct.geometry.base import unit_vectors

LANES = 16
"""Neighbouring columns that share their taps."""


class View(NamedTuple):
    """One view in voxels. Columns are put into slots: first those with planes along y, then those
    with planes along x, each group filled up to a multiple of LANES."""

    column: Any
    """(slots,) the column in each slot; spare slots repeat one of their group."""
    slot: Any
    """(columns,) where each column is."""
    spare: Any
    """(slots,) bool."""
    along_x: Any
    """(slots,) bool: the planes are those of x."""
    depth: Any
    """(planes, slots) lambda."""
    lateral: Any
    """(planes, slots) coordinate along the other in-plane axis."""
    source_z: Any
    rise: Any
    """(rows,) v."""
    length: Any
    """(rows, columns) mm between two planes."""


def plane_count(geometry: ConeGeometry) -> int:
    return max(geometry.image_shape[1:])


def view_of(geometry: ConeGeometry, item: Any) -> View:
    size, shape = geometry.pixel_size, np.asarray(geometry.image_shape, geometry.dtype)
    source, direction = geometry.view_rays(item)
    z, *place = (source[::-1] - geometry.centre[::-1]) / size + (shape - 1) / 2
    ry, rx = direction[0, :, 1] / size[1], direction[0, :, 0] / size[2]
    steep = jnp.abs(rx) > jnp.abs(ry)
    along = jnp.where(steep, rx, ry)
    column, slot, spare = _slots(steep)
    (s_y, s_x), r_y, r_x, x = place, ry[column], rx[column], steep[column]
    planes = jnp.arange(plane_count(geometry), dtype=geometry.dtype)[:, None]
    depth = (planes - jnp.where(x, s_x, s_y)) / jnp.where(x, r_x, r_y)
    return View(
        column=column,
        slot=slot,
        spare=spare,
        along_x=x,
        depth=depth,
        lateral=jnp.where(x, s_y, s_x) + depth * jnp.where(x, r_y, r_x),
        source_z=z,
        rise=direction[:, 0, 2] / size[0],
        length=jnp.linalg.norm(direction, axis=-1) / jnp.abs(along),
    )


def _slots(second: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Columns sorted into two groups: the column of each slot, the slot of each column, spares."""
    n = second.shape[0]
    slots = jnp.arange(LANES * (-(-n // LANES) + 1))
    members = jnp.sum(second)
    firsts = n - members
    begin = -(-firsts // LANES) * LANES  # of the second group
    order = jnp.argsort(second, stable=True)
    later = slots >= begin
    rank = jnp.where(later, slots - begin, slots)
    last = jnp.where(later, members, firsts) - 1
    column = order[jnp.clip(jnp.minimum(rank, last) + later * firsts, 0, n - 1)]
    slot = jnp.where(second, begin + jnp.cumsum(second) - 1, jnp.cumsum(~second) - 1)
    return column, slot, rank > last


def heights(view: View, depth: jax.Array, rise: jax.Array) -> jax.Array:
    """z where rays cross planes; `rise` is v of their rows."""
    return view.source_z + depth * rise


def row_range(geometry: ConeGeometry, v: View, depth: jax.Array, z: jax.Array) -> tuple:
    """Rows within one voxel of the heights z on every plane, for each block of columns."""
    tiny = jnp.finfo(depth.dtype).tiny ** 0.5
    inverse = 1 / jnp.where(jnp.abs(depth) < tiny, tiny, depth)
    step = geometry.pitch[0] / geometry.pixel_size[0]
    ends = [
        ((z + one - v.source_z) * end - v.rise[0]) / step
        for one in (-1, 1)
        for end in (inverse.min(-1), inverse.max(-1))
    ]
    return _around(ends)


def column_range(geometry: ConeGeometry, item: Any) -> tuple[jax.Array, jax.Array]:
    """Columns whose rays pass within one pixel of each (y, x), along x or along y."""
    u, d = unit_vectors(item["angles"])
    _, y, x = geometry.pixel_positions()
    _, dy, dx = geometry.pixel_size
    reach = geometry.source_distance + geometry.detector_distance
    ends, fronts = [], []
    for move_y, move_x in ((-dy, 0), (dy, 0), (0, -dx), (0, dx)):
        ey, ex = (y + move_y)[:, None], x + move_x
        along = ex * u[0] + ey * u[1] - geometry.axis_shift
        front = ex * d[0] + ey * d[1] + geometry.source_distance
        tangent = along / front
        t = reach * (jnp.arctan(tangent) if geometry.detector == "curved" else tangent)
        ends.append((t - geometry.offset[1]) / geometry.pitch[1])
        fronts.append(front)
    low, high = _around([e + (geometry.detector_shape[1] - 1) / 2 for e in ends])
    front = jnp.stack(fronts)
    whole = (front.min(0) <= 0) & (front.max(0) >= 0)  # next to the plane of the source
    return jnp.where(whole, 0, low), jnp.where(whole, geometry.detector_shape[1], high)


def _around(ends: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """From the least to the largest, and a little more for rounding."""
    margin = 1e-3
    return jnp.stack(ends).min(0) - margin, jnp.stack(ends).max(0) + margin
