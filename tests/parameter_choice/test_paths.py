"""Paths, the least of a criterion, the L-curve, and Tikhonov problems in their own basis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxrecon import solve_until
from jaxrecon.direct import tikhonov
from jaxrecon.functionals import LeastSquares, SquaredL2
from jaxrecon.linops import Convolution, FiniteDifference, Matrix
from jaxrecon.parameter_choice import (
    best_on_path,
    best_weight,
    fourier_spectrum,
    gcv,
    l_curve,
    path,
    singular_spectrum,
    sure,
)
from jaxrecon.solvers import gradient_descent
from tests.laws.cases import quick_jit
from tests.parameter_choice import problems

WEIGHTS = np.geomspace(1e-6, 10, 40)


@pytest.mark.parametrize("batch", [None, 1, 7])
def test_a_path_of_tikhonov(batch):
    matrix, data, _ = problems.system()
    with jax.enable_x64(True):

        @quick_jit
        def run(matrix, data, weights):
            operator = Matrix(matrix)
            return path(
                lambda w: tikhonov(operator, data, w, method="dense"),
                weights,
                record=lambda x: (jnp.linalg.norm(matrix @ x - data), jnp.linalg.norm(x)),
                batch=batch,
            )

        found = run(*map(jnp.asarray, (matrix, data, WEIGHTS)))
    expected = np.stack([problems.tikhonov(matrix, data, w) for w in WEIGHTS])
    np.testing.assert_allclose(found.x, expected, rtol=1e-6)
    np.testing.assert_allclose(found.records[1], np.linalg.norm(expected, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found.weights, WEIGHTS)


def test_continuation_reaches_the_same_with_fewer_steps():
    matrix, data, _ = problems.system()
    weights = np.geomspace(1, 0.1, 12)

    @quick_jit
    def run(matrix, data, weights):
        def solved(w, start):
            f = LeastSquares(Matrix(matrix), data) + w * SquaredL2()
            end = solve_until(gradient_descent(f, 1 / (1 + w)), start, 4000, tolerance=1e-10)
            return (end.x, end.iterations), end.x

        start = jnp.zeros(10)
        warm = path(solved, weights, start=start).x
        return warm, path(lambda w: solved(w, start)[0], weights).x

    with jax.enable_x64(True):
        (warm, warm_steps), (cold, cold_steps) = run(*map(jnp.asarray, (matrix, data, weights)))
    expected = np.stack([problems.tikhonov(matrix, data, w) for w in weights])
    np.testing.assert_allclose(warm, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(cold, expected, rtol=1e-6, atol=1e-7)
    assert warm_steps.sum() < cold_steps.sum()


def test_the_least_value_of_a_parabola():
    t = np.linspace(-3, 2, 11)
    run = quick_jit(best_on_path)
    with jax.enable_x64(True):
        values = 3 + 0.7 * (t - 0.31) ** 2
        for order in (slice(None), slice(None, None, -1)):
            found = run(jnp.exp(t[order]), jnp.asarray(values[order]))
            np.testing.assert_allclose(found.weight, np.exp(0.31), rtol=1e-12)
            np.testing.assert_allclose(found.value, 3, rtol=1e-12)
            assert found.interior
        end = run(jnp.exp(t), jnp.asarray(t))
        np.testing.assert_allclose(end.weight, np.exp(-3), rtol=1e-12)
        assert not end.interior
        assert end.index == 0
        values[5], values[7] = np.nan, np.inf
        found = run(jnp.exp(t), jnp.asarray(values))  # the least, 6, lies beside them
        np.testing.assert_allclose(found.weight, np.exp(t[6]), rtol=1e-12)


def test_the_best_weight_lies_in_the_deeper_valley():
    def criterion(w):
        t = jnp.log(w)
        return jnp.cos(3 * t) + 0.1 * (t - 0.5) ** 2

    with jax.enable_x64(True):
        found = quick_jit(lambda low, high: best_weight(criterion, low, high, steps=24))(1e-2, 1e2)
        reference = minimize_scalar(
            lambda t: np.cos(3 * t) + 0.1 * (t - 0.5) ** 2, bracket=(0.8, 1.05, 1.3), tol=1e-12
        )
        np.testing.assert_allclose(np.log(found.weight), reference.x, atol=1e-5)
        np.testing.assert_allclose(found.value, reference.fun, rtol=1e-9)
        assert found.interior
        assert not best_weight(lambda w: w, 0.1, 1.0).interior


def test_the_curvature_of_a_hyperbola():
    """rho + 1 = exp(t), eta = exp(-t): curvature 2 / (exp(2t) + exp(-2t))^(3/2), largest at 0."""
    t = np.linspace(-2, 2, 41) + 0.013
    exact = 2 / (np.exp(2 * t) + np.exp(-2 * t)) ** 1.5
    with jax.enable_x64(True):
        for window in (3, 5):
            found = quick_jit(lambda w, r, p, window=window: l_curve(w, r, p, window=window))(
                jnp.exp(t), jnp.exp(np.exp(t)), jnp.exp(np.exp(-t))
            )
            k = window // 2
            assert np.isnan(found.curvature[:k]).all()
            error = np.abs(found.curvature[k:-k] - exact[k:-k]).max()
            assert error < {3: 0.01, 5: 0.03}[window] * exact.max()
            np.testing.assert_allclose(found.weight, 1, atol=2e-3)
            assert found.found


def test_an_l_curve_without_a_corner_and_with_vanishing_penalties():
    t = np.linspace(-2, 2, 21)
    run = quick_jit(l_curve)
    found = run(np.exp(t), np.exp(t), np.exp(-t))
    assert not found.found or found.curvature[found.index] < 1e-4  # rounding on a straight line
    penalties = np.where(t > 1.1, 0, np.exp(np.exp(-t))).astype(np.float32)
    found = run(np.exp(t), np.exp(np.exp(t)), penalties)
    assert found.found
    np.testing.assert_allclose(found.weight, 1, atol=0.05)


@pytest.mark.parametrize("shape", [(14, 10), (8, 12)])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_the_singular_spectrum(shape, dtype):
    matrix, data, sigma = problems.system(*shape, dtype=dtype)
    weight = 0.01
    x = problems.tikhonov(matrix, data, weight)
    residual = np.linalg.norm(matrix @ x - data) ** 2
    reals = 2 if dtype == np.complex128 else 1
    trace = reals * np.trace(problems.influence(matrix, weight)).real
    n = reals * data.size

    @quick_jit
    def numbers(matrix, data, weight):
        spectrum = singular_spectrum(Matrix(matrix), data)
        found = (spectrum.residual, spectrum.penalty, spectrum.freedom, spectrum.gcv)
        return *(f(weight) for f in found), spectrum.sure(weight, sigma**2)

    with jax.enable_x64(True):
        found = numbers(*map(jnp.asarray, (matrix, data, weight)))
    expected = [
        residual,
        np.linalg.norm(x) ** 2,
        trace,
        residual / n / (1 - trace / n) ** 2,
        (residual + 2 * sigma**2 * trace) / n - sigma**2,
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(6, 8), (5, 7)])
def test_the_fourier_spectrum_and_the_rules_for_any_solver(dtype, shape):
    """Against the dense solution with differences for the penalty."""
    random = np.random.default_rng(0)
    kernel = random.uniform(size=(3, 3))
    data = random.standard_normal(shape).astype(dtype)
    if dtype == np.complex128:
        data = data + 1j * random.standard_normal(shape)
    weight, variance = 0.3, 0.1
    size = data.size

    @quick_jit
    def numbers(kernel, data, weight):
        operator = Convolution(kernel, shape, dtype=data.dtype)
        difference = FiniteDifference(shape, boundary="periodic", dtype=data.dtype)
        s = fourier_spectrum(operator, data, difference)
        eye = jnp.eye(size, dtype=data.dtype).reshape(size, *shape)
        a = jax.vmap(operator.apply)(eye).reshape(size, -1).T
        d = jax.vmap(difference.apply)(eye).reshape(size, -1).T
        normal = a.conj().T @ a + weight * d.conj().T @ d

        def solver(m):
            return jnp.linalg.solve(normal, a.conj().T @ m.ravel()).reshape(shape)

        x = solver(data)
        by_rule = gcv(solver, data, None, operator=operator)
        risk = sure(solver, data, variance, None, operator=operator)
        mine = [s.residual(weight), s.penalty(weight), s.gcv(weight), s.sure(weight, variance)]
        residual = jnp.sum(jnp.abs(operator(x) - data) ** 2)
        penalty = jnp.sum(jnp.abs(difference(x)) ** 2)
        return mine, [residual, penalty, by_rule.value, risk.value]

    with jax.enable_x64(True):
        found, expected = numbers(*map(jnp.asarray, (kernel, data, weight)))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_errors():
    with pytest.raises(ValueError, match="weights > 0"):
        path(lambda w: w, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"shape \(n,\)"):
        path(lambda w: w, 1.0)
    with pytest.raises(ValueError, match="not both"):
        path(lambda w, s: (w, s), np.ones(3), start=0.0, batch=2)
    with pytest.raises(ValueError, match="one number for each weight"):
        best_on_path(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="odd window"):
        l_curve(np.ones(5), np.ones(5), np.ones(5), window=4)
    with pytest.raises(ValueError, match="n >= 5"):
        l_curve(np.ones(4), np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="grid >= 3"):
        best_weight(lambda w: w, 0.1, 1, grid=2)
    operator = Convolution(np.ones((3, 3), np.float32), (6, 6), "valid")
    with pytest.raises(ValueError, match="same shape"):
        fourier_spectrum(operator, jnp.ones((4, 4)))
