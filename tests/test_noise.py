"""Means, variances, dtypes and errors of the noise models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import noise

KEY = jax.random.key(3)
COUNT = 40_000


def moments(samples):
    return float(jnp.mean(samples)), float(jnp.var(samples))


def test_gaussian_has_the_mean_and_deviation_asked_for():
    mean, variance = moments(noise.gaussian(KEY, jnp.full(COUNT, 5.0), 0.3))
    assert mean == pytest.approx(5.0, abs=5 * 0.3 / COUNT**0.5)
    assert variance == pytest.approx(0.09, rel=5 * (2 / COUNT) ** 0.5)


def test_complex_gaussian_has_sigma_in_each_part():
    y = noise.gaussian(KEY, jnp.zeros(COUNT, jnp.complex64), 2.0)
    assert y.dtype == jnp.complex64
    for part in (y.real, y.imag):
        assert moments(part)[1] == pytest.approx(4.0, rel=5 * (2 / COUNT) ** 0.5)
    assert float(jnp.mean(y.real * y.imag)) == pytest.approx(0.0, abs=5 * 4 / COUNT**0.5)


def test_sigma_broadcasts():
    y = noise.gaussian(KEY, jnp.zeros((2, COUNT)), jnp.array([[0.0], [1.0]]))
    assert float(jnp.abs(y[0]).max()) == 0
    assert moments(y[1])[1] == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("rate", [0.7, 60.0])
def test_poisson_has_equal_mean_and_variance_and_whole_numbers(rate):
    y = noise.poisson(KEY, jnp.full(COUNT, rate))
    mean, variance = moments(y)
    assert mean == pytest.approx(rate, abs=5 * (rate / COUNT) ** 0.5)
    assert variance == pytest.approx(rate, rel=5 * ((2 + 1 / rate) / COUNT) ** 0.5)
    assert bool(jnp.all(y == jnp.round(y)))


def test_poisson_of_zero_is_zero():
    np.testing.assert_array_equal(noise.poisson(KEY, jnp.zeros(10)), 0)


def test_poisson_gauss_moments():
    rate, gain, read = 20.0, 0.5, 1.5
    mean, variance = moments(noise.poisson_gauss(KEY, jnp.full(COUNT, rate), gain, read))
    expected = gain**2 * rate + read**2
    assert mean == pytest.approx(gain * rate, abs=5 * (expected / COUNT) ** 0.5)
    assert variance == pytest.approx(expected, rel=5 * (2.1 / COUNT) ** 0.5)


def test_dtypes_jit_vmap_and_determinism():
    with jax.enable_x64(True):
        x = jnp.ones((3, 4), jnp.float64)
        assert noise.gaussian(KEY, x, 1).dtype == jnp.float64
        assert noise.gaussian(KEY, x + 0j, 1).dtype == jnp.complex128
        assert noise.poisson(KEY, x).dtype == jnp.float64
        assert noise.poisson_gauss(KEY, x, 1, 1).dtype == jnp.float64
    x = jnp.ones((3, 4))
    assert noise.poisson_gauss(KEY, x, 2.0, 1.0).dtype == jnp.float32
    keys = jax.random.split(KEY, 3)
    batch = jax.jit(jax.vmap(noise.poisson_gauss, in_axes=(0, 0, None, None)))(keys, x, 2.0, 1.0)
    np.testing.assert_allclose(batch[1], noise.poisson_gauss(keys[1], x[1], 2.0, 1.0), rtol=1e-6)


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match=r"rate >= 0.*-1"):
        noise.poisson(KEY, jnp.array([2.0, -1.0]))
    with pytest.raises(ValueError, match=r"rate >= 0.*nan"):
        noise.poisson(KEY, jnp.array([2.0, jnp.nan]))
    with pytest.raises(ValueError, match="sigma >= 0"):
        noise.gaussian(KEY, jnp.ones(2), -0.1)
    with pytest.raises(ValueError, match="gain >= 0"):
        noise.poisson_gauss(KEY, jnp.ones(2), -1.0, 0.0)
    with pytest.raises(TypeError, match="real rate"):
        noise.poisson(KEY, jnp.ones(2) + 0j)
    with pytest.raises(TypeError, match="floating-point rate"):
        noise.poisson(KEY, jnp.ones(2, jnp.int32))
