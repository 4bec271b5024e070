"""The rays of every geometry against formulas written down apart from them."""

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from jaxrecon import ct

ANGLES = np.array([0.0, 0.3, 1.7, 2.9, 4.4])


def plane_lines(geometry):
    """phi and s of every ray x cos(phi) + y sin(phi) = s of the plane."""
    point, direction = (np.asarray(a) for a in geometry.rays())
    np.testing.assert_allclose(np.linalg.norm(direction, axis=-1), 1, rtol=1e-12)
    phi = np.arctan2(-direction[..., 0], direction[..., 1])
    return phi, point[..., 0] * np.cos(phi) + point[..., 1] * np.sin(phi)


def assert_same_angle(a, b):
    np.testing.assert_allclose(np.exp(1j * a), np.exp(1j * b), atol=1e-12)


def test_rays_of_parallel_beams():
    with jax.enable_x64(True):
        geometry = ct.ParallelGeometry((3, 3), ANGLES, 4, pitch=0.5, offset=0.1)
        phi, s = plane_lines(geometry)
    np.testing.assert_allclose(s, [[-0.65, -0.15, 0.35, 0.85]] * 5, atol=1e-12)
    assert_same_angle(phi, np.broadcast_to(ANGLES[:, None], phi.shape))


@pytest.mark.parametrize("tilt", [0.0, 0.2])
@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_rays_of_fan_beams(detector, tilt):
    """A ray of fan angle gamma is the parallel ray theta - gamma, s = R sin gamma + a cos gamma."""
    with jax.enable_x64(True):
        geometry = ct.FanGeometry(
            (3, 3), ANGLES, 6, 50.0, 30.0, 1.0, 2.0, 0.7, 1.3, tilt, detector=detector
        )
        phi, s = plane_lines(geometry)
    t = (np.arange(6) - 2.5) * 2.0 + 0.7
    # complex numbers: u is 1, d is i, the source is 0 and the middle of the detector 80i
    place = 80 * np.exp(1j * (np.pi / 2 - t / 80)) - 80j if detector == "curved" else t
    place = 80j + np.exp(1j * tilt) * place
    gamma = np.pi / 2 - np.angle(place)
    if detector == "curved" and not tilt:
        np.testing.assert_allclose(gamma, t / 80, atol=1e-12)
    assert_same_angle(phi, ANGLES[:, None] - gamma)
    np.testing.assert_allclose(
        s, np.broadcast_to(50 * np.sin(gamma) + 1.3 * np.cos(gamma), s.shape), atol=1e-12
    )


def turned(vectors, theta):
    """Vectors of the frame at theta = 0 (x is u, y is d) turned to theta about z."""
    return Rotation.from_euler("z", theta).apply(np.reshape(vectors, (-1, 3)))


@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_rays_of_parallel_beams_in_space(tilt):
    """Laminography is a scan without tilt whose every view is turned about u."""
    with jax.enable_x64(True):
        geometry = ct.ParallelGeometry3D(
            (3, 3, 3), ANGLES, (2, 3), 1.0, (0.5, 2.0), (0.1, -0.3), tilt
        )
        point, direction = (np.asarray(a) for a in geometry.rays())
    rows, columns = np.array([-0.15, 0.35]), np.array([-2.3, -0.3, 1.7])
    grid = np.stack(np.broadcast_arrays(columns, 0.0, rows[:, None]), axis=-1)
    about_u = Rotation.from_euler("x", tilt)
    for view, theta in enumerate(ANGLES):
        expected = turned(about_u.apply(grid.reshape(-1, 3)), theta).reshape(2, 3, 3)
        np.testing.assert_allclose(point[view], expected, atol=1e-12)
        along = turned(about_u.apply([0, 1, 0]), theta)[0]
        np.testing.assert_allclose(direction[view], np.broadcast_to(along, (2, 3, 3)), atol=1e-12)


@pytest.mark.parametrize("tilt", [None, (0.1, 0.2, -0.3)])
@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_rays_of_cone_beams(detector, tilt):
    heights = np.linspace(-3, 5, 5)
    with jax.enable_x64(True):
        geometry = ct.ConeGeometry(
            (3, 3, 3), ANGLES, (2, 3), 50.0, 30.0, 1.0, (0.5, 2.0), (0.1, -0.3), 1.3,
            heights, tilt, detector=detector,
        )  # fmt: skip
        point, direction = (np.asarray(a) for a in geometry.rays())
    v, u = np.meshgrid([-0.15, 0.35], [-2.3, -0.3, 1.7], indexing="ij")
    on_arc = detector == "curved"
    place = np.stack(
        [80 * np.sin(u / 80), 80 * np.cos(u / 80) - 80, v] if on_arc else [u, 0 * u, v], axis=-1
    )
    if tilt is not None:  # x is u, y is d, z is v: u to v is minus a turn about y
        roll, pitch, yaw = tilt
        place = place.reshape(-1, 3)
        for axis, angle in (("z", yaw), ("x", -pitch), ("y", -roll)):
            place = Rotation.from_euler(axis, angle).apply(place)
    local = place.reshape(-1, 3) + np.array([0, 80, 0])
    for view, theta in enumerate(ANGLES):
        source = turned([1.3, -50, 0], theta)[0] + [0, 0, heights[view]]
        np.testing.assert_allclose(point[view], np.broadcast_to(source, (2, 3, 3)), atol=1e-12)
        expected = turned(local / np.linalg.norm(local, axis=1, keepdims=True), theta)
        np.testing.assert_allclose(direction[view], expected.reshape(2, 3, 3), atol=1e-12)


def test_rays_of_vectors():
    random = np.random.default_rng(0).normal(size=(4, 5, 3))
    source, detector, column, row = random + 10
    with jax.enable_x64(True):
        for beam in ("divergent", "parallel"):
            geometry = ct.VectorGeometry(
                (3, 3, 3), source, detector, column, row, (2, 3), beam=beam
            )
            point, direction = geometry.all_view_rays()
            pixel = detector[2] - 0.5 * row[2] + 1.0 * column[2]
            if beam == "divergent":
                np.testing.assert_allclose(point[2, 0, 2], source[2])
                np.testing.assert_allclose(point[2, 0, 2] + direction[2, 0, 2], pixel)
            else:
                np.testing.assert_allclose(point[2, 0, 2], pixel)
                np.testing.assert_allclose(direction[2, 0, 2], source[2])
