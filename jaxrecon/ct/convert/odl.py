"""ODL: partitions and the keyword arguments of its geometry classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxrecon.ct.convert.vectors import RayVectors, double, frame, in_dtype, simplest, vectors_of
from jaxrecon.ct.geometry import (
    ConeGeometry,
    FanGeometry,
    Geometry,
    ParallelGeometry,
    ParallelGeometry3D,
    VectorGeometry,
)


def to_odl(geometry: Geometry) -> dict[str, Any]:
    """What ODL's constructors take, as plain numbers.

    ODL orders all axes as (x, y[, z]) and detector axes as (u, v), so its images and data are
    ours with the image axes, and the detector axes, reversed: ``image.T`` and
    ``np.swapaxes(data, 1, 2)``. Angles, directions and signs are the same; lengths stay in mm. A
    curved detector is parametrised by the fan angle in radians there, by the length of arc here.

    Returns:
        "geometry": name of the class in odl.applications.tomo (odl.tomo in old versions);
        "image": min_pt, max_pt and shape for ``odl.uniform_discr``;
        "angles": for ``odl.nonuniform_partition``;
        "detector": min_pt, max_pt and shape for ``odl.uniform_partition``;
        "arguments": keywords of the class.

    Raises:
        ValueError: angles that do not increase, or a geometry that these classes do not hold:
            vectors of no regular scan, a curved and tilted detector, a source whose height is not
            linear in the angle.
    """
    if isinstance(geometry, VectorGeometry):
        geometry = simplest(vectors_of(geometry), np.float32)
    exact = double(geometry)
    if isinstance(geometry, VectorGeometry):
        raise ValueError("to_odl expected a parallel, fan or cone scan, got irregular vectors.")
    if np.any(np.diff(exact.angles) <= 0):
        raise ValueError("to_odl expected angles that increase: ODL sorts its angles.")
    arguments: dict[str, Any] = {}
    curved = getattr(geometry, "detector", "flat") == "curved"
    if isinstance(geometry, ParallelGeometry):
        name = "Parallel2dGeometry"
    elif isinstance(geometry, ParallelGeometry3D):
        name, (cos, sin) = "Parallel3dAxisGeometry", (np.cos(exact.tilt), np.sin(exact.tilt))
        arguments["det_pos_init"] = (0.0, float(cos), float(sin))
        arguments["det_axes_init"] = [(1.0, 0.0, 0.0), (0.0, float(-sin), float(cos))]
    else:
        assert isinstance(geometry, FanGeometry | ConeGeometry)
        name = "FanBeamGeometry" if isinstance(geometry, FanGeometry) else "ConeBeamGeometry"
        arguments["src_radius"] = float(exact.source_distance)
        arguments["det_radius"] = float(exact.detector_distance)
        if curved:
            reach = arguments["src_radius"] + arguments["det_radius"]
            arguments["det_curvature_radius"] = reach if name[0] == "F" else (reach, None)
        if exact.axis_shift != 0:  # tangents of source and detector point in opposite directions
            rest = (0.0,) * (1 if name[0] == "F" else 2)
            shift = float(exact.axis_shift)
            arguments["src_shift_func"] = _constant((0.0, shift, *rest[1:]))
            arguments["det_shift_func"] = _constant((0.0, -shift, *rest[1:]))
        if isinstance(geometry, ConeGeometry):
            slope, height = _line(exact.angles, exact.source_z)
            arguments["pitch"] = 2 * np.pi * slope
            arguments["offset_along_axis"] = height
        axes = _detector_axes(geometry, exact)
        if curved and axes is not None:
            raise ValueError("to_odl expected a curved detector without tilt.")
        if axes is not None:
            arguments["det_axis_init" if name[0] == "F" else "det_axes_init"] = axes

    reverse = slice(None, None, -1)
    shape = exact.image_shape[reverse]
    half = np.array(shape) * exact.pixel_size[reverse] / 2
    counts = exact.detector_shape[reverse]
    pitch = np.atleast_1d(exact.pitch)[reverse].copy()
    offset = np.atleast_1d(exact.offset)[reverse].copy()
    if curved:
        pitch[0], offset[0] = pitch[0] / reach, offset[0] / reach
    edge = np.array(counts) * pitch / 2
    return {
        "geometry": name,
        "image": {"min_pt": exact.centre - half, "max_pt": exact.centre + half, "shape": shape},
        "angles": exact.angles,
        "detector": {"min_pt": offset - edge, "max_pt": offset + edge, "shape": counts},
        "arguments": arguments,
    }


def from_odl(description: dict[str, Any], dtype: Any = None) -> Any:
    """The geometry of what :func:`to_odl` returns, or of an ODL geometry written in that form.

    Shifts that differ from view to view (a flying focal spot) give a
    :class:`jaxrecon.ct.VectorGeometry`.

    Args:
        description: as :func:`to_odl` returns; the initial source-to-detector direction and the
            axis of rotation are ODL's defaults.
        dtype: of the result, float32 when None.

    Raises:
        ValueError: a class of another name, a detector curved around another point than the
            source, or curved with shifts other than a constant one along the tangent.
    """
    name, given = description["geometry"], description["arguments"]
    angles = np.asarray(description["angles"], np.float64)
    shape, size, centre = _box(description["image"])
    counts, pitch, offset = _box(description["detector"])
    offset = offset[::-1]
    two = name in ("Parallel2dGeometry", "FanBeamGeometry")
    u, d, z = frame(angles, 2 if two else 3)

    def turned(initial: Any) -> Any:
        return sum(part * axis for part, axis in zip(initial, (u, d, z), strict=False))

    first = [(1, 0)] if two else [(1, 0, 0), (0, 0, 1)]
    axes = given.get("det_axes_init", [given.get("det_axis_init", first[0]), *first[1:]])
    axes = [turned(axis) for axis in axes]
    middle: Any = sum(axis * o for axis, o in zip(axes, offset[::-1], strict=True))
    steps = [axis * p for axis, p in zip(axes, pitch[::-1], strict=True)]
    column, row = steps[0], None if two else steps[1]
    if name.startswith("Parallel"):
        direction = turned(given.get("det_pos_init", (0, 1) if two else (0, 1, 0)))
        vectors = RayVectors(
            shape, direction, middle, column, row, counts, size, centre, "parallel"
        )
        return simplest(vectors, dtype, angles)
    if name not in ("FanBeamGeometry", "ConeBeamGeometry"):
        raise ValueError(f"from_odl does not know the geometry {name!r}.")

    height = given.get("offset_along_axis", 0) + given.get("pitch", 0) * angles / (2 * np.pi)
    zero = _constant((0.0,) * u.shape[1])
    source_shift = given.get("src_shift_func", zero)(angles)
    detector_shift = given.get("det_shift_func", zero)(angles)
    source = source_shift[:, 1:2] * u - (given["src_radius"] + source_shift[:, :1]) * d
    detector = (given["det_radius"] + detector_shift[:, :1]) * d - detector_shift[:, 1:2] * u
    if not two:
        source = source + (height + source_shift[:, 2])[:, None] * z
        detector = detector + (height + detector_shift[:, 2])[:, None] * z
    radius = given.get("det_curvature_radius")
    if radius is None:
        vectors = RayVectors(
            shape, source, detector + middle, column, row, counts, size, centre, "divergent"
        )  # fmt: skip
        return simplest(vectors, dtype, angles)
    radius = radius if two else radius[0]
    reach = given["src_radius"] + given["det_radius"]
    shift = source_shift[0]
    moved = np.ptp(source_shift, axis=0).any() or shift[0] or shift[2:].any()
    if (
        abs(radius - reach) > 1e-6 * reach
        or moved
        or np.any(source_shift[:, :2] * [1, -1] != detector_shift[:, :2])
    ):
        raise ValueError("from_odl expected a detector that is curved around the source.")
    scale = np.ones_like(pitch)
    scale[-1] = reach  # radians to length of arc
    common: Any = {
        "pixel_size": size,
        "centre": centre,
        "axis_shift": shift[1],
        "detector": "curved",
    }
    distances = given["src_radius"], given["det_radius"]
    if two:
        pitch, offset = (pitch * scale)[0], (offset * scale)[0]
        geometry = FanGeometry(
            shape, angles, counts[0], *distances, pitch=pitch, offset=offset, **common
        )
    else:
        pitch, offset = pitch * scale, offset * scale
        geometry = ConeGeometry(
            shape, angles, counts, *distances, pitch=pitch, offset=offset, source_z=height, **common
        )
    return in_dtype(geometry, dtype)


def _constant(shift: tuple[float, ...]) -> Callable[[Any], np.ndarray]:
    """A shift function of ODL that is the same for all angles."""
    return lambda angle: np.tile(shift, (np.size(angle), 1))


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and value at 0 of the line through the points."""
    slope = (y[-1] - y[0]) / (x[-1] - x[0]) if len(x) > 1 else 0.0
    height = float(np.mean(y - slope * x))
    if np.abs(slope * x + height - y).max() > 1e-5 * max(np.abs(y).max(), 1e-30):
        raise ValueError("to_odl expected a source whose height is linear in the angle.")
    return float(slope), height


def _detector_axes(geometry: Geometry, exact: Any) -> Any:
    """Axes of the detector at theta = 0, where u = x and d = y; None without tilt."""
    if exact.tilt is None or not np.any(exact.tilt):
        return None
    if isinstance(geometry, FanGeometry):
        return float(np.cos(exact.tilt)), float(np.sin(exact.tilt))
    v = vectors_of(geometry)
    u, d, z = frame(exact.angles[:1], 3)
    axes = []
    for axis in (v.column_axis[0], v.row_axis[0]):
        turned = np.array([axis @ u[0], axis @ d[0], axis @ z[0]])
        axes.append(tuple(turned / np.linalg.norm(turned)))
    return axes


def _box(box: dict[str, Any]) -> Any:
    """Shape and cell sides in our order of axes, and the middle in ODL's."""
    low, high = (np.atleast_1d(np.asarray(box[k], np.float64)) for k in ("min_pt", "max_pt"))
    shape = tuple(int(n) for n in np.atleast_1d(box["shape"]))
    return shape[::-1], ((high - low) / shape)[::-1], (low + high) / 2
