"""PSNR, SSIM and NMSE against scikit-image and hand-made numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jaxrecon import metrics


def images(shape=(2, 40, 33), dtype=np.float32, offset=0.0):
    rng = np.random.default_rng(0)
    truth = np.cumsum(rng.normal(size=shape), axis=-1)
    noisy = truth + 0.5 * rng.normal(size=shape)
    return (noisy + offset).astype(dtype), (truth + offset).astype(dtype)


def test_psnr_equals_scikit_image_for_each_image_of_a_batch():
    noisy, truth = images()
    expected = [
        peak_signal_noise_ratio(t, x, data_range=7.0) for x, t in zip(noisy, truth, strict=True)
    ]
    got = metrics.psnr(noisy, truth, 7.0)
    assert got.shape == (2,)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("sample_covariance", [False, True])
def test_ssim_equals_scikit_image(gaussian, sample_covariance):
    noisy, truth = images()
    got = jax.jit(
        lambda x, t: metrics.ssim(x, t, 9.0, gaussian=gaussian, sample_covariance=sample_covariance)
    )(noisy, truth)
    for value, x, t in zip(got, noisy.astype(np.float64), truth.astype(np.float64), strict=True):
        expected = structural_similarity(
            t,
            x,
            data_range=9.0,
            gaussian_weights=gaussian,
            use_sample_covariance=sample_covariance,
        )
        assert abs(float(value) - expected) < 1e-5


def test_ssim_in_float32_survives_a_large_mean():
    noisy, truth = images(offset=1000.0)
    expected = [
        structural_similarity(t.astype(float), x.astype(float), data_range=9.0)
        for x, t in zip(noisy, truth, strict=True)
    ]
    np.testing.assert_allclose(metrics.ssim(noisy, truth, 9.0), expected, atol=1e-4)


def test_ssim_window_and_identical_images():
    noisy, truth = images()
    expected = structural_similarity(truth[0], noisy[0], data_range=9.0, win_size=11)
    assert abs(float(metrics.ssim(noisy[0], truth[0], 9.0, window=11)) - expected) < 1e-4
    np.testing.assert_allclose(metrics.ssim(truth, truth, 9.0), 1.0, rtol=1e-6)


def test_metrics_vmap_is_the_batch_and_gradients_are_finite():
    noisy, truth = images()
    for metric in (lambda a, b: metrics.psnr(a, b, 9.0), lambda a, b: metrics.ssim(a, b, 9.0)):
        batch = jax.jit(jax.vmap(metric))(noisy, truth)
        np.testing.assert_allclose(batch, metric(noisy, truth), rtol=1e-6)
        gradient = jax.jit(jax.grad(lambda a, m=metric: m(a, truth).sum()))(noisy)
        assert bool(jnp.all(jnp.isfinite(gradient)))
        assert float(jnp.abs(gradient).max()) > 0


def test_data_range_may_differ_between_images():
    noisy, truth = images()
    ranges = np.array([3.0, 8.0], np.float32)
    for metric in (metrics.psnr, metrics.ssim):
        got = metric(noisy, truth, ranges)
        for k in range(2):
            np.testing.assert_allclose(got[k], metric(noisy[k], truth[k], ranges[k]), rtol=1e-6)


def test_nmse_and_psnr_of_complex_images():
    truth = jnp.array([[3.0 + 4.0j, 0.0], [0.0, 0.0]])
    x = truth + jnp.array([[0.0, 1.0j], [2.0, 0.0]])
    assert float(metrics.nmse(x, truth)) == pytest.approx(5 / 25)
    assert float(metrics.psnr(x, truth, 5.0)) == pytest.approx(10 * np.log10(25 / (5 / 4)))


def test_float64_is_kept():
    with jax.enable_x64(True):
        noisy, truth = images(dtype=np.float64)
        expected = [
            structural_similarity(t, x, data_range=9.0) for x, t in zip(noisy, truth, strict=True)
        ]
        got = metrics.ssim(noisy, truth, 9.0)
        assert got.dtype == jnp.float64
        np.testing.assert_allclose(got, expected, rtol=1e-11)
        assert metrics.psnr(noisy, truth, 9.0).dtype == jnp.float64
        assert metrics.nmse(noisy, truth).dtype == jnp.float64


def test_bad_input_is_explained():
    noisy, truth = images()
    with pytest.raises(TypeError, match="data_range"):
        metrics.psnr(noisy, truth)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="data_range > 0"):
        metrics.ssim(noisy, truth, 0.0)
    with pytest.raises(ValueError, match="truth, like x, of float32"):
        metrics.psnr(noisy, truth[0], 1.0)
    with pytest.raises(TypeError, match="floating-point"):
        metrics.psnr(noisy.astype(np.uint8), truth.astype(np.uint8), 255)
    with pytest.raises(ValueError, match="at least 7x7"):
        metrics.ssim(noisy[..., :5], truth[..., :5], 1.0)
    with pytest.raises(ValueError, match="odd window"):
        metrics.ssim(noisy, truth, 1.0, window=8)
    with pytest.raises(TypeError, match="real x"):
        metrics.ssim(noisy + 0j, truth + 0j, 1.0)
    with pytest.raises(ValueError, match="images"):
        metrics.nmse(noisy[0, 0], truth[0, 0])
