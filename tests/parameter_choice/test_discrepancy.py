"""The discrepancy principle against root finders of SciPy on closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from jaxrecon.direct import tikhonov
from jaxrecon.functionals import KullbackLeibler, LeastSquares
from jaxrecon.linops import Matrix
from jaxrecon.parameter_choice import discrepancy_principle
from tests.laws.cases import quick_jit
from tests.parameter_choice import problems

BRACKET = {"low": 1e-8, "high": 1e4}


def choose_for(matrix, data, sigma, tau=1.0):
    operator = Matrix(matrix)
    return discrepancy_principle(
        lambda w: tikhonov(operator, data, w, method="dense"),
        LeastSquares(operator, data, 1 / sigma**2),
        data.size,
        tau=tau,
        tolerance=1e-10,
        **BRACKET,
    )


chosen = quick_jit(choose_for)


def expected(matrix, data, target):
    def excess(t):
        x = problems.tikhonov(matrix, data, np.exp(t))
        return np.linalg.norm(matrix @ x - data) - target

    return np.exp(brentq(excess, np.log(1e-8), np.log(1e4), xtol=1e-13))


@pytest.mark.parametrize("tau", [1.0, 1.1])
def test_the_residual_equals_the_noise(tau):
    with jax.enable_x64(True):
        matrix, data, sigma = problems.system()
        found = chosen(jnp.asarray(matrix), jnp.asarray(data), sigma, tau)
        target = tau * sigma * np.sqrt(data.size)
        assert found.found
        np.testing.assert_allclose(found.weight, expected(matrix, data, target), rtol=1e-6)
        residual = np.linalg.norm(matrix @ np.asarray(found.x) - data)
        np.testing.assert_allclose(residual, target, rtol=1e-6)
        x = problems.tikhonov(matrix, data, float(found.weight))
        np.testing.assert_allclose(found.x, x, rtol=1e-6)
        assert found.evaluations <= 16


def test_items_of_a_batch_stop_on_their_own():
    with jax.enable_x64(True):
        matrix, data, sigma = problems.system()
        a, m = jnp.asarray(matrix), jnp.asarray(data)
        sigmas = sigma * jnp.array([1e-4, 1.0, 1.5])
        together = quick_jit(jax.vmap(lambda s: choose_for(a, m, s)))(sigmas)
        for i, s in enumerate(sigmas):
            alone = chosen(a, m, s)
            np.testing.assert_allclose(together.weight[i], alone.weight, rtol=1e-9)
            assert together.evaluations[i] == alone.evaluations
        assert len(set(together.evaluations.tolist())) > 1


def test_a_start_is_handed_on_and_the_weight_has_no_derivative():
    """A reconstruction that only counts how often it was called."""

    def weight(level):
        def reconstruct(w, calls):
            return (w, calls), calls + 1

        return discrepancy_principle(
            reconstruct, lambda x: level * x[0] ** 2 / 2, 1, low=1e-3, high=1e3, start=0.0
        )

    found, slope = jax.jit(jax.value_and_grad(lambda s: weight(s).weight))(0.25)
    np.testing.assert_allclose(found, 2.0, rtol=1e-3)
    assert slope == 0
    end = jax.jit(weight)(0.25)
    assert end.x[1] == end.evaluations - 1  # the last reconstruction is the best one


@pytest.mark.parametrize(("sigma", "sign"), [(1e-5, 1), (1e3, -1)])
def test_a_wrong_noise_level_is_not_hidden(sigma, sign):
    matrix, data, _ = problems.system(dtype=np.float32)
    found = chosen(jnp.asarray(matrix), jnp.asarray(data), sigma)
    assert not found.found
    assert np.sign(found.excess) == sign
    assert found.evaluations == 2
    np.testing.assert_allclose(found.weight, BRACKET["low" if sign > 0 else "high"], rtol=1e-5)


def test_counts():
    """2 KL = n for a smoothing of counts in closed form, and for tau = 1 with a background."""
    random = np.random.default_rng(2)
    counts = random.poisson(np.linspace(20, 60, 50)).astype(np.float64)
    background = 3.0

    def smoothed(w):
        share = w / (1 + w)
        return (1 - share) * counts + share * counts.mean() - background

    def excess(t):
        mean = smoothed(np.exp(t)) + background
        return 2 * np.sum(mean - counts + counts * np.log(counts / mean)) - counts.size

    with jax.enable_x64(True):
        y = jnp.asarray(counts)

        @quick_jit
        def choose(y):
            def reconstruct(w):
                share = w / (1 + w)
                return (1 - share) * y + share * jnp.mean(y) - background

            f = KullbackLeibler(None, y, background)
            return discrepancy_principle(
                reconstruct, f, y.size, low=1e-4, high=1e4, tolerance=1e-10
            )

        found = choose(y)
    assert found.found
    root = np.exp(brentq(excess, np.log(1e-4), np.log(1e4), xtol=1e-13))
    np.testing.assert_allclose(found.weight, root, rtol=1e-6)


def test_single_precision_stays_single():
    matrix, data, sigma = problems.system(dtype=np.complex64)
    operator = Matrix(jnp.asarray(matrix))
    m = jnp.asarray(data)

    @quick_jit
    def choose(m):
        return discrepancy_principle(
            lambda w: tikhonov(operator, m, w, method="dense"),
            LeastSquares(operator, m, 1 / sigma**2),
            2 * m.size,
            **BRACKET,
        )

    found = choose(m)
    assert found.weight.dtype == np.float32
    assert found.x.dtype == np.complex64
    assert abs(found.excess) <= 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"low": 0.0}, "0 < low < high"),
        ({"low": 2e4}, "0 < low < high"),
        ({"low": np.ones(2)}, "scalar low"),
        ({"tau": -1.0}, "tau"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"evaluations": 1}, "evaluations >= 2"),
        ({"count": 0}, "count"),
    ],
)
def test_errors(changes, message):
    options = {"count": 4, **BRACKET, **changes}
    with pytest.raises(ValueError, match=message):
        discrepancy_principle(lambda w: w, lambda x: x, options.pop("count"), **options)
