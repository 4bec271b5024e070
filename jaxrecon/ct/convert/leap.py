"""LEAP: the arguments of its set_parallelbeam, set_fanbeam, set_conebeam, set_modularbeam."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon.ct.convert.vectors import (
    RayVectors,
    double,
    flattened,
    in_dtype,
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

LARGEST_TILT = 5.0  # degrees that set_conebeam accepts


def to_leap(geometry: Geometry) -> dict[str, Any]:
    """What LEAP's functions take: ``leapct.set_conebeam(**description["arguments"])``, and so on.

    LEAP's source is at sod (sin, -cos) of its angle, as here, with angles in degrees; tau is
    minus the axis shift, and centerRow, centerCol are the indices of the detector pixel at s = 0.
    The orders (z, y, x) and (view, row, column) are the same; images and data of the plane get an
    axis of length 1. Lengths are in mm. With parallel and fan beams LEAP's slices are the rows of
    the detector. pixelWidth of a curved detector is sdd tan(pitch / sdd), so that its fan angles
    are ours.

    Returns:
        "geometry": "parallelbeam", "fanbeam", "conebeam" or "modularbeam", for set_<geometry>;
        "arguments": keywords of that function;
        "detector": "flat" or "curved", for set_flatDetector or set_curvedDetector;
        "volume": keywords of set_volume.

    Raises:
        ValueError: pixels that are no squares, slices of a parallel beam that are no detector rows,
            a tilted parallel beam, a tilted curved detector, a helix that is not uniform, rows and
            columns of a detector at no right angle.
    """
    if isinstance(geometry, VectorGeometry):
        geometry = simplest(vectors_of(geometry), np.float64)
    exact = double(geometry)
    dy, dx = exact.pixel_size[-2:]
    if abs(dy - dx) > 1e-6 * dx:
        raise ValueError(f"to_leap expected square pixels, got (dy, dx) = ({dy:g}, {dx:g}) mm.")
    if isinstance(geometry, ParallelGeometry | ParallelGeometry3D):
        return _parallel(geometry, exact)
    if isinstance(geometry, FanGeometry | ConeGeometry):
        description = _divergent(geometry, exact)
        if description is not None:
            return description
    return _modular(geometry)


def from_leap(description: dict[str, Any], dtype: Any = None) -> Any:
    """The geometry of what :func:`to_leap` returns: the arguments of LEAP's functions.

    One row and one slice give a geometry of the plane.

    Args:
        description: as :func:`to_leap` returns; "detector" may be left out.
        dtype: of the result, float32 when None.

    Raises:
        ValueError: an unknown geometry, or a pitchAngle other than 0 (use set_modularbeam).
    """
    kind, a, volume = description["geometry"], description["arguments"], description["volume"]
    shape = volume["numZ"], volume["numY"], volume["numX"]
    size = np.array([volume["voxelHeight"], volume["voxelWidth"], volume["voxelWidth"]])
    centre = np.array([volume.get(f"offset{axis}", 0.0) for axis in "XYZ"], np.float64)
    counts = a["numRows"], a["numCols"]
    pitch = np.array([a["pixelHeight"], a["pixelWidth"]], np.float64)
    flat = shape[0] == counts[0] == 1
    if kind == "modularbeam":
        column, row = a["colVectors"] * pitch[1], a["rowVectors"] * pitch[0]
        vectors = RayVectors(
            image_shape=shape,
            source=np.asarray(a["sourcePositions"], np.float64),
            detector=np.asarray(a["moduleCenters"], np.float64),
            column_axis=column,
            row_axis=row,
            detector_shape=counts,
            pixel_size=size,
            centre=centre,
            beam="divergent",
        )
        vectors = flattened(vectors) if flat else vectors
        return simplest(vectors, dtype)
    if kind not in ("parallelbeam", "fanbeam", "conebeam"):
        raise ValueError(f"from_leap does not know the geometry {kind!r}.")
    angles = np.deg2rad(np.asarray(a["phis"], np.float64))
    curved = kind == "conebeam" and description.get("detector", "flat") == "curved"
    if curved:
        pitch[1] = a["sdd"] * np.arctan(pitch[1] / a["sdd"])
    offset = ((np.array(counts) - 1) / 2 - [a["centerRow"], a["centerCol"]]) * pitch
    if kind != "conebeam":  # the slices are the rows
        size[0] = pitch[0]
        centre[2] = ((shape[0] - 1) / 2 - a["centerRow"]) * pitch[0]
    image = {"pixel_size": size, "centre": centre, "pitch": pitch, "offset": offset}
    plane = {
        "pixel_size": size[1:],
        "centre": centre[:2],
        "pitch": pitch[1],
        "offset": offset[1],
    }
    if kind == "parallelbeam":
        if flat:
            return in_dtype(ParallelGeometry(shape[1:], angles, counts[1], **plane), dtype)
        return in_dtype(ParallelGeometry3D(shape, angles, counts, **image), dtype)
    distances = a["sod"], a["sdd"] - a["sod"]
    beam = {"axis_shift": -a.get("tau", 0.0), "detector": "curved" if curved else "flat"}
    if flat and not a.get("tiltAngle") and not a.get("helicalPitch"):
        return in_dtype(
            FanGeometry(shape[1:], angles, counts[1], *distances, **plane, **beam), dtype
        )
    if kind == "fanbeam":
        raise ValueError("from_leap expected a fan beam of one row and one slice; map over slices.")
    if a.get("pitchAngle"):
        raise ValueError("from_leap expected pitchAngle = 0; convert_to_modularbeam makes it so.")
    roll = np.deg2rad(a.get("tiltAngle", 0.0))
    height = (angles - (angles[0] + angles[-1]) / 2) * a.get("helicalPitch", 0.0)
    geometry = ConeGeometry(
        shape, angles, counts, *distances, source_z=height,
        tilt=np.array([roll, 0, 0]) if roll else None, **image, **beam,
    )  # fmt: skip
    return in_dtype(geometry, dtype)


def _parallel(geometry: Any, exact: Any) -> dict[str, Any]:
    shape, counts, size, centre = (
        exact.image_shape,
        exact.detector_shape,
        exact.pixel_size,
        exact.centre,
    )
    pitch, offset = exact.pitch, exact.offset
    if isinstance(geometry, ParallelGeometry):
        shape, counts, size = (1, *shape), (1, *counts), np.append(size[:1], size)
        pitch, offset = np.array([size[0], pitch]), np.array([0, offset])
        centre = np.append(centre, 0)
    elif exact.tilt != 0:
        raise ValueError("to_leap: LEAP's parallel beams have no tilt.")
    else:
        lowest = centre[2] - (shape[0] - 1) / 2 * size[0]
        row = offset[0] - (counts[0] - 1) / 2 * pitch[0]
        far = max(abs(size[0] - pitch[0]), abs(lowest - row)) > 1e-5 * size[0]
        if shape[0] != counts[0] or far:
            raise ValueError("to_leap expected slices at the rows of the detector (parallel beam).")
    arguments = _arguments(exact.angles, counts, pitch, offset)
    return _description("parallelbeam", arguments, shape, size, centre * [1, 1, 0])


def _divergent(geometry: Any, exact: Any) -> dict[str, Any] | None:
    """Fan and cone beams that need no vectors, else None."""
    shape, counts, size, centre = (
        exact.image_shape,
        exact.detector_shape,
        exact.pixel_size,
        exact.centre,
    )
    pitch, offset, curved = exact.pitch, exact.offset, geometry.detector == "curved"
    beam: dict[str, Any] = {
        "sod": float(exact.source_distance),
        "sdd": float(exact.source_distance + exact.detector_distance),
        "tau": -float(exact.axis_shift),
    }
    tilted = exact.tilt is not None and bool(np.any(exact.tilt))
    if curved and tilted:
        raise ValueError("to_leap expected a curved detector without tilt.")
    kind = "conebeam"
    if isinstance(geometry, FanGeometry):
        if tilted:
            return None
        kind = "conebeam" if curved else "fanbeam"
        shape, counts, size = (1, *shape), (1, *counts), np.append(size[:1], size)
        pitch, offset = np.array([size[0], pitch]), np.array([0, offset])
        centre = np.append(centre, 0)
    else:
        angles, z = exact.angles, exact.source_z
        middle = (angles[0] + angles[-1]) / 2
        slope = (z[-1] - z[0]) / (angles[-1] - angles[0]) if np.ptp(z) > 0 else 0.0
        height = z - slope * (angles - middle)
        uneven = np.ptp(height) > 1e-5 * max(np.abs(z).max(), 1e-30)
        if uneven and curved:
            raise ValueError("to_leap expected a curved detector on a circle or a uniform helix.")
        roll, pitching, yaw = exact.tilt * (180 / np.pi) if tilted else np.zeros(3)  # type: ignore[operator]
        if uneven or pitching or yaw or abs(roll) > LARGEST_TILT:
            return None
        centre = centre - [0, 0, height.mean()]
        if slope:
            beam["helicalPitch"] = float(slope)
        if roll:
            beam["tiltAngle"] = float(roll)
    arguments = _arguments(exact.angles, counts, pitch, offset) | beam
    if curved:
        sdd = beam["sdd"]
        arguments["pixelWidth"] = float(sdd * np.tan(pitch[1] / sdd))
    return _description(kind, arguments, shape, size, centre, "curved" if curved else "flat")


def _modular(geometry: Geometry) -> dict[str, Any]:
    v = vectors_of(geometry)
    if v.beam == "parallel":
        raise ValueError("to_leap expected a regular parallel scan, got irregular vectors.")
    v = lifted(v) if len(v.image_shape) == 2 else v
    du, dv = (np.linalg.norm(axis, axis=1) for axis in (v.column_axis, v.row_axis))
    slant = np.abs(np.sum(v.column_axis * v.row_axis, axis=1) / (du * dv)).max()
    if max(np.ptp(du) / du[0], np.ptp(dv) / dv[0], slant) > 1e-5:
        raise ValueError("to_leap expected detector rows and columns at right angles, of one size.")
    arguments = {
        "numAngles": len(dv),
        "numRows": v.detector_shape[0],
        "numCols": v.detector_shape[1],
        "pixelHeight": float(dv.mean()),
        "pixelWidth": float(du.mean()),
        "sourcePositions": np.ascontiguousarray(v.source, np.float32),
        "moduleCenters": np.ascontiguousarray(v.detector, np.float32),
        "rowVectors": np.ascontiguousarray(v.row_axis / dv[:, None], np.float32),
        "colVectors": np.ascontiguousarray(v.column_axis / du[:, None], np.float32),
    }
    return _description("modularbeam", arguments, v.image_shape, v.pixel_size, v.centre)


def _arguments(angles: np.ndarray, counts: Any, pitch: Any, offset: Any) -> dict[str, Any]:
    row, column = (np.array(counts) - 1) / 2 - offset / pitch
    return {
        "numAngles": len(angles),
        "numRows": counts[0],
        "numCols": counts[1],
        "pixelHeight": float(pitch[0]),
        "pixelWidth": float(pitch[1]),
        "centerRow": float(row),
        "centerCol": float(column),
        "phis": np.rad2deg(angles).astype(np.float32),
    }


def _description(
    kind: str, arguments: dict, shape: Any, size: Any, centre: Any, detector: str = "flat"
) -> dict[str, Any]:
    volume: dict[str, Any] = dict(zip(("numZ", "numY", "numX"), shape, strict=True))
    volume |= {"voxelWidth": float(size[2]), "voxelHeight": float(size[0])}
    volume |= {f"offset{axis}": float(c) for axis, c in zip("XYZ", centre, strict=True)}
    return {"geometry": kind, "arguments": arguments, "detector": detector, "volume": volume}
