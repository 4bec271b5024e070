"""Noise of known covariance comes out white, to the accuracy of the samples."""

import jax
import numpy as np
import pytest

from jaxrecon.mri.coils import noise_covariance, prewhiten, whitening_matrix

COILS, SAMPLES = 5, 20_000


def white(shape, seed):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def mixed(seed, scale=1.0):
    """Noise A n, with its covariance A A^H."""
    A = white((COILS, COILS), 7) + np.eye(COILS)
    noise = np.sqrt(scale) * np.tensordot(A, white((COILS, 100, SAMPLES // 100), seed), 1)
    return noise, scale * A @ A.conj().T


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_whitened_noise_has_unit_covariance(dtype):
    noise, covariance = mixed(0)
    with jax.enable_x64(dtype == np.complex128):
        noise = noise.astype(dtype)
        matrix = whitening_matrix(noise_covariance(noise))
        found = prewhiten(noise, matrix)
        assert matrix.dtype == found.dtype == dtype
        again = noise_covariance(found)
        other = noise_covariance(prewhiten(mixed(1)[0].astype(dtype), matrix))
    tight = 1e-4 if dtype == np.complex64 else 1e-10
    np.testing.assert_allclose(again, np.eye(COILS), atol=tight)
    np.testing.assert_allclose(other, np.eye(COILS), atol=5 * np.sqrt(2 / SAMPLES))
    estimate = np.asarray(noise_covariance(noise))
    sizes = np.sqrt(np.diag(covariance).real)
    assert np.abs((estimate - covariance) / np.outer(sizes, sizes)).max() < 5 / np.sqrt(SAMPLES)


def test_the_bandwidth_scales_to_the_noise_of_the_data():
    noise, _ = mixed(0)
    data, _ = mixed(1, scale=1 / 2.5)  # samples 2.5 times as long
    matrix = whitening_matrix(noise_covariance(noise.astype(np.complex64)), bandwidth=2.5)
    found = noise_covariance(prewhiten(data.astype(np.complex64), matrix))
    np.testing.assert_allclose(found, np.eye(COILS), atol=5 * np.sqrt(2 / SAMPLES))
    np.testing.assert_array_equal(np.triu(matrix, 1), 0)


def test_bad_input_is_explained():
    noise = white((4, 50), 0).astype(np.complex64)
    with pytest.raises(ValueError, match="more noise samples than the 4 coils"):
        noise_covariance(noise[:, :4])
    with pytest.raises(TypeError, match="complex noise"):
        noise_covariance(noise.real)
    with pytest.raises(ValueError, match=r"shape \(coil, coil\)"):
        whitening_matrix(noise)
    with pytest.raises(ValueError, match="Is a coil dead"):
        whitening_matrix(np.diag([1.0, 0.0, 1.0]).astype(np.complex64))
    with pytest.raises(ValueError, match=r"\(virtual coil, 4\)"):
        prewhiten(noise, np.eye(3))
