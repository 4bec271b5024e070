"""SURE, PURE, projected SURE and GCV against their formulas, written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.direct import pseudo_inverse, tikhonov
from jaxrecon.functionals import L1
from jaxrecon.linops import Matrix
from jaxrecon.parameter_choice import degrees_of_freedom, gcv, projected_sure, pure, sure
from tests.laws.cases import quick_jit
from tests.parameter_choice import problems

KEY = jax.random.key(3)
WEIGHT = 0.02


def solver(operator):
    return lambda m: tikhonov(operator, m, WEIGHT, method="dense")


@pytest.mark.parametrize("key", [None, KEY], ids=["exact", "one random direction"])
def test_soft_threshold(key):
    """For a diagonal derivative, one random direction is exact as well. Donoho and Johnstone:
    n v + sum min(|y|, t)^2 - 2 v #(|y| <= t), divided by n."""
    y = np.random.default_rng(0).standard_normal(40) * 2
    t, v = 0.7, 0.5

    @quick_jit
    def risk(y):
        return sure(lambda m: L1().prox(m, t), y, v, key)

    with jax.enable_x64(True):
        found = risk(jnp.asarray(y))
    below = np.abs(y) <= t
    expected = v + np.mean(np.minimum(np.abs(y), t) ** 2) - 2 * v * below.mean()
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    np.testing.assert_allclose(found.freedom, 1 - below.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.x, problems.soft(y, t), rtol=1e-12)


def test_complex_soft_threshold_with_a_variance_for_each_datum():
    """Above the threshold the derivative on the plane has the trace 2 - t / |y|."""
    random = np.random.default_rng(1)
    y = random.standard_normal(20) + 1j * random.standard_normal(20)
    v, t = random.uniform(0.1, 0.4, 20), 0.7
    above = np.abs(y) > t
    trace = np.where(above, 2 - t / np.abs(y), 0)
    x = problems.soft(y, t)
    expected = (np.sum(np.abs(x - y) ** 2) + 2 * np.sum(v * trace) - 2 * np.sum(v)) / 40
    with jax.enable_x64(True):
        prox = L1().prox
        found = quick_jit(lambda y: sure(lambda m: prox(m, t), y, jnp.asarray(v), None))(
            jnp.asarray(y)
        )
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    np.testing.assert_allclose(found.freedom, trace.mean() / 2, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_risks_of_tikhonov(dtype):
    matrix, data, sigma = problems.system(dtype=dtype)
    reals = 2 if dtype == np.complex128 else 1
    n = reals * data.size
    hat = problems.influence(matrix, WEIGHT)
    residual = np.linalg.norm(hat @ data - data) ** 2 / n
    trace = reals * np.trace(hat).real / n
    inverse = np.linalg.pinv(matrix)
    x = problems.tikhonov(matrix, data, WEIGHT)
    onto = inverse @ matrix
    slope = np.linalg.solve(
        matrix.conj().T @ matrix + WEIGHT * np.eye(10), matrix.conj().T
    )  # the derivative of x
    projected = np.linalg.norm(onto @ x - inverse @ data) ** 2
    projected += 2 * sigma**2 * reals * np.trace(inverse @ slope.conj().T).real
    projected -= sigma**2 * reals * np.trace(inverse @ inverse.conj().T).real

    @quick_jit
    def risks(matrix, inverse, data):
        operator = Matrix(matrix)
        return (
            gcv(solver(operator), data, None, operator=operator),
            sure(solver(operator), data, sigma**2, None, operator=operator),
            projected_sure(
                solver(operator),
                data,
                sigma**2,
                None,
                operator=operator,
                inverse=lambda m: inverse @ m,
            ),
        )

    with jax.enable_x64(True):
        by_gcv, by_sure, by_projection = risks(*map(jnp.asarray, (matrix, inverse, data)))
    np.testing.assert_allclose(by_gcv.value, residual / (1 - trace) ** 2, rtol=1e-10)
    np.testing.assert_allclose(by_gcv.freedom, trace, rtol=1e-10)
    np.testing.assert_allclose(
        by_sure.value, residual + 2 * sigma**2 * trace - sigma**2, rtol=1e-10
    )
    np.testing.assert_allclose(by_sure.x, x, rtol=1e-10)
    np.testing.assert_allclose(by_projection.value, projected / (10 * reals), rtol=1e-8)


def test_projected_sure_is_unbiased_for_a_wide_operator():
    """Its mean over noise against that of the true error, within four standard errors."""
    random = np.random.default_rng(4)
    rows = np.linalg.qr(random.standard_normal((12, 12)))[0][:8]
    matrix = np.linspace(1, 2, 8)[:, None] * rows
    truth, sigma = random.standard_normal(12), 0.3

    def trial(key):
        operator = Matrix(jnp.asarray(matrix, jnp.float32))
        noise, directions = jax.random.split(key)
        clean = operator(jnp.asarray(truth, jnp.float32))
        data = clean + sigma * jax.random.normal(noise, (8,))
        risk = projected_sure(
            solver(operator),
            data,
            sigma**2,
            directions,
            operator=operator,
            inverse=lambda m: pseudo_inverse(operator, m),
            probes=2,
        )
        seen = jnp.asarray(rows, jnp.float32) @ (risk.x - truth.astype(np.float32))
        return risk.value - jnp.sum(seen**2) / 12

    bias = np.asarray(quick_jit(jax.vmap(trial))(jax.random.split(KEY, 2000)))
    assert abs(bias.mean()) < 4 * bias.std() / np.sqrt(2000)


def test_pure_of_a_linear_filter_is_exact():
    """For linear p the first order is all there is: against the sum with one count less."""
    counts = np.random.default_rng(5).poisson(8.0, 15).astype(np.float64)
    matrix = np.exp(-np.abs(np.subtract.outer(np.arange(15), np.arange(15))) / 2.0)
    matrix /= matrix.sum(1, keepdims=True)
    mean = matrix @ counts
    less = np.array([(matrix @ (counts - np.eye(15)[i]))[i] for i in range(15)])
    exact = np.sum(mean**2) - 2 * np.sum(counts * less) + np.sum(counts**2) - np.sum(counts)
    with jax.enable_x64(True):
        operator, y = Matrix(jnp.asarray(matrix)), jnp.asarray(counts)
        found = quick_jit(lambda y: pure(lambda m: m - 2, y, None, operator=operator))(y)
        shifted = quick_jit(
            lambda y: pure(lambda m: operator(m) - 2.0, y, None, background=2.0).value
        )(y)
    np.testing.assert_allclose(shifted, exact / 15, rtol=1e-12)
    np.testing.assert_allclose(found.residual, np.mean((mean - 2 - counts) ** 2), rtol=1e-12)


def test_random_directions_have_the_stated_deviation():
    matrix = np.random.default_rng(6).standard_normal((12, 12))
    symmetric = (matrix + matrix.T) / 2
    deviation = np.sqrt(2) * np.linalg.norm(symmetric - np.diag(np.diag(symmetric)))
    a = jnp.asarray(matrix, jnp.float32)
    y = jnp.ones(12)

    def trace(key):
        return degrees_of_freedom(lambda m: a @ m, y, key)[1]

    draws = np.asarray(quick_jit(jax.vmap(trace))(jax.random.split(KEY, 4000)))
    assert abs(draws.mean() - np.trace(matrix)) < 4 * deviation / np.sqrt(4000)
    np.testing.assert_allclose(draws.std(), deviation, rtol=0.06)
    value, mean = quick_jit(lambda y: degrees_of_freedom(lambda m: a @ m, y, KEY, probes=4000))(y)
    np.testing.assert_allclose(value, matrix.sum(1), rtol=1e-5, atol=1e-5)
    assert abs(mean - np.trace(matrix)) < 4 * deviation / np.sqrt(4000)
    w = np.arange(12.0, dtype=np.float32)
    weighted = degrees_of_freedom(lambda m: a @ m, y, None, weights=w)[1]
    np.testing.assert_allclose(weighted, np.sum(w * np.diag(matrix)), rtol=1e-5)


def test_without_regularisation_gcv_is_infinite():
    y = jnp.arange(1.0, 6.0)
    assert gcv(lambda m: m, y, None).value == np.inf


def test_errors():
    y = jnp.ones(4)
    with pytest.raises(ValueError, match="variance >= 0"):
        sure(lambda m: m, y, -1.0, KEY)
    with pytest.raises(ValueError, match="broadcast"):
        sure(lambda m: m, y, jnp.ones(3), KEY)
    with pytest.raises(TypeError, match="real variance"):
        sure(lambda m: m, y, 1j, KEY)
    with pytest.raises(ValueError, match="Is the operator missing"):
        sure(lambda m: m[:2], y, 1.0, KEY)
    with pytest.raises(ValueError, match="Is the operator missing"):
        gcv(lambda m: m[:2], y, KEY)
    with pytest.raises(ValueError, match="probes"):
        gcv(lambda m: m, y, KEY, probes=0)
    with pytest.raises(ValueError, match="corrected for their background"):
        pure(lambda m: m, -y, KEY)
    with pytest.raises(TypeError, match="real counts"):
        pure(lambda m: m, y + 0j, KEY)
