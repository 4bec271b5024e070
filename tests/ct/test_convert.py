"""Conversions keep every ray: round trips, and rays by the formulas of the other toolboxes.

The formulas below are written down apart from the converters, from the documentation and the
source of each toolbox. For ASTRA and ODL they were also compared with the toolboxes themselves.
"""

import jax
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.ct import convert

ANGLES = np.array([0.2, 0.9, 2.0, 3.3, 5.9])
PLANE = {"pixel_size": 0.8, "centre": (3.0, -5.0)}
SPACE = {"pixel_size": (0.9, 0.8, 0.8), "centre": (1.0, 2.0, 3.0)}
HEIGHT = 0.7 + 0.4 * ANGLES


def geometries() -> dict[str, ct.Geometry]:
    """Called within x64, so that all comparisons are in double precision."""
    plane, space = ((9, 8), ANGLES), ((7, 9, 8), ANGLES, (6, 14))
    far, area = {"pitch": 1.1, "offset": 0.9}, {"pitch": (0.5, 0.7), "offset": (0.2, 0.3)}
    parallel_rows = {"pitch": (0.9, 0.7), "offset": (3.0, 0.3)}
    return {
        "parallel": ct.ParallelGeometry(*plane, 14, 0.8, 0.7),
        "parallel, offset": ct.ParallelGeometry(*plane, 14, pitch=0.7, offset=0.3, **PLANE),
        "fan": ct.FanGeometry(*plane, 16, 120.0, 60.0, 0.8, 1.1),
        "fan, shifted": ct.FanGeometry(*plane, 16, 120.0, 60.0, axis_shift=2.5, **far, **PLANE),
        "fan, tilted": ct.FanGeometry(*plane, 16, 120.0, 60.0, tilt=0.1, **far, **PLANE),
        "fan, curved": ct.FanGeometry(
            *plane, 16, 120.0, 60.0, axis_shift=2.5, detector="curved", **far, **PLANE
        ),
        "parallel 3-D": ct.ParallelGeometry3D(*space[:2], (7, 14), **parallel_rows, **SPACE),
        "laminography": ct.ParallelGeometry3D(*space, tilt=0.3, **area, **SPACE),
        "cone": ct.ConeGeometry(*space, 120.0, 60.0, (0.9, 0.8, 0.8), (0.5, 0.7)),
        "cone, shifted": ct.ConeGeometry(*space, 120.0, 60.0, axis_shift=1.5, **area, **SPACE),
        "helix": ct.ConeGeometry(*space, 120.0, 60.0, source_z=HEIGHT, **area, **SPACE),
        "cone, rolled": ct.ConeGeometry(
            *space, 120.0, 60.0, tilt=(0.05, 0.0, 0.0), axis_shift=1.5, **area, **SPACE
        ),
        "cone, tilted": ct.ConeGeometry(
            *space, 120.0, 60.0, tilt=(0.1, 0.2, -0.15), source_z=HEIGHT, **area, **SPACE
        ),
        "cone, curved": ct.ConeGeometry(
            *space, 120.0, 60.0, source_z=HEIGHT, detector="curved", **area, **SPACE
        ),
        "vectors": irregular(),
    }


def irregular() -> ct.VectorGeometry:
    """A source that shakes, and a detector that turns by a little of its own."""
    cone = ct.ConeGeometry((7, 9, 8), ANGLES, (6, 14), 120.0, 60.0, pitch=(0.5, 0.7), **SPACE)
    v = ct.as_vectors(cone)
    shake = np.random.default_rng(0).normal(size=(len(ANGLES), 3))
    return v.replace(source=v.source + shake, detector=v.detector - shake)


def lines(point, direction, centre, reference=None):
    """The foot of each ray nearest to the middle of the image, and its unit direction."""
    point, direction = np.broadcast_arrays(np.asarray(point), np.asarray(direction))
    direction = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    if reference is not None:  # a ray may be given backwards
        direction = direction * np.sign(np.sum(direction * reference, axis=-1, keepdims=True))
    point = point - np.asarray(centre)
    return point - np.sum(point * direction, axis=-1, keepdims=True) * direction, direction


def assert_same_lines(rays, geometry, tolerance, centre=None):
    foot, direction = lines(*geometry.all_view_rays(), geometry.centre)
    centre = geometry.centre if centre is None else centre
    got = lines(*rays, centre, reference=direction)
    np.testing.assert_allclose(got[1], direction, atol=tolerance / 50)
    np.testing.assert_allclose(got[0], foot, atol=tolerance)


def assert_round_trip(back, geometry, tolerance, same_class=True):
    assert back.dtype == np.float64
    assert back.image_shape == geometry.image_shape
    assert back.detector_shape == geometry.detector_shape
    np.testing.assert_allclose(back.pixel_size, geometry.pixel_size, rtol=1e-6)
    if same_class:
        assert type(back) is type(geometry)
        np.testing.assert_allclose(np.cos(np.asarray(back.angles) - ANGLES), 1, atol=tolerance)
    assert_same_lines(back.all_view_rays(), geometry, tolerance, back.centre)


def counted(n: int, middle: float) -> np.ndarray:
    return np.arange(n) - middle


# ASTRA: https://astra-toolbox.com/docs/geom2d.html and geom3d.html


def astra_rays(p):
    """Points and directions in ASTRA's coordinates, (views, *detector, dimension)."""
    angles = p.get("ProjectionAngles", np.zeros(1))[:, None]
    cos, sin = np.cos(angles), np.sin(angles)
    kind = p["type"]
    if "DetectorCount" in p:
        n = p["DetectorCount"]
        if kind == "parallel":
            s = counted(n, (n - 1) / 2) * p["DetectorWidth"]
            point, direction = (s * cos, s * sin), np.stack(np.broadcast_arrays(-sin, cos), -1)
            return np.stack(point, axis=-1), direction
        source, detector, u = np.split(p["Vectors"][:, None], 3, axis=-1)
        place = detector + counted(n, (n - 1) / 2)[:, None] * u
        return (place, source) if kind == "parallel_vec" else (source, place - source)
    rows, columns = p["DetectorRowCount"], p["DetectorColCount"]
    i, k = (
        counted(rows, (rows - 1) / 2)[:, None, None],
        counted(columns, (columns - 1) / 2)[:, None],
    )
    if kind in ("parallel3d", "cone"):
        o = np.zeros_like(cos)
        u, d, z = (np.stack(a, -1)[:, None] for a in ((cos, sin, o), (-sin, cos, o), (o, o, o + 1)))
        place = i * p["DetectorSpacingY"] * z + k * p["DetectorSpacingX"] * u
        if kind == "parallel3d":
            return place, d
        source = -p["DistanceOriginSource"] * d
        return source, place + p["DistanceOriginDetector"] * d - source
    vectors = p["Vectors"][:, None, None]
    source, detector, u, v = np.split(vectors[..., :12], 4, axis=-1)
    if kind == "cyl_cone_vec":
        radius = vectors[..., 12:]
        normal = (
            detector
            - source
            - np.sum((detector - source) * v, -1, keepdims=True)
            * v
            / np.sum(v * v, -1, keepdims=True)
        )
        normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
        step = np.linalg.norm(u, axis=-1, keepdims=True)
        fan = k * step / radius
        place = detector + radius * (np.sin(fan) * u / step + (np.cos(fan) - 1) * normal) + i * v
    else:
        place = detector + i * v + k * u
    return (place, source) if kind == "parallel3d_vec" else (source, place - source)


def test_detectors_of_one_row_and_one_column():
    with jax.enable_x64(True):
        fan = ct.FanGeometry((9, 8), ANGLES, 1, 120.0, 60.0, 0.8, 1.1)
        cone = ct.ConeGeometry((7, 9, 8), ANGLES, (1, 1), 120.0, 60.0, (0.9, 0.8, 0.8), (0.5, 0.7))
        for geometry in (fan, cone):
            for back, tolerance in (
                (convert.from_tigre(*convert.to_tigre(geometry), np.float64), 1e-9),
                (convert.from_astra(*convert.to_astra(geometry, True), np.float64), 1e-9),
                (convert.from_leap(convert.to_leap(geometry), np.float64), 1e-3),
            ):
                assert_round_trip(back, geometry, tolerance, same_class=False)
                if not isinstance(back, ct.VectorGeometry):
                    np.testing.assert_allclose(back.pitch, geometry.pitch, rtol=1e-6)


@pytest.mark.parametrize("vectors", [False, True])
def test_astra(vectors):
    with jax.enable_x64(True):
        for name, geometry in geometries().items():
            if name == "fan, curved":
                continue
            if name == "cone, curved":
                geometry = geometry.replace(pixel_size=0.8)
            volume, projection = convert.to_astra(geometry, vectors)
            plane = len(geometry.image_shape) == 2
            flip = np.array([1, -1] if plane else [1, 1, 1])
            rays = [axis * flip for axis in astra_rays(projection)]
            assert_same_lines(rays, geometry, 1e-9)
            edges = volume["option"]
            middle = [
                (edges[f"WindowMin{a}"] + edges[f"WindowMax{a}"]) / 2 for a in "XYZ"[: len(flip)]
            ]
            np.testing.assert_allclose(middle * flip, geometry.centre, atol=1e-12)
            same = name not in ("fan, tilted", "cone, tilted", "cone, rolled", "vectors")
            back = convert.from_astra(volume, projection, np.float64)
            assert_round_trip(back, geometry, 1e-9, same)


def test_astra_fan_of_angles_has_its_bins_reversed():
    projection = {
        "type": "fanflat",
        "DetectorWidth": 1.1,
        "DetectorCount": 16,
        "ProjectionAngles": ANGLES,
        "DistanceOriginSource": 120.0,
        "DistanceOriginDetector": 60.0,
    }
    with jax.enable_x64(True):
        got = convert.from_astra({"GridRowCount": 9, "GridColCount": 8}, projection, np.float64)
        fan = ct.FanGeometry((9, 8), np.pi - ANGLES, 16, 120.0, 60.0, 1.0, 1.1)
        assert isinstance(got, ct.VectorGeometry)
        np.testing.assert_allclose(got.rays()[1], fan.rays()[1][:, ::-1], atol=1e-12)
        np.testing.assert_allclose(got.rays()[0], fan.rays()[0][:, ::-1], atol=1e-9)


# ODL: docstrings of Parallel2dGeometry, FanBeamGeometry, Parallel3dAxisGeometry, ConeBeamGeometry


def test_odl():
    with jax.enable_x64(True):
        for name, geometry in geometries().items():
            if name == "vectors":
                continue
            description = convert.to_odl(geometry)
            image, detector = description["image"], description["detector"]
            assert image["shape"] == geometry.image_shape[::-1]
            low, high = image["min_pt"], image["max_pt"]
            np.testing.assert_allclose((low + high) / 2, geometry.centre, atol=1e-12)
            sides = (high - low) / image["shape"]
            np.testing.assert_allclose(sides[::-1], geometry.pixel_size)
            cells = (detector["max_pt"] - detector["min_pt"]) / detector["shape"]
            reach = 180.0 if "curved" in name else 1.0
            pitch = np.broadcast_to(geometry.pitch, (len(cells),))  # type: ignore[attr-defined]
            np.testing.assert_allclose(cells[0] * reach, pitch[-1])
            back = convert.from_odl(description, np.float64)
            tilted = name in ("fan, tilted", "cone, tilted", "cone, rolled")
            assert_round_trip(back, geometry, 1e-9, not tilted)


def test_odl_shifts_and_pitch_have_its_signs():
    """At the angle 0 the source lies at (shift, -radius); ODL's tangent at the detector is -x."""
    with jax.enable_x64(True):
        shifted = convert.to_odl(geometries()["cone, shifted"])["arguments"]
        helix = convert.to_odl(geometries()["helix"])["arguments"]
    np.testing.assert_allclose(shifted["src_shift_func"](np.zeros(2)), [[0, 1.5, 0]] * 2)
    np.testing.assert_allclose(shifted["det_shift_func"](np.zeros(2)), [[0, -1.5, 0]] * 2)
    np.testing.assert_allclose(helix["pitch"], 2 * np.pi * 0.4)
    np.testing.assert_allclose(helix["offset_along_axis"], 0.7)


def test_odl_flying_focal_spot_comes_back_as_vectors():
    with jax.enable_x64(True):
        description = convert.to_odl(geometries()["fan"])
        spots = np.tile([[0.0, 0.1], [0.2, -0.1]], (3, 1))[: len(ANGLES)]
        description["arguments"]["src_shift_func"] = lambda angles: spots[: len(angles)]
        back = convert.from_odl(description, np.float64)
    assert isinstance(back, ct.VectorGeometry)
    cos, sin = np.cos(ANGLES), np.sin(ANGLES)
    u, d = np.stack([cos, sin], -1), np.stack([-sin, cos], -1)
    np.testing.assert_allclose(back.source, spots[:, 1:] * u - (120 + spots[:, :1]) * d, atol=1e-12)


# TIGRE: computeDeltas in Common/CUDA/ray_interpolated_projection.cu and ..._parallel.cu


def tigre_rays(geo, angles):
    """Relative to the middle of the volume, (views, rows, columns, 3)."""
    rays = []
    angles = np.asarray(angles)
    for view, angle in enumerate(angles):
        alpha, theta = (angle, 0.0) if np.ndim(angle) == 0 else angle[:2]

        def of(name, dims, view=view):
            value = np.asarray(geo[name], np.float64)
            return value[view] if value.ndim > dims else value

        (nv, nu), (dv, du) = geo["nDetector"], geo["dDetector"]
        y = np.broadcast_to(du * (np.arange(nu) - nu / 2 + 0.5), (nv, nu))
        z = np.broadcast_to(dv * (nv / 2 - 0.5 - np.arange(nv)[::-1])[:, None], (nv, nu))
        pixel = np.stack([np.zeros_like(y), y, z], axis=-1)
        yaw, pitch, roll = of("rotDetector", 1)

        def rotation(i, j, t):
            m = np.eye(3)
            m[i, i] = m[j, j] = np.cos(t)
            m[j, i], m[i, j] = np.sin(t), -np.sin(t)
            return m

        pixel = pixel @ (rotation(0, 1, roll) @ rotation(2, 0, pitch) @ rotation(1, 2, yaw)).T
        dso, dsd = of("DSO", 0), of("DSD", 0)
        source = np.array([dso, 0, 0]) + (pixel if geo["mode"] == "parallel" else 0)
        v, u = of("offDetector", 1)
        pixel = pixel + np.array([-(dsd - dso), u, v])
        euler = (rotation(0, 1, alpha) @ rotation(2, 0, theta)).T
        shift = of("COR", 0) * np.array([-np.sin(alpha), np.cos(alpha), 0])
        shift = shift - of("offOrigin", 1)[::-1]
        source, pixel = source @ euler + shift, pixel @ euler + shift
        rays.append(np.broadcast_arrays(source, pixel - source))
    points, directions = zip(*rays, strict=True)
    return np.stack(points), np.stack(directions)


def test_tigre():
    with jax.enable_x64(True):
        for name, geometry in geometries().items():
            if "curved" in name:
                continue
            geo, angles = convert.to_tigre(geometry)
            rays = tigre_rays(geo, angles)
            if len(geometry.image_shape) == 2:
                assert not np.any([axis[..., 2] for axis in rays])
                rays = tuple(axis[:, 0, :, :2] for axis in rays)
            assert_same_lines(rays, geometry, 1e-9, np.zeros(len(geometry.image_shape)))
            np.testing.assert_allclose(geo["sVoxel"], geo["nVoxel"] * geo["dVoxel"])
            back = convert.from_tigre(geo, angles, np.float64)
            general = ("fan, tilted", "cone, tilted", "cone, rolled", "vectors", "laminography")
            assert_round_trip(back, geometry, 1e-9, name not in general)


def test_tigre_angles_start_a_quarter_turn_earlier():
    geo, angles = convert.to_tigre(ct.fan_beam((8, 8), 4, 50.0, 30.0))
    np.testing.assert_allclose(angles, np.arange(4) * np.pi / 2 - np.pi / 2, atol=1e-6)
    assert (geo["DSO"], geo["DSD"]) == (50, 80)
    np.testing.assert_array_equal(geo["nVoxel"], [1, 8, 8])


# LEAP: parameters::convert_conebeam_to_modularbeam and docstrings of set_*beam


def leap_rays(description):
    """(views, rows, columns, 3) in LEAP's coordinates."""
    a, kind = description["arguments"], description["geometry"]
    row = (np.arange(a["numRows"]) - a.get("centerRow", (a["numRows"] - 1) / 2))[:, None, None]
    column = (np.arange(a["numCols"]) - a.get("centerCol", (a["numCols"] - 1) / 2))[:, None]
    if kind == "modularbeam":
        source, middle, v, u = (
            np.asarray(a[name], np.float64)[:, None, None]
            for name in ("sourcePositions", "moduleCenters", "rowVectors", "colVectors")
        )
        place = middle + row * a["pixelHeight"] * v + column * a["pixelWidth"] * u
        return source, place - source
    phi = np.deg2rad(np.asarray(a["phis"], np.float64)) - np.pi / 2
    z = np.array([0.0, 0, 1])
    theta = np.stack([np.cos(phi), np.sin(phi), 0 * phi], -1)[:, None, None]
    perp = np.stack([-np.sin(phi), np.cos(phi), 0 * phi], -1)[:, None, None]
    if kind == "parallelbeam":
        return column * a["pixelWidth"] * perp + row * a["pixelHeight"] * z, -theta
    middle = (phi[0] + phi[-1]) / 2
    height = ((phi - middle) * a.get("helicalPitch", 0.0))[:, None, None, None] * z
    source = a["sod"] * theta - a["tau"] * perp + height
    if kind == "fanbeam":
        beam = -theta + column * a["pixelWidth"] / a["sdd"] * perp
        return source + row * a["pixelHeight"] * z, beam
    if description["detector"] == "curved":
        fan = column * np.arctan(a["pixelWidth"] / a["sdd"])
        flat = -np.cos(fan) * theta + np.sin(fan) * perp
        return source, flat + row * a["pixelHeight"] / a["sdd"] * z
    tilt = np.deg2rad(a.get("tiltAngle", 0.0))
    v, u = np.cos(tilt) * z - np.sin(tilt) * perp, np.cos(tilt) * perp + np.sin(tilt) * z
    place = -a["sdd"] * theta + row * a["pixelHeight"] * v + column * a["pixelWidth"] * u
    return source, place


def test_leap():
    beams = {
        "parallel": "parallelbeam",
        "parallel 3-D": "parallelbeam",
        "fan": "fanbeam",
        "fan, tilted": "modularbeam",
        "fan, curved": "conebeam",
        "helix": "conebeam",
        "cone, rolled": "conebeam",
        "cone, tilted": "modularbeam",
        "vectors": "modularbeam",
    }
    with jax.enable_x64(True):
        for name, geometry in geometries().items():
            if name == "laminography":
                continue
            description = convert.to_leap(geometry)
            assert description["geometry"] == beams.get(name, description["geometry"])
            volume = description["volume"]
            centre = np.array([volume[f"offset{axis}"] for axis in "XYZ"])
            if description["geometry"] == "parallelbeam":  # LEAP ignores offsetZ there
                centre[2] = (volume["numZ"] - 1) / 2 - description["arguments"]["centerRow"]
                centre[2] *= volume["voxelHeight"]
            rays = leap_rays(description)
            if len(geometry.image_shape) == 2:
                rays, centre = tuple(axis[:, 0, :, :2] for axis in rays), centre[:2]
            # angles in degrees and vectors are float32 there: 2e-5 degrees at 180 mm
            assert_same_lines(rays, geometry, 2e-4, centre)
            back = convert.from_leap(description, np.float64)
            tilted = name in ("fan, tilted", "cone, tilted", "vectors")
            assert_round_trip(back, geometry, 2e-4, not tilted)


def test_leap_is_in_degrees():
    a = convert.to_leap(ct.parallel_beam((8, 8), 4, pixel_size=2.0))["arguments"]
    np.testing.assert_allclose(a["phis"], [0, 45, 90, 135])
    assert a["centerCol"] == (a["numCols"] - 1) / 2


def test_dtype_of_what_comes_back():
    geometry = ct.parallel_beam((8, 8), 4)
    assert convert.from_astra(*convert.to_astra(geometry)).dtype == np.float32
    assert convert.from_tigre(*convert.to_tigre(geometry)).dtype == np.float32


def test_what_a_toolbox_does_not_have_is_refused():
    with jax.enable_x64(True):
        all_ = geometries()
    with pytest.raises(ValueError, match="no curved detector in the plane"):
        convert.to_astra(all_["fan, curved"])
    with pytest.raises(ValueError, match="cubic voxels"):
        convert.to_astra(all_["cone, curved"])
    with pytest.raises(ValueError, match="does not know"):
        convert.from_astra({"GridRowCount": 9, "GridColCount": 8}, {"type": "spiral"})
    with pytest.raises(ValueError, match="increase"):
        convert.to_odl(ct.ParallelGeometry((8, 8), ANGLES[::-1].copy(), 9))
    with pytest.raises(ValueError, match="irregular"):
        convert.to_odl(all_["vectors"])
    with pytest.raises(ValueError, match="flat detector"):
        convert.to_tigre(all_["cone, curved"])
    geo, angles = convert.to_tigre(all_["parallel"])
    with pytest.raises(ValueError, match="use COR"):
        convert.from_tigre(geo | {"offDetector": np.ones(2)}, angles)
    with pytest.raises(ValueError, match="square pixels"):
        convert.to_leap(ct.parallel_beam((8, 8), 4, pixel_size=(1.0, 2.0)))
    with pytest.raises(ValueError, match="no tilt"):
        convert.to_leap(all_["laminography"])
    with pytest.raises(ValueError, match="slices at the rows"):
        convert.to_leap(ct.ParallelGeometry3D((4, 8, 8), ANGLES, (5, 9)))
