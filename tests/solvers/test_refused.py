"""Input that a method would turn into a wrong result is refused where its values are known."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.core.operator import Identity
from jaxrecon.functionals import (
    L1,
    Box,
    KullbackLeibler,
    L2Ball,
    LeastSquares,
    LInfinity,
    Simplex,
    Zero,
)
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    admm,
    cgls,
    conjugate_gradient,
    douglas_rachford,
    landweber,
    linearised_admm,
    lsqr,
    primal_dual_hybrid_gradient,
    saga,
    sirt,
    split_rows,
    stochastic_primal_dual,
)

_RNG = np.random.default_rng(0)
A = Matrix(jnp.asarray(np.abs(_RNG.standard_normal((12, 8))), jnp.float32))
M = jnp.asarray(_RNG.standard_normal(12), jnp.float32)
NAN = M.at[3].set(jnp.nan)
IDENTITY = Identity(A.domain)


def _take(operator: Any, rows: Any) -> Matrix:
    return Matrix(operator.matrix[rows])


SUBSETS = split_rows(A, 3, _take)
KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: -1.0 * L1(), "expected c >= 0"),
        (lambda: admm(LeastSquares(A, M), L1(), IDENTITY, 1.0, relaxation=2.01), "relaxation < 2"),
        (lambda: douglas_rachford(L1(), L1(), 1.0, relaxation=2.0), "relaxation < 2"),
        (lambda: linearised_admm(Zero(), L1(), A, -1.0), "penalty > 0"),
        (lambda: cgls(A, M, damping=-1.0), "damping >= 0"),
        (lambda: conjugate_gradient(A, M, damping=-1.0), "damping >= 0"),
        (lambda: L1(jnp.nan), "weights >= 0"),
        (lambda: KullbackLeibler(None, jnp.ones(3), jnp.nan), "background >= 0"),
        (
            lambda: primal_dual_hybrid_gradient(
                Zero(),
                L1(),
                IDENTITY,
                smooth=LeastSquares(A, M),
                primal_step=1 / float(LeastSquares(A, M).lipschitz()),
                dual_step=1e-3,
                relaxation=1.8,
            ),
            "2 - relaxation",
        ),
    ],
)
def test_parameters(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("method", [cgls, conjugate_gradient, landweber, lsqr, sirt])
def test_nan_in_the_data(method: Any) -> None:
    with pytest.raises(ValueError, match="got NaN"):
        method(A, NAN)


@pytest.mark.parametrize("term", [L2Ball(1.0, M), LInfinity().translate(M)])
def test_subsets_of_a_term_that_couples_the_data(term: Any) -> None:
    with pytest.raises(TypeError, match="sum over the data"):
        stochastic_primal_dual(Zero(), term @ A, SUBSETS, key=KEY)


def test_subsets_of_sums_over_the_data_are_taken() -> None:
    stochastic_primal_dual(Zero(), LeastSquares(A, M), SUBSETS, key=KEY)
    saga(LeastSquares(A, M, jnp.linspace(0.5, 2, 12)), SUBSETS, key=KEY)


def test_over_relaxed_condat_vu_takes_shorter_steps() -> None:
    smooth = 100 * LeastSquares(A, M)

    def minimiser(relaxation: float, steps: int) -> jax.Array:
        method = primal_dual_hybrid_gradient(
            Zero(), L1(), IDENTITY, smooth=smooth, relaxation=relaxation
        )
        return jax.jit(lambda m: solve(m, jnp.zeros(8), steps)[0])(method)

    over, plain = minimiser(1.8, 20000), minimiser(1.0, 20000)
    np.testing.assert_allclose(over, plain, rtol=1e-3, atol=1e-3)


def test_the_lipschitz_constant_of_weighted_least_squares_is_that_of_its_hessian() -> None:
    weights = jnp.linspace(0.1, 3, 12)
    a = np.asarray(A.matrix, np.float64)
    exact = np.linalg.norm(a.T @ (np.asarray(weights)[:, None] * a), 2)
    np.testing.assert_allclose(LeastSquares(A, M, weights).lipschitz(), exact, rtol=1e-4)


@pytest.mark.parametrize("weights", [-jnp.ones(12), jnp.full(12, jnp.nan), jnp.asarray(-1.0)])
@pytest.mark.parametrize("make", [cgls, lsqr, conjugate_gradient, landweber])
def test_weights_that_are_negative_or_nan(make: Any, weights: Any) -> None:
    with pytest.raises(ValueError, match="weights"):
        make(A, M, weights=weights)


@pytest.mark.parametrize("make", [lambda: Box(jnp.nan, 1.0), lambda: Simplex(jnp.nan)])
def test_bounds_that_are_nan(make: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        make()
