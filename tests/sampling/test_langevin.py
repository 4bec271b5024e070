"""Langevin samplers against Gaussian posteriors, whose bias is known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.functionals import L1, LeastSquares, SquaredL2
from jaxrecon.linops import Matrix
from jaxrecon.sampling import (
    moreau_yosida_langevin,
    plug_and_play_langevin,
    pooled,
    posterior_moments,
    unadjusted_langevin,
)
from tests.laws.cases import quick_jit

CHAINS = 400


def chains(make, x0, steps):
    """The last samples of independent chains (CHAINS, *shape)."""

    def run(key):
        return posterior_moments(make(key), x0, 1, burn_in=steps).moments.mean

    return quick_jit(jax.vmap(run))(jax.random.split(jax.random.key(0), CHAINS))


def posterior():
    """f + |x|^2 / 2 with its precision P and mean."""
    rng = np.random.default_rng(0)
    a, m = rng.standard_normal((4, 3)), rng.standard_normal(4)
    f = LeastSquares(Matrix(jnp.asarray(a, jnp.float32)), jnp.asarray(m, jnp.float32))
    precision = a.T @ a + np.eye(3)
    return f, precision, np.linalg.solve(precision, a.T @ m)


def assert_gaussian(samples, mean, covariance):
    """Within 5 standard errors of the estimates from independent samples."""
    n = len(samples)
    variance = np.diag(covariance)
    assert np.all(np.abs(np.mean(samples, 0) - mean) < 5 * np.sqrt(variance / n))
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / n)
    assert np.all(np.abs(np.cov(samples.T) - covariance) < 5 * error)


def test_ula_has_the_mean_and_the_biased_covariance_of_theory():
    """Covariance P^-1 (I - s P / 2)^-1, here up to 1.8 times the posterior's."""
    f, precision, mean = posterior()
    step = 0.9 / np.linalg.norm(precision, 2)
    samples = chains(lambda key: unadjusted_langevin(f + SquaredL2(), key, step), jnp.zeros(3), 150)
    exact = np.linalg.inv(precision)
    biased = np.linalg.inv(precision @ (np.eye(3) - step / 2 * precision))
    assert_gaussian(np.asarray(samples), mean, biased)
    ratio = np.linalg.eigvalsh(precision) * np.linalg.eigvalsh(biased)[::-1]
    assert ratio.max() > 1.7
    with pytest.raises(AssertionError):
        assert_gaussian(np.asarray(samples), mean, exact)


def test_pnp_ula_with_the_denoiser_of_a_gaussian_prior():
    """D(x) = x / (1 + sigma^2) for the prior N(0, 1): its score is that of N(0, 1 + sigma^2)."""
    f, precision, _ = posterior()
    sigma, step = 0.5, 0.05
    smoothed = precision - np.eye(3) + np.eye(3) / (1 + sigma**2)
    mean = np.linalg.solve(smoothed, -np.asarray(f.grad(jnp.zeros(3))))

    def make(key):
        return plug_and_play_langevin(
            f, (), sigma, key, step, denoiser=lambda p, x, s: x / (1 + s**2), box=None
        )

    samples = chains(make, jnp.zeros(3), 150)
    biased = np.linalg.inv(smoothed @ (np.eye(3) - step / 2 * smoothed))
    assert_gaussian(np.asarray(samples), mean, biased)


def test_the_box_pulls_samples_back():
    """A flat prior (D = identity) and no data: without the box the walk has no stationary law."""

    def make(key):
        return plug_and_play_langevin(
            SquaredL2() * 1e-9, (), 1.0, key, 0.02, denoiser=lambda p, x, s: x, tails=0.1
        )

    samples = chains(make, jnp.full(20, 8.0), 300)
    outside = np.maximum(np.maximum(-1 - samples, samples - 2), 0)
    # tails exp(-d^2 / (2 tails)) beside a box of the width 3; the discrete walk has 11 % more
    share = np.sqrt(2 * np.pi * 0.1) / (3 + np.sqrt(2 * np.pi * 0.1))
    np.testing.assert_allclose(np.mean(outside > 0), share, rtol=0.15)


def test_myula_samples_the_density_of_the_envelope():
    """exp(-huber), whose variance follows by quadrature; of exp(-|x|) it would be 2."""
    smoothing, step = 0.5, 0.05
    samples = chains(
        lambda key: moreau_yosida_langevin(
            1e-6 * SquaredL2(), L1(), key, smoothing=smoothing, step_size=step
        ),
        jnp.zeros(30),
        500,
    )
    t = np.linspace(-30, 30, 60001)
    density = np.exp(
        -np.where(np.abs(t) < smoothing, t**2 / (2 * smoothing), np.abs(t) - smoothing / 2)
    )
    density /= density.sum()
    variance, fourth = (np.sum(t**k * density) for k in (2, 4))
    error = np.sqrt((fourth - variance**2) / samples.size)
    assert abs(np.var(samples) - variance) < 5 * error + 0.05 * variance  # and the bias of the step


def test_complex_samples_have_noise_in_both_parts():
    f = LeastSquares(None, jnp.full(2000, 1 + 2j, jnp.complex64))
    samples = posterior_moments(
        unadjusted_langevin(f, jax.random.key(1), 0.1),
        jnp.zeros(2000, jnp.complex64),
        1,
        burn_in=100,
    ).moments.mean
    assert samples.dtype == jnp.complex64
    for part, mean in ((samples.real, 1), (samples.imag, 2)):
        np.testing.assert_allclose(np.mean(part), mean, atol=5 / np.sqrt(2000))
        np.testing.assert_allclose(np.var(part), 1 / 0.95, atol=5 * np.sqrt(2 / 2000))


@pytest.mark.slow
def test_streaming_moments_are_those_of_the_samples():
    f, _, _ = posterior()
    method = unadjusted_langevin(f + SquaredL2(), jax.random.key(2), 0.05)
    x0 = jnp.ones(3)
    options = {"thinning": 3, "trace": lambda x: x}
    first = posterior_moments(method, x0, 10, burn_in=5, **options)
    second = posterior_moments(method, x0, 20, state=first.state, moments=first.moments, **options)
    kept = np.concatenate([first.history, second.history])
    everything = posterior_moments(method, x0, 30, burn_in=5, **options)
    np.testing.assert_array_equal(everything.history, kept)
    np.testing.assert_allclose(second.moments.mean, kept.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second.moments.deviation(), kept.std(0, ddof=1), rtol=1e-5)
    parts = [
        posterior_moments(unadjusted_langevin(f, jax.random.key(k), 0.05), x0, n, **options)
        for k, n in ((3, 4), (4, 9))
    ]
    both = pooled(jax.tree.map(lambda *a: jnp.stack(a), *(p.moments for p in parts)))
    kept = np.concatenate([p.history for p in parts])
    assert both.count == 13
    np.testing.assert_allclose(both.mean, kept.mean(0), rtol=1e-5)
    np.testing.assert_allclose(both.variance(), kept.var(0, ddof=1), rtol=1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match="step_size"):
        unadjusted_langevin(SquaredL2(), jax.random.key(0), -1.0)
    with pytest.raises(ValueError, match="thinning"):
        posterior_moments(
            unadjusted_langevin(SquaredL2(), jax.random.key(0)), jnp.ones(2), 3, thinning=0
        )
