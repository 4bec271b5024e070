"""The chosen weights against the best one, which needs the true image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.core.vectors import norm
from jaxrecon.functionals import LeastSquares, SquaredL2, TotalVariation
from jaxrecon.linops import Convolution, FiniteDifference
from jaxrecon.parameter_choice import (
    best_on_path,
    best_weight,
    discrepancy_principle,
    fourier_spectrum,
    l_curve,
    path,
    sure,
)
from jaxrecon.solvers import fourier_quadratic
from tests.laws.cases import quick_jit

SIDE, SIGMA = 32, 0.1
y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
BLOCKS = ((np.hypot(x, y + 0.1) < 0.25) + 0.5 * (np.abs(x) + np.abs(y) < 0.4)).astype(np.float32)


def psnr(image, truth):
    return -10 * np.log10(np.mean((np.asarray(image, np.float64) - truth) ** 2))


@pytest.mark.slow
def test_total_variation_denoising():
    noise = np.random.default_rng(0).standard_normal(BLOCKS.shape)
    data = jnp.asarray(BLOCKS + SIGMA * noise, jnp.float32)
    weights = jnp.geomspace(0.02, 0.6, 16)
    tv = TotalVariation(BLOCKS.shape, tolerance=1e-5)

    @quick_jit
    def choose(data, key):
        risks = path(lambda w: sure(lambda m: tv.prox(m, w), data, SIGMA**2, key), weights).x
        by_gcv = best_on_path(weights, risks.residual / (1 - risks.freedom) ** 2).weight
        by_discrepancy = discrepancy_principle(
            lambda w: tv.prox(data, w),
            LeastSquares(None, data, 1 / SIGMA**2),
            data.size,
            low=1e-3,
            high=10.0,
        ).weight
        chosen = jnp.stack([best_on_path(weights, risks.value).weight, by_gcv, by_discrepancy])
        return risks, chosen, path(lambda w: tv.prox(data, w), chosen).x

    risks, chosen, images = choose(data, jax.random.key(1))
    errors = np.mean((np.asarray(risks.x) - BLOCKS) ** 2, axis=(1, 2))
    # SURE follows the true error within its deviation, of order sigma^2 sqrt(2 / n)
    np.testing.assert_allclose(risks.value, errors, atol=3 * SIGMA**2 * np.sqrt(2 / data.size))
    scores = np.array([psnr(image, BLOCKS) for image in risks.x])
    by_sure, by_gcv, by_discrepancy = scores.max() - [psnr(image, BLOCKS) for image in images]
    assert scores.max() > psnr(data, BLOCKS) + 6
    assert by_sure < 0.5
    assert by_gcv < 0.5
    # the discrepancy principle smooths too much, as its docstring says
    assert by_discrepancy < 2
    assert chosen[2] > weights[np.argmax(scores)]


@pytest.mark.slow
def test_tikhonov_deblurring():
    profile = np.exp(-(np.arange(-4, 5) ** 2) / 8)
    kernel = jnp.asarray(np.outer(profile, profile) / profile.sum() ** 2, jnp.float32)
    noise = np.random.default_rng(1).standard_normal(BLOCKS.shape)
    sigma = 0.02

    @quick_jit
    def choose(truth, noise):
        operator = Convolution(kernel, truth.shape)
        difference = FiniteDifference(truth.shape, boundary="periodic")
        data = operator(truth) + sigma * noise
        spectrum = fourier_spectrum(operator, data, difference)
        fidelity = LeastSquares(operator, data)

        def solver(weight):
            f = fourier_quadratic(fidelity + weight * SquaredL2() @ difference, operator.domain)
            return f.prox(jnp.zeros_like(data), 1e6)

        weights = jnp.geomspace(1e-6, 10, 40)
        images = path(solver, weights).x
        chosen = {
            "SURE": best_weight(lambda w: spectrum.sure(w, sigma**2), 1e-6, 10).weight,
            "GCV": best_weight(spectrum.gcv, 1e-6, 10).weight,
            "discrepancy": discrepancy_principle(
                solver, (1 / sigma**2) * fidelity, data.size, low=1e-6, high=10.0
            ).weight,
            "L-curve": l_curve(
                weights,
                jax.vmap(lambda x: norm(operator(x) - data))(images),
                jax.vmap(lambda x: norm(difference(x)))(images),
            ).weight,
        }
        return images, {name: solver(w) for name, w in chosen.items()}

    images, found = choose(*(jnp.asarray(a, jnp.float32) for a in (BLOCKS, noise)))
    oracle = max(psnr(image, BLOCKS) for image in images)
    lost = {name: oracle - psnr(image, BLOCKS) for name, image in found.items()}
    assert lost["SURE"] < 0.5
    assert lost["GCV"] < 0.5
    assert lost["discrepancy"] < 0.5
    assert lost["L-curve"] < 0.5
