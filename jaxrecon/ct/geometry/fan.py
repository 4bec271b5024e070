"""Fan beams: a point source and a line or an arc of detector bins, in the plane."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice, check_positive_int
from jaxrecon.core.pytree import static
from jaxrecon.ct.geometry.base import Geometry, unit_vectors


class FanGeometry(Geometry):
    r"""Rays from a point source that turns around the object, in the plane.

    With u = (cos, sin)(theta) and d = (-sin, cos)(theta), the source is at
    -source_distance d + axis_shift u. Bin k has the coordinate
    t = (k - (bins - 1)/2) pitch + offset on the detector, whose middle is at
    detector_distance d + axis_shift u:

    - "flat": the bin sits t u from the middle, and t is a length on the detector;
    - "curved" (equiangular): on the arc around the source through the middle of the detector, t is
      the length of arc, so the ray has the fan angle t / (source_distance + detector_distance).

    `tilt` turns the detector about its middle in the plane, u towards d. Positive fan angles are
    towards u.

    Args:
        image_shape: (rows, columns).
        angles: (views,), radians, of the central ray; their dtype is that of images and data.
        bins: number of detector bins.
        source_distance: from the source to the axis of rotation, mm.
        detector_distance: from the axis of rotation to the middle of the detector, mm.
        pixel_size: mm; one number, or (dy, dx).
        pitch: distance of two bins on the detector, mm (on the arc for "curved").
        offset: shift of the bins along the detector, mm; a quarter of the pitch gives interleaved
            rays in a full turn.
        axis_shift: by which source and detector together miss the axis of rotation, mm along u:
            the error of the centre of rotation.
        tilt: None, or radians from u towards d.
        centre: (x, y) of the middle of the image, mm.
        detector: "flat" or "curved".

    Raises:
        ValueError: counts, shapes, values not finite, lengths not positive, unknown detector, a
            source inside of the image (where values are known).
        TypeError: complex values.

    Warns:
        UserWarning: an angle beyond 2 pi, which is probably in degrees, unless the angles have
            equal steps below 0.5 and make ten turns at most.
    """

    angles: Any
    bins: int = static()
    source_distance: Any
    detector_distance: Any
    pixel_size: Any = 1.0
    pitch: Any = 1.0
    offset: Any = 0.0
    axis_shift: Any = 0.0
    tilt: Any = None
    centre: Any = 0.0
    detector: str = static(default="flat")

    def __post_init__(self) -> None:
        self._set_image_shape((2,))
        self._set("bins", check_positive_int(self.bins, what="FanGeometry", argument="bins"))
        choices = ("flat", "curved")
        check_choice(self.detector, choices, what="FanGeometry", argument="detector")
        super().__post_init__()
        self._set_views("angles")
        self._check_values("angles", self.angles, positive=False)
        for name in ("source_distance", "detector_distance", "pitch"):
            self._set_numbers(name, positive=True)
        for name in ("offset", "axis_shift"):
            self._set_numbers(name, positive=False)
        if self.tilt is not None:
            self._set_numbers("tilt", positive=False)
        self._set_numbers("pixel_size", (2,), positive=True)
        self._set_numbers("centre", (2,), positive=False)
        self._check_source_outside()

    @property
    def detector_shape(self) -> tuple[int, ...]:
        """(bins,)."""
        return (self.bins,)

    @property
    def positions(self) -> jax.Array:
        """t of each bin, (bins,) in mm."""
        index = jnp.arange(self.bins, dtype=self.dtype) - (self.bins - 1) / 2
        return index * self.pitch + self.offset

    def local_positions(self) -> tuple[jax.Array, jax.Array]:
        """Of each bin: how far it is from the source along u, less the shift, and along d; mm."""
        t, reach = self.positions, self.source_distance + self.detector_distance
        if self.detector == "curved":
            along, beyond = reach * jnp.sin(t / reach), reach * (jnp.cos(t / reach) - 1)
        else:
            along, beyond = t, jnp.zeros_like(t)
        if self.tilt is None:
            return along, reach + beyond
        cos, sin = jnp.cos(self.tilt), jnp.sin(self.tilt)
        return along * cos - beyond * sin, reach + along * sin + beyond * cos

    def view_rays(self, view: Any) -> tuple[jax.Array, jax.Array]:
        u, d = unit_vectors(view["angles"])
        source = self.axis_shift * u - self.source_distance * d
        along, beyond = self.local_positions()
        return source, along[:, None] * u + beyond[:, None] * d


def fan_beam(
    image_shape: tuple[int, int],
    views: int,
    source_distance: float,
    detector_distance: float,
    *,
    arc: float = 2 * np.pi,
    bins: int | None = None,
    pixel_size: Any = 1.0,
    pitch: Any = None,
    offset: Any = 0.0,
    detector: str = "flat",
    dtype: Any = None,
) -> FanGeometry:
    """The usual fan-beam scan: `views` angles 0, arc/views, ..., over a full turn or a part of it.

    A short scan covers pi plus the fan angle, see :func:`short_scan_arc`.

    Args:
        image_shape: (rows, columns).
        views: number of views.
        source_distance: source to axis of rotation, mm, known.
        detector_distance: axis of rotation to detector, mm, known.
        arc: angle covered, radians.
        bins: when not given, as many as see the circle around the image where the detector is
            centred, or shifted by up to one pitch. A larger offset cuts it off on one side.
        pixel_size: mm, one number or (dy, dx), known values.
        pitch: mm on the detector; the smaller pixel side times the magnification if not given.
        offset: shift of the detector, mm.
        detector: "flat" or "curved".
        dtype: float32 when not given.

    Raises:
        ValueError: as :class:`FanGeometry`.
    """
    views = check_positive_int(views, what="fan_beam", argument="views")
    sides = np.broadcast_to(np.asarray(pixel_size, np.float64), (2,))
    reach = source_distance + detector_distance
    pitch = float(sides.min()) * reach / source_distance if pitch is None else pitch
    if bins is None:
        radius = float(np.hypot(*(np.asarray(image_shape) * sides))) / 2
        fan = np.arcsin(min(radius / source_distance, 0.99))
        half = reach * (np.tan(fan) if detector == "flat" else fan)
        bins = 2 * int(np.ceil(half / float(pitch))) + 2
    angles = jnp.arange(views, dtype=jnp.float32 if dtype is None else dtype) * (arc / views)
    return FanGeometry(
        image_shape,
        angles,
        bins,
        source_distance,
        detector_distance,
        pixel_size,
        pitch,
        offset,
        detector=detector,
    )


def short_scan_arc(geometry: Any) -> jax.Array:
    """pi + 2 G in radians, G the largest fan angle to either edge of the detector.

    It is the least arc that sees every line at least once, where the fan is centred; a shifted
    detector, which sees less on one side, is taken for one that sees as much there.

    Args:
        geometry: a fan or cone geometry.
    """
    columns = geometry.detector_shape[-1] + 1  # at the edges of the bins
    if isinstance(geometry, FanGeometry):
        along, beyond = geometry._with(bins=columns).local_positions()
    else:
        edges = geometry._with(detector_shape=(geometry.detector_shape[0], columns))
        along, beyond = edges.local_positions()[..., 0], edges.local_positions()[..., 2]
    return np.pi + 2 * jnp.max(jnp.abs(jnp.arctan2(along, beyond)))
