"""Direct Fourier inversion: quantitative, and filtered backprojection in another order."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import line_integrals, phantoms


def _exact(phantom, geometry):
    point, direction = geometry.rays()
    return line_integrals(phantom, point, direction)


def _scan(**changes):
    return ct.parallel_beam((96, 96), 150, bins=140).replace(**changes)


def test_a_disc_off_centre_comes_back_with_its_attenuation():
    scan = _scan(pixel_size=(0.9, 1.1), offset=1.3, centre=(4.0, -3.0))
    disc = phantoms.Ellipses([0.02], [[6.0, -5.0]], [[20.0, 20.0]], [0.0])
    image = ct.fourier_slice_gridding(_exact(disc, scan), scan)
    y, x = scan.pixel_positions()
    inside = np.hypot(y[:, None] + 5, x - 6) < 15
    assert abs(float(image[inside].mean()) - 0.02) < 2e-4


@pytest.mark.slow
def test_shepp_logan_at_the_size_of_the_comparison():
    scan = ct.parallel_beam((256, 256), 180, bins=364)
    phantom = phantoms.shepp_logan(256)
    image = ct.fourier_slice_gridding(_exact(phantom, scan), scan)
    truth = phantoms.rasterise(phantom, (256, 256), 1.0, 8)
    error = np.linalg.norm(image - truth) / np.linalg.norm(truth)
    assert error < 0.106  # 0.104; filtered backprojection 0.093, ASTRA's 0.114


@pytest.mark.slow
def test_smoothed_it_is_filtered_backprojection():
    scan = _scan(pixel_size=(0.8, 1.0), offset=-0.7, centre=(2.0, 5.0), image_shape=(80, 91))
    data = _exact(phantoms.shepp_logan(80), scan)
    a = ct.fourier_slice_gridding(data, scan, "hann", 0.5)
    b = ct.filtered_backprojection(data, scan, "hann", 0.5)
    assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


@pytest.mark.slow
def test_weights_of_irregular_angles_and_gradients():
    with jax.enable_x64(True):
        angles = np.sort(np.random.default_rng(0).uniform(0, np.pi, 40))
        scan = ct.ParallelGeometry((24, 24), jnp.asarray(angles), 36)
        data = _exact(phantoms.shepp_logan(24, dtype=jnp.float64), scan)
        weights = ct.angular_weights(scan.angles)

        def value(offset, data):
            image = ct.fourier_slice_gridding(data, scan.replace(offset=offset), weights=weights)
            return jnp.sum(image**2)

        slope = jax.grad(value)(0.3, data)
        h = 1e-6
        difference = (value(0.3 + h, data) - value(0.3 - h, data)) / (2 * h)
        np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_bad_input_is_explained():
    scan = _scan()
    with pytest.raises(ValueError, match="weights of shape"):
        ct.fourier_slice_gridding(jnp.zeros((150, 140)), scan, weights=jnp.ones(3))
    with pytest.raises(TypeError, match="expected a ParallelGeometry"):
        ct.fourier_slice_gridding(jnp.zeros((150, 140)), ct.fan_beam((96, 96), 150, 400, 200))
    with pytest.raises(ValueError, match="sinogram"):
        ct.fourier_slice_gridding(jnp.zeros((140, 150)), scan)
