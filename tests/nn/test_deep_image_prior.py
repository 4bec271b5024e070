"""The deep image prior: a linear network as written out; a smooth image denoised, in time."""

from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.functionals import HuberTotalVariation, LeastSquares
from tests.laws.cases import quick_jit

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


WINDOW, MOMENTUM, PENALTY = 4, 0.95, 0.3
INPUTS = np.random.default_rng(3).random((6, 8, 2))
DATA = INPUTS @ [1.0, -0.5] + 0.1 * np.random.default_rng(4).standard_normal((6, 8))
RATE = 0.5 / np.linalg.norm(INPUTS.reshape(-1, 2), 2) ** 2


COMPLEX_DATA = DATA + 1j * DATA[::-1]


def linear_network(outputs=1):
    options = {"residual": False, "bias": False, "rngs": nnx.Rngs(0)}
    return nn.CNN((), (1,), inputs=2, outputs=outputs, **options)


def linear_fit(length, data=DATA, **options):
    """The image z w, of two weights w, by gradient descent with momentum."""
    is_complex = np.iscomplexobj(data)
    f = LeastSquares(None, jnp.asarray(data, jnp.complex64 if is_complex else jnp.float32))
    options = {"perturbation": 0.0, "window": WINDOW, **options}
    return nn.deep_image_prior(
        linear_network(2 if is_complex else 1),
        f,
        jnp.asarray(INPUTS, jnp.float32),
        length,
        key=KEY,
        optimiser=optax.sgd(RATE, MOMENTUM),
        trace=lambda state: (state.window[(state.count - 1) % WINDOW], state.variance),
        **options,
    )


def written_out(penalty=0.0, data=DATA):
    """The fidelity of the image, the variance of the images around their mean, and the mean."""
    units = [1.0, 1j] if np.iscomplexobj(data) else [1.0]
    kernel = linear_network(len(units)).layers[0].kernel[...]
    w = np.asarray(kernel, float).reshape(2, len(units)) @ np.array(units)
    mean, variance, velocity = INPUTS @ w, 0.0, 0.0
    while True:
        image = INPUTS @ w
        away = image - mean
        variance = (1 - 1 / WINDOW) * (variance + np.mean(np.abs(away) ** 2) / WINDOW)
        mean = mean + away / WINDOW
        slope = np.einsum("yxc,yx->c", INPUTS, image - data + penalty * image)
        velocity = MOMENTUM * velocity + slope
        w = w - RATE * velocity
        yield np.sum(np.abs(image - data) ** 2) / 2, variance, mean


@pytest.mark.parametrize(("penalty", "data"), [(0.0, DATA), (PENALTY, DATA), (0.0, COMPLEX_DATA)])
def test_a_linear_network_descends_as_written_out(penalty, data):
    """The regulariser is descended as well, and is no part of the fidelity on record; a complex
    image is two channels."""
    g = LeastSquares(None, jnp.zeros((6, 8)), jnp.full((6, 8), penalty)) if penalty else None
    end = linear_fit(20, data, regulariser=g)
    misfits, variances, means = zip(*islice(written_out(penalty, data), 20), strict=True)
    np.testing.assert_allclose(end.history[0], misfits, rtol=1e-4)
    np.testing.assert_allclose(end.history[1], variances, rtol=1e-3)
    np.testing.assert_allclose(end.x, means[-1], atol=1e-5)
    assert end.status == jr.Status.NOT_CONVERGED


def test_it_stops_where_the_mean_of_the_last_fidelities_is_the_discrepancy():
    misfits = np.array([misfit for misfit, _, _ in islice(written_out(), 60)])
    means = np.convolve(misfits, np.full(WINDOW, 1 / WINDOW), "valid")
    level = 1.01 * means[5:].min()
    end = linear_fit(60, discrepancy=level)
    assert end.status == jr.Status.CONVERGED
    assert WINDOW < end.iterations < 60
    assert end.iterations == WINDOW + np.argmax(means <= level)


def test_patience_ends_so_many_steps_after_the_least_variance():
    patience = 6
    _, variances, means = zip(*islice(written_out(), 60), strict=True)
    least = k = WINDOW
    while k - least < patience:
        k += 1
        least = k if variances[k] < variances[least] else least
    end = linear_fit(60, patience=patience)
    assert end.status == jr.Status.CONVERGED
    assert WINDOW < least < k < 59
    assert end.iterations == k + 1
    np.testing.assert_allclose(end.x, means[least], atol=1e-5)


def test_the_fit_falls_and_is_a_function_of_the_key():
    f = LeastSquares(None, jnp.asarray(DATA, jnp.float32))
    inputs = jnp.asarray(INPUTS, jnp.float32)

    @quick_jit
    def fit(key):
        network = nn.CNN((4,), (3, 3), inputs=2, residual=False, rngs=nnx.Rngs(0))
        options = {"trace": lambda state: state.window[(state.count - 1) % 8], "every": 4}
        return nn.deep_image_prior(network, f, inputs, 40, key=key, window=8, **options)

    end, again, other = fit(KEY), fit(KEY), fit(jax.random.key(1))
    assert end.iterations == 40
    assert end.history.shape == (10,)
    assert end.history[-1] < end.history[0] / 2
    for a, b in zip(jax.tree.leaves(end.state), jax.tree.leaves(again.state), strict=True):
        assert jnp.all(a == b)
    np.testing.assert_array_equal(end.x, again.x)
    assert jnp.abs(end.x - other.x).max() > 1e-4


def test_bad_input():
    f = LeastSquares(None, jnp.ones((SIDE, SIDE)))
    for options, name in (
        ({"window": 0}, "window"),
        ({"discrepancy": -1.0}, "discrepancy"),
        ({"patience": 0}, "patience"),
        ({"perturbation": -0.1}, "perturbation"),
    ):
        with pytest.raises(ValueError, match=name):
            run(f, 5, **options)
    network, inputs = linear_network(3), jnp.asarray(INPUTS, jnp.float32)
    with pytest.raises(ValueError, match="one output channel, or of two"):
        nn.deep_image_prior(network, f, inputs, 5, key=KEY)
