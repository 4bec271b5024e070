"""ASTRA: dictionaries vol_geom and proj_geom, as its create_*_geom functions make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon.ct.convert.vectors import RayVectors, double, frame, in_dtype, simplest, vectors_of
from jaxrecon.ct.geometry import (
    ConeGeometry,
    FanGeometry,
    Geometry,
    ParallelGeometry,
    ParallelGeometry3D,
)

_VECTORS = {
    (2, "parallel"): "parallel_vec",
    (2, "divergent"): "fanflat_vec",
    (3, "parallel"): "parallel3d_vec",
    (3, "divergent"): "cone_vec",
}


def to_astra(geometry: Geometry, vectors: bool = False) -> tuple[dict, dict]:
    """(vol_geom, proj_geom) for ``astra.create_projector`` and ``astra.data2d / data3d``.

    In the plane ASTRA's y axis points up, from the last row of the image to the first, so y
    changes sign; in space it points from the first row to the last, as here. Images and 2-D
    sinograms have the same order in both; projections of volumes are (row, view, column) there,
    ``np.swapaxes(data, 0, 1)`` of ours. Lengths stay in mm, angles in radians.

    "parallel", "parallel3d" and "cone" are used where the scan is centred and the `*_vec` forms
    otherwise; always "fanflat_vec" for a fan, since the bins of "fanflat" run the other way once y
    is turned; "cyl_cone_vec" for a curved detector in space.

    Args:
        geometry: with known values.
        vectors: always use the `*_vec` forms.

    Raises:
        ValueError: a curved detector in the plane, or tilted, or with voxels that are no cubes:
            ASTRA has none.
    """
    exact = double(geometry)
    volume = _volume(exact.image_shape, exact.pixel_size, exact.centre)
    divergent = isinstance(geometry, FanGeometry | ConeGeometry)
    if divergent and geometry.detector == "curved":
        return volume, _cylinder(geometry, exact)
    if not vectors and isinstance(geometry, ParallelGeometry) and exact.offset == 0:
        return volume, {
            "type": "parallel",
            "DetectorWidth": float(exact.pitch),
            "DetectorCount": exact.bins,
            "ProjectionAngles": -exact.angles,
        }
    centred = isinstance(geometry, ParallelGeometry3D) and exact.tilt == 0
    if isinstance(geometry, ConeGeometry):
        centred = exact.tilt is None and exact.axis_shift == 0 and not exact.source_z.any()
    if not vectors and centred and not exact.offset.any():
        kind = "cone" if isinstance(geometry, ConeGeometry) else "parallel3d"
        projection = {"type": kind, **_counts(exact.detector_shape)}
        projection |= {
            "DetectorSpacingX": float(exact.pitch[1]),
            "DetectorSpacingY": float(exact.pitch[0]),
            "ProjectionAngles": exact.angles,
        }
        if kind == "cone":
            projection["DistanceOriginSource"] = float(exact.source_distance)
            projection["DistanceOriginDetector"] = float(exact.detector_distance)
        return volume, projection

    v = vectors_of(geometry)
    rows = [v.source, v.detector, v.column_axis]
    if v.row_axis is not None:
        rows.append(v.row_axis)
    else:
        rows = [row * [1, -1] for row in rows]
    kind = _VECTORS[len(v.image_shape), v.beam]
    return volume, {
        "type": kind,
        **_counts(v.detector_shape),
        "Vectors": np.concatenate(rows, axis=1),
    }


def from_astra(vol_geom: dict, proj_geom: dict, dtype: Any = None) -> Any:
    """The geometry of an ASTRA scan: the simplest class that has exactly its rays.

    "fanflat" becomes a :class:`jaxrecon.ct.VectorGeometry`, since its bins run against u of a
    :class:`jaxrecon.ct.FanGeometry`: with the bins of the sinogram reversed it is the fan geometry
    of the angles pi - ProjectionAngles.

    Args:
        vol_geom: of ``astra.create_vol_geom``.
        proj_geom: of ``astra.create_proj_geom``: parallel, parallel_vec, fanflat, fanflat_vec,
            parallel3d, parallel3d_vec, cone, cone_vec or cyl_cone_vec.
        dtype: of the result, float32 when None.

    Raises:
        ValueError: another type, or a cylindrical detector that is not centred at the source.
    """
    shape, size, centre = _grid(vol_geom)
    kind, p = proj_geom["type"], proj_geom
    names = {name: key for key, name in _VECTORS.items()}
    if kind not in {*names, "parallel", "parallel3d", "fanflat", "cone", "cyl_cone_vec"}:
        raise ValueError(f"from_astra does not know the projection geometry {kind!r}.")
    image: dict[str, Any] = {"pixel_size": size, "centre": centre}
    angles = np.asarray(p.get("ProjectionAngles", ()), np.float64)
    if kind == "parallel":
        geometry = ParallelGeometry(
            shape, -angles, p["DetectorCount"], pitch=p["DetectorWidth"], **image
        )
        return in_dtype(geometry, dtype)
    counts = _detector_shape(p)
    if kind in ("parallel3d", "cone"):
        pitch = np.array([p["DetectorSpacingY"], p["DetectorSpacingX"]])
        if kind == "parallel3d":
            return in_dtype(ParallelGeometry3D(shape, angles, counts, pitch=pitch, **image), dtype)
        distances = p["DistanceOriginSource"], p["DistanceOriginDetector"]
        geometry = ConeGeometry(shape, angles, counts, *distances, pitch=pitch, **image)
        return in_dtype(geometry, dtype)
    if kind == "fanflat":
        u, d, _ = frame(angles, 2)
        arms = [-d * p["DistanceOriginSource"], d * p["DistanceOriginDetector"]]
        source, detector, column = (row * [1, -1] for row in (*arms, u * p["DetectorWidth"]))
        vectors = RayVectors(
            shape, source, detector, column, None, counts, size, centre, "divergent"
        )
        return simplest(vectors, dtype)
    if kind == "cyl_cone_vec":
        return _from_cylinder(shape, counts, image, np.asarray(p["Vectors"], np.float64), dtype)
    dimension, beam = names[kind]
    rows: list[Any] = np.split(
        np.asarray(p["Vectors"], np.float64), 3 if dimension == 2 else 4, axis=1
    )
    if dimension == 2:
        rows = [row * [1, -1] for row in rows] + [None]
    source, detector, column, row = rows
    vectors = RayVectors(shape, source, detector, column, row, counts, size, centre, beam)
    return simplest(vectors, dtype)


def _counts(detector_shape: tuple[int, ...]) -> dict[str, int]:
    if len(detector_shape) == 1:
        return {"DetectorCount": detector_shape[0]}
    return {"DetectorRowCount": detector_shape[0], "DetectorColCount": detector_shape[1]}


def _detector_shape(p: dict) -> Any:
    if "DetectorCount" in p:
        return (int(p["DetectorCount"]),)
    return int(p["DetectorRowCount"]), int(p["DetectorColCount"])


def _volume(shape: tuple[int, ...], size: np.ndarray, centre: np.ndarray) -> dict:
    """Counts and edges; in the plane the first row lies at the largest y."""
    names = {"Row": shape[-2], "Col": shape[-1]} | ({"Slice": shape[0]} if len(shape) == 3 else {})
    volume: dict[str, Any] = {f"Grid{name}Count": n for name, n in names.items()}
    middle = centre * [1, -1] if len(shape) == 2 else centre
    edges = {}
    for axis, name in enumerate("XYZ"[: len(shape)]):
        half = shape[-1 - axis] * size[-1 - axis] / 2
        edges[f"WindowMin{name}"] = float(middle[axis] - half)
        edges[f"WindowMax{name}"] = float(middle[axis] + half)
    volume["option"] = edges
    return volume


def _grid(volume: dict) -> Any:
    """Shape, pixel size and centre of a vol_geom."""
    names = ["Slice", "Row", "Col"] if "GridSliceCount" in volume else ["Row", "Col"]
    shape = tuple(int(volume[f"Grid{name}Count"]) for name in names)
    edges = volume.get("option", {})
    low, high = [], []
    for axis, name in enumerate("XYZ"[: len(shape)]):
        low.append(edges.get(f"WindowMin{name}", -shape[-1 - axis] / 2))
        high.append(edges.get(f"WindowMax{name}", shape[-1 - axis] / 2))
    low, high = np.array(low, np.float64), np.array(high, np.float64)
    centre = (low + high) / 2
    size = ((high - low) / shape[::-1])[::-1]
    return shape, size, centre * [1, -1] if len(shape) == 2 else centre


def _cylinder(geometry: Geometry, exact: Any) -> dict:
    """(source, middle of the detector, tangent there, row axis, radius) of every view."""
    if not isinstance(geometry, ConeGeometry):
        raise ValueError("to_astra: ASTRA has no curved detector in the plane.")
    if exact.tilt is not None and exact.tilt.any():
        raise ValueError("to_astra expected a curved detector without tilt.")
    if np.ptp(exact.pixel_size) > 1e-6 * exact.pixel_size[0]:
        raise ValueError("to_astra: ASTRA's curved detector needs cubic voxels.")
    u, d, z = frame(exact.angles, 3)
    radius = exact.source_distance + exact.detector_distance
    source = exact.axis_shift * u - exact.source_distance * d + exact.source_z[:, None] * z
    fan = exact.offset[1] / radius
    middle = source + radius * (np.sin(fan) * u + np.cos(fan) * d) + exact.offset[0] * z
    tangent = exact.pitch[1] * (np.cos(fan) * u - np.sin(fan) * d)
    rows = [source, middle, tangent, exact.pitch[0] * z, np.full((len(u), 1), radius)]
    return {
        "type": "cyl_cone_vec",
        **_counts(exact.detector_shape),
        "Vectors": np.concatenate(rows, axis=1),
    }


def _from_cylinder(shape: Any, counts: Any, image: dict, v: np.ndarray, dtype: Any) -> Any:
    source, middle, tangent, row, radius = np.split(v, [3, 6, 9, 12], axis=1)
    pitch = np.array([np.linalg.norm(row, axis=1).mean(), np.linalg.norm(tangent, axis=1).mean()])
    r = radius.mean()
    # theta where source and axis of rotation are in line, as they are without a shift
    angles = np.unwrap(np.arctan2(source[:, 0], -source[:, 1]))
    u, d, _ = frame(angles, 3)
    away = middle - source
    fan = np.arctan2(np.sum(away * u, axis=1), np.sum(away * d, axis=1)).mean()
    distance = np.hypot(source[:, 0], source[:, 1]).mean()
    geometry, again = None, v + np.inf
    if distance < r:
        offset = np.array([(middle - source)[:, 2].mean(), fan * r])
        geometry = ConeGeometry(
            shape, angles, counts, distance, r - distance, pitch=pitch, offset=offset,
            source_z=source[:, 2], detector="curved", **image,
        )  # fmt: skip
        again = _cylinder(geometry, double(geometry))["Vectors"]
    if geometry is None or np.abs(again - v).max() > 1e-5 * np.abs(v).max():
        raise ValueError(
            "from_astra expected a cylinder around the source, without tilt, and the source on a "
            "circle around the axis of rotation."
        )
    return in_dtype(geometry, dtype)
