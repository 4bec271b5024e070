"""Derivatives of solutions: implicit, at the optimum, of one step, against closed forms and finite
differences of solutions found to rounding."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import (
    Method,
    Status,
    ct,
    fixed_point,
    solve_until,
    stationary_point,
)
from jaxrecon.core.linear_system import solve_linear
from jaxrecon.core.vectors import inner, norm
from jaxrecon.functionals import L1, LeastSquares, SquaredL2
from jaxrecon.functionals.log_cosh import LogCosh
from jaxrecon.linops import Convolution, Matrix
from jaxrecon.solvers import (
    admm,
    conjugate_gradient,
    fista,
    gradient_descent,
    ista,
    primal_dual_hybrid_gradient,
)
from tests.laws.cases import quick_jit
from tests.solvers.problems import as_jax, draw, lasso, ridge, system

WEIGHT = 0.3


def lasso_method(name: str, matrix: Any, data: Any, weight: Any) -> Method:
    a, g = Matrix(matrix), weight * L1()
    if name == "ista":
        return ista(LeastSquares(a, data), g, 0.2)
    split = LeastSquares(Matrix(jnp.eye(12, dtype=data.dtype)), data)
    if name == "admm":
        return admm(LeastSquares(a, data), g, Matrix(jnp.eye(8, dtype=data.dtype)), 0.5)
    return primal_dual_hybrid_gradient(g, split, a, primal_step=0.5, dual_step=0.5)


def central(function: Any, at: float, h: float = 1e-5) -> Any:
    return (function(at + h) - function(at - h)) / (2 * h)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("ista", np.float64),
        ("ista", np.complex128),
        ("primal-dual", np.complex128),
        ("admm", np.float64),
    ],
)
def test_hypergradients_of_the_lasso(name, dtype):
    """In lambda, the data and the matrix, against coordinate descent; forward = reverse."""
    with jax.enable_x64(True):
        matrix, data = system(dtype)
        cotangent = draw(5, (8,), dtype)
        moved, changed = draw(6, (12,), dtype), draw(7, (12, 8), dtype)

        def measured(weight, data, matrix):
            method = lasso_method(name, matrix, data, weight)
            end = fixed_point(method, jnp.zeros(8, dtype), 4000, tolerance=1e-14)
            return inner(cotangent, end.x), end

        @quick_jit
        def slopes(*at):
            gradients, end = jax.grad(measured, (0, 1, 2), has_aux=True)(*at)
            if name != "ista":
                return gradients, None, end
            along = (jnp.float64(1), jnp.asarray(moved), jnp.asarray(changed))
            forward = jax.jvp(lambda *p: measured(*p)[0], at, along)[1]
            return gradients, forward, end

        gradients, forward, end = slopes(WEIGHT, *as_jax(data, matrix))
        assert end.status == Status.CONVERGED
        reverse = [
            float(gradients[0]),
            np.sum(gradients[1] * moved).real,
            np.sum(gradients[2] * changed).real,
        ]

        def solution(t, k):
            at = (
                WEIGHT + t * (k == 0),
                data + t * (k == 1) * moved,
                matrix + t * (k == 2) * changed,
            )
            return np.vdot(cotangent, lasso(at[2], at[1], at[0])).real

        expected = [central(lambda t, k=k: solution(t, k), 0.0) for k in range(3)]
        np.testing.assert_allclose(reverse, expected, rtol=1e-6)
        if forward is not None:
            np.testing.assert_allclose(forward, sum(reverse), rtol=1e-9)


def matrix_of(operator: Any) -> Any:
    size = int(np.prod(operator.domain.shape))
    basis = jnp.eye(size).reshape(size, *operator.domain.shape)
    return jax.vmap(operator.apply)(basis).reshape(size, -1).T


@pytest.mark.slow
def test_hypergradients_of_the_angles_of_a_scan():
    """Tikhonov, by the fixed point and at the optimum, against solutions of the dense system."""
    with jax.enable_x64(True):
        scan = ct.parallel_beam((16, 16), 9, dtype=jnp.float64)
        scan = scan.replace(angles=scan.angles + 0.1)
        truth, direction = np.abs(draw(1, (16, 16), np.float64)), draw(2, (9,), np.float64)
        weight = 10.0

        def operator(angles):
            return ct.XRayTransform(scan.replace(angles=angles), "shear")

        data = quick_jit(lambda a: operator(a).apply(jnp.asarray(truth)))(scan.angles + 0.01)
        dense = quick_jit(lambda a: matrix_of(operator(a)))

        def solution(t):
            a = np.asarray(dense(scan.angles + t * direction))
            x = np.linalg.solve(a.T @ a + weight * np.eye(256), a.T @ np.ravel(data))
            return np.sum((x - np.ravel(truth)) ** 2)

        def loss(angles, kind):
            f = LeastSquares(operator(angles), data) + weight * SquaredL2()
            x0 = jnp.zeros((16, 16))
            if kind == "fixed point":
                end = fixed_point(gradient_descent(f, step_size), x0, 2000, tolerance=1e-13)
            else:
                solver = conjugate_gradient(operator(angles), data, damping=weight)
                end = stationary_point(f, solver, x0, 200, tolerance=1e-13)
            return jnp.sum((end.x - truth) ** 2), end.status

        step_size = 1 / (weight + np.linalg.norm(dense(scan.angles), 2) ** 2)
        expected = central(solution, 0.0)
        for kind in ("fixed point", "optimum"):
            slope = quick_jit(lambda a, k=kind: jax.grad(loss, has_aux=True)(a, k))
            gradient, status = slope(scan.angles)
            assert status == Status.CONVERGED
            np.testing.assert_allclose(gradient @ direction, expected, rtol=1e-6)


def blur(width: Any) -> Convolution:
    profile = jnp.exp(-(jnp.arange(-3.0, 4) ** 2) / (2 * width**2))
    return Convolution(profile / jnp.sum(profile), 24)


def test_a_blur_width_and_a_penalty_at_the_optimum():
    """1/2 ||k_w * x - m||^2 + lambda sum log cosh(x), against Newton's method in NumPy."""
    with jax.enable_x64(True):
        data, target = as_jax(*(draw(k, (24,), np.float64) for k in (3, 4)))

        def solution(p):
            width, weight = p
            a, x = np.asarray(matrix_of(blur(width))), np.zeros(24)
            for _ in range(30):
                slope = a.T @ (a @ x - data) + weight * np.tanh(x)
                x -= np.linalg.solve(a.T @ a + np.diag(weight / np.cosh(x) ** 2), slope)
            return np.sum((x - target) ** 2)

        def loss(p):
            width, weight = p
            f = LeastSquares(blur(width), data) + weight * LogCosh(1.0)
            end = stationary_point(
                f,
                gradient_descent(f, 1 / (1 + weight)),
                jnp.zeros(24),
                4000,
                tolerance=1e-13,
                residual=lambda s: norm(f.grad(s.x)),
                trace=lambda s: f(s.x),
                every=100,
            )
            return jnp.sum((end.x - target) ** 2)

        at, h = np.array([1.2, 0.5]), 1e-4
        steps = h * np.eye(2)
        gradient = quick_jit(jax.grad(loss))(at)
        expected = [(solution(at + e) - solution(at - e)) / (2 * h) for e in steps]
        np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_second_derivatives():
    """Of the ridge solution in its damping: x'' = 2 (A^H A + d)^-2 x."""
    with jax.enable_x64(True):
        a, m = system(np.float64)
        cotangent = draw(5, (8,), np.float64)

        def loss(damping, optimum):
            f = LeastSquares(Matrix(jnp.asarray(a)), jnp.asarray(m)) + damping * SquaredL2()
            method, x0 = gradient_descent(f, 0.4), jnp.zeros(8)
            if optimum:
                end = stationary_point(f, method, x0, 2000, tolerance=1e-14)
            else:
                end = fixed_point(method, x0, 2000, tolerance=1e-14)
            return jnp.vdot(cotangent, end.x)

        inverse = np.linalg.inv(a.T @ a + 0.5 * np.eye(8))
        expected = 2 * cotangent @ inverse @ inverse @ ridge(a, m, np.ones(12), 0.5)
        for optimum, outer in ((False, jax.grad), (True, jax.jacfwd)):
            second = outer(jax.grad(lambda d, o=optimum: loss(d, o)))
            np.testing.assert_allclose(quick_jit(second)(0.5), expected, rtol=1e-9)


def test_the_derivative_of_one_step():
    """For gradient descent on ridge regression it is -s x; the exact one is -(A^H A + d)^-1 x."""
    with jax.enable_x64(True):
        a, m = system(np.float64)
        x, step = ridge(a, m, np.ones(12), 0.5), 0.4

        def solution(damping, derivative):
            f = LeastSquares(Matrix(jnp.asarray(a)), jnp.asarray(m)) + damping * SquaredL2()
            return fixed_point(
                gradient_descent(f, step),
                jnp.zeros(8),
                2000,
                tolerance=1e-14,
                derivative=derivative,
            )

        def slope(derivative):
            run = quick_jit(lambda d: jax.jvp(lambda d: solution(d, derivative).x, (d,), (1.0,)))
            value, tangent = run(0.5)
            np.testing.assert_allclose(value, x, rtol=1e-10)
            return tangent

        one, exact = slope("one step"), slope("implicit")
        np.testing.assert_allclose(one, -step * x, rtol=1e-9)
        np.testing.assert_allclose(exact, -np.linalg.solve(a.T @ a + 0.5 * np.eye(8), x), rtol=1e-9)
        contraction = np.linalg.norm(np.eye(8) - step * (a.T @ a + 0.5 * np.eye(8)), 2)
        bound = contraction / (1 - contraction) * np.linalg.norm(one)
        assert 0.1 * bound < np.linalg.norm(one - exact) <= bound
        counts = quick_jit(lambda d: [solution(d, k).iterations for k in ("one step", "implicit")])(
            0.5
        )
        assert counts[0] == counts[1] + 1


def test_one_method_solves_and_another_is_differentiated():
    with jax.enable_x64(True):
        a, m = as_jax(*system(np.float64))
        f, cotangent = LeastSquares(Matrix(a), m), draw(5, (8,), np.float64)

        def loss(weight, accelerated):
            g = weight * L1()
            solver = fista(f, g, 0.5, restart=True) if accelerated else None
            end = fixed_point(
                ista(f, g, 0.5),
                jnp.zeros(8),
                2000,
                tolerance=1e-13,
                solver=solver,
                trace=lambda s: (f + g)(s.x),
            )
            return jnp.vdot(cotangent, end.x), end

        plain, fast = (
            quick_jit(lambda w, k=k: jax.grad(loss, has_aux=True)(w, k))(WEIGHT)
            for k in (False, True)
        )
        np.testing.assert_allclose(fast[0], plain[0], rtol=1e-9)
        assert fast[1].status == Status.CONVERGED
        assert fast[1].iterations < plain[1].iterations / 2
        assert fast[1].history.shape == (2000,)

        # a solver of another problem: the method finds its own fixed point, or says that it has not
        def other(weight):
            solver = fista(f, 2 * weight * L1(), 0.5)
            method = ista(f, weight * L1(), 0.5)
            return fixed_point(method, jnp.zeros(8), 5, tolerance=1e-13, solver=solver).status

        assert quick_jit(other)(WEIGHT) == Status.NOT_CONVERGED


def test_memory_does_not_grow_with_the_number_of_steps():
    a, m = as_jax(*(np.float32(z) for z in system(np.float64, 64, 256)))

    def loss(weight, length, implicit):
        method = ista(LeastSquares(Matrix(a), m), weight * L1(), 0.2)
        run = fixed_point if implicit else solve_until
        options = {} if implicit else {"differentiable": True}
        return jnp.sum(run(method, jnp.zeros(256), length, tolerance=1e-6, **options).x)

    def memory(length, implicit):
        gradient = quick_jit(jax.grad(lambda w: loss(w, length, implicit)))
        analysis = gradient.lower(0.1).compile().memory_analysis()
        return analysis.temp_size_in_bytes

    assert memory(400, True) == memory(100, True)
    assert memory(400, False) - memory(100, False) > 300 * 256 * 4


def test_batches_have_the_derivatives_of_their_items_and_do_not_compile_again():
    with jax.enable_x64(True):
        a, m = as_jax(*system(np.float64))
        traces = []

        def loss(weight, data, tolerance):
            method = ista(LeastSquares(Matrix(a), data), weight * L1(), 0.5)
            return jnp.sum(fixed_point(method, jnp.zeros(8), 2000, tolerance=tolerance).x)

        @quick_jit
        def gradients(*at):
            traces.append(1)
            return jax.vmap(jax.grad(loss, (0, 1)), (0, 0, None))(*at)

        alone = quick_jit(jax.grad(loss, (0, 1)))
        for scale in (1.0, 0.7):
            weights, data = scale * jnp.array([0.1, 0.3, 50.0]), jnp.stack([m, 2 * m, -m])
            got = gradients(weights, data, 1e-12 / scale)
            for i in range(3):
                expected = alone(weights[i], data[i], 1e-12 / scale)
                for one, other in zip(got, expected, strict=True):
                    np.testing.assert_allclose(one[i], other, rtol=1e-8, atol=1e-12)
            assert np.all(got[1][2] == 0)  # a penalty that makes the image 0 whatever the data
        assert len(traces) == 1


class Counting(Method):
    """x <- cos(c x), with a count, a key and a flag that have no derivative."""

    c: Any
    key: Any
    flag: Any

    class State(NamedTuple):
        x: Any
        count: Any

    def init(self, x0: Any) -> Any:
        return self.State(x0, jnp.int32(0))

    def step(self, state: Any) -> Any:
        x = jnp.where(self.flag, jnp.cos(self.c * state.x), 0)
        return self.State(x, state.count + 1)


def test_leaves_without_derivatives_and_criteria_that_depend_on_the_parameters():
    with jax.enable_x64(True):

        def solution(c):
            method = Counting(c, jax.random.key(0), jnp.array(True))
            end = fixed_point(
                method,
                jnp.float64(1),
                200,
                tolerance=1e-14 * c,
                residual=lambda s: jnp.abs(s.x - jnp.cos(c * s.x)),
                trace=lambda s: c * s.x,
            )
            return end.x, end

        slope, end = quick_jit(jax.grad(solution, has_aux=True))(1.0)
        x = 0.7390851332151607
        np.testing.assert_allclose(end.x, x, rtol=1e-13)
        np.testing.assert_allclose(slope, -x * np.sin(x) / (1 + np.sin(x)), rtol=1e-12)
        assert end.state.count == end.iterations


@pytest.mark.parametrize("symmetric", [False, True])
def test_linear_systems_larger_than_the_restart_and_their_derivatives(symmetric):
    """Real-linear in complex unknowns: M u = H u + 0.3 conj(u), unless it is symmetric."""
    with jax.enable_x64(True):
        noise = draw(1, (60, 60), np.complex128) / np.sqrt(120)
        matrix = np.eye(60) + (noise @ noise.conj().T if symmetric else 0.5 * noise)
        rhs = draw(2, (60,), np.complex128)
        apart = 0.0 if symmetric else 0.3

        def solution(scale, rhs):
            apply = lambda u: scale * (matrix @ u) + apart * jnp.conj(u)  # noqa: E731
            return solve_linear(apply, rhs, steps=400, symmetric=symmetric)

        def dense(scale):
            h = scale * matrix
            real = np.block([[h.real, -h.imag], [h.imag, h.real]])
            real += apart * np.diag(np.repeat([1.0, -1.0], 60))
            parts = np.linalg.solve(real, np.append(rhs.real, rhs.imag))
            return parts[:60] + 1j * parts[60:]

        np.testing.assert_allclose(quick_jit(solution)(1.0, rhs), dense(1.0), rtol=1e-10)
        cotangent = draw(3, (60,), np.complex128)
        slope = quick_jit(jax.grad(lambda s: inner(cotangent, solution(s, rhs))))(1.0)
        expected = central(lambda s: np.vdot(cotangent, dense(s)).real, 1.0)
        np.testing.assert_allclose(slope, expected, rtol=1e-7)


def test_what_has_no_derivative_gets_nan():
    """A map that only turns has a fixed point, but 1 is an eigenvalue of its derivative: x + c."""

    class Drift(Counting):
        def step(self, state: Any) -> Any:
            return self.State(state.x + self.c - jax.lax.stop_gradient(self.c), state.count)

    def solution(c):
        method = Drift(c, jax.random.key(0), jnp.array(True))
        return fixed_point(method, jnp.float32(1), 4, tolerance=1e-3).x

    assert np.isnan(quick_jit(jax.grad(solution))(1.0))


def test_precision_is_kept_and_it_lowers_for_accelerators():
    with jax.enable_x64(True):
        a, m = as_jax(*system(np.float32))

        def gradient(weight):
            method = ista(LeastSquares(Matrix(a), m), weight * L1(), 0.5)
            x0 = jnp.zeros(8, jnp.float32)
            return jax.grad(
                lambda w: jnp.sum(
                    fixed_point(method.replace(simple=w * L1()), x0, 9, tolerance=0).x
                )
            )(weight)

        assert jax.eval_shape(gradient, jnp.float32(1)).dtype == jnp.float32
        exported = jax.export.export(jax.jit(gradient), platforms=["cuda", "tpu"])
        assert exported(jnp.float32(1)).platforms == ("cuda", "tpu")


def test_bad_input():
    method = Counting(jnp.float32(1), jax.random.key(0), jnp.array(True))
    for options, message in [
        ({"derivative": "unrolled"}, "'implicit', 'one step'"),
        ({"linear_steps": 0}, "linear_steps"),
        ({"every": 3}, "multiple of every"),
    ]:
        with pytest.raises(ValueError, match=message):
            fixed_point(method, jnp.float32(1), 4, tolerance=1e-3, **options)
