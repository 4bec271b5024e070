"""Filtered backprojection is quantitative; its filter keeps the mean; weights of the views."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import phantoms

fbp = jax.jit(ct.filtered_backprojection, static_argnames="window")


def disc(radius, value, centre=(0.0, 0.0)):
    return phantoms.Ellipses(
        jnp.array([value]), jnp.array([centre]), jnp.full((1, 2), radius), jnp.zeros(1)
    )


def inside(shape, pixel_size, radius, centre):
    y = pixel_size * (np.arange(shape[0]) - (shape[0] - 1) / 2)[:, None] - centre[1]
    x = pixel_size * (np.arange(shape[1]) - (shape[1] - 1) / 2) - centre[0]
    return x**2 + y**2 < (0.85 * radius) ** 2


SCANS = [
    (1.0, 1.0, 120, np.pi, 0.0),
    (0.4, 0.3, 150, np.pi, 0.0),
    (0.7, 1.0, 121, 2 * np.pi, 1.3),
    (2.0, 1.1, 240, 2 * np.pi, 0.0),
]


@pytest.mark.parametrize(
    ("pixel_size", "pitch", "views", "arc", "offset", "window"),
    [(*scan, "ram-lak") for scan in SCANS] + [(*SCANS[2], window) for window in ct.WINDOWS[1:]],
)
def test_a_disc_comes_back_with_its_attenuation(pixel_size, pitch, views, arc, offset, window):
    shape, mu = (64, 56), 0.0192
    radius = 20 * pixel_size
    centre = (3 * pixel_size, -4 * pixel_size)
    geometry = ct.parallel_beam(
        shape, views, arc=arc, pixel_size=pixel_size, pitch=pitch, offset=offset
    )
    sinogram = phantoms.radon(disc(radius, mu, centre), geometry.angles, geometry.positions)
    image = np.asarray(fbp(sinogram, geometry, window=window))
    values = image[inside(shape, pixel_size, radius, centre)]
    assert values.mean() == pytest.approx(mu, rel=0.01)
    assert values.std() < 0.03 * mu


def test_shepp_logan_error_is_that_of_the_best_peers():
    geometry = ct.parallel_beam((256, 256), 180)
    phantom = phantoms.shepp_logan(256.0)
    truth = phantoms.rasterise(phantom, (256, 256), 1.0, 8)
    image = fbp(phantoms.radon(phantom, geometry.angles, geometry.positions), geometry)
    assert float(jnp.linalg.norm(image - truth) / jnp.linalg.norm(truth)) < 0.105


def test_the_ramp_has_no_bias_and_is_the_ramp():
    response = np.asarray(ct.ramp_response(100, 0.5))
    frequency = np.linspace(0, 1, len(response))  # of Nyquist, 1/mm
    assert 0 < response[0] < 2e-3
    np.testing.assert_allclose(response[5:], frequency[5:], atol=2e-3)
    assert float(ct.ramp_response(100, 0.5, "hann")[-1]) == pytest.approx(0, abs=1e-6)
    assert float(ct.ramp_response(100, 0.5, "hamming")[-1]) == pytest.approx(0.08, rel=1e-2)
    cut = np.asarray(ct.ramp_response(100, 0.5, "cosine", 0.5))
    assert np.all(cut[len(cut) // 2 + 1 :] == 0)


def test_filtering_is_the_convolution_with_the_kernel_of_kak_and_slaney():
    row = np.random.default_rng(0).normal(size=(2, 11))
    pitch = 0.7
    n = np.arange(-10, 11)
    odd = n % 2 != 0
    kernel = np.where(odd, -1 / (np.pi * np.where(odd, n, 1) * pitch) ** 2, 0.0)
    kernel[10] = 1 / (4 * pitch**2)
    expected = [pitch * np.convolve(r, kernel)[10:21] for r in row]
    with jax.enable_x64(True):
        response = ct.ramp_response(11, pitch, dtype=jnp.float64)
        np.testing.assert_allclose(ct.filter_sinogram(row, response), expected, rtol=1e-12)


def test_angular_weights():
    np.testing.assert_allclose(
        ct.angular_weights(jnp.arange(6) * jnp.pi / 6), jnp.pi / 6, rtol=1e-5
    )
    full = ct.angular_weights(jnp.arange(8) * jnp.pi / 4)
    np.testing.assert_allclose(full.sum(), jnp.pi, rtol=1e-6)
    some = ct.angular_weights(jnp.array([2.0, 0.0, 0.5]))
    expected = [(1.5 + np.pi - 2) / 2, (0.5 + np.pi - 2) / 2, 1.0]
    np.testing.assert_allclose(some, expected, rtol=1e-6)


def test_irregular_angles_need_their_weights():
    angles = jnp.pi * jnp.linspace(0, 1, 120, endpoint=False) ** 1.5
    geometry = ct.ParallelGeometry((64, 64), angles, 93)
    phantom = phantoms.shepp_logan(64.0)
    truth = phantoms.rasterise(phantom, (64, 64), 1.0, 8)
    sinogram = phantoms.radon(phantom, geometry.angles, geometry.positions)
    right = fbp(sinogram, geometry, weights=ct.angular_weights(angles))
    wrong = fbp(sinogram, geometry)
    assert float(jnp.linalg.norm(right - truth)) < 0.7 * float(jnp.linalg.norm(wrong - truth))


def test_float64_and_gradient_in_the_offset():
    with jax.enable_x64(True):
        geometry = ct.parallel_beam((20, 20), 30, dtype=jnp.float64)
        sinogram = phantoms.radon(disc(6.0, 1.0), geometry.angles, geometry.positions)
        sinogram = sinogram.astype(jnp.float64)

        def loss(offset):
            return jnp.sum(ct.filtered_backprojection(sinogram, geometry.replace(offset=offset))[3])

        step = 1e-6
        expected = (loss(0.2 + step) - loss(0.2 - step)) / (2 * step)
        assert float(jax.grad(loss)(0.2)) == pytest.approx(float(expected), rel=1e-5)


def test_bad_input_is_explained():
    geometry = ct.parallel_beam((8, 8), 4)
    sinogram = jnp.zeros(geometry.sinogram_space.shape)
    with pytest.raises(ValueError, match="window"):
        ct.filtered_backprojection(sinogram, geometry, "blackman")
    with pytest.raises(ValueError, match="cutoff"):
        ct.filtered_backprojection(sinogram, geometry, cutoff=1.5)
    with pytest.raises(ValueError, match="reversed"):
        ct.filtered_backprojection(sinogram.T, geometry)
    with pytest.raises(ValueError, match=r"weights of shape \(4,\)"):
        ct.filtered_backprojection(sinogram, geometry, weights=jnp.ones(3))
    with pytest.raises(ValueError, match="response of shape"):
        ct.filter_sinogram(sinogram, jnp.ones(3))
    with pytest.raises(TypeError, match="real sinogram"):
        ct.filter_sinogram(sinogram + 0j, jnp.ones(17))
