"""Splitting methods: steps that keep and miss their conditions, and clear errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve, struct
from jaxrecon.core import Identity, block_diagonal
from jaxrecon.functionals import (
    L1,
    LeastSquares,
    SquaredL2,
    Zero,
)
from jaxrecon.linops.finite_difference import FiniteDifference
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    accelerated_primal_dual,
    adaptive_primal_dual,
    admm,
    davis_yin,
    diagonal_steps,
    douglas_rachford,
    forward_backward_forward,
    forward_backward_forward_primal_dual,
    fourier_quadratic,
    fourier_update,
    geometric_penalties,
    half_quadratic_splitting,
    linearised_admm,
    pd3o,
    primal_dual_hybrid_gradient,
    stochastic_primal_dual,
)
from tests.solvers.problems import draw
from tests.solvers.subset_problems import matrix_subsets

A = Matrix(jnp.asarray(draw(1, (6, 4), np.float32)))
DATA = jnp.asarray(draw(2, (6,), np.float32))
NORM = np.linalg.norm(np.asarray(A.matrix), 2)
FIDELITY = LeastSquares(A, DATA)
LIPSCHITZ = NORM**2
SUBSETS = matrix_subsets(A, 2)
KEY = jax.random.key(0)


def _pair(make, safe, unsafe):
    """Steps at the bound are taken, steps 5 % beyond it are refused."""
    make(safe)
    with pytest.raises(ValueError, match="expected"):
        make(unsafe)


def _bounds():
    z, g = Zero(), L1()
    largest = max(np.linalg.norm(np.asarray(A.matrix)[k::2], 2) for k in range(2))
    return [
        (lambda s: primal_dual_hybrid_gradient(z, g, A, primal_step=s, dual_step=2.0),
         1 / (2 * NORM**2)),
        (lambda s: primal_dual_hybrid_gradient(
            z, g, A, smooth=FIDELITY, primal_step=s, dual_step=1.0),
         1 / (LIPSCHITZ / 2 + NORM**2)),
        (lambda s: accelerated_primal_dual(
            z, g, A, dual_convexity=1.0, primal_step=s, dual_step=2.0), 1 / (2 * NORM**2)),
        (lambda s: adaptive_primal_dual(z, g, A, primal_step=s, dual_step=2.0), 1 / (2 * NORM**2)),
        (lambda s: linearised_admm(z, g, A, 3.0, step_size=s), 1 / (3 * NORM**2)),
        (lambda s: pd3o(z, g, A, FIDELITY, primal_step=s, dual_step=0.1), 2 / LIPSCHITZ),
        (lambda s: pd3o(z, g, A, FIDELITY, primal_step=0.1, dual_step=s), 10 / NORM**2),
        (lambda s: davis_yin(z, g, FIDELITY, s, relaxation=0.1), 2 / LIPSCHITZ),
        (lambda s: davis_yin(z, g, FIDELITY, 1 / LIPSCHITZ, relaxation=s), 1.5),
        (lambda s: forward_backward_forward_primal_dual(
            z, g, A, smooth=FIDELITY, primal_step=0.2 / LIPSCHITZ, dual_step=s),
         0.64 / (0.2 / LIPSCHITZ * NORM**2)),
        (lambda s: stochastic_primal_dual(
            z, FIDELITY, SUBSETS, key=KEY, primal_step=s, dual_step=1.0), 1 / (2 * largest**2)),
        (lambda s: stochastic_primal_dual(
            z, FIDELITY, SUBSETS, penalty=(g, 3.0 * Identity(struct(4))), key=KEY, primal_step=s,
            dual_step=1.0, penalty_step=0.5), 1 / (2 * largest**2 + 4.5)),
        (lambda s: douglas_rachford(z, g, 1.0, relaxation=s), 1.99),
        (lambda s: admm(FIDELITY, g, A, 1.0, relaxation=s), 1.99),
    ]  # fmt: skip


@pytest.mark.parametrize(("make", "bound"), _bounds())
def test_steps_beyond_the_condition_are_refused(make, bound) -> None:
    _pair(make, 0.999 * bound, 1.05 * bound)


def test_steps_that_are_traced_are_not_looked_at() -> None:
    @jax.jit
    def apply(step):
        method = primal_dual_hybrid_gradient(Zero(), L1(), A, primal_step=step, dual_step=step)
        return solve(method, jnp.ones(4), 1)[0]

    assert apply(100.0).shape == (4,)

    @jax.jit
    def with_known_steps(x0):  # the operator is closed over, so that its norm is traced
        method = primal_dual_hybrid_gradient(Zero(), L1(), A, primal_step=0.1, dual_step=0.1)
        return solve(method, x0, 1)[0]

    assert with_known_steps(jnp.ones(4)).shape == (4,)


def test_default_steps_keep_the_conditions() -> None:
    z, g = Zero(), L1()
    for given in ({}, {"primal_step": 0.01}, {"dual_step": 3.0}):
        fbf = forward_backward_forward_primal_dual(z, g, A, smooth=FIDELITY, **given)
        size = fbf.primal_step * LIPSCHITZ + np.sqrt(fbf.primal_step * fbf.dual_step) * NORM
        assert 0.9 < size < 1
    for given in ({}, {"primal_step": 0.01}):
        method = pd3o(z, g, A, FIDELITY, **given)
        assert method.primal_step * LIPSCHITZ < 2
        assert 0.9 < method.primal_step * method.dual_step * NORM**2 < 1
    both = accelerated_primal_dual(z, g, A, primal_convexity=0.1, dual_convexity=2.0)
    assert 0.9 < both.primal_step * both.dual_step * NORM**2 < 1
    np.testing.assert_allclose(both.dual_step / both.primal_step, 0.1 / 2.0, rtol=0.02)
    method = stochastic_primal_dual(z, FIDELITY, SUBSETS, penalty=(g, A), key=KEY)
    parts = [np.linalg.norm(np.asarray(A.matrix)[k::2], 2) for k in range(2)]
    load = 2 * method.dual_step * max(parts) ** 2 + method.penalty_step * NORM**2
    assert 0.9 < method.primal_step * load < 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: admm(FIDELITY, L1(), A, 0.0), ValueError, "penalty > 0"),
        (lambda: admm(FIDELITY, L1(), A, jnp.nan), ValueError, "penalty > 0"),
        (lambda: douglas_rachford(L1(), Zero(), -1.0), ValueError, "step_size > 0"),
        (lambda: forward_backward_forward(L1(), A.matrix.T.__matmul__, 0.0), ValueError, "> 0"),
        (lambda: primal_dual_hybrid_gradient(Zero(), L1(), A, smooth=FIDELITY, primal_step=50.0),
         ValueError, "dual_step > 0"),
        (lambda: accelerated_primal_dual(Zero(), L1(), A), ValueError, "primal_convexity"),
        (lambda: accelerated_primal_dual(
            Zero(), L1(), A, primal_convexity=1.0, dual_convexity=1.0, dual_step=1.0),
         ValueError, "chooses the steps"),
        (lambda: pd3o(Zero(), L1(), A, L1()), NotImplementedError, "step size"),
        (lambda: half_quadratic_splitting(FIDELITY, L1(), A, [1.0, -1.0]), ValueError, "> 0"),
        (lambda: half_quadratic_splitting(FIDELITY, L1(), A, [[1.0]]), ValueError, "shape"),
        (lambda: half_quadratic_splitting(L1(), L1(), A, 1.0), NotImplementedError, "x_update"),
        (lambda: geometric_penalties(1.0, 2.0, 0), ValueError, "count"),
        (lambda: stochastic_primal_dual(Zero(), L1(), SUBSETS, key=KEY), TypeError, "split"),
        (lambda: stochastic_primal_dual(
            Zero(), LeastSquares(A.H, jnp.ones(4)), SUBSETS, key=KEY), ValueError, "subsets"),
        (lambda: fourier_quadratic(L1(), struct(8)), NotImplementedError, "quadratic"),
        (lambda: fourier_quadratic(FIDELITY, A.domain), ValueError, "commute with shifts"),
        (lambda: fourier_update(SquaredL2(), FiniteDifference((8,))), ValueError, "commute"),
        (lambda: fourier_update(Zero(), block_diagonal(A, A)), TypeError, "one array"),
        (lambda: diagonal_steps(FiniteDifference((4,)).H), ValueError, "weights"),
        (lambda: diagonal_steps(A, ratio=-1.0), ValueError, "ratio"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
