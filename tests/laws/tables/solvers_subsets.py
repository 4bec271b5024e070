"""Expectation maximisation and stochastic gradients over subsets, on small problems whose
minimisers come from outside of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import complex_dtype
from jaxrecon.functionals import (
    L1,
    KullbackLeibler,
    LeastSquares,
    NonNegative,
    QuadraticPrior,
    SquaredL2,
    TransmissionPoisson,
)
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    bsrem,
    map_em,
    mlem,
    osem,
    saga,
    stochastic_gradient,
    svrg,
)
from tests.laws.cases import MethodCase
from tests.solvers.emission_problems import (
    balanced_problem,
    emission_minimiser,
    emission_problem,
    quadratic_matrix,
)
from tests.solvers.problems import as_jax, draw, lasso, ridge, system
from tests.solvers.subset_problems import (
    matrix_subsets,
    nonnegative_system,
    sirt_minimiser,
    transmission_problem,
    transmission_ridge,
)

DAMPING = 0.3
SPARSITY = 0.3
SMOOTHNESS = 0.02


def _key() -> jax.Array:
    return jax.random.key(0)


def _emission(method: Callable, smoothness: float, lower: float = 0.0) -> Callable:
    """Counts with a background, dark pixels and a quadratic prior; method(f, prior) -> Method."""

    def case(dtype: Any) -> tuple:
        matrix, counts, background = emission_problem(dtype)
        quadratic = quadratic_matrix(8, smoothness)
        minimiser = emission_minimiser(matrix, counts, background, quadratic, lower)
        f = KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), background)
        prior = smoothness * QuadraticPrior((8,), jnp.asarray([1, 0, 1], dtype))
        return method(f, prior), jnp.full(8, 5.0, dtype), minimiser

    return case


def _balanced(dtype: Any) -> tuple:
    matrix, counts, image = balanced_problem(dtype)
    a, y = as_jax(matrix, counts)
    f = KullbackLeibler(Matrix(a), y)
    return osem(f, matrix_subsets(f.operator, 3)), jnp.ones(5, dtype), image


def _ridge(dtype: Any) -> tuple:
    weights = np.linspace(0.5, 2.0, 12).astype(dtype)
    matrix, data = system(complex_dtype(dtype))
    minimiser = ridge(matrix, data, weights, DAMPING)
    a, m, w = as_jax(matrix, data, weights)
    f = LeastSquares(Matrix(a), m, w)
    subsets = matrix_subsets(f.operator, 3)
    method = svrg(f, subsets, penalty=DAMPING * SquaredL2(), key=_key())
    return method, jnp.asarray(0.1 * draw(5, (8,), a.dtype)), minimiser


def _lasso(dtype: Any) -> tuple:
    matrix, data = system(complex_dtype(dtype))
    a, m = as_jax(matrix, data)
    f = LeastSquares(Matrix(a), m)
    method = saga(f, matrix_subsets(f.operator, 3), constraint=SPARSITY * L1(), key=_key())
    return method, jnp.asarray(0.1 * draw(5, (8,), a.dtype)), lasso(matrix, data, SPARSITY)


def _transmission(dtype: Any) -> tuple:
    matrix, counts, photons, background = transmission_problem(dtype)
    minimiser = transmission_ridge(matrix, counts, photons, background, DAMPING)
    a, n, flat = as_jax(matrix, counts, photons)
    f = TransmissionPoisson(Matrix(a), n, flat, background)
    penalty, subsets = DAMPING * SquaredL2(), matrix_subsets(f.operator, 3)
    method = saga(f, subsets, penalty=penalty, constraint=NonNegative(), key=_key())
    return method, jnp.full(8, 0.7, dtype), minimiser


def _consistent(dtype: Any) -> tuple:
    """Without noise all subsets agree on the solution, and the steps need not decay."""
    matrix, data = nonnegative_system(dtype, noise=0.0)
    a, m = as_jax(matrix, data)
    f = LeastSquares(Matrix(a), m)
    method = stochastic_gradient(f, matrix_subsets(f.operator, 3), decay=0.0, key=_key())
    return method, jnp.full(8, 0.7, dtype), sirt_minimiser(matrix, data)


def _mlem(f: Any, prior: Any) -> Any:
    return mlem(f)


def _bsrem(f: Any, prior: Any) -> Any:
    one = matrix_subsets(f.operator, 1)
    return bsrem(f, one, penalty=prior, relaxation=1.5, decay=0.0, lower=1e-3, upper=100.0)


def _bsrem_subsets(f: Any, prior: Any) -> Any:
    return bsrem(f, matrix_subsets(f.operator, 3), penalty=prior, decay=0.3)


def _saga(f: Any, prior: Any) -> Any:
    subsets = matrix_subsets(f.operator, 3)
    return saga(f, subsets, penalty=prior, constraint=NonNegative(), key=_key())


def _svrg(f: Any, prior: Any) -> Any:
    subsets = matrix_subsets(f.operator, 3)
    return svrg(f, subsets, penalty=prior, constraint=NonNegative(), period=5, key=_key())


METHODS = [
    MethodCase("MLEM", _emission(_mlem, 0.0), 400, 1e-13),
    MethodCase("OSEM, balanced and without noise", _balanced, 600, 1e-13),
    MethodCase("MAP-EM", _emission(map_em, SMOOTHNESS), 200, 1e-13),
    MethodCase("BSREM, one subset", _emission(_bsrem, SMOOTHNESS, 1e-3), 200, 1e-13, True),
    # its error falls like its steps, 1 / (1 + 0.3 passes), from a few percent; a step takes 1 us
    MethodCase("BSREM", _emission(_bsrem_subsets, SMOOTHNESS), 600_000, 1e-6),
    MethodCase("SAGA, counts", _emission(_saga, SMOOTHNESS), 600, 1e-13, True),
    MethodCase("SVRG, counts", _emission(_svrg, SMOOTHNESS), 800, 1e-13, True),
    MethodCase("SAGA, complex sparse", _lasso, 6000, 1e-13),
    MethodCase("SAGA, transmission", _transmission, 12000, 1e-13, True),
    MethodCase("SVRG, complex least squares", _ridge, 6000, 1e-13),
    MethodCase("stochastic gradient, without noise", _consistent, 2400, 1e-13),
]
