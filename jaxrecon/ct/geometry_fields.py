"""Small changes of the fields of a geometry: their columns in the data, and their gauges."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.products import tensordot
from jaxrecon.ct.geometry import ConeGeometry, FanGeometry, ParallelGeometry, ParallelGeometry3D

_DIVERGENT = ("offset", "axis_shift", "angles", "tilt", "source_distance", "detector_distance")
CALIBRATED: dict[type, tuple[str, ...]] = {
    ParallelGeometry: ("offset", "angles"),
    ParallelGeometry3D: ("offset", "angles", "tilt"),
    FanGeometry: _DIVERGENT,
    ConeGeometry: (*_DIVERGENT, "source_z"),
}
"""The fields of each geometry that :func:`jaxrecon.ct.calibrate` finds."""
_TURNS = ("angles", "source_z")  # whose means are rotation and height of the object


def columns(function: Any, geometry: Any, name: str) -> jax.Array:
    """Derivatives in a field: (*field, *data), or (*data,) of a per-view field, all at once."""
    value = getattr(geometry, name)

    def along(tangent: jax.Array) -> jax.Array:
        def moved(field: jax.Array) -> jax.Array:
            return function(geometry._with(**{name: field}))

        return jax.jvp(moved, (value,), (tangent,))[1]

    if value.ndim == 0 or name in geometry._per_view:
        return along(jnp.ones_like(value))
    units = jnp.eye(value.size, dtype=value.dtype).reshape(-1, *value.shape)
    return jax.lax.map(along, units).reshape(*value.shape, *geometry.sinogram_space.shape)


def _per_view(columns: jax.Array, value: jax.Array, data_axes: int) -> bool:
    return value.ndim > 0 and columns.ndim == data_axes


def column_norms(columns: jax.Array, value: jax.Array, data_axes: int) -> jax.Array:
    """Of each number of a field; of a per-view field the root mean square; 1 where they are 0."""
    if _per_view(columns, value, data_axes):
        square = jnp.sum(columns**2) / value.size
    else:
        square = jnp.sum(columns**2, tuple(range(value.ndim, columns.ndim)))
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 1)


def combine(columns: jax.Array, change: jax.Array, data_axes: int) -> jax.Array:
    """J dg of one field."""
    if _per_view(columns, change, data_axes):
        return columns * change.reshape(-1, *(1,) * (data_axes - 1))
    return tensordot(change, columns, change.ndim)


def contract(columns: jax.Array, y: jax.Array, value: jax.Array) -> jax.Array:
    """J^T y of one field."""
    return jnp.sum(columns * y, tuple(range(value.ndim, columns.ndim)))


def without_gauge(changes: dict, scales: dict, geometry: Any) -> dict:
    """Changes, in units of 1 / scales, without what moving or resizing the object undoes."""
    for gauge in _gauges(geometry, changes):
        gauge = {n: scales[n] * direction for n, direction in gauge.items()}
        square = sum(jnp.sum(d**2) for d in gauge.values())
        along = sum(jnp.sum(d * changes[n]) for n, d in gauge.items()) / square
        changes = changes | {n: changes[n] - along * d for n, d in gauge.items()}
    return changes


def _gauges(geometry: Any, names: Any) -> list[dict[str, Any]]:
    """Directions in the fields that some motion of the object undoes; no two share a field."""
    found = [{name: jnp.ones_like(getattr(geometry, name))} for name in names if name in _TURNS]
    if isinstance(geometry, ParallelGeometry3D) and "offset" in names:
        found.append({"offset": jnp.asarray([1, 0], geometry.dtype)})
    if {"source_distance", "detector_distance"} <= set(names):
        one = jnp.ones((), geometry.dtype)
        found.append({"source_distance": one, "detector_distance": -one})
    return found
