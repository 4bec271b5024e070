"""Operator norms and the implicitly differentiated solve, real and complex."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import LinearOperator, matched, solve, stack, struct
from jaxrecon.core.normal_equations import Normal
from jaxrecon.linops.finite_difference import FiniteDifference
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import conjugate_gradient, operator_norm, solve_normal
from tests.laws.cases import quick_jit
from tests.solvers.problems import draw

DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.complex128])
_forward, _adjoint = matched(lambda p, x: p @ x, lambda p, y: p.conj().T @ y)


class MatchedMatrix(LinearOperator):
    """A matrix behind hand-written rules, like a projector."""

    entries: jax.Array

    @property
    def domain(self):
        return struct(self.entries.shape[1], self.entries.dtype)

    def apply(self, x):
        return _forward(self.entries, x)

    def adjoint(self, y):
        return _adjoint(self.entries, y, self.domain)


def _arguments(dtype):
    return (
        jnp.asarray(draw(1, (7, 5), dtype)),
        jnp.asarray(draw(2, (5,), dtype)),
        jnp.linspace(0.5, 2.0, 7),
        jnp.asarray(0.3),
    )


def _dense(a, b, w, damping):
    return jnp.linalg.solve(a.conj().T @ (w[:, None] * a) + damping * jnp.eye(5), b)


def _implicit(a, b, w, damping):
    return solve_normal(MatchedMatrix(a), b, jnp.ones_like(b), weights=w, damping=damping)


def _loss(solver):
    return lambda *arguments: jnp.sum(jnp.abs(solver(*arguments)) ** 4)


@DTYPES
def test_solution_and_all_its_derivatives_equal_those_of_a_dense_solve(dtype) -> None:
    """Operator, right-hand side, weights and damping; forward, reverse and second order."""
    with jax.enable_x64(True):
        arguments = _arguments(dtype)
        along = tuple(jnp.asarray(draw(9, a.shape, a.dtype)) for a in arguments)

        def everything(solver):
            loss = _loss(solver)

            @quick_jit
            def run(arguments, along):
                return (
                    solver(*arguments),
                    jax.grad(loss, (0, 1, 2, 3))(*arguments),
                    jax.jvp(loss, arguments, along)[1],
                    jax.grad(jax.grad(loss, 3), 3)(*arguments),
                )

            return run(arguments, along)

        pairs = zip(*map(jax.tree.leaves, map(everything, (_implicit, _dense))), strict=True)
        for got, expected in pairs:
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_vmap_gives_each_item_what_it_gets_alone() -> None:
    with jax.enable_x64(True):
        a, b, w, damping = _arguments(np.complex128)
        batch = jnp.stack([b, 1e3 * b, 0 * b])
        value = quick_jit(jax.vmap(_implicit, (None, 0, None, None)))(a, batch, w, damping)
        slope = quick_jit(jax.vmap(jax.grad(_loss(_implicit)), (None, 0, None, None)))
        np.testing.assert_allclose(value, [_dense(a, x, w, damping) for x in batch], atol=1e-12)
        expected = jax.vmap(jax.grad(_loss(_dense)), (None, 0, None, None))(a, batch, w, damping)
        np.testing.assert_allclose(slope(a, batch, w, damping), expected, rtol=1e-8, atol=1e-12)


def test_a_warm_start_saves_steps() -> None:
    """From the solution itself no step is taken; near it, one step goes further than from 0."""
    a = jnp.asarray(draw(1, (7, 5), np.float32))
    b, w = jnp.asarray(draw(2, (5,), np.float32)), jnp.linspace(0.5, 2.0, 7)
    operator = Matrix(a)

    def run(x0, n):
        return solve_normal(operator, b, x0, weights=w, damping=0.3, iterations=n)

    exact = run(None, 50)
    np.testing.assert_allclose(run(exact, 1), exact, rtol=1e-5)
    warm, cold = run(exact * 1.01, 1), run(None, 1)
    assert jnp.linalg.norm(warm - exact) < 0.05 * jnp.linalg.norm(cold - exact)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: solve_normal(a, jnp.ones(4)), ValueError, "rhs"),
        (lambda a: solve_normal(a, jnp.ones(3), jnp.ones(4)), ValueError, "x0"),
        (lambda a: solve_normal(a, jnp.ones(3, jnp.complex64)), TypeError, "rhs"),
        (lambda a: solve_normal(a, jnp.ones(3), iterations=0), ValueError, "iterations"),
        (lambda a: operator_norm(a, 0), ValueError, "iterations"),
        (lambda a: conjugate_gradient(a, jnp.ones(3)), ValueError, "data"),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call(Matrix(jnp.ones((4, 3))))


def test_conjugate_gradient_stays_at_the_solution_with_its_derivatives() -> None:
    """Long after convergence, where residuals vanish, the derivatives are those of the solution."""
    a = Matrix(jnp.asarray(draw(1, (7, 5), np.float32)))
    x0 = jnp.ones(5)

    def by_steps(data):
        return solve(conjugate_gradient(a, data, damping=0.1), x0, 30)[0]

    def at_the_solution(data):
        return solve_normal(a, a.adjoint(data), x0, damping=0.1)

    for data in (jnp.ones(7), 1e-6 * jnp.ones(7), jnp.zeros(7)):
        got, expected = (
            quick_jit(jax.value_and_grad(lambda m, f=f: jnp.sum(jnp.sin(f(m)))))(data)
            for f in (by_steps, at_the_solution)
        )
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-4, atol=1e-5)


@DTYPES
def test_operator_norm_is_the_largest_singular_value_with_its_derivative(dtype) -> None:
    with jax.enable_x64(True):
        a = jnp.asarray(draw(1, (7, 5), dtype))

        def estimate(a):
            return operator_norm(Matrix(a), 100)

        value, slope = quick_jit(jax.value_and_grad(estimate))(a)
        np.testing.assert_allclose(value, np.linalg.norm(a, 2), rtol=1e-12)
        u, _, vh = np.linalg.svd(a)
        np.testing.assert_allclose(slope, np.outer(u[:, 0], vh[0]).conj(), atol=1e-10)


def test_operator_norm_on_several_spaces_and_of_zero() -> None:
    both = stack(Matrix(jnp.eye(3)), Matrix(2 * jnp.eye(3)))
    np.testing.assert_allclose(operator_norm(both), np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(operator_norm(both.H), np.sqrt(5), rtol=1e-6)
    assert operator_norm(Matrix(jnp.zeros((2, 3)))) == 0


def test_operator_norm_comes_from_below_and_the_default_is_near() -> None:
    difference = FiniteDifference((64, 64))
    estimate = float(operator_norm(difference))
    assert 0.95 * np.sqrt(8) < estimate < np.sqrt(8)


def test_normal_operator_uses_the_shortcut_of_its_operator() -> None:
    a = Matrix(jnp.asarray(draw(1, (7, 5), np.complex64)))
    x = jnp.asarray(draw(2, (5,), np.complex64))
    plain = Normal(a, damping=0.5)(x)
    np.testing.assert_allclose(plain, a.adjoint(a(x)) + 0.5 * x, rtol=1e-5)
    np.testing.assert_allclose(Normal(a, jnp.ones(7), 0.5)(x), plain, rtol=1e-5)
