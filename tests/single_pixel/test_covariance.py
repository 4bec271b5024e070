"""Streaming moments equal those of the whole set, and symmetrising equals augmenting."""

import numpy as np
import pytest

from jaxrecon.single_pixel import estimate_moments, symmetrise

IMAGES = np.random.default_rng(0).normal(3, 1, (90, 4, 4)).astype(np.float32)
IMAGES = IMAGES * np.linspace(1, 2, 4, dtype=np.float32)


COMPLEX = (IMAGES + 1j * np.roll(IMAGES, 1, (0, 2))).astype(np.complex64)


@pytest.mark.parametrize("images", [IMAGES, COMPLEX, (20 * IMAGES).astype(np.uint8)])
@pytest.mark.parametrize("batch", [7, 30, 90])
def test_streaming_equals_numpy(batch, images):
    moments = estimate_moments(images[i : i + batch] for i in range(0, 90, batch))
    flat = images.reshape(90, 16)
    assert int(moments.count) == 90
    np.testing.assert_allclose(moments.mean, flat.mean(0), rtol=1e-5)
    expected = np.cov(flat.T)
    np.testing.assert_allclose(moments.covariance, expected, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("given", [IMAGES, COMPLEX])
def test_symmetrise_equals_all_orientations(given):
    images = np.concatenate([given, given[:, ::-1]])
    images = np.concatenate([images, images[:, :, ::-1]])
    flat = np.concatenate([images, images.transpose(0, 2, 1)]).reshape(720, 16)
    moments = symmetrise(estimate_moments([given]), (4, 4))
    np.testing.assert_allclose(moments.mean, flat.mean(0), rtol=1e-5)
    within = np.cov(given.reshape(90, 16).T) - np.cov(given.reshape(90, 16).T, bias=True)
    bound = 0.1 if given is IMAGES else 0.2
    assert np.abs(within).max() < bound
    np.testing.assert_allclose(moments.covariance, np.cov(flat.T, bias=True), atol=bound)


def test_bad_input():
    with pytest.raises(ValueError, match="two images"):
        estimate_moments([IMAGES[:1]])
    with pytest.raises(ValueError, match="earlier ones had 16"):
        estimate_moments([IMAGES, IMAGES[:, :2]])
    with pytest.raises(ValueError, match="square"):
        symmetrise(estimate_moments([IMAGES[:, :2]]), (2, 4))
