"""Coverage of exact and of wrong posteriors, and effective sample sizes of known chains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.sampling import (
    coverage,
    effective_sample_size,
    normal_transform,
    rank_transform,
)

LEVELS = np.array([0.1, 0.5, 0.9])
N = 20_000


def posterior():
    """Truths x ~ N(0, 1), data x + n / 2, and the exact posterior's mean and deviation."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(N)
    data = truth + 0.5 * rng.standard_normal(N)
    return rng, jnp.asarray(truth), jnp.asarray(data / 1.25), np.sqrt(0.2)


def test_exact_posteriors_cover_what_they_promise():
    rng, truth, mean, deviation = posterior()
    samples = mean + deviation * rng.standard_normal((7, N))
    error = 5 * np.sqrt(LEVELS * (1 - LEVELS) / N)
    ranks = rank_transform(truth, samples, jax.random.key(0))
    assert np.all(np.abs(coverage(ranks, LEVELS) - LEVELS) < error)
    exact = normal_transform(truth, mean, deviation)
    assert np.all(np.abs(coverage(exact, LEVELS) - LEVELS) < error)


def test_deviations_too_small_by_half_are_found_out():
    """P(|z| < q / 2) with q the normal quantile of each level."""
    _, truth, mean, deviation = posterior()
    got = coverage(normal_transform(truth, mean, deviation / 2), LEVELS)
    quantiles = jax.scipy.stats.norm.ppf(0.5 + LEVELS / 2)
    expected = 2 * jax.scipy.stats.norm.cdf(quantiles / 2) - 1
    np.testing.assert_allclose(got, expected, atol=5 * np.sqrt(0.25 / N))


@pytest.mark.slow
def test_effective_sample_size_of_autoregressive_chains():
    """n (1 - a) / (1 + a) for x' = a x + noise; the mean over 16 chains, each within some 15 %."""
    rng = np.random.default_rng(1)
    factors = np.array([[0.0], [0.5], [0.9]])
    n, x, chain = 20_000, np.zeros((3, 16)), []
    for noise in rng.standard_normal((n, 3, 16)):
        x = factors * x + noise
        chain.append(x)
    got = jnp.mean(effective_sample_size(jnp.asarray(np.array(chain), jnp.float32)), axis=1)
    np.testing.assert_allclose(got, (n * (1 - factors) / (1 + factors))[:, 0], rtol=0.15)
    for value in (1.0, 0.1, 1e-3, 0.0):  # some of which are not their own rounded mean
        column = jnp.full(1001, value)
        both = effective_sample_size(jnp.stack([column, jnp.asarray(chain)[:1001, 0, 0]], axis=1))
        assert jnp.isnan(both[0])
        assert 700 < both[1] < 1400


def test_bad_input():
    with pytest.raises(ValueError, match="at least 4"):
        effective_sample_size(jnp.ones(3))
    with pytest.raises(ValueError, match="samples"):
        rank_transform(jnp.ones(3), jnp.ones(3), jax.random.key(0))


@pytest.mark.parametrize("levels", [[90.0], [0.5, 0.0], [1.0], [jnp.nan]])
def test_levels_are_shares_between_zero_and_one(levels):
    with pytest.raises(ValueError, match=r"levels in \(0, 1\), got .*percent"):
        coverage(jnp.array([0.2, 0.7]), levels)


def test_levels_may_be_traced_and_have_an_axis():
    transform = jnp.array([0.2, 0.55])
    np.testing.assert_array_equal(jax.jit(coverage)(transform, jnp.array([0.3, 0.7])), [0.5, 1.0])
    with pytest.raises(ValueError, match=r"levels \(L,\), got the shape \(\)"):
        coverage(transform, 0.9)
