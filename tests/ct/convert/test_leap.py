"""LEAP: parameters::convert_conebeam_to_modularbeam and docstrings of set_*beam."""

import jax
import numpy as np

from jaxrecon import ct
from jaxrecon.ct import convert
from tests.ct.convert.cases import assert_round_trip, assert_same_lines, geometries


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
