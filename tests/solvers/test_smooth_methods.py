"""Smooth and least-squares methods: iterates of NumPy and SciPy, safe stops, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse.linalg

from jaxrecon import Functional, Status, separable, solve, solve_until, struct
from jaxrecon.core import Identity
from jaxrecon.core.vectors import norm
from jaxrecon.functionals import L1, Box, LeastSquares, SquaredL2
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    barzilai_borwein,
    cgls,
    conjugate_gradient,
    fista,
    gradient_descent,
    ista,
    landweber,
    lbfgs,
    lsqr,
    nesterov,
    nonlinear_conjugate_gradient,
    pogm,
    sirt,
)
from jaxrecon.solvers.line_search import Point, search
from jaxrecon.solvers.sums import inverse_sums
from tests.laws.cases import quick_jit
from tests.solvers.problems import as_jax, draw, system
from tests.solvers.subset_problems import nonnegative_system

DAMPING = 0.2


def _iterates(method: Any, x0: Any, steps: int, read: Any = lambda s: s.x) -> Any:
    return quick_jit(lambda m, x: solve(m, x, steps, trace=read)[1])(method, x0)


def _complex_problem() -> tuple[np.ndarray, np.ndarray, LeastSquares]:
    matrix, data = system(np.complex128)
    return matrix, data, LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data))


def test_lsqr_has_the_iterates_and_residual_norms_of_scipy() -> None:
    with jax.enable_x64(True):
        matrix, data, _ = _complex_problem()
        method = lsqr(Matrix(jnp.asarray(matrix)), jnp.asarray(data), damping=DAMPING)
        read = lambda s: (s.x, s.residual_norm)  # noqa: E731
        x, norms = _iterates(method, jnp.zeros(8, complex), 6, read)
    for k in (1, 3, 6):
        options = {"damp": np.sqrt(DAMPING), "iter_lim": k, "atol": 0, "btol": 0, "conlim": 0}
        expected = scipy.sparse.linalg.lsqr(matrix, data, **options)
        np.testing.assert_allclose(x[k - 1], expected[0], rtol=1e-10)
        np.testing.assert_allclose(norms[k - 1], expected[4], rtol=1e-10)


def test_residual_norm_of_lsqr_is_that_of_weighted_damped_data_from_any_start() -> None:
    with jax.enable_x64(True):
        matrix, data, _ = _complex_problem()
        weights, x0 = np.linspace(0.5, 2.0, 12), jnp.asarray(draw(5, (8,), complex))
        method = lsqr(
            Matrix(jnp.asarray(matrix)),
            jnp.asarray(data),
            weights=jnp.asarray(weights),
            damping=DAMPING,
        )
        x, norms = _iterates(method, x0, 6, lambda s: (s.x, s.residual_norm))
    misfits = np.sum(weights * np.abs(np.asarray(x) @ matrix.T - data) ** 2, 1)
    expected = np.sqrt(misfits + DAMPING * np.sum(np.abs(np.asarray(x)) ** 2, 1))
    np.testing.assert_allclose(norms, expected, rtol=1e-12)
    assert np.all(np.diff(norms) < 0)


def test_preconditioned_conjugate_gradients_have_the_iterates_of_scipy() -> None:
    """A diagonal, an operator and a plain function as P; conjugate gradients, CGLS and LSQR."""
    with jax.enable_x64(True):
        matrix, data, _ = _complex_problem()
        normal = matrix.conj().T @ matrix + DAMPING * np.eye(8)
        diagonal = np.linspace(0.5, 3.0, 8)
        root = draw(7, (8, 8), np.complex128)
        dense = root @ root.conj().T + np.eye(8)
        a, m, d, p = as_jax(matrix, data, diagonal, dense)
        x0 = jnp.zeros(8, complex)
        kinds = [(d, np.diag(diagonal)), (Matrix(p), dense), (lambda x: d * x, np.diag(diagonal))]
        for preconditioner, as_matrix in kinds:
            options = {"damping": DAMPING, "preconditioner": preconditioner}
            expected = []
            scipy.sparse.linalg.cg(
                normal, matrix.conj().T @ data, M=as_matrix, maxiter=5, rtol=0,
                callback=lambda x, to=expected: to.append(x.copy()),
            )  # fmt: skip
            for make in (conjugate_gradient, cgls, lsqr):
                got = _iterates(make(Matrix(a), m, **options), x0, 5)
                np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("formula", ["Polak-Ribiere", "Hager-Zhang"])
def test_nonlinear_conjugate_gradients_of_a_quadratic_are_conjugate_gradients(formula) -> None:
    with jax.enable_x64(True):
        matrix, data, f = _complex_problem()
        cost = f + DAMPING * SquaredL2()
        method = nonlinear_conjugate_gradient(cost, formula=formula)
        x, values = _iterates(method, jnp.zeros(8, complex), 5, lambda s: (s.x, s.value))
        expected = []
        scipy.sparse.linalg.cg(
            matrix.conj().T @ matrix + DAMPING * np.eye(8), matrix.conj().T @ data,
            maxiter=5, rtol=0, callback=lambda x: expected.append(x.copy()),
        )  # fmt: skip
        np.testing.assert_allclose(x, expected, rtol=1e-9)
        np.testing.assert_allclose(values, jax.vmap(cost)(x), rtol=1e-12)


def test_lbfgs_applies_the_inverse_hessian_of_the_bfgs_formula() -> None:
    """Dense matrices in NumPy, with fewer pairs than steps; real and imaginary parts apart."""
    with jax.enable_x64(True):
        _, _, f = _complex_problem()
        method, x0 = lbfgs(f, memory=3), jnp.asarray(draw(5, (8,), complex))
        read = lambda s: (s.x, s.gradient, method.direction(s))  # noqa: E731
        history = _iterates(method, x0, 7, read)
    x, gradient, direction = (np.concatenate([a.real, a.imag], 1) for a in history)
    s, y = np.diff(x, axis=0)[-3:], np.diff(gradient, axis=0)[-3:]
    inverse = np.eye(16) * (s[-1] @ y[-1]) / (y[-1] @ y[-1])
    for step, change in zip(s, y, strict=True):
        left = np.eye(16) - np.outer(step, change) / (step @ change)
        inverse = left @ inverse @ left.T + np.outer(step, step) / (step @ change)
    np.testing.assert_allclose(direction[-1], -inverse @ gradient[-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("formula", ["long", "short"])
def test_barzilai_borwein_steps_are_those_of_the_formula(formula) -> None:
    with jax.enable_x64(True):
        matrix, data, f = _complex_problem()
        x0 = draw(5, (8,), complex)
        got = _iterates(barzilai_borwein(f, 0.1, formula=formula), jnp.asarray(x0), 8)
    x, step, last = x0, 0.1, None
    for k in range(8):
        gradient = matrix.conj().T @ (matrix @ x - data)
        if last is not None:
            s, y = x - last[0], gradient - last[1]
            if formula == "long":
                step = np.vdot(s, s).real / np.vdot(s, y).real
            else:
                step = np.vdot(s, y).real / np.vdot(y, y).real
        last = x, gradient
        x = x - step * gradient
        np.testing.assert_allclose(got[k], x, rtol=1e-9)


def test_landweber_is_gradient_descent_and_with_its_weights_sirt() -> None:
    with jax.enable_x64(True):
        matrix, data = nonnegative_system(np.float64, noise=1.0)
        a, m = Matrix(jnp.asarray(matrix)), jnp.asarray(data)
        x0 = jnp.ones(8)
        method = landweber(a, m, relaxation=1.3)
        np.testing.assert_allclose(
            method.step_size, 1.3 / np.linalg.norm(matrix, 2) ** 2, rtol=0.05
        )
        expected = _iterates(gradient_descent(LeastSquares(a, m), method.step_size), x0, 20)
        np.testing.assert_allclose(_iterates(method, x0, 20), expected, rtol=1e-12)
        rows, columns = (inverse_sums(jnp.asarray(matrix.sum(k))) for k in (1, 0))
        expected = _iterates(sirt(a, m, relaxation=1.3), x0, 20)
        method = landweber(a, m, weights=rows, preconditioner=columns, relaxation=1.3)
        np.testing.assert_allclose(method.step_size, 1.3, rtol=0.05)  # C A^T R A has 1 for its norm
        got = _iterates(method.replace(step_size=1.3), x0, 20)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


class Rosenbrock(Functional):
    """(1 - a)^2 + 100 (b - a^2)^2, not convex; the minimiser is (1, 1)."""

    def __call__(self, x: Any) -> jax.Array:
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


@pytest.mark.parametrize(
    ("method", "steps", "falls"),
    [
        (lbfgs(Rosenbrock()), 60, True),
        (nonlinear_conjugate_gradient(Rosenbrock()), 60, True),
        (nonlinear_conjugate_gradient(Rosenbrock(), formula="Hager-Zhang"), 60, True),
        (barzilai_borwein(Rosenbrock()), 200, False),
        (gradient_descent(Rosenbrock(), line_search=True), 20000, True),
    ],
    ids=["L-BFGS", "Polak-Ribiere", "Hager-Zhang", "Barzilai-Borwein", "line search"],
)
def test_line_searches_find_the_minimum_of_a_curved_valley(method, steps, falls) -> None:
    with jax.enable_x64(True):
        f, x0 = Rosenbrock(), jnp.asarray([-1.2, 1.0])
        x = _iterates(method, x0, steps)
        values = np.asarray(jax.vmap(f)(x))
        np.testing.assert_allclose(x[-1], [1, 1], atol=1e-7)
        assert not falls or np.all(np.diff(values) <= 1e-13)


def test_pytrees_of_real_and_complex_images() -> None:
    """Two problems at once, each with its own minimiser."""
    with jax.enable_x64(True):
        matrix, data, complex_part = _complex_problem()
        real = system(np.float64)
        a, m = as_jax(*real)
        f = separable(complex_part, LeastSquares(Matrix(a), m))
        x0 = (jnp.zeros(8, complex), jnp.zeros(8))
        expected = (np.linalg.lstsq(matrix, data)[0], np.linalg.lstsq(*real)[0])
        methods = [
            (lbfgs(f), 100),
            (barzilai_borwein(f), 300),
            (nonlinear_conjugate_gradient(f), 24),
            (gradient_descent(f, line_search=True), 2500),
            (nesterov(f, strong_convexity=0.01), 800),
        ]
        for method, steps in methods:
            got = quick_jit(lambda m, x, n=steps: solve(m, x, n)[0])(method, x0)
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


M = jnp.asarray(draw(3, (4,), np.complex64))
UNIT = Identity(struct(4, jnp.complex64))


@pytest.mark.parametrize(
    "make",
    [
        lambda f: gradient_descent(f, line_search=True),
        barzilai_borwein,
        nesterov,
        nonlinear_conjugate_gradient,
        lambda f: nonlinear_conjugate_gradient(f, formula="Hager-Zhang"),
        lbfgs,
        lambda f: lsqr(UNIT, f.data),
        lambda f: cgls(UNIT, f.data, preconditioner=jnp.ones(4)),
        lambda f: conjugate_gradient(UNIT, f.data, preconditioner=jnp.ones(4)),
        lambda f: landweber(UNIT, f.data),
        lambda f: ista(f, 0.0 * L1(), 1.0, backtracking=True),
        lambda f: fista(f, 0.0 * L1(), 1.0, backtracking=True, restart=True),
        lambda f: pogm(f, 0.0 * L1(), restart=True),
    ],
)
def test_a_converged_iterate_stays_with_finite_derivatives(make) -> None:
    """The gradient is exactly 0 from the start, and after the first step from elsewhere."""

    @quick_jit
    def run(data: Any, x0: Any) -> tuple:
        x, pullback = jax.vjp(lambda m, x: solve(make(LeastSquares(None, m)), x, 60)[0], data, x0)
        return x, pullback(jnp.ones_like(x))

    for x0 in (M, 0 * M):
        x, gradients = run(M, x0)
        np.testing.assert_allclose(x, M, rtol=1e-6, atol=1e-6)
        assert all(bool(jnp.all(jnp.isfinite(g))) for g in gradients)


def test_a_search_halves_the_step_as_often_as_needed_and_shares_its_derivative() -> None:
    """f = |x|^2 / 2 from 1 along -1: Armijo's condition with c = 0.1 holds for steps <= 1.8."""
    f = SquaredL2()

    def reached(step: Any) -> tuple:
        new, taken = search(f, Point(jnp.ones(1), f(jnp.ones(1)), jnp.ones(1)), -jnp.ones(1), step)
        return new.x[0], taken

    for step, halvings in ((1.7, 0), (1.9, 1), (14.0, 3), (15.0, 4)):
        (x, taken), change = jax.jvp(reached, (jnp.float32(step),), (jnp.float32(1),))
        fraction = 0.5**halvings
        np.testing.assert_allclose(taken, fraction * step, rtol=1e-6)
        np.testing.assert_allclose(
            [x, *change], [1 - fraction * step, -fraction, fraction], rtol=1e-5
        )


A = Matrix(jnp.diag(jnp.asarray([2.0, 1.0, 0.5])))
F = LeastSquares(A, jnp.ones(3))  # L = 4


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gradient_descent(F, 0.6), ValueError, "at most 0.5"),
        (lambda: gradient_descent(F, -0.1), ValueError, "step_size > 0"),
        (lambda: gradient_descent(F + SquaredL2(), 0.42), ValueError, "at most 0.4"),
        (lambda: gradient_descent(2.0 * F.translate(M.real[:3]), 0.26), ValueError, "at most 0.25"),
        (lambda: gradient_descent(F, jnp.asarray([0.6, 1.0, 1.0])), ValueError, "up to 1"),
        (lambda: nesterov(F, 0.3), ValueError, "s L <= 1"),
        (lambda: nesterov(F, 0.25, strong_convexity=5.0), ValueError, "mu <= L"),
        (lambda: gradient_descent(F, float("nan"), line_search=True), ValueError, "step_size > 0"),
        (lambda: barzilai_borwein(F, formula="both"), ValueError, "formula to be one of"),
        (lambda: barzilai_borwein(F, 0.0), ValueError, "step_size > 0"),
        (lambda: nonlinear_conjugate_gradient(F, formula="Powell"), ValueError, "to be one of"),
        (lambda: lbfgs(F, memory=0), ValueError, "positive whole number for memory"),
        (lambda: lsqr(A, jnp.ones(4)), ValueError, "expected data of float32"),
        (lambda: lsqr(A, jnp.ones(3), damping=-1.0), ValueError, "damping >= 0"),
        (lambda: solve(lsqr(A, jnp.ones(3)), jnp.ones(2), 1), ValueError, "expected x of"),
        (lambda: landweber(A, jnp.ones(3), relaxation=2.0), ValueError, "relaxation < 2"),
        (lambda: cgls(A, jnp.ones(3), preconditioner=-jnp.ones(3)), ValueError, "> 0 and finite"),
        (lambda: lsqr(A, jnp.ones(3), preconditioner=-jnp.ones(3)), ValueError, "> 0 and finite"),
        (lambda: cgls(A, jnp.ones(3), preconditioner=1j * jnp.ones(3)), TypeError, "real precond"),
        (lambda: cgls(A, jnp.ones(3), preconditioner=lambda x: x[:2]), ValueError, "not on data"),
        (lambda: conjugate_gradient(A, jnp.ones(3), preconditioner=Matrix(jnp.eye(2))),
         ValueError, "preconditioner on the images"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_step_sizes_within_the_condition_pass_and_traced_ones_are_not_looked_at() -> None:
    gradient_descent(F, 0.49)
    gradient_descent(F, jnp.asarray([0.49, 1.9, 7.9]))
    nesterov(F, 1.005 / 4)  # from an operator norm that is 0.25 % too small
    x = jax.jit(lambda step: solve(gradient_descent(F, step), jnp.ones(3), 1)[0])(10.0)
    np.testing.assert_allclose(x, [-19.0, 1.0, 3.5])


class Valley(Functional):
    """10 |x_1| + |x_2| + ||x||^2 / 100: a kink at x_1 = 0 on the way to the minimiser 0."""

    rounding: Any = 0.0

    def __call__(self, x: Any) -> Any:
        return jnp.sum(jnp.asarray([10.0, 1.0]) * self._size(x)) + jnp.sum(x**2) / 100

    def _size(self, x: Any) -> Any:
        return jnp.sqrt(x**2 + self.rounding**2)

    def grad(self, x: Any) -> Any:
        size = self._size(x)
        sign = x / jnp.where(size > 0, size, 1)
        return jnp.asarray([10.0, 1.0], x.dtype) * sign + x / 50


SEARCHING = {
    "gradient descent": lambda f: gradient_descent(f, line_search=True),
    "Barzilai-Borwein": barzilai_borwein,
    "nonlinear conjugate gradient": nonlinear_conjugate_gradient,
    "L-BFGS": lbfgs,
    "ISTA": lambda f: ista(f, Box(-5.0, 5.0), 1.0, backtracking=True),
}


@pytest.mark.parametrize("make", SEARCHING.values(), ids=SEARCHING)
def test_a_line_search_at_rest_at_a_kink_has_stalled_and_not_converged(make) -> None:
    """The smoothed cost is minimised; L-BFGS gets through this kink, the others come to rest."""

    @quick_jit
    def run(x0: Any, rounding: Any) -> list:
        methods = make(Valley()), make(Valley(rounding))
        ends = [solve_until(m, x0, 3000, tolerance=1e-6) for m in methods]
        return [end._replace(state=None) for end in ends]

    kinked, smooth = run(jnp.asarray([0.26, 3.0]), 1.0)
    assert smooth.status != Status.STALLED
    np.testing.assert_allclose(smooth.x, 0, atol=1e-3)
    if make is lbfgs:
        assert kinked.status == Status.CONVERGED
        np.testing.assert_allclose(kinked.x, 0, atol=1e-6)
    else:
        assert jnp.abs(kinked.x[1]) > 1
        assert kinked.status == Status.STALLED
        assert "finds no lower point" in kinked.describe()


def test_stalled_is_told_with_other_residuals_too_and_of_l_bfgs() -> None:
    by_slope = lambda s: norm(Valley().grad(s.x))  # noqa: E731
    x0 = jnp.asarray([0.26, 3.0])
    method = gradient_descent(Valley(), line_search=True)
    end = solve_until(method, x0, 50, tolerance=1e-6, residual=by_slope)
    assert end.status == Status.STALLED
    memory = lbfgs(Valley(), memory=1)
    stuck = memory.init(jnp.asarray([1e-9, 3.0]))
    assert memory.stalled(stuck)
    assert not memory.stalled(memory.init(x0))


def test_a_search_without_an_acceptable_step_keeps_the_start() -> None:
    class Hole(Functional):
        def __call__(self, x: Any) -> Any:
            return jnp.where(jnp.all(x == 0), 1.0, jnp.nan)

        def grad(self, x: Any) -> Any:
            return jnp.ones_like(x)

    start = Point(jnp.zeros(2), jnp.ones(()), jnp.ones(2))
    new, _ = search(Hole(), start, -jnp.ones(2), jnp.ones(()))
    assert new.value == 1
    np.testing.assert_array_equal(new.x, 0)
