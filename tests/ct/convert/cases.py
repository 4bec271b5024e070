"""Geometries of every kind, and comparisons of their rays."""

import numpy as np

from jaxrecon import ct

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
