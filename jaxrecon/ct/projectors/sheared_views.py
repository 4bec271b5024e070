r"""What the shearing models of parallel beams share: each view as a shear of the image.

For a view with |sin theta| dy <= |cos theta| dx the ray at s meets row y at x = X - y tan(theta)
with X = s / cos(theta), so its integral is

    p(s) = dy / |cos theta| q(X),    q(X) = sum over rows y of f_y(X - y tan theta).

The other views do the same with the transposed image.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.ct.geometry import Geometry, ParallelGeometry


class ShearedViews(NamedTuple):
    """Of each view, (views,): how the image is sheared, in pixels of its square."""

    steep: Any
    """1 where the transposed image is sheared, else 0."""
    slope: Any
    """pixels of shift per row, |slope| <= 1."""
    unit: Any
    """mm along s of one pixel of q; its sign is that of cos(theta), or of sin(theta)."""
    middle: Any
    """s of the middle of the image in mm."""
    length: Any
    """mm of a ray per row."""
    reach: Any
    """|X| in pixels from the middle, beyond which no ray meets the image."""


def sheared_views(geometry: ParallelGeometry) -> ShearedViews:
    """The views of a parallel geometry as shears."""
    dy, dx = geometry.pixel_size
    rows, columns = geometry.image_shape
    cos, sin = jnp.cos(geometry.angles), jnp.sin(geometry.angles)
    steep = jnp.abs(sin) * dy > jnp.abs(cos) * dx
    across, along = jnp.where(steep, dx, dy), jnp.where(steep, dy, dx)
    major, minor = jnp.where(steep, sin, cos), jnp.where(steep, cos, sin)
    slope = minor * across / (major * along)
    height, width = jnp.where(steep, columns, rows), jnp.where(steep, rows, columns)
    return ShearedViews(
        steep=steep.astype(jnp.int32),
        slope=slope,
        unit=major * along,
        middle=geometry.centre[0] * cos + geometry.centre[1] * sin,
        length=across / jnp.abs(major),
        reach=(width + jnp.abs(slope) * height) / 2,
    )


def side_of(geometry: Geometry) -> int:
    """The image and its transpose are embedded into squares of this side."""
    return max(geometry.image_shape)


def _margins(geometry: Geometry) -> tuple[int, int]:
    side = side_of(geometry)
    rows, columns = geometry.image_shape
    return (side - rows) // 2, (side - columns) // 2


def middle_in_square(geometry: Geometry) -> tuple[tuple[float, float], ...]:
    """(row, column) of the middle of the image in its square, and of the transposed image."""
    y, x = (m + (n - 1) / 2 for m, n in zip(_margins(geometry), geometry.image_shape, strict=True))
    return (y, x), (x, y)


def embed(image: jax.Array, geometry: Geometry) -> jax.Array:
    """The image and its transpose as squares: (2, side, side)."""
    side = side_of(geometry)
    rows, columns = geometry.image_shape
    top, left = _margins(geometry)
    image = jnp.pad(image, ((top, side - rows - top), (left, side - columns - left)))
    return jnp.stack([image, image.T])


def extract(squares: jax.Array, geometry: Geometry) -> jax.Array:
    """The adjoint of :func:`embed`."""
    rows, columns = geometry.image_shape
    top, left = _margins(geometry)
    return (squares[0] + squares[1].T)[top : top + rows, left : left + columns]
