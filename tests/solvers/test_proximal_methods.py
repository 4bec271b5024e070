"""ISTA, FISTA and POGM: references in NumPy, backtracking, warm starts, step sizes of pixels."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import Functional, Status, solve, solve_until
from jaxrecon.functionals import L1, KullbackLeibler, LeastSquares, NonNegative, SquaredL2, Zero
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import fista, ista, pogm
from jaxrecon.solvers.proximal_gradient import FISTAState, fista_start, fista_step
from tests.laws.cases import quick_jit
from tests.solvers.problems import as_jax, draw, lasso, system

SPARSITY = 0.3


def _iterates(method: Any, x0: Any, steps: int, read: Any = lambda s: s.x) -> Any:
    return quick_jit(lambda m, x: solve(m, x, steps, trace=read)[1])(method, x0)


def _problem(dtype: Any = np.float64) -> tuple:
    matrix, data = system(dtype)
    a, m = as_jax(matrix, data)
    return LeastSquares(Matrix(a), m), SPARSITY * L1(), np.linalg.norm(matrix, 2) ** 2


def _pogm_in_numpy(matrix: Any, data: Any, x0: Any, steps: int, lipschitz: float) -> np.ndarray:
    """x_N of the method with N = steps, as it is published: indices and 1/L written out."""
    x, w, z, gamma = [x0], [x0], [x0], [1.0]
    theta = [1.0]
    for k in range(1, steps + 1):
        factor = 8 if k == steps else 4
        theta.append((1 + np.sqrt(1 + factor * theta[-1] ** 2)) / 2)
        before, now = theta[-2:]
        gamma.append((2 * before + now - 1) / (now * lipschitz))
        w.append(x[-1] - matrix.T @ (matrix @ x[-1] - data) / lipschitz)
        z.append(
            w[-1]
            + (before - 1) / now * (w[-1] - w[-2])
            + before / now * (w[-1] - x[-1])
            + (before - 1) / (lipschitz * gamma[-2] * now) * (z[-1] - x[-1])
        )
        x.append(np.sign(z[-1]) * np.maximum(np.abs(z[-1]) - SPARSITY * gamma[-1], 0))
    return x[-1]


def test_solution_of_pogm_is_that_of_its_number_of_steps() -> None:
    with jax.enable_x64(True):
        f, g, lipschitz = _problem()
        matrix, data = system(np.float64)
        x0 = draw(5, (8,), np.float64)
        method = pogm(f, g, 1 / lipschitz)
        got = _iterates(method, jnp.asarray(x0), 9, method.solution)
        for steps in (1, 2, 5, 9):
            expected = _pogm_in_numpy(matrix, data, x0, steps, lipschitz)
            np.testing.assert_allclose(got[steps - 1], expected, rtol=1e-11, atol=1e-13)
        np.testing.assert_array_equal(method.solution(method.init(jnp.asarray(x0))), x0)


def test_restarts_of_pogm_damp_its_overshoot_along_the_largest_curvature() -> None:
    """f = |x|^2 / 2 is a worst case: x_k = -theta_k / theta_{k+1} x_{k-1} without damping."""
    method = pogm(SquaredL2(), Zero(), 1.0, restart=True)
    plain = pogm(SquaredL2(), Zero(), 1.0)
    damped, swinging = (np.abs(_iterates(m, jnp.ones(1), 40)[:, 0]) for m in (method, plain))
    assert swinging[-1] > 0.02
    assert damped[-1] < 1e-6


@pytest.mark.parametrize("make", [ista, fista])
def test_backtracking_from_a_step_that_is_right_is_the_method_itself(make) -> None:
    with jax.enable_x64(True):
        f, g, lipschitz = _problem(np.complex128)
        x0 = jnp.asarray(draw(5, (8,), np.complex128))
        for options in ({},) if make is ista else ({}, {"restart": True}):
            expected = _iterates(make(f, g, 0.9 / lipschitz, **options), x0, 60)
            method = make(f, g, 0.9 / lipschitz, backtracking=True, **options)
            np.testing.assert_allclose(_iterates(method, x0, 60), expected, rtol=1e-11, atol=1e-14)


def test_backtracking_finds_a_step_between_half_and_all_of_what_is_allowed_and_keeps_bounds() -> (
    None
):
    with jax.enable_x64(True):
        f, g, lipschitz = _problem()
        minimiser = jnp.asarray(lasso(*system(np.float64), SPARSITY))
        x0, k = jnp.asarray(draw(5, (8,), np.float64)), np.arange(1, 61)
        distance = float(jnp.sum((x0 - minimiser) ** 2))
        cost = f + g
        for make, worst in ((ista, 1 / (2 * k)), (fista, 2 / (k + 1) ** 2)):
            method = make(f, g, 100.0, backtracking=True)
            read = lambda s: (cost(s.x), s.step_size)  # noqa: E731
            values, steps = map(np.asarray, _iterates(method, x0, 60, read))
            gaps = values - float(cost(minimiser))
            assert np.all(np.diff(steps) <= 0)
            assert steps[-1] >= 0.5 / lipschitz
            assert steps[-1] < 4 / lipschitz
            assert np.all(gaps <= distance / steps[-1] * worst + 1e-13)
            assert make is fista or np.all(np.diff(values) <= 1e-13)


def _expectation_maximisation(matrix: np.ndarray, counts: np.ndarray) -> np.ndarray:
    x = np.ones(matrix.shape[1])
    for _ in range(20000):
        x = x * (matrix.T @ (counts / (matrix @ x))) / matrix.sum(0)
    return x


@pytest.mark.parametrize("options", [{}, {"restart": True}, None])
def test_backtracking_minimises_a_divergence_that_is_infinite_outside(options) -> None:
    """Kullback-Leibler without background, x >= 0: no Lipschitz constant, and f is infinite where
    an extrapolated point leaves its domain. The minimiser is that of MLEM."""
    generator = np.random.default_rng(0)
    matrix = np.eye(4) + generator.uniform(0.0, 0.3, (4, 4))
    counts = np.array([0.2, 30.0, 4.0, 11.0])
    expected = _expectation_maximisation(matrix, counts)
    with jax.enable_x64(True):
        f = KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts))
        make = ista if options is None else fista
        method = make(f, NonNegative(), 10.0, backtracking=True, **(options or {}))
        x, points = _iterates(method, jnp.full(4, 9.0), 6000, lambda s: (s.x, s.extrapolated))
        assert np.all(np.isfinite(points))
        np.testing.assert_allclose(x[-1], expected, rtol=1e-6, atol=1e-9)


class Counting(Functional):
    """g = 0 whose prox counts how often it was continued from where it had ended."""

    def __call__(self, x: Any) -> jax.Array:
        return 0 * jnp.sum(x)

    def prox(self, v: Any, step: Any) -> Any:
        raise AssertionError("the start of the prox was thrown away")

    def prox_start(self, v: Any) -> Any:
        return jnp.zeros((), jnp.int32)

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        return v, start + 1


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (ista, {}),
        (fista, {"restart": True}),
        (pogm, {"restart": True}),
        (ista, {"backtracking": True}),
        (fista, {"backtracking": True}),
    ],
)
def test_a_prox_that_iterates_starts_where_it_ended(make, options) -> None:
    f, _, lipschitz = _problem(np.float32)
    method = make(f, Counting(), float(0.9 / lipschitz), **options)
    starts = _iterates(method, jnp.ones(8), 5, lambda s: s.start)
    np.testing.assert_array_equal(starts, [1, 2, 3, 4, 5])


def test_the_step_of_fista_stands_alone() -> None:
    f, g, lipschitz = _problem(np.float32)
    x0, step_size = jnp.ones(8), float(1 / lipschitz)
    state = fista_start(x0)
    assert state == FISTAState(x0, x0, state.momentum)
    for restart in (False, True):
        state = fista_start(x0)
        for _ in range(4):
            state = fista_step(state, f.grad, g.prox, step_size, restart)
        expected = _iterates(fista(f, g, step_size, restart=restart), x0, 4)
        np.testing.assert_allclose(state.x, expected[-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "options"),
    [(ista, {}), (fista, {}), (fista, {"restart": True}), (pogm, {}), (pogm, {"restart": True})],
)
def test_step_sizes_of_pixels_are_a_change_of_scale(make, options) -> None:
    """With x = D u, step sizes D^2 in x are one step size 1 in u."""
    with jax.enable_x64(True):
        matrix, data = system(np.float64)
        a, m = as_jax(matrix, data)
        steps = jnp.linspace(0.05, 0.2, 8)
        scale = jnp.sqrt(steps)
        f, x0 = LeastSquares(Matrix(a), m), jnp.asarray(draw(5, (8,), np.float64))
        inside = LeastSquares(Matrix(a * scale), m)
        expected = scale * _iterates(make(inside, NonNegative(), 1.0, **options), x0 / scale, 30)
        got = _iterates(make(f, NonNegative(), steps, **options), x0, 30)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


F = LeastSquares(Matrix(jnp.diag(jnp.asarray([2.0, 1.0, 0.5]))), jnp.ones(3))  # L = 4
G = L1()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ista(F, G, 0.51), ValueError, "s L <= 2"),
        (lambda: fista(F, G, 0.26), ValueError, "s L <= 1.*s L is at least 1.04.*at most 0.25"),
        (lambda: pogm(F, G, 0.26), ValueError, "pogm expected a step size"),
        (lambda: fista(F, G, jnp.asarray([0.2, 1.2, 1.0])), ValueError, "up to 1.2"),
        (lambda: fista(F, G, jnp.asarray([0.2, 0.0, 1.0])), ValueError, "step_size > 0"),
        (lambda: fista(F, G, -1.0, backtracking=True), ValueError, "step_size > 0"),
        (lambda: pogm(L1(), G), NotImplementedError, "step size"),
        (lambda: ista(KullbackLeibler(None, jnp.ones(3)), G, backtracking=True),
         NotImplementedError, "step size"),
    ],
)  # fmt: skip
def test_step_sizes_beyond_the_condition_are_errors(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_step_sizes_within_the_condition_pass() -> None:
    ista(F, G, 0.49)
    fista(F, G, 0.25)
    fista(F, G, 1.009 / 4)  # from a norm that is a little too small
    pogm(F, G, jnp.asarray([0.25, 1.0, 4.0]))
    fista(F, G, 100.0, backtracking=True)
    fista(KullbackLeibler(F.operator, jnp.ones(3), 1.0), G, 100.0)  # not quadratic: unchecked
    jax.jit(lambda step: solve(fista(F, G, step), jnp.ones(3), 1)[0])(10.0)


def test_a_start_where_the_fidelity_is_infinite_is_no_solution() -> None:
    counts = KullbackLeibler(Matrix(jnp.ones((3, 2))), jnp.ones(3))
    method = fista(counts, NonNegative(), 0.1, backtracking=True)
    end = solve_until(method, jnp.asarray([-1.0, 0.0]), 50, tolerance=1e-6)
    assert end.status == Status.DIVERGED
    assert solve_until(method, jnp.ones(2), 50, tolerance=1e-6).status == Status.CONVERGED
