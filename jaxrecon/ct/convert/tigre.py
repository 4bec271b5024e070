"""TIGRE: the attributes of its geometry object, and its angles."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon.ct.convert.vectors import (
    RayVectors,
    double,
    flattened,
    frame,
    lifted,
    simplest,
    vectors_of,
)
from jaxrecon.ct.geometry import (
    ConeGeometry,
    FanGeometry,
    Geometry,
    ParallelGeometry,
    ParallelGeometry3D,
    VectorGeometry,
)


def to_tigre(geometry: Geometry) -> tuple[dict[str, Any], np.ndarray]:
    """(attributes, angles): ``geo = tigre.geometry(); vars(geo).update(attributes)``.

    TIGRE's source is at DSO (cos, sin)(alpha) at the angle alpha, ours at
    source_distance (sin, -cos)(theta), so alpha = theta - pi/2. Axes, signs and the orders
    (z, y, x) of images and (view, row, column) of projections are the same; images and data of
    the plane get an axis of length 1 for slices and rows. Lengths are in mm, and
    offOrigin = (z, y, x), offDetector = (v, u), rotDetector = (yaw, pitch, roll) of TIGRE. The
    axis shift, and the offset of a parallel beam along u, are TIGRE's COR; heights of the source
    and the offset of a parallel beam along v are shifts of the image (offOrigin of every view).

    Raises:
        ValueError: a curved detector, rows and columns at no right angle, a pixel of the detector
            whose size changes from view to view, or parallel vectors of no regular scan.
    """
    if isinstance(geometry, VectorGeometry):
        geometry = simplest(vectors_of(geometry), np.float64)
    v = vectors_of(geometry)
    if len(v.image_shape) == 2:
        v = lifted(v)
    if isinstance(geometry, ParallelGeometry | ParallelGeometry3D):
        return _parallel(geometry, v)
    if v.beam == "parallel":
        raise ValueError("to_tigre expected a regular parallel scan, got irregular vectors.")
    views = len(v.source)
    shift = 0.0
    if isinstance(geometry, FanGeometry | ConeGeometry):
        exact = double(geometry)
        angles, shift = exact.angles, float(exact.axis_shift)
    else:
        angles = np.arctan2(v.source[:, 0], -v.source[:, 1])
    u, d, z = frame(angles, 3)
    source, detector = v.source - shift * u, v.detector - shift * u
    height = source[:, 2].copy()
    detector = detector - height[:, None] * z
    # TIGRE's frame: x from the axis of rotation to the source, y along u, z upwards
    turn = np.stack([-d, u, z], axis=1)
    distance = np.sum(source * -d, axis=1)
    local = np.einsum("vij,vj->vi", turn, detector)
    column = np.einsum("vij,vj->vi", turn, v.column_axis)
    row = np.einsum("vij,vj->vi", turn, v.row_axis)
    du, dv = np.linalg.norm(column, axis=1), np.linalg.norm(row, axis=1)
    y, up = column / du[:, None], row / dv[:, None]
    if max(np.ptp(du) / du[0], np.ptp(dv) / dv[0], np.abs(np.sum(y * up, axis=1)).max()) > 1e-5:
        raise ValueError(
            "to_tigre expected detector rows and columns at right angles, of one size."
        )
    x = np.cross(y, up)
    yaw, roll = np.arctan2(y[:, 2], up[:, 2]), np.arctan2(x[:, 1], x[:, 0])
    rotation = np.stack([yaw, -np.arcsin(np.clip(x[:, 2], -1, 1)), roll], axis=1)
    rotation[np.abs(rotation) < 1e-12] = 0
    attributes = _common(v, np.array([dv.mean(), du.mean()]))
    origin = np.tile(v.centre[::-1], (views, 1))
    origin[:, 0] -= height
    attributes |= {
        "mode": "cone",
        "DSO": _one(distance),
        "DSD": _one(distance - local[:, 0]),
        "offOrigin": _one(origin),
        "offDetector": _one(local[:, :0:-1]),
        "rotDetector": _one(rotation),
        "COR": shift,
    }
    return attributes, angles - np.pi / 2


def from_tigre(geo: Any, angles: Any, dtype: Any = None) -> Any:
    """The geometry of a TIGRE scan: the simplest class that has exactly its rays.

    Args:
        geo: TIGRE's geometry object, or a dict of its attributes.
        angles: (views,), or (views, 3) Euler angles about z, y and z; radians.
        dtype: of the result, float32 when None.

    With one slice and one detector row the result is a geometry of the plane. If the image moves
    from view to view (offOrigin of shape (views, 3)), the source moves against it here; after
    :func:`to_tigre` of a tilted parallel beam with an offset along v that gives vectors.

    Raises:
        ValueError: an offDetector with a parallel beam: TIGRE moves the detector but not the
            source then, so that the rays are not parallel to the axis of its beam; use COR.
    """

    def get(name: str) -> Any:
        return geo.get(name) if isinstance(geo, dict) else getattr(geo, name, None)

    angles = np.asarray(angles, np.float64)
    views = len(angles)
    euler = angles if angles.ndim == 2 else np.stack([angles, 0 * angles, 0 * angles], axis=1)

    def every(name: str, width: tuple[int, ...]) -> np.ndarray:
        value = get(name)
        value = np.zeros(width) if value is None else np.asarray(value, np.float64)
        return np.broadcast_to(value, (views, *width))

    turn = _rz(euler[:, 0]) @ _ry(euler[:, 1]) @ _rz(euler[:, 2])
    yaw, pitch, roll = every("rotDetector", (3,)).T
    tilted = turn @ _rz(roll) @ _ry(pitch) @ _rx(yaw)
    x = turn[:, :, 0]
    dv, du = np.asarray(get("dDetector"), np.float64)
    column, row = du * tilted[:, :, 1], dv * tilted[:, :, 2]
    cor = every("COR", ())[:, None] * frame(euler[:, 0] + np.pi / 2, 3)[0]
    off, origin = every("offDetector", (2,)), every("offOrigin", (3,))[:, ::-1]
    parallel = get("mode") == "parallel"
    if parallel and off.any():
        raise ValueError("from_tigre expected offDetector = 0 with a parallel beam; use COR.")
    fixed = np.ptp(origin, axis=0) == 0
    centre, moved = np.where(fixed, origin[0], 0), np.where(fixed, 0, origin)
    dso = every("DSO", ())[:, None]
    back = every("DSD", ())[:, None] - dso
    middle = np.concatenate([-back, off[:, ::-1]], axis=1)
    detector = np.einsum("vij,vj->vi", turn, middle) + cor - moved
    source = -x if parallel else dso * x + cor - moved
    shape = tuple(int(n) for n in get("nVoxel"))
    counts = tuple(int(n) for n in get("nDetector"))
    size = np.asarray(get("dVoxel"), np.float64)
    beam = "parallel" if parallel else "divergent"
    v = RayVectors(shape, source, detector, column, row, counts, size, centre, beam)
    v = flattened(v) if shape[0] == counts[0] == 1 else v
    return simplest(v, dtype, euler[:, 0] + np.pi / 2)


def _parallel(geometry: Any, v: Any) -> tuple[dict[str, Any], np.ndarray]:
    exact = double(geometry)
    offset_u, offset_v, tilt = np.atleast_1d(exact.offset)[-1], 0.0, 0.0
    if isinstance(geometry, ParallelGeometry3D):
        offset_v, tilt = float(exact.offset[0]), float(exact.tilt)
    dv, du = (np.linalg.norm(axis, axis=1).mean() for axis in (v.row_axis, v.column_axis))
    attributes = _common(v, np.array([dv, du]))
    sides = attributes["sVoxel"]
    distance = float(np.linalg.norm(sides) + np.abs(v.centre).max() + abs(offset_v))
    origin = v.centre - offset_v * v.row_axis / dv
    attributes |= {
        "mode": "parallel",
        "DSO": distance,
        "DSD": 2 * distance,
        "offOrigin": _one(origin[:, ::-1]),
        "offDetector": np.zeros(2),
        "rotDetector": np.zeros(3),
        "COR": float(offset_u),
    }
    angles = exact.angles - np.pi / 2
    if tilt:
        angles = np.stack([angles, np.full_like(angles, tilt), 0 * angles], axis=1)
    return attributes, angles


def _common(v: RayVectors, pitch: np.ndarray) -> dict[str, Any]:
    shape, counts = np.array(v.image_shape), np.array(v.detector_shape)
    return {
        "nVoxel": shape,
        "dVoxel": v.pixel_size,
        "sVoxel": shape * v.pixel_size,
        "nDetector": counts,
        "dDetector": pitch,
        "sDetector": counts * pitch,
        "accuracy": 0.5,
    }


def _one(values: np.ndarray) -> Any:
    """The value of the first view where all views have the same, up to rounding."""
    scale = max(np.abs(values).max(), 1e-30)
    if np.ptp(values, axis=0).max() > 1e-9 * scale:
        return values
    return float(values[0]) if values.ndim == 1 else values[0]


def _rotation(angle: np.ndarray, i: int, j: int) -> np.ndarray:
    """Turns axis i towards axis j, of every view."""
    matrix = np.tile(np.eye(3), (len(angle), 1, 1))
    matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
    matrix[:, j, i], matrix[:, i, j] = np.sin(angle), -np.sin(angle)
    return matrix


def _rx(angle: np.ndarray) -> np.ndarray:
    return _rotation(angle, 1, 2)


def _ry(angle: np.ndarray) -> np.ndarray:
    return _rotation(angle, 2, 0)


def _rz(angle: np.ndarray) -> np.ndarray:
    return _rotation(angle, 0, 1)
