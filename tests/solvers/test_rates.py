"""The convergence rates that theory gives, step by step, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.functionals import L1, LeastSquares, SquaredL2, Zero
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import fista, gradient_descent, ista, nesterov, pogm
from tests.solvers.problems import draw, lasso, ridge

WEIGHT = 0.02
STEPS = 300


@pytest.fixture(scope="module")
def problem():
    """An ill-conditioned matrix (condition 1e3): the methods are far from converged."""
    u, _ = np.linalg.qr(draw(1, (30, 20), np.float64))
    v, _ = np.linalg.qr(draw(2, (20, 20), np.float64))
    matrix = u * np.geomspace(1, 1e-3, 20) @ v.T
    return matrix, matrix @ draw(3, (20,), np.float64) + 0.01 * draw(4, (30,), np.float64)


def _gaps(method, x0, value, least):
    def trace(m):
        return lambda state: value(m.solution(state))

    _, values = jax.jit(lambda m, x: solve(m, x, STEPS, trace=trace(m)))(method, x0)
    return np.asarray(values) - float(least)


def test_ista_and_fista_keep_their_bounds(problem) -> None:
    """L |x0 - x*|^2 / 2k for ISTA, which descends, and 2 L |x0 - x*|^2 / (k+1)^2 for FISTA."""
    matrix, data = problem
    minimiser = lasso(matrix, data, WEIGHT)
    lipschitz = np.linalg.norm(matrix, 2) ** 2
    k = np.arange(1, STEPS + 1)
    with jax.enable_x64(True):
        f, g = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data)), WEIGHT * L1()
        x0 = jnp.full(20, 2.0)
        distance = float(jnp.sum((x0 - minimiser) ** 2))
        slow = _gaps(ista(f, g, 1 / lipschitz), x0, f + g, (f + g)(minimiser))
        fast = _gaps(fista(f, g, 1 / lipschitz), x0, f + g, (f + g)(minimiser))
    tiny = 1e-14 * distance
    assert np.all(slow >= -tiny)
    assert np.all(fast >= -tiny)
    assert np.all(slow <= lipschitz * distance / (2 * k) + tiny)
    assert np.all(np.diff(slow) <= tiny)
    assert np.all(fast <= 2 * lipschitz * distance / (k + 1) ** 2 + tiny)
    assert fast[-1] < 0.5 * slow[-1], "FISTA should be ahead of ISTA here"


def test_pogm_keeps_half_of_the_bound_of_fista(problem) -> None:
    """L |x0 - x*|^2 / (k+1)^2, which is a little above the worst case of POGM."""
    matrix, data = problem
    lipschitz = np.linalg.norm(matrix, 2) ** 2
    k = np.arange(1, STEPS + 1)
    with jax.enable_x64(True):
        f = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data))
        for weight, start in ((WEIGHT, 2.0), (WEIGHT, -0.5), (0.5, 2.0)):
            g, minimiser = weight * L1(), lasso(matrix, data, weight)
            x0 = jnp.full(20, start)
            distance = float(jnp.sum((x0 - minimiser) ** 2))
            gaps = _gaps(pogm(f, g, 1 / lipschitz), x0, f + g, (f + g)(minimiser))
            tiny = 1e-14 * distance
            assert np.all(gaps >= -tiny)
            assert np.all(gaps <= lipschitz * distance / (k + 1) ** 2 + tiny)


def test_one_step_of_pogm_meets_its_worst_case() -> None:
    """L |x0 - x*|^2 / 6, for f = 0 and g = L |x0| / 3 |x|: two thirds of FISTA's L |x0 - x*|^2 / 4,
    which FISTA meets for g = L |x0| / 2 |x|."""
    x0 = jnp.ones(1)
    for make, slope, worst in ((pogm, 1 / 3, 1 / 6), (fista, 1 / 2, 1 / 4)):
        for nearby in (0.8, 1.0, 1.2):
            g = nearby * slope * L1()
            gap = g(solve(make(Zero(), g, 1.0), x0, 1)[0])
            np.testing.assert_allclose(gap, worst * (1 - (1 - nearby) ** 2), rtol=1e-5)


def test_nesterov_keeps_its_bounds(problem) -> None:
    """2 L |x0 - x*|^2 / (k+1)^2; and (1 - sqrt(mu/L))^k (f(x0) - f* + mu/2 |x0 - x*|^2)."""
    matrix, data = problem
    damping, k = 1e-3, np.arange(1, STEPS + 1)
    minimiser = ridge(matrix, data, np.ones(30), damping)
    lipschitz = np.linalg.norm(matrix, 2) ** 2 + damping
    with jax.enable_x64(True):
        f = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data)) + damping * SquaredL2()
        x0, least = jnp.full(20, 2.0), f(minimiser)
        distance = float(jnp.sum((x0 - minimiser) ** 2))
        convex = _gaps(nesterov(f, 1 / lipschitz), x0, f, least)
        strong = _gaps(nesterov(f, 1 / lipschitz, strong_convexity=damping), x0, f, least)
        start = float(f(x0) - least) + damping / 2 * distance
    tiny = 1e-14 * distance
    assert np.all(convex <= 2 * lipschitz * distance / (k + 1) ** 2 + tiny)
    assert np.all(strong <= (1 - np.sqrt(damping / lipschitz)) ** k * start + tiny)
    assert strong[-1] < 1e-2 * convex[-1], "knowing mu should pay here"


@pytest.mark.parametrize("make", [fista, pogm])
def test_restart_is_ahead_where_the_minimum_is_sharp(problem, make) -> None:
    matrix, data = problem
    with jax.enable_x64(True):
        f, g = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data)), WEIGHT * L1()
        minimiser = lasso(matrix, data, WEIGHT)
        plain, restarted = (
            _gaps(make(f, g, 1.0, restart=restart), jnp.ones(20), f + g, (f + g)(minimiser))
            for restart in (False, True)
        )
    assert restarted[-1] < 1e-3 * max(plain[-20:])


def test_gradient_descent_keeps_its_bound_and_descends(problem) -> None:
    matrix, data = problem
    minimiser = ridge(matrix, data, np.ones(30), 0.0)
    with jax.enable_x64(True):
        f = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data))
        x0 = jnp.zeros(20)
        gaps = _gaps(gradient_descent(f, 1.0), x0, f, f(minimiser))
    bound = np.sum(minimiser**2) / (2 * np.arange(1, STEPS + 1))
    assert np.all(gaps <= bound)
    assert np.all(np.diff(gaps) <= 1e-15)
