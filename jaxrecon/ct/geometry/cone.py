"""Cone beams: a point source and an area detector, on a circle or a helix."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_choice, check_positive_int
from jaxrecon.core.products import matmul
from jaxrecon.core.pytree import static
from jaxrecon.ct.geometry.base import Geometry, unit_vectors


class ConeGeometry(Geometry):
    r"""Rays from a point source to an area detector that turn around the z axis together.

    With u = (cos, sin, 0)(theta), d = (-sin, cos, 0)(theta) and v = z, the source is at
    -source_distance d + axis_shift u + source_z v and the middle of the detector at
    detector_distance d + axis_shift u + source_z v. Row i and column k have the coordinates
    s_v = (i - (rows - 1)/2) dv + offset_v and s_u = (k - (columns - 1)/2) du + offset_u:

    - "flat": the pixel sits at s_u u + s_v v from the middle;
    - "curved": on the cylinder around the line through the source parallel to z; s_u is the length
      of arc, so the fan angle is s_u / (source_distance + detector_distance).

    Args:
        image_shape: (slices, rows, columns).
        angles: (views,), radians, in any order; their dtype is that of images and data.
        detector_shape: (rows, columns).
        source_distance: from the source to the axis of rotation, mm.
        detector_distance: from the axis of rotation to the middle of the detector, mm.
        pixel_size: of a voxel in mm; one number, or (dz, dy, dx).
        pitch: of the detector in mm; one number, or (dv, du).
        offset: (v, u) of the detector pixels, mm.
        axis_shift: by which source and detector together miss the axis of rotation, mm along u.
        source_z: height of source and detector, mm; one number (a circle), or (views,) (a helix).
        tilt: None, or (roll, pitch, yaw) of the detector about its middle, radians: first yaw
            about v (it turns u towards d), then pitch about u (v towards d), then roll about d
            (u towards v).
        centre: (x, y, z) of the middle of the volume, mm.
        detector: "flat" or "curved".

    Raises:
        ValueError: counts, shapes, values not finite, lengths not positive, unknown detector, a
            source inside of the volume (where values are known).
        TypeError: complex values.

    Warns:
        UserWarning: angles beyond 2 pi without a helix, which are probably in degrees, unless they
            have equal steps below 0.5 and make ten turns at most.
    """

    _per_view = ("angles", "source_z")

    angles: Any
    detector_shape: tuple[int, int] = static()  # type: ignore[assignment]
    source_distance: Any
    detector_distance: Any
    pixel_size: Any = 1.0
    pitch: Any = 1.0
    offset: Any = 0.0
    axis_shift: Any = 0.0
    source_z: Any = 0.0
    tilt: Any = None
    centre: Any = 0.0
    detector: str = static(default="flat")

    def __post_init__(self) -> None:
        self._set_image_shape((3,))
        self._set_detector_shape()
        choices = ("flat", "curved")
        check_choice(self.detector, choices, what="ConeGeometry", argument="detector")
        super().__post_init__()
        self._set_views("angles")
        for name in ("source_distance", "detector_distance"):
            self._set_numbers(name, positive=True)
        self._set_numbers("source_z", (self.views,), positive=False)
        self._check_values("angles", self.angles, positive=False)
        self._set_numbers("pixel_size", (3,), positive=True)
        self._set_numbers("pitch", (2,), positive=True)
        self._set_numbers("offset", (2,), positive=False)
        self._set_numbers("axis_shift", positive=False)
        if self.tilt is not None:
            self._set_numbers("tilt", (3,), positive=False)
        self._set_numbers("centre", (3,), positive=False)
        self._check_source_outside()

    @property
    def _many_turns(self) -> bool:
        return isinstance(self.source_z, Tracer) or bool(np.ptp(np.asarray(self.source_z)))

    def view_rays(self, view: Any) -> tuple[jax.Array, jax.Array]:
        plane_u, plane_d = unit_vectors(view["angles"])
        u, d = (jnp.append(a, jnp.zeros_like(a[:1])) for a in (plane_u, plane_d))
        v = jnp.asarray([0, 0, 1], self.dtype)
        source = self.axis_shift * u - self.source_distance * d + view["source_z"] * v
        local = self.local_positions()
        return source, local[..., :1] * u + local[..., 1:2] * v + local[..., 2:] * d

    def local_positions(self) -> jax.Array:
        """Detector pixels seen from the source: (rows, columns, 3), mm along u, v and d."""
        rows, columns = self.detector_positions()
        reach = self.source_distance + self.detector_distance
        if self.detector == "curved":
            along, beyond = reach * jnp.sin(columns / reach), reach * (jnp.cos(columns / reach) - 1)
        else:
            along, beyond = columns, jnp.zeros_like(columns)
        along, up, beyond = jnp.broadcast_arrays(along, rows[:, None], beyond)
        local = jnp.stack([along, up, beyond], axis=-1)
        if self.tilt is not None:
            local = matmul(local, self._rotation().T)
        return local + reach * jnp.asarray([0, 0, 1], self.dtype)

    def _rotation(self) -> jax.Array:
        """Of the detector, in the frame (u, v, d): roll about d, after pitch about u, after yaw."""
        (a, b, c), (p, q, r) = jnp.cos(self.tilt), jnp.sin(self.tilt)
        o, l = jnp.zeros_like(a), jnp.ones_like(a)  # noqa: E741
        roll = jnp.array([[a, -p, o], [p, a, o], [o, o, l]])
        pitch = jnp.array([[l, o, o], [o, b, -q], [o, q, b]])
        yaw = jnp.array([[c, o, -r], [o, l, o], [r, o, c]])
        return matmul(matmul(roll, pitch), yaw)


def cone_beam(
    image_shape: tuple[int, int, int],
    views: int,
    source_distance: float,
    detector_distance: float,
    *,
    arc: float = 2 * np.pi,
    helix_pitch: float | None = None,
    detector_shape: tuple[int, int] | None = None,
    pixel_size: Any = 1.0,
    pitch: Any = None,
    offset: Any = 0.0,
    detector: str = "flat",
    dtype: Any = None,
) -> ConeGeometry:
    """The usual cone-beam scan on a circle, or on a helix: angles 0, arc/views, ...

    Args:
        image_shape: (slices, rows, columns).
        views: number of views.
        source_distance: source to axis of rotation, mm, known.
        detector_distance: axis of rotation to detector, mm, known.
        arc: angle covered, radians; for a helix 2 pi times the number of turns.
        helix_pitch: table feed in mm for each turn; the helix is centred at z = 0. None is a
            circle.
        detector_shape: (rows, columns); when not given, what sees the cylinder around the volume
            from every side (on a circle) where the detector is centred, or shifted by up to one
            pitch.
        pixel_size: of a voxel, mm; one number or (dz, dy, dx), known values.
        pitch: mm on the detector, one number or (dv, du); voxel sides times the magnification if
            not given.
        offset: (v, u), mm.
        detector: "flat" or "curved".
        dtype: float32 when not given.

    Raises:
        ValueError: as :class:`ConeGeometry`.
    """
    views = check_positive_int(views, what="cone_beam", argument="views")
    dz, dy, dx = np.broadcast_to(np.asarray(pixel_size, np.float64), (3,))
    reach = source_distance + detector_distance
    if pitch is None:
        pitch = np.array([dz, min(dy, dx)]) * reach / source_distance
    dv, du = np.broadcast_to(np.asarray(pitch, np.float64), (2,))
    if detector_shape is None:
        slices, rows, columns = image_shape
        radius = min(float(np.hypot(rows * dy, columns * dx)) / 2, 0.99 * source_distance)
        fan = np.arcsin(radius / source_distance)
        half_u = reach * (np.tan(fan) if detector == "flat" else fan)
        half_v = slices * dz / 2 * reach / (source_distance - radius)
        detector_shape = (2 * int(np.ceil(half_v / dv)) + 2, 2 * int(np.ceil(half_u / du)) + 2)
    angles = jnp.arange(views, dtype=jnp.float32 if dtype is None else dtype) * (arc / views)
    z = 0.0 if helix_pitch is None else (angles - angles.mean()) * (helix_pitch / (2 * np.pi))
    return ConeGeometry(
        image_shape,
        angles,
        detector_shape,
        source_distance,
        detector_distance,
        pixel_size,
        pitch,
        offset,
        source_z=z,
        detector=detector,
    )
