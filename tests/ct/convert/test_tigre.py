"""TIGRE: computeDeltas in Common/CUDA/ray_interpolated_projection.cu and ..._parallel.cu."""

import jax
import numpy as np

from jaxrecon import ct
from jaxrecon.ct import convert
from tests.ct.convert.cases import assert_round_trip, assert_same_lines, geometries


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
