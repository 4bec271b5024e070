"""Parallel rays: the 2-D geometry of the Radon transform, and the 3-D one with laminography."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.pytree import static
from jaxrecon.ct.geometry.base import Geometry, unit_vectors


class ParallelGeometry(Geometry):
    r"""Parallel rays x cos(theta) + y sin(theta) = s in the plane.

    Bin k of the detector sits at s = (k - (bins - 1)/2) pitch + offset. A shift of the centre of
    rotation, and a detector that is a quarter of a bin off, are both the `offset`. Stacks of
    slices are batches: ``jax.vmap``.

    Args:
        image_shape: (rows, columns).
        angles: theta of each view, (views,), radians, in any order. Their dtype, float32 or
            float64, is the dtype of images and sinograms; integers become float32.
        bins: number of detector bins.
        pixel_size: mm; one number, or (dy, dx).
        pitch: distance of two bins, mm.
        offset: shift of the detector along s, mm.
        centre: (x, y) of the middle of the image in mm: a region of interest anywhere.

    Raises:
        ValueError: counts that are no positive whole numbers, arrays of wrong shape, and, where
            values are known (outside of jit), lengths that are not positive or values not finite.
        TypeError: complex values.

    Warns:
        UserWarning: an angle beyond 2 pi, which is probably in degrees, unless the angles have
            equal steps below 0.5 and make ten turns at most.
    """

    angles: Any
    bins: int = static()
    pixel_size: Any = 1.0
    pitch: Any = 1.0
    offset: Any = 0.0
    centre: Any = 0.0

    def __post_init__(self) -> None:
        self._set_image_shape((2,))
        self._set("bins", check_positive_int(self.bins, what="ParallelGeometry", argument="bins"))
        super().__post_init__()
        self._set_views("angles")
        self._check_values("angles", self.angles, positive=False)
        self._set_numbers("pixel_size", (2,), positive=True)
        self._set_numbers("pitch", positive=True)
        self._set_numbers("offset", positive=False)
        self._set_numbers("centre", (2,), positive=False)

    @property
    def detector_shape(self) -> tuple[int, ...]:
        """(bins,)."""
        return (self.bins,)

    @property
    def positions(self) -> jax.Array:
        """s of each bin, (bins,) in mm."""
        index = jnp.arange(self.bins, dtype=self.dtype) - (self.bins - 1) / 2
        return index * self.pitch + self.offset

    def view_rays(self, view: Any) -> tuple[jax.Array, jax.Array]:
        u, d = unit_vectors(view["angles"])
        return self.positions[:, None] * u, d


class ParallelGeometry3D(Geometry):
    r"""Parallel rays through a volume; with a tilt, laminography.

    d = (-sin(theta) cos(tilt), cos(theta) cos(tilt), sin(tilt)) is the direction of the rays,
    u = (cos(theta), sin(theta), 0) that of the detector columns and
    v = (sin(theta) sin(tilt), -cos(theta) sin(tilt), cos(tilt)) that of its rows; pixel (i, k) of
    the detector sits at ((k - (columns - 1)/2) du + offset_u) u + (... dv + offset_v) v.

    Args:
        image_shape: (slices, rows, columns).
        angles: (views,), radians; their dtype is that of images and data.
        detector_shape: (rows, columns).
        pixel_size: of a voxel in mm; one number, or (dz, dy, dx).
        pitch: of the detector in mm; one number, or (dv, du) from row to row and column to column.
        offset: (v, u) in mm.
        tilt: radians between the rays and the plane normal to the axis of rotation.
        centre: (x, y, z) of the middle of the volume in mm.

    Raises, warns: as :class:`ParallelGeometry`.
    """

    angles: Any
    detector_shape: tuple[int, int] = static()  # type: ignore[assignment]
    pixel_size: Any = 1.0
    pitch: Any = 1.0
    offset: Any = 0.0
    tilt: Any = 0.0
    centre: Any = 0.0

    def __post_init__(self) -> None:
        self._set_image_shape((3,))
        self._set_detector_shape()
        super().__post_init__()
        self._set_views("angles")
        self._check_values("angles", self.angles, positive=False)
        self._set_numbers("pixel_size", (3,), positive=True)
        self._set_numbers("pitch", (2,), positive=True)
        self._set_numbers("offset", (2,), positive=False)
        self._set_numbers("tilt", positive=False)
        self._set_numbers("centre", (3,), positive=False)

    def view_rays(self, view: Any) -> tuple[jax.Array, jax.Array]:
        (cos, sin), c, s = unit_vectors(view["angles"])[0], jnp.cos(self.tilt), jnp.sin(self.tilt)
        u = jnp.stack([cos, sin, jnp.zeros_like(cos)])
        v = jnp.stack([sin * s, -cos * s, c])
        d = jnp.stack([-sin * c, cos * c, s])
        rows, columns = self.detector_positions()
        return rows[:, None, None] * v + columns[:, None] * u, d


def parallel_beam(
    image_shape: tuple[int, int],
    views: int,
    *,
    arc: float = np.pi,
    bins: int | None = None,
    pixel_size: Any = 1.0,
    pitch: Any = None,
    offset: Any = 0.0,
    dtype: Any = None,
) -> ParallelGeometry:
    """The usual scan: `views` angles 0, arc/views, ... over an arc of pi or 2 pi radians.

    Args:
        image_shape: (rows, columns).
        views: number of views.
        arc: angle that they cover, radians.
        bins: when not given, as many as cover the diagonal of the image where the detector is
            centred, or shifted by up to one pitch. A larger offset cuts it off on one side.
        pixel_size: mm, one number or (dy, dx), known values.
        pitch: mm; the smaller pixel side when not given.
        offset: shift of the detector, mm.
        dtype: float32 when not given.

    Raises:
        ValueError: as :class:`ParallelGeometry`.
    """
    views = check_positive_int(views, what="parallel_beam", argument="views")
    sides = np.broadcast_to(np.asarray(pixel_size, np.float64), (2,))
    if not np.all(sides > 0):
        raise ValueError(f"parallel_beam expected pixel_size > 0 mm, got {pixel_size}.")
    pitch = float(sides.min()) if pitch is None else pitch
    if bins is None:
        diagonal = float(np.hypot(*(np.asarray(image_shape) * sides)))
        bins = int(np.ceil(diagonal / float(pitch))) + 2
    angles = jnp.arange(views, dtype=jnp.float32 if dtype is None else dtype) * (arc / views)
    return ParallelGeometry(image_shape, angles, bins, pixel_size, pitch, offset)
