"""Calibration from data with an unknown object: exact integrals over the area of each bin."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import Ellipses, Ellipsoids, line_integrals

FINE = 4  # rays for each bin, whose mean is what the bin measures


def inserts(dimension, count=24, seed=1):
    """Random places in the disc (the cylinder), in units of half the width, and sizes."""
    random = np.random.default_rng(seed)
    radius = np.sqrt(random.uniform(0.05, 0.6, count))
    angle = random.uniform(0, 2 * np.pi, count)
    centre = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    if dimension == 3:
        centre = np.column_stack([centre, random.uniform(-0.7, 0.7, count)])
    value = np.append(0.02, random.uniform(0.01, 0.04, count)).astype(np.float32)
    return value, centre, random


def body(half):
    """An ellipse with 24 inserts, in 1/mm."""
    value, centre, random = inserts(2)
    sizes = np.vstack([(0.88, 0.8), random.uniform(0.03, 0.1, (24, 2))])
    angle = np.append(0.3, random.uniform(0, 3, 24))
    return Ellipses(value, half * np.vstack([(0.06, -0.03), centre]), half * sizes, angle)


def solid(half, half_z):
    """An ellipsoid with 24 inserts, in 1/mm."""
    value, centre, random = inserts(3)
    scale = np.array([half, half, half_z])
    sizes = random.uniform(0.08, 0.15, (24, 3)) * half
    return Ellipsoids(
        value,
        scale * np.vstack([(0.06, -0.03, 0), centre]),
        np.vstack([scale * (0.85, 0.8, 0.9), sizes]),
    )


def measure(phantom, geometry, noise=0.0, seed=0):
    """Means over the bins of the exact line integrals, with noise relative to their maximum."""
    fine = geometry._with(bins=geometry.bins * FINE, pitch=geometry.pitch / FINE)
    exact = line_integrals(phantom, *fine.rays())
    data = exact.reshape(geometry.views, geometry.bins, FINE).mean(-1)
    random = np.random.default_rng(seed).standard_normal(data.shape).astype(np.float32)
    return data + noise * data.max() * random


@pytest.mark.parametrize("noise", [pytest.param(0.0, marks=pytest.mark.slow), 0.01])
def test_centre_of_rotation_of_a_parallel_beam(noise):
    start = ct.parallel_beam((64, 64), 90, bins=110)
    data = measure(body(32.0), start.replace(offset=2.3), noise)
    found = ct.calibrate(data, start, ("offset",))
    assert abs(float(found.geometry.offset) - 2.3) < 0.05
    assert found.misfit[-1] < 0.5 * found.misfit[0] + 2 * noise


@pytest.mark.slow
def test_large_error_of_the_centre_is_searched_first():
    start = ct.parallel_beam((64, 64), 90, bins=110)
    data = measure(body(32.0), start.replace(offset=-13.7), 0.01)
    found = ct.calibrate(data, start, search=("offset", np.arange(-16.0, 17.0, 4.0)))
    assert abs(float(found.geometry.offset) + 13.7) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("noise", [pytest.param(0.0, marks=pytest.mark.slow), 0.001])
def test_angles_and_centre_together(noise):
    start = ct.parallel_beam((96, 96), 135)
    errors = np.deg2rad(0.5) * np.random.default_rng(2).standard_normal(135).astype(np.float32)
    true = start.replace(angles=start.angles + errors, offset=2.3)
    data = measure(body(48.0), true, noise)
    found = ct.calibrate(data, start, {"offset": 5.0, "angles": 0.01}).geometry
    left = np.rad2deg(np.asarray(found.angles - true.angles))
    assert np.std(left) < 0.05  # degrees, of 0.5
    assert abs(float(found.offset) - 2.3) < 0.05
    # the mean, that a rotation of the object undoes, is not touched
    assert float(jnp.mean(found.angles - start.angles)) == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
def test_axis_shift_and_tilt_of_a_fan():
    start = ct.fan_beam((48, 48), 90, 150.0, 75.0).replace(tilt=0.0)
    data = measure(body(24.0), start.replace(axis_shift=2.3, tilt=0.05), 0.001)
    found = ct.calibrate(data, start, ("axis_shift", "tilt"), model="joseph").geometry
    assert abs(float(found.axis_shift) - 2.3) < 0.05
    assert abs(float(found.tilt) - 0.05) < 0.005


@pytest.mark.slow
def test_roll_and_yaw_of_a_cone():
    start = ct.cone_beam((12, 24, 24), 36, 80.0, 40.0).replace(tilt=0.0)
    tilt = (0.05, 0.0, 0.08)  # roll, pitch, yaw
    true = start.replace(tilt=tilt, axis_shift=0.7)
    rows, columns = start.detector_shape
    fine = true._with(detector_shape=(2 * rows, 2 * columns), pitch=true.pitch / 2)
    data = line_integrals(solid(12.0, 6.0), *fine.rays())
    data = data.reshape(36, rows, 2, columns, 2).mean((2, 4))
    options = {"smoothing": (1.0,), "iterations": 5, "inner_iterations": 15}
    found = ct.calibrate(data, start, {"tilt": 0.1, "axis_shift": 2.0}, **options).geometry
    # at the edge of the detector, 19 columns from its middle, 0.06 rows and 0.04 columns
    assert abs(float(found.tilt[0]) - tilt[0]) < 0.003
    assert abs(float(found.tilt[2]) - tilt[2]) < 0.01
    assert abs(float(found.axis_shift) - 0.7) < 0.02


def test_a_second_scan_does_not_compile_again():
    from jaxrecon.ct.calibrate import _refine

    def scan(offset):
        start = ct.parallel_beam((16, 16), 12, offset=offset)
        return ct.calibrate(jnp.ones((12, start.bins)), start, iterations=2, inner_iterations=3)

    scan(0.0)
    compiled = _refine._cache_size()
    scan(1.0)
    assert _refine._cache_size() == compiled


def test_bad_input_is_explained():
    start = ct.parallel_beam((16, 16), 12)
    data = jnp.zeros(start.sinogram_space.shape)
    fan = ct.fan_beam((16, 16), 12, 40.0, 20.0)
    with pytest.raises(ValueError, match="'pitch'"):
        ct.calibrate(data, start, ("pitch",))
    with pytest.raises(ValueError, match="positive standard deviations"):
        ct.calibrate(data, start, {"offset": 0.0})
    with pytest.raises(ValueError, match="tilt = None"):
        ct.calibrate(jnp.zeros(fan.sinogram_space.shape), fan, ("tilt",))
    with pytest.raises(ValueError, match="sinogram"):
        ct.calibrate(data[:5], start)
