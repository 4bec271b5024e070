"""Diffusion samplers with exact denoisers of Gaussians and mixtures, against exact posteriors."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.functionals import LeastSquares, Zero
from jaxrecon.sampling import (
    diffpir,
    diffusion_posterior_sampling,
    score,
    variance_exploding,
    variance_preserving,
)
from tests.laws.cases import quick_jit

PIXELS = 20_000
NOISE, DATUM = 0.5, 0.8
LEVELS = variance_exploding(20.0, 0.01, 100)
KEY = jax.random.key(0)
EXACT = DATUM / (1 + NOISE**2), 1 / (1 + 1 / NOISE**2)
"""mean and variance of the posterior of x ~ N(0, 1), datum = x + NOISE n"""


def gaussian(variance, x, sigma):
    return variance / (variance + sigma**2) * x


def fidelity():
    return LeastSquares(None, jnp.full(PIXELS, DATUM), jnp.full(PIXELS, 1 / NOISE**2))


def sampled(method):
    x = quick_jit(lambda m: solve(m, jnp.zeros(PIXELS), len(LEVELS))[0])(method)
    return np.asarray(x, np.float64)


def affine_recursion(step):
    """Mean and variance after x <- a x + b + c noise, (a, b, c) = step(sigma, lower, shrink)."""
    levels = np.append(np.asarray(LEVELS, np.float64), 0)
    mean, variance = 0.0, levels[0] ** 2
    for sigma, lower in pairwise(levels):
        a, b, c = step(sigma, lower, 1 / (1 + sigma**2))
        mean, variance = a * mean + b, a**2 * variance + c**2
    return mean, variance


def assert_moments(x, mean, variance):
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / PIXELS)
    assert abs(x.var() - variance) < 5 * variance * np.sqrt(2 / PIXELS)


def test_dps_does_what_its_formula_says_and_how_far_that_is_from_the_posterior():
    """Too sure, and too near to the data: 0.79 and 0.11 instead of 0.64 and 0.2."""

    def step(sigma, lower, shrink):
        r = (lower / sigma) ** 2
        guide = (sigma**2 - lower**2) * shrink / NOISE**2
        a = shrink + r * (1 - shrink) - guide * shrink
        return a, guide * DATUM, lower * np.sqrt(1 - r)

    mean, variance = affine_recursion(step)
    method = diffusion_posterior_sampling(
        fidelity(), 1.0, LEVELS, KEY, normalised=False, denoiser=gaussian
    )
    assert_moments(sampled(method), mean, variance)
    np.testing.assert_allclose((mean, variance), (0.785, 0.113), atol=0.01)
    np.testing.assert_allclose(EXACT, (0.64, 0.2))


@pytest.mark.parametrize(("weight", "fresh", "reached"), [(1.0, 0.5, 0.16), (1.0, 1.0, 0.1)])
def test_diffpir_does_what_its_formula_says(weight, fresh, reached):
    """The mean of the posterior to 0.02; a variance that is too small."""

    def step(sigma, lower, shrink):
        s = sigma**2 / weight / NOISE**2
        slope, offset = shrink / (1 + s), s * DATUM / (1 + s)
        kept = lower * np.sqrt(1 - fresh) / sigma
        return slope + kept * (1 - slope), offset * (1 - kept), lower * np.sqrt(fresh)

    mean, variance = affine_recursion(step)
    method = diffpir(fidelity(), 1.0, LEVELS, KEY, weight=weight, fresh=fresh, denoiser=gaussian)
    assert_moments(sampled(method), mean, variance)
    np.testing.assert_allclose(mean, EXACT[0], atol=0.02)
    np.testing.assert_allclose(variance, reached, atol=0.01)
    assert variance < EXACT[1]


MODES = jnp.array([-1.0, 2.0])
SHARES = jnp.array([0.3, 0.7])
WIDTH = 0.2


def mixture(parameters, x, sigma):
    """The conditional mean for the density sum_i share_i N(mode_i, width^2)."""
    total = WIDTH**2 + sigma**2
    away = x[..., None] - MODES
    probable = jax.nn.softmax(jnp.log(SHARES) - away**2 / (2 * total), axis=-1)
    return jnp.sum(probable * (MODES + WIDTH**2 / total * away), axis=-1)


def test_without_data_it_samples_a_mixture():
    """Shares and moments of both modes; the width to the error of so many levels."""
    method = diffusion_posterior_sampling(Zero(), (), LEVELS, KEY, denoiser=mixture)
    x = sampled(method)
    upper = x > 0.5
    assert abs(upper.mean() - 0.7) < 5 * np.sqrt(0.21 / PIXELS)
    for chosen, mode in ((upper, 2.0), (~upper, -1.0)):
        np.testing.assert_allclose(x[chosen].mean(), mode, atol=0.01)
        np.testing.assert_allclose(x[chosen].std(), WIDTH, rtol=0.05)


@pytest.mark.parametrize(("sampler", "least"), [("dps", 0.99), ("diffpir", 0.9)])
def test_data_choose_the_mode(sampler, least):
    """A datum of 1.2 with the noise 0.5: 0.9997 of the posterior is at the upper mode. DiffPIR,
    which does not guide by the derivative of the denoiser, leaves 6 % at the other."""
    f = LeastSquares(None, jnp.full(PIXELS, 1.2), jnp.full(PIXELS, 4.0))
    options = {"denoiser": mixture}
    method = (
        diffusion_posterior_sampling(f, (), LEVELS, KEY, normalised=False, **options)
        if sampler == "dps"
        else diffpir(f, (), LEVELS, KEY, **options)
    )
    x = sampled(method)
    mean = (2.0 / WIDTH**2 + 1.2 * 4) / (1 / WIDTH**2 + 4)
    assert np.mean(x > 0.5) > least
    np.testing.assert_allclose(x[x > 0.5].mean(), mean, atol=0.1)


def test_normalised_guidance_is_algorithm_1_of_the_paper():
    """One step in its variance-preserving units, u = x / sqrt(1 + sigma^2), by jax.grad: the
    guidance is zeta' / ||m - D|| times the gradient in u of ||m - D||^2."""
    m, zeta = jnp.array([1.0, -2.0]), 0.3
    sigma, lower = 0.7, 0.4
    method = diffusion_posterior_sampling(
        LeastSquares(None, m), 1.0, jnp.array([sigma, lower]), KEY, strength=zeta, denoiser=gaussian
    )
    free = diffusion_posterior_sampling(
        Zero(), 1.0, jnp.array([sigma, lower]), KEY, denoiser=gaussian
    )
    x = jnp.array([0.4, 1.1])
    units, following = np.sqrt(1 + sigma**2), np.sqrt(1 + lower**2)

    def square(u):
        return jnp.sum((m - gaussian(1.0, units * u, sigma)) ** 2)

    slope = jax.grad(square)(x / units)
    guidance = zeta / jnp.sqrt(square(x / units)) * slope
    unguided = free.move(x, sigma, lower, KEY) / following
    got = method.move(x, sigma, lower, KEY) / following
    np.testing.assert_allclose(got, unguided - guidance, rtol=1e-5)
    at_rest = method.move(jnp.full(2, 0.0), sigma, 0.0, KEY)
    assert jnp.all(jnp.isfinite(at_rest))


def test_schedules():
    levels = variance_preserving(1000)
    betas = np.linspace(1e-4, 0.02, 1000)
    a = np.cumprod(1 - betas)
    np.testing.assert_allclose(levels, np.sqrt((1 - a) / a)[::-1], rtol=1e-4)
    few = variance_preserving(50)
    assert few.shape == (50,)
    assert np.all(np.diff(few) < 0)
    np.testing.assert_allclose(few[jnp.array([0, -1])], levels[jnp.array([0, -1])])
    np.testing.assert_allclose(variance_exploding(8.0, 0.5, 5), [8, 4, 2, 1, 0.5], rtol=1e-6)


def test_the_score_is_the_gradient_of_the_log_density():
    x = jnp.array([0.3, -1.1])
    got = score((), x, 0.6, denoiser=mixture)

    def log_density(t):
        total = WIDTH**2 + 0.36
        return jax.scipy.special.logsumexp(-((t - MODES) ** 2) / (2 * total), b=SHARES)

    np.testing.assert_allclose(got, jax.vmap(jax.grad(log_density))(x), rtol=1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match="> 0"):
        diffpir(Zero(), (), jnp.array([1.0, 0.0]), KEY)
    with pytest.raises(ValueError, match="fresh"):
        diffpir(Zero(), (), LEVELS, KEY, fresh=1.5)
    with pytest.raises(ValueError, match="noise levels"):
        diffusion_posterior_sampling(Zero(), (), jnp.ones((2, 2)), KEY)
    with pytest.raises(ValueError, match="count"):
        variance_preserving(20, times=10)


@pytest.mark.parametrize("levels", [LEVELS[::-1], jnp.asarray([2.0, 1.0, 1.0])])
def test_noise_levels_must_fall(levels):
    for sampler in (diffusion_posterior_sampling, diffpir):
        with pytest.raises(ValueError, match="levels that fall"):
            sampler(fidelity(), 1.0, levels, KEY, denoiser=gaussian)
