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
