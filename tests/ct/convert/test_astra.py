"""ASTRA: https://astra-toolbox.com/docs/geom2d.html and geom3d.html; compared with it, too."""

import jax
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.ct import convert
from tests.ct.convert.cases import ANGLES, assert_round_trip, assert_same_lines, counted, geometries


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
