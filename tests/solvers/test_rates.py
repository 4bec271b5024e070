"""The convergence rates that theory gives, step by step, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.functionals import L1, LeastSquares
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import fista, gradient_descent, ista
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
    _, values = jax.jit(lambda m, x: solve(m, x, STEPS, trace=lambda s: value(s.x)))(method, x0)
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


def test_restart_is_ahead_of_fista_where_the_minimum_is_sharp(problem) -> None:
    matrix, data = problem
    with jax.enable_x64(True):
        f, g = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data)), WEIGHT * L1()
        minimiser = lasso(matrix, data, WEIGHT)
        plain, restarted = (
            _gaps(fista(f, g, 1.0, restart=restart), jnp.ones(20), f + g, (f + g)(minimiser))
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
