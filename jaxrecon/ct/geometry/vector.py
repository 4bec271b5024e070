"""Any geometry at all: source, detector centre and detector axes of every view, as vectors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_choice
from jaxrecon.core.pytree import static
from jaxrecon.ct.geometry.base import Geometry
from jaxrecon.ct.geometry.cone import ConeGeometry
from jaxrecon.ct.geometry.fan import FanGeometry


class VectorGeometry(Geometry):
    r"""Rays given view by view by vectors in the plane or in space, in mm, ordered (x, y[, z]).

    Pixel (i, k) of the detector sits at
    detector + (i - (rows - 1)/2) row_axis + (k - (columns - 1)/2) column_axis. With
    beam = "divergent" its ray comes from the source; with "parallel" it runs along `source`, which
    is then a direction. A flying focal spot, any trajectory, any misalignment is written so.

    Args:
        image_shape: (rows, columns) or (slices, rows, columns).
        source: (views, dimension): position of the source, or direction of the rays.
        detector: (views, dimension): middle of the detector.
        column_axis: (views, dimension): from one column to the next.
        row_axis: (views, 3): from one row to the next; None in the plane.
        detector_shape: (bins,) in the plane, (rows, columns) in space.
        pixel_size: mm; one number, or one for each image axis.
        centre: (x, y[, z]) of the middle of the image, mm.
        beam: "divergent" or "parallel".

    Raises:
        ValueError: arrays of wrong shape, counts not positive, unknown beam, and, where values are
            known, values not finite and axes that are zero.
        TypeError: complex values.
    """

    source: Any
    detector: Any
    column_axis: Any
    row_axis: Any
    detector_shape: tuple[int, ...] = static()  # type: ignore[assignment]
    pixel_size: Any = 1.0
    centre: Any = 0.0
    beam: str = static(default="divergent")

    _per_view = ("source", "detector", "column_axis", "row_axis")

    def __post_init__(self) -> None:
        self._set_image_shape((2, 3))
        self._set_detector_shape()
        check_choice(self.beam, ("divergent", "parallel"), what="VectorGeometry", argument="beam")
        super().__post_init__()
        d = len(self.image_shape)
        if (self.row_axis is None) != (d == 2):
            raise ValueError(
                "VectorGeometry expected row_axis for a volume, and None for an image in the "
                f"plane, got image_shape {self.image_shape} and row_axis "
                f"{'None' if self.row_axis is None else 'given'}."
            )
        for name in self._per_view:
            if getattr(self, name) is not None:
                self._set_views(name, (d,))
                self._set(name, jnp.asarray(getattr(self, name), self.source.dtype))
                self._check_values(name, getattr(self, name), positive=False)
        for name in ("column_axis", "row_axis"):
            self._check_axis(name)
        if (
            len({getattr(self, n).shape for n in self._per_view if getattr(self, n) is not None})
            > 1
        ):
            raise ValueError("VectorGeometry expected the same number of views in all its vectors.")
        self._set_numbers("pixel_size", (d,), positive=True)
        self._set_numbers("centre", (d,), positive=False)

    def _check_axis(self, name: str) -> None:
        """An axis that is zero puts all pixels in one place."""
        axis = getattr(self, name)
        if axis is None or isinstance(axis, Tracer):
            return
        zero = ~np.asarray(axis).any(axis=-1)
        if zero.any():
            raise ValueError(
                f"VectorGeometry expected {name} other than zero, got zero in view "
                f"{int(zero.argmax())}. A single row or column needs its direction and size too."
            )

    def view_rays(self, view: Any) -> tuple[jax.Array, jax.Array]:
        counts = [jnp.arange(n, dtype=self.dtype) - (n - 1) / 2 for n in self.detector_shape]
        place = view["detector"] + counts[-1][:, None] * view["column_axis"]
        if len(counts) == 2:
            place = place + counts[0][:, None, None] * view["row_axis"]
        if self.beam == "parallel":
            return place, view["source"]
        return view["source"], place - view["source"]


def as_vectors(geometry: Geometry) -> VectorGeometry:
    """The same rays as a :class:`VectorGeometry`; traced values stay traced.

    Raises:
        ValueError: a curved detector, which is no grid of vectors.
    """
    if isinstance(geometry, VectorGeometry):
        return geometry
    if getattr(geometry, "detector", "flat") != "flat":
        raise ValueError("as_vectors expected a flat detector, got a curved one.")
    shape = geometry.detector_shape
    wide = tuple(max(n, 2) for n in shape)  # a single row or column has no distance to the next
    points, directions = _with_detector_shape(geometry, wide).all_view_rays()
    flat = (geometry.views, -1, points.shape[-1])
    divergent = isinstance(geometry, FanGeometry | ConeGeometry)
    source = (points if divergent else directions).reshape(flat)[:, 0]
    pixels = points + directions if divergent else points
    middle = pixels.reshape(flat).mean(axis=1)
    grid = pixels.reshape(geometry.views, -1, wide[-1], points.shape[-1])
    column = (grid[:, 0, -1] - grid[:, 0, 0]) / (wide[-1] - 1)
    row = (grid[:, -1, 0] - grid[:, 0, 0]) / (wide[0] - 1) if len(shape) == 2 else None
    return VectorGeometry(
        geometry.image_shape,
        source,
        middle,
        column,
        row,
        shape,
        geometry.pixel_size,  # type: ignore[attr-defined]
        geometry.centre,  # type: ignore[attr-defined]
        beam="divergent" if divergent else "parallel",
    )


def _with_detector_shape(geometry: Geometry, shape: tuple[int, ...]) -> Geometry:
    """More or fewer pixels around the same middle of the detector."""
    if len(shape) == 1:
        return geometry._with(bins=shape[0])
    return geometry._with(detector_shape=shape)
