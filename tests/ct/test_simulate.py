"""Counts and their logarithm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct

KEY = jax.random.key(0)


def test_counts_follow_beer_and_lambert():
    counts = ct.transmission_counts(KEY, jnp.full(20_000, 1.5), 400.0)
    rate = 400 * np.exp(-1.5)
    assert float(counts.mean()) == pytest.approx(rate, abs=5 * (rate / 20_000) ** 0.5)
    assert counts.dtype == jnp.float32


def test_the_logarithm_inverts_and_states_its_variance():
    truth = jnp.full(20_000, 2.0)
    line_integrals, variance = ct.log_transform(ct.transmission_counts(KEY, truth, 5000.0), 5000.0)
    assert float(line_integrals.mean()) == pytest.approx(2.0, abs=2e-3)
    assert float(line_integrals.var()) == pytest.approx(float(variance.mean()), rel=0.05)


def test_no_counts_stay_finite_with_large_variance():
    line_integrals, variance = ct.log_transform(jnp.array([0.0, 100.0]), 100.0)
    np.testing.assert_allclose(line_integrals, [np.log(200), 0.0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(variance, [2.0, 0.01])


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="counts >= 0"):
        ct.log_transform(jnp.array([-1.0]), 10.0)
    with pytest.raises(ValueError, match="photons > 0"):
        ct.transmission_counts(KEY, jnp.ones(2), 0.0)
    with pytest.raises(TypeError, match="floating-point counts"):
        ct.log_transform(jnp.array([1]), 10.0)


def test_readings_have_the_stated_mean_and_variance():
    p, photons, n = 1.0, np.array([200.0, 900.0]), 40_000
    readings = ct.transmission_counts(
        KEY, jnp.full((n, 2), p), photons, scatter=30.0, dark=[100.0, 50.0], electronic_noise=12.0
    )
    rate = photons * np.exp(-p) + 30
    mean, variance = rate + np.array([100, 50]), rate + 144
    assert np.all(np.abs(readings.mean(0) - mean) < 5 * np.sqrt(variance / n))
    # the variance of a variance is about 2 v^2 / n, and v (1 + 2 v) / n for Poisson
    assert np.all(np.abs(readings.var(0) - variance) < 5 * variance * np.sqrt(2.2 / n))


def test_counts_without_electronic_noise_are_whole_numbers():
    counts = ct.transmission_counts(KEY, jnp.ones(100), 50.0, scatter=3.0)
    np.testing.assert_array_equal(counts, np.round(counts))


def test_the_logarithm_takes_dark_field_and_scatter_away():
    n, p, photons = 40_000, 2.0, 4000.0
    added = {"scatter": 100.0, "dark": 200.0, "electronic_noise": 15.0}
    readings = ct.transmission_counts(KEY, jnp.full(n, p), photons, **added)
    line_integrals, variance = ct.log_transform(readings, photons, **added)
    noise = float(variance.mean() / n) ** 0.5
    bias = float(variance.mean()) / 2  # second order of the logarithm
    assert float(line_integrals.mean()) == pytest.approx(p + bias, abs=5 * noise)
    assert float(line_integrals.var()) == pytest.approx(float(variance.mean()), rel=0.05)
    without, _ = ct.log_transform(readings, photons, dark=200.0)
    assert float(without.mean()) < p - 0.1


def test_a_flat_field_differs_from_bin_to_bin():
    flat = jnp.array([100.0, 1000.0, 10_000.0])
    line_integrals, _ = ct.log_transform(flat * jnp.exp(-jnp.full((4, 3), 0.7)), flat)
    np.testing.assert_allclose(line_integrals, 0.7, rtol=1e-5)


def test_readings_below_the_dark_field_are_half_a_count():
    line_integrals, variance = ct.log_transform(
        jnp.array([-20.0, 10.0, 10.2, 110.0]), 100.0, dark=10.0, electronic_noise=3.0
    )
    np.testing.assert_allclose(line_integrals, np.log([200, 200, 200, 1]), atol=1e-6)
    np.testing.assert_allclose(variance, [38, 38, 38, 0.0109], rtol=1e-5)


def test_the_logarithm_runs_under_jit_vmap_and_grad():
    counts, flat = jnp.array([[5.0, 40.0], [0.0, 7.0]]), jnp.array([50.0, 60.0])
    eager = ct.log_transform(counts, flat, dark=1.0)
    jitted = jax.jit(lambda c, f, d: ct.log_transform(c, f, dark=d))(counts, flat, 1.0)
    mapped = jax.vmap(lambda c: ct.log_transform(c, flat, dark=1.0))(counts)
    for a, b, c in zip(eager, jitted, mapped, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
        np.testing.assert_allclose(a, c, rtol=1e-6)
    gradient = jax.grad(lambda c: ct.log_transform(c, flat)[0].sum())(counts)
    np.testing.assert_allclose(gradient, [[-1 / 5, -1 / 40], [0, -1 / 7]], rtol=1e-5)


def test_float64_is_kept():
    with jax.enable_x64(True):
        counts = ct.transmission_counts(
            KEY, jnp.ones(3, jnp.float64), 1e4, dark=2.0, electronic_noise=1.0
        )
        assert counts.dtype == jnp.float64
        assert ct.log_transform(counts, 1e4, dark=2.0)[1].dtype == jnp.float64


def test_broken_data_are_explained():
    bad = jnp.array([[1.0, jnp.nan], [jnp.nan, 2.0]])
    with pytest.raises(ValueError, match="2 of 4 bins with NaN"):
        ct.log_transform(bad, 10.0)
    with pytest.raises(ValueError, match="sinogram without NaN"):
        ct.transmission_counts(KEY, bad, 10.0)
    with pytest.raises(ValueError, match="photons to broadcast"):
        ct.log_transform(jnp.ones((3, 5)), jnp.ones(3))
    with pytest.raises(ValueError, match="1 of 2 that are not"):
        ct.log_transform(jnp.ones((3, 2)), jnp.array([5.0, 0.0]))
    with pytest.raises(ValueError, match="photons > 0"):
        ct.log_transform(jnp.ones(2), jnp.nan)
    with pytest.raises(ValueError, match="scatter >= 0"):
        ct.transmission_counts(KEY, jnp.ones(2), 10.0, scatter=-1.0)
    with pytest.raises(ValueError, match="electronic_noise >= 0"):
        ct.transmission_counts(KEY, jnp.ones(2), 10.0, electronic_noise=-1.0)
