"""The deep image prior on a small smooth image: it denoises, and stops in time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.functionals import HuberTotalVariation, LeastSquares

SIDE, SIGMA = 16, 0.1
KEY = jax.random.key(0)


def problem():
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    truth = jnp.asarray(0.5 + 0.4 * np.sin(2 * np.pi * x) * np.cos(np.pi * y), jnp.float32)
    return truth, truth + SIGMA * jax.random.normal(KEY, truth.shape)


@nn.jit
def _fit(f, discrepancy):
    return run(f, 1000, discrepancy=discrepancy, window=20)


def run(f, length, **options):
    network = nn.CNN((8, 8), (3, 3, 3), inputs=4, residual=False, rngs=nnx.Rngs(0))
    inputs = jax.random.uniform(jax.random.key(1), (SIDE, SIDE, 4))
    return nn.deep_image_prior(network, f, inputs, length, key=KEY, **options)


@pytest.mark.slow
def test_it_stops_at_the_discrepancy_and_denoises():
    truth, noisy = problem()
    f = LeastSquares(None, noisy)
    level = SIDE**2 * SIGMA**2 / 2
    end = _fit(f, level)
    assert end.status == jr.Status.CONVERGED
    assert 20 <= end.iterations < 1000
    assert jnp.mean(end.state.window) <= level
    assert jnp.mean((end.x - truth) ** 2) < 0.7 * SIGMA**2


@pytest.mark.slow
def test_patience_ends_at_the_least_variance():
    """The result is the mean at the minimum of the recorded variance, `patience` steps ago."""
    _, noisy = problem()
    f = LeastSquares(None, noisy)
    patience, window = 15, 10
    record = lambda state: (state.variance, state.average)  # noqa: E731
    end = nn.jit(
        lambda f: run(f, 1000, patience=patience, window=window, perturbation=0.0, trace=record)
    )(f)
    assert end.status == jr.Status.CONVERGED
    variances, averages = (np.asarray(h)[: end.iterations] for h in end.history)
    least = window + np.argmin(variances[window:])
    assert end.iterations == least + 1 + patience
    np.testing.assert_array_equal(end.x, averages[least])


@pytest.mark.slow
def test_a_regulariser_is_a_term_of_the_cost():
    _, noisy = problem()
    tv = HuberTotalVariation((SIDE, SIDE), 0.01)
    rough, smooth = (
        nn.jit(lambda g: run(LeastSquares(None, noisy), 100, window=5, regulariser=g).x)(g)
        for g in (None, tv)
    )
    assert tv(smooth) < tv(rough) / 2


def test_bad_input():
    f = LeastSquares(None, jnp.ones((SIDE, SIDE)))
    for options, name in (
        ({"window": 0}, "window"),
        ({"discrepancy": -1.0}, "discrepancy"),
        ({"patience": 0}, "patience"),
    ):
        with pytest.raises(ValueError, match=name):
            run(f, 5, **options)
