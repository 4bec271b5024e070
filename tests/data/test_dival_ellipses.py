"""The random ellipses of DIVal: images and data against numbers from DIVal 0.6.2 with ASTRA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import dival_ellipses, random_dival_ellipses

# sum, image[40, 64], image[90, 30], image[50, 100], non-zero pixels (axes y, x)
IMAGES = {
    "train": (4237.39413091, 0.386572, 0.536773, 0.0, 11724),
    "validation": (2757.78483956, 0.0, 0.442034, 0.438494, 7976),
    "test": (2779.20987373, 0.14683, 0.0, 0.450344, 7558),
}
# sum, data[3, 90], data[20, 60] of the first two test images, noise included
DATA = ((85039.1827391, 34.4297, 14.5914), (123084.683612, 39.7413, 25.773))


@pytest.mark.parametrize("part", list(IMAGES))
def test_images_are_those_of_dival(part):
    image = dival_ellipses(part, 3)[2]
    assert image.dtype == np.float32
    total, a, b, c, count = IMAGES[part]
    np.testing.assert_allclose(image.sum(dtype=float), total, rtol=1e-6)
    np.testing.assert_allclose([image[40, 64], image[90, 30], image[50, 100]], [a, b, c], atol=1e-6)
    assert np.count_nonzero(image) == count


def test_data_are_those_of_dival():
    data = np.asarray(ct.ellipses_measurements(dival_ellipses("test", 2), part="test"))
    for sinogram, (total, a, b) in zip(data, DATA, strict=True):
        np.testing.assert_allclose(sinogram.sum(dtype=float), total, rtol=3e-5)
        np.testing.assert_allclose([sinogram[3, 90], sinogram[20, 60]], [a, b], rtol=2e-4)


def test_noise_of_a_key_has_the_size_stated():
    images = dival_ellipses("test", 3)
    clean = ct.ellipses_measurements(images)
    noise = ct.ellipses_measurements(images, key=jax.random.key(0)) - clean
    expected = 0.025 * np.abs(clean).mean(axis=(1, 2))
    np.testing.assert_allclose(noise.std(axis=(1, 2)), expected, rtol=0.04)  # 5490 bins
    np.testing.assert_allclose(noise.mean(axis=(1, 2)) / expected, 0, atol=4 / 5490**0.5)


def test_images_drawn_on_the_device_have_the_same_distribution():
    drawn = np.asarray(
        jax.jit(jax.vmap(random_dival_ellipses))(jax.random.split(jax.random.key(1), 200))
    )
    fixed = dival_ellipses("train", 200)
    assert drawn.min() == 0
    np.testing.assert_allclose(drawn.max(axis=(1, 2)), 1)
    for statistic in (
        lambda x: x.mean(axis=(1, 2)),
        lambda x: (x != 0).mean(axis=(1, 2)),
        lambda x: np.abs(np.diff(x, axis=1)).mean(axis=(1, 2)),
    ):
        a, b = statistic(drawn), statistic(fixed)
        assert abs(a.mean() - b.mean()) < 4 * np.sqrt((a.var() + b.var()) / 200)


def test_bad_input():
    with pytest.raises(ValueError, match="part"):
        dival_ellipses("testing", 1)
    with pytest.raises(ValueError, match="count"):
        dival_ellipses("test", 0)
    with pytest.raises(ValueError, match=r"\(n, 128, 128\)"):
        ct.ellipses_measurements(jnp.zeros((128, 128)))
    with pytest.raises(ValueError, match="not both"):
        ct.ellipses_measurements(jnp.zeros((1, 128, 128)), part="test", key=jax.random.key(0))


@pytest.mark.parametrize("size", [1, 2])
def test_images_of_few_pixels_are_numbers(size):
    images = dival_ellipses("test", 20, size)
    keys = jax.random.split(jax.random.key(0), 20)
    drawn = jax.vmap(lambda key: random_dival_ellipses(key, size))(keys)
    for found in (images, drawn):
        assert np.all((found >= 0) & (found <= 1))
