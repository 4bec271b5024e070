"""Primal-dual, ADMM and proximal steps: conditions, custom updates, and clear errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve, stack, struct
from jaxrecon.core import Identity
from jaxrecon.functionals import L1, KullbackLeibler, LeastSquares, NonNegative, SquaredL2, Zero
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    admm,
    fista,
    gradient_descent,
    ista,
    operator_norm,
    primal_dual_hybrid_gradient,
    proximal_gradient_step,
)
from tests.laws.cases import quick_jit
from tests.solvers.problems import draw

A = Matrix(jnp.asarray(draw(1, (6, 4), np.float32)))
DATA = jnp.asarray(draw(2, (6,), np.float32))


def test_ista_is_the_proximal_gradient_step_repeated_bit_for_bit() -> None:
    """Without jit: how products and sums are fused is up to the compiler."""
    f, g = LeastSquares(A, DATA), 0.1 * L1()
    x = x0 = A.adjoint(DATA)
    with jax.disable_jit():
        for _ in range(3):
            x = proximal_gradient_step(x, f.grad, g.prox, 0.05)
        expected = solve(ista(f, g, 0.05), x0, 3)[0]
    np.testing.assert_array_equal(x, expected)
    compiled = jax.jit(lambda m, x: solve(m, x, 3)[0])(ista(f, g, 0.05), x0)
    np.testing.assert_allclose(compiled, expected, rtol=1e-6)


def test_default_steps_keep_the_conditions_of_convergence() -> None:
    norm, smooth = float(operator_norm(A)), LeastSquares(A, DATA)
    half = float(smooth.lipschitz()) / 2
    for steps in ({}, {"primal_step": 0.01}, {"dual_step": 3.0}):
        plain = primal_dual_hybrid_gradient(Zero(), L1(), A, **steps)
        assert plain.primal_step * plain.dual_step * norm**2 < 1
        three = primal_dual_hybrid_gradient(Zero(), L1(), A, smooth=smooth, **steps)
        assert 1 / three.primal_step - three.dual_step * norm**2 > half
    assert np.allclose(ista(smooth, L1()).step_size, 1 / (2 * half))
    assert np.allclose(fista(smooth, L1()).step_size, 1 / (2 * half))


def _solve_dense(v, penalty, x):
    a = A.matrix
    return jnp.linalg.solve(a.T @ a + penalty * jnp.eye(4), a.T @ DATA + penalty * v)


def test_admm_takes_an_x_update_of_the_caller() -> None:
    """Plain functions, Partials and pytrees; the same iterates as by conjugate gradients."""
    f, g = LeastSquares(A, DATA), NonNegative()
    identity = 1.0 * Identity(struct(4))
    x0 = jnp.ones(4)
    run = quick_jit(lambda method, x0: solve(method, x0, 10)[0])
    expected = run(admm(f, g, identity, 2.0, iterations=8), x0)
    for update in (_solve_dense, jax.tree_util.Partial(_solve_dense)):
        got = run(admm(f, g, identity, 2.0, x_update=update), x0)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: admm(L1(), L1(), A, 1.0), NotImplementedError, "x_update"),
        (lambda: ista(L1(), Zero()), NotImplementedError, "step size"),
        (lambda: fista(KullbackLeibler(A, jnp.ones(6)), Zero()), NotImplementedError, "step size"),
        (lambda: gradient_descent(L1()), NotImplementedError, "step size"),
        (lambda: primal_dual_hybrid_gradient(Zero(), L1(), A, smooth=L1()),
         NotImplementedError, "step size"),
        (lambda: solve(admm(SquaredL2(), L1(), A, 1.0), jnp.ones(5), 1), ValueError, "expected x"),
        (lambda: solve(primal_dual_hybrid_gradient(Zero(), L1(), A), jnp.ones(5), 1),
         ValueError, "expected x"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_everything_can_be_built_inside_jit_with_traced_data_and_weights() -> None:
    """Operator norms, step sizes and validation are traced; so a regularisation path is a vmap."""

    def reconstruct(matrix, data, weight):
        operator = Matrix(matrix)
        f = LeastSquares(operator, data)
        both = stack(operator, Identity(operator.domain))
        norm = operator_norm(both)
        return solve(fista(f + SquaredL2() * (0.1 / norm), weight * L1()), data[:4], 20)[0]

    path = quick_jit(jax.vmap(reconstruct, (None, None, 0)))
    images = path(A.matrix, DATA, jnp.asarray([0.0, 1.0, 1e3]))
    sizes = jnp.sum(jnp.abs(images), 1)
    assert sizes[0] > sizes[1] > sizes[2] == 0
