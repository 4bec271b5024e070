"""Ordered subsets of separable surrogates: majorisers, the full method, and their errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve, stack, struct
from jaxrecon.core import Identity
from jaxrecon.functionals import (
    L1,
    HuberTotalVariation,
    LeastSquares,
    NonNegative,
    SquaredL2,
    TransmissionPoisson,
)
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import fista, ista, ordered_subsets
from tests.solvers.subset_problems import (
    matrix_subsets,
    nonnegative_system,
    transmission_problem,
)


def _weighted_problem():
    """f, the penalty and the start; in float64."""
    matrix, data = nonnegative_system(np.float64, noise=0.3)
    weights = jnp.linspace(0.5, 2.0, 12)
    f = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data), weights)
    return f, 0.3 * HuberTotalVariation((8,), 0.1), jnp.full(8, 0.4)


def _transmission():
    matrix, counts, photons, background = transmission_problem(np.float64)
    a = Matrix(jnp.asarray(matrix))
    return TransmissionPoisson(a, jnp.asarray(counts), jnp.asarray(photons), background)


def _iterates(method, x0, steps):
    return jax.jit(lambda m, x: solve(m, x, steps, trace=lambda s: s.x))(method, x0)[1]


@pytest.mark.parametrize("momentum", [False, True])
def test_one_subset_with_one_step_size_is_fista_and_ista(momentum) -> None:
    with jax.enable_x64(True):
        f, penalty, x0 = _weighted_problem()
        subsets = matrix_subsets(f.operator, 1)
        method = ordered_subsets(
            f, subsets, penalty=penalty, constraint=NonNegative(), momentum=momentum
        )
        method = method.replace(step_size=jnp.full(8, 0.02))
        same = (fista if momentum else ista)(f + penalty, NonNegative(), 0.02)
        np.testing.assert_allclose(_iterates(method, x0, 20), _iterates(same, x0, 20), rtol=1e-12)


@pytest.mark.slow
def test_subset_gradients_have_the_full_gradient_as_their_mean() -> None:
    with jax.enable_x64(True):
        f, penalty, x0 = _weighted_problem()
        for fidelity in (f, _transmission()):
            subsets = matrix_subsets(fidelity.operator, 3)
            method = ordered_subsets(fidelity, subsets, penalty=penalty)
            mean = jnp.mean(jax.vmap(lambda k, m=method: m.gradient(x0, k))(jnp.arange(3)), 0)
            np.testing.assert_allclose(mean, (fidelity + penalty).grad(x0), rtol=1e-12)


def test_the_diagonal_majorises_the_hessian() -> None:
    """D - Hessian has no negative eigenvalue; at points with A x >= 0 for the transmission."""
    with jax.enable_x64(True):
        f, penalty, x0 = _weighted_problem()
        hessian = jax.jit(jax.hessian(lambda f, x: f(x), argnums=1))
        for fidelity in (f, _transmission()):
            method = ordered_subsets(fidelity, penalty=penalty)
            for scale in (0.0, 0.2, 1.0, 3.0):
                second = hessian(fidelity + penalty, scale * x0 * jnp.linspace(0.5, 1.5, 8))
                least = np.linalg.eigvalsh(np.diag(1 / method.step_size) - second)[0]
                assert least >= -1e-12
        tight = np.diag(1 / ordered_subsets(f).step_size) - hessian(f, x0)
        np.testing.assert_allclose(tight @ np.ones(8), 0, atol=1e-12)  # it cannot be smaller


@pytest.mark.slow
def test_surrogates_descend_monotonically_and_momentum_keeps_its_bound() -> None:
    with jax.enable_x64(True):
        f, penalty, x0 = _weighted_problem()
        for fidelity in (f, _transmission()):
            total = fidelity + penalty
            options = {"penalty": penalty, "constraint": NonNegative()}
            plain = ordered_subsets(fidelity, momentum=False, **options)
            fast = ordered_subsets(fidelity, **options)
            best = _iterates(fast, x0, 4000)[-1]
            slow_costs = jax.vmap(total)(_iterates(plain, x0, 100)) - total(best)
            fast_costs = jax.vmap(total)(_iterates(fast, x0, 100)) - total(best)
            assert np.all(np.diff(slow_costs) <= 1e-12)
            distance = jnp.sum((x0 - best) ** 2 / plain.step_size)
            steps = np.arange(1, 101)
            assert np.all(slow_costs <= distance / (2 * steps) + 1e-12)
            if fidelity is f:  # convex; the other is with a background only nearly so
                assert np.all(fast_costs <= 2 * distance / (steps + 1) ** 2 + 1e-12)


def test_curvatures_of_the_caller_and_pixel_wise_proxes_are_used() -> None:
    """A sparse problem: soft thresholds with the step size of each pixel, to the minimiser."""
    with jax.enable_x64(True):
        f, _, x0 = _weighted_problem()
        method = ordered_subsets(
            f,
            curvature=2.0,
            penalty=0.1 * SquaredL2(),
            penalty_curvature=0.2,
            constraint=0.5 * L1(),
        )
        matrix = np.asarray(f.operator.matrix)
        expected = matrix.T @ (2.0 * matrix.sum(1)) + 0.2
        np.testing.assert_allclose(1 / method.step_size, expected, rtol=1e-13)
        x = _iterates(method, x0, 2000)[-1]
        other = _iterates(fista(f + 0.1 * SquaredL2(), 0.5 * L1(), restart=True), x0, 2000)[-1]
        np.testing.assert_allclose(x, other, atol=1e-10)


def test_errors_name_the_cause() -> None:
    a = Matrix(jnp.ones((6, 3)))
    f = LeastSquares(a, jnp.ones(6))
    with pytest.raises(TypeError, match=r"split\(\) as f, got SquaredL2"):
        ordered_subsets(SquaredL2())
    with pytest.raises(TypeError, match="fidelity of an operator"):
        ordered_subsets(LeastSquares(None, jnp.ones(6)))
    with pytest.raises(ValueError, match="subsets of the operator of f"):
        ordered_subsets(f, matrix_subsets(Matrix(jnp.ones((6, 4))), 2))
    with pytest.raises(ValueError, match="non-negative weights"):
        ordered_subsets(LeastSquares(-1.0 * a, jnp.ones(6)))
    with pytest.raises(NotImplementedError, match="Lipschitz"):
        ordered_subsets(f, penalty=L1())
    with pytest.raises(ValueError, match="x0 of float32"):
        ordered_subsets(f).init(jnp.ones(4))
    several = stack(a, Identity(struct(3)))
    with pytest.raises(ValueError, match="one array with rows"):
        ordered_subsets(LeastSquares(several, (jnp.ones(6), jnp.ones(3))))
