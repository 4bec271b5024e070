"""Homodyne and POCS: exact for real images, close for a phantom with a smooth phase."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.data import rasterise, shepp_logan
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri import simulate
from jaxrecon.mri.direct import homodyne, pocs, root_sum_of_squares
from tests.mri.scans import relative_error

METHODS = [homodyne, pocs]


def lines(n, fraction, upper):
    kept = np.arange(n) < round(fraction * n)
    return kept[::-1] if upper else kept


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "upper"), [(16, False), (15, False), (15, True)])
def test_a_real_image_is_exact(method, n, upper):
    image = np.random.default_rng(0).normal(size=(2, 6, n)).astype(np.float32)
    kspace = fft_centred(image, (1, 2))
    mask = lines(n, 0.7, upper)
    given = jnp.where(mask, kspace, jnp.nan)
    options = {} if method is homodyne else {"iterations": 40}
    got = method(jnp.where(mask, kspace, 0), mask, axis=-1, **options)
    np.testing.assert_allclose(got, image, atol=2e-5)
    np.testing.assert_array_equal(method(given, mask, axis=-1, **options).shape, image.shape)


@pytest.fixture(scope="module")
def scan():
    """Coils with a smooth phase: that of loops, and a quadratic one of the image."""
    n = 64
    grid = (np.arange(n) - n // 2) / n
    turn = np.exp(1j * (1.0 + 4 * grid[:, None] ** 2 + 3 * grid[:, None] * grid))
    maps = simulate.loop_maps(4, (n, n), 240 / n, radius=70.0, distance=150.0, normalise="peak")
    images = rasterise(shepp_logan(190.0), (n, n), 240 / n, 4) * turn * maps
    images = images.astype(jnp.complex64)
    return images, fft_centred(images, (1, 2))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("upper", [False, True])
def test_a_smooth_phase_is_recovered_better_than_by_zeros(scan, method, upper):
    images, kspace = scan
    mask = lines(64, 0.625, upper)
    data = jnp.where(mask[:, None], kspace, 0)
    got = jax.jit(lambda y: method(y, mask))(data)
    zeros = ifft_centred(data, (1, 2))
    reference = root_sum_of_squares(images)
    error = relative_error(root_sum_of_squares(zeros), reference)
    assert error > 0.08
    assert relative_error(root_sum_of_squares(got), reference) < error / 3
    assert relative_error(got, images) < relative_error(zeros, images) / 3


def test_pocs_keeps_the_data_and_homodyne_takes_any_axis_and_shape_of_mask(scan):
    _, kspace = scan
    mask = lines(64, 0.6, True)
    data = jnp.where(mask[:, None], kspace, 0)
    again = fft_centred(pocs(data, mask, iterations=3), (1, 2))
    np.testing.assert_allclose(again[:, mask], data[:, mask], atol=1e-5)
    got = homodyne(data, mask)
    turned = homodyne(data.swapaxes(1, 2), mask[None, :], axis=2).swapaxes(1, 2)
    np.testing.assert_allclose(turned, got, atol=1e-5)


def test_wrong_arguments(scan):
    _, kspace = scan
    mask = lines(64, 0.6, True)
    with pytest.raises(TypeError, match="outside of jit"):
        jax.jit(lambda m: homodyne(kspace, m))(mask)
    with pytest.raises(TypeError, match="boolean"):
        pocs(kspace, mask * 1.0)
    with pytest.raises(ValueError, match="one run"):
        pocs(kspace, mask & (np.arange(64) != 40))
    with pytest.raises(ValueError, match="one run"):
        homodyne(kspace, np.arange(64) > 40)
    with pytest.raises(ValueError, match="an end"):
        homodyne(kspace, np.abs(np.arange(64) - 32) < 20)
    with pytest.raises(ValueError, match="64 lines"):
        homodyne(kspace, mask[1:])
    with pytest.raises(ValueError, match="along axis 1 only"):
        homodyne(kspace, mask[None, :])
    with pytest.raises(ValueError, match="axis of the image"):
        homodyne(kspace, mask, axis=0)
    with pytest.raises(TypeError, match="complex"):
        homodyne(kspace.real, mask)
