"""Rasterised phantoms and exact line integrals agree with each other and with the literature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.data import shepp_logan_phantom

from jaxrecon.data import phantoms


def test_modified_shepp_logan_is_the_well_known_picture_and_upright():
    expected = shepp_logan_phantom()
    got = np.asarray(phantoms.rasterise(phantoms.shepp_logan(400.0), (400, 400), 1.0))
    assert np.mean(np.abs(got - expected) > 0.01) < 0.01  # pixels on the edges
    assert np.mean(np.abs(got[::-1] - expected) > 0.01) > 0.1
    assert np.mean(np.abs(got[:, ::-1] - expected) > 0.01) > 0.02


def test_original_shepp_logan_has_its_published_values():
    image = phantoms.rasterise(phantoms.shepp_logan(64.0, "original"), (64, 64), 1.0)
    assert float(image.max()) == pytest.approx(2.0)
    assert float(image[44, 32]) == pytest.approx(1.02, abs=1e-6)  # brain, below the centre
    assert float(image[0, 0]) == 0


def disc(radius=10.0, value=0.5, centre=(3.0, -4.0)):
    return phantoms.Ellipses(
        jnp.array([value]), jnp.array([centre]), jnp.full((1, 2), radius), jnp.zeros(1)
    )


def test_radon_of_a_disc_is_the_chord_length():
    s = jnp.array([0.0, 3.0, 3.0 + 8.0, 3.0 + 10.5])
    got = phantoms.radon(disc(), jnp.array([0.0]), s)[0]
    np.testing.assert_allclose(got, [0.5 * 2 * 91**0.5, 0.5 * 20, 0.5 * 12, 0.0], rtol=1e-6)
    along_y = phantoms.radon(disc(), jnp.array([jnp.pi / 2]), jnp.array([-4.0]))
    np.testing.assert_allclose(along_y, [[10.0]], rtol=1e-6)


def test_radon_of_a_rotated_ellipse_is_the_sum_over_its_pixels():
    ellipse = phantoms.Ellipses(
        jnp.array([1.0]), jnp.array([[5.0, -7.0]]), jnp.array([[20.0, 6.0]]), jnp.array([0.4])
    )
    image = phantoms.rasterise(ellipse, (128, 128), 0.5, 4)
    coordinate = 0.5 * (jnp.arange(128) - 63.5)
    exact = phantoms.radon(ellipse, jnp.array([0.0, jnp.pi / 2]), coordinate)
    for got, expected in ((0.5 * image.sum(0), exact[0]), (0.5 * image.sum(1), exact[1])):
        assert float(jnp.linalg.norm(got - expected) / jnp.linalg.norm(expected)) < 0.01


def test_every_view_has_the_mass_of_the_image():
    ellipses = phantoms.random_ellipses(jax.random.key(1), 5, 20.0)
    area = float(jnp.sum(ellipses.value * jnp.pi * ellipses.semi_axes.prod(-1)))
    s = jnp.linspace(-80, 80, 8001)
    mass = phantoms.radon(ellipses, jnp.linspace(0, 3, 7), s).sum(-1) * (s[1] - s[0])
    np.testing.assert_allclose(mass, area, rtol=1e-3)


def test_first_row_has_the_smallest_y_and_pixels_may_be_oblong():
    image = phantoms.rasterise(disc(4.0, 1.0, (0.0, -15.0)), (40, 20), (1.0, 2.0))
    rows, columns = np.nonzero(np.asarray(image))
    assert rows.mean() == pytest.approx(19.5 - 15)
    assert columns.mean() == pytest.approx(9.5)
    assert np.ptp(rows) > 1.5 * np.ptp(columns)


def test_supersampling_averages():
    coarse = phantoms.rasterise(disc(), (16, 16), 2.0, 3)
    fine = phantoms.rasterise(disc(), (48, 48), 2.0 / 3)
    np.testing.assert_allclose(coarse, fine.reshape(16, 3, 16, 3).mean((1, 3)), rtol=1e-5)


def test_random_ellipses_depend_on_the_key_and_map_over_keys():
    keys = jax.random.split(jax.random.key(0), 3)

    @jax.jit
    @jax.vmap
    def images(key):
        return phantoms.rasterise(phantoms.random_ellipses(key, 7, 32.0), (32, 32), 1.0)

    batch = images(keys)
    assert batch.shape == (3, 32, 32)
    assert float(jnp.abs(batch[0] - batch[1]).max()) > 0.1
    one = phantoms.rasterise(phantoms.random_ellipses(keys[2], 7, 32.0), (32, 32), 1.0)
    np.testing.assert_allclose(batch[2], one, atol=1e-6)


def test_gradient_of_the_radon_transform_is_finite_at_the_edge():
    gradient = jax.grad(lambda r: phantoms.radon(disc(r), jnp.zeros(1), jnp.arange(20.0)).sum())
    assert bool(jnp.isfinite(gradient(10.0)))


def test_float64():
    with jax.enable_x64(True):
        e = phantoms.shepp_logan(2.0, dtype=jnp.float64)
        assert phantoms.rasterise(e, (8, 8), 0.25).dtype == jnp.float64
        assert phantoms.radon(e, np.zeros(1), np.zeros(3)).dtype == jnp.float64
        assert phantoms.random_ellipses(jax.random.key(0), 2, 1.0).value.dtype == jnp.float32


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="variant"):
        phantoms.shepp_logan(1.0, "new")
    with pytest.raises(ValueError, match=r"semi_axes of shape \(2, 2\), got \(2,\)"):
        phantoms.Ellipses(jnp.ones(2), jnp.ones((2, 2)), jnp.ones(2), jnp.ones(2))
    with pytest.raises(ValueError, match="count"):
        phantoms.random_ellipses(jax.random.key(0), 0, 1.0)
    with pytest.raises(ValueError, match="supersampling"):
        phantoms.rasterise(phantoms.shepp_logan(1.0), (4, 4), 1.0, 0)
