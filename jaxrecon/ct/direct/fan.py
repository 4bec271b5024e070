"""Filtered backprojection of fan beams: flat and equiangular detectors."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxrecon.ct.direct.filters import filter_sinogram
from jaxrecon.ct.direct.redundancy import fan_angles
from jaxrecon.ct.geometry import FanGeometry
from jaxrecon.ct.geometry.base import unit_vectors


def row_coordinate(geometry: FanGeometry) -> tuple[jax.Array, jax.Array]:
    """The coordinate in which rows are filtered: its value at the first bin, and its step.

    v = tangent of the fan angle from the detector's normal (flat), or the fan angle (curved).
    """
    reach = geometry.source_distance + geometry.detector_distance
    first = geometry.positions[0]
    if geometry.detector == "curved":
        return first / reach, geometry.pitch / reach
    tilt = 0.0 if geometry.tilt is None else geometry.tilt
    distance = reach * jnp.cos(tilt)
    return (first + reach * jnp.sin(tilt)) / distance, geometry.pitch / distance


def backproject_fan(
    sinogram: jax.Array, response: jax.Array, weights: jax.Array, geometry: FanGeometry
) -> jax.Array:
    r"""f(x) = sum over views of 1 / L(x)^2 (h * [w J p])(v(x)), w with the angle of each view.

    J = R cos(g) - a sin(g), for the fan angle g, source distance R and axis shift a, is the
    Jacobian from (view, angle of ray) to (angle, position) of parallel rays. v is the row
    coordinate; L the distance from the source, along the normal of a flat detector, or straight to
    the pixel for a curved one. Pixel-driven, linear interpolation.
    """
    y, x = geometry.pixel_positions()
    y = y[:, None]
    g = fan_angles(geometry)
    jacobian = geometry.source_distance * jnp.cos(g) - geometry.axis_shift * jnp.sin(g)
    rows = filter_sinogram(sinogram * weights * jacobian, response)
    rows = jnp.pad(rows, ((0, 0), (1, 1)))
    first, step = row_coordinate(geometry)
    tilt = jnp.zeros((), geometry.dtype) if geometry.tilt is None else geometry.tilt
    cos, sin = jnp.cos(tilt), jnp.sin(tilt)
    curved = geometry.detector == "curved"

    @partial(jax.checkpoint, prevent_cse=False)
    def view(image: jax.Array, item: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        angle, values = item
        u, d = unit_vectors(angle)
        along = x * u[0] + y * u[1] - geometry.axis_shift
        away = x * d[0] + y * d[1] + geometry.source_distance
        if curved:
            v, square = jnp.arctan(along / away), along**2 + away**2
        else:
            depth = away * cos - along * sin
            v, square = (along * cos + away * sin) / depth, depth**2
        place = jnp.clip((v - first) / step + 1, 0, geometry.bins + 1)
        k = jnp.minimum(jnp.floor(place), geometry.bins)
        a, k = place - k, k.astype(jnp.int32)
        return image + ((1 - a) * values[k] + a * values[k + 1]) / square, None

    image = jnp.zeros(geometry.image_shape, geometry.dtype)
    return jax.lax.scan(view, image, (geometry.angles, rows))[0]
