"""The methods, each on small problems whose minimisers come from outside of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon import separable, stack, struct
from jaxrecon.core import Identity
from jaxrecon.core.checks import complex_dtype
from jaxrecon.functionals import (
    L1,
    KullbackLeibler,
    LeastSquares,
    NonNegative,
    SquaredL2,
    TransmissionPoisson,
    Zero,
)
from jaxrecon.linops.finite_difference import FiniteDifference
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    admm,
    cgls,
    conjugate_gradient,
    fista,
    gradient_descent,
    ista,
    ordered_subsets,
    primal_dual_hybrid_gradient,
    sart,
    sirt,
)
from tests.laws.cases import MethodCase
from tests.solvers.problems import (
    as_jax,
    counts_problem,
    draw,
    lasso,
    nonnegative_least_squares,
    poisson_ridge,
    ridge,
    step_signal,
    system,
)
from tests.solvers.subset_problems import (
    matrix_subsets,
    nonnegative_system,
    sirt_minimiser,
    transmission_problem,
    transmission_ridge,
)

DAMPING = 0.1
SPARSITY = 0.3


def _start(n: int, dtype: Any) -> Any:
    return jnp.asarray(0.1 * draw(5, (n,), dtype))


def _ridge(method: Callable, complex_valued: bool = False) -> Callable:
    """Weighted least squares + damping/2 ||x||^2; method(matrix, data, weights) -> Method."""

    def case(dtype: Any) -> tuple:
        weights = np.linspace(0.5, 2.0, 12).astype(dtype)
        dtype = complex_dtype(dtype) if complex_valued else dtype
        matrix, data = system(dtype)
        minimiser = ridge(matrix, data, weights, DAMPING)
        a, m, w = as_jax(matrix, data, weights)
        return method(Matrix(a), m, w), _start(8, dtype), minimiser

    return case


def _lasso(method: Callable, complex_valued: bool = False) -> Callable:
    """1/2 ||A x - m||^2 + SPARSITY ||x||_1; method(f, g) -> Method."""

    def case(dtype: Any) -> tuple:
        dtype = complex_dtype(dtype) if complex_valued else dtype
        matrix, data = system(dtype)
        a, m = as_jax(matrix, data)
        f, g = LeastSquares(Matrix(a), m), SPARSITY * L1()
        return method(f, g), _start(8, dtype), lasso(matrix, data, SPARSITY)

    return case


def _nonnegative(method: Callable) -> Callable:
    def case(dtype: Any) -> tuple:
        matrix, data = system(dtype)
        a, m = as_jax(matrix, data)
        f = LeastSquares(Matrix(a), m)
        return method(f, NonNegative()), _start(8, dtype), nonnegative_least_squares(matrix, data)

    return case


def _poisson(dtype: Any) -> tuple:
    matrix, counts, background = counts_problem(dtype)
    minimiser = poisson_ridge(matrix, counts, background, DAMPING)
    f = KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), background)
    g, a = f.split()
    method = primal_dual_hybrid_gradient(DAMPING * SquaredL2(), g, a, dual_step=0.1)
    return method, jnp.ones(5, dtype), minimiser


def _step(method: Callable) -> Callable:
    """Total variation of a step; method(f, g, D) -> Method."""

    def case(dtype: Any) -> tuple:
        data, minimiser = step_signal(dtype, SPARSITY)
        f, g = LeastSquares(None, jnp.asarray(data)), SPARSITY * L1()
        return method(f, g, FiniteDifference((12,), dtype=dtype)), jnp.asarray(data), minimiser

    return case


def _sirt(dtype: Any) -> tuple:
    matrix, data = nonnegative_system(dtype, noise=2.0)
    minimiser = sirt_minimiser(matrix, data)
    a, m = as_jax(matrix, data)
    method = sirt(Matrix(a), m, relaxation=1.9, constraint=NonNegative())
    return method, jnp.full(8, 0.7, dtype), minimiser


def _consistent(method: Callable) -> Callable:
    """Data without noise, whose solution every subset agrees on; method(A, m) -> Method."""

    def case(dtype: Any) -> tuple:
        matrix, data = nonnegative_system(dtype, noise=0.0)
        a, m = as_jax(matrix, data)
        return method(Matrix(a), m), jnp.full(8, 0.7, dtype), sirt_minimiser(matrix, data)

    return case


def _transmission(dtype: Any) -> tuple:
    matrix, counts, photons, background = transmission_problem(dtype)
    minimiser = transmission_ridge(matrix, counts, photons, background, DAMPING)
    a, n, flat = as_jax(matrix, counts, photons)
    f = TransmissionPoisson(Matrix(a), n, flat, background)
    method = ordered_subsets(f, penalty=DAMPING * SquaredL2(), constraint=NonNegative())
    return method, jnp.full(8, 0.7, dtype), minimiser


def _sart(a: Any, m: Any) -> Any:
    return sart(matrix_subsets(a, 4), m, relaxation=1.5)


def _ordered_subsets(a: Any, m: Any) -> Any:
    return ordered_subsets(LeastSquares(a, m), matrix_subsets(a, 3), momentum=False)


def _surrogates_ridge(dtype: Any) -> tuple:
    weights = np.linspace(0.5, 2.0, 12).astype(dtype)
    matrix, data = nonnegative_system(dtype)
    minimiser = ridge(matrix, data, weights, DAMPING)
    a, m, w = as_jax(matrix, data, weights)
    method = ordered_subsets(LeastSquares(Matrix(a), m, w), penalty=DAMPING * SquaredL2())
    return method, _start(8, dtype), minimiser


def _cgls(a: Any, m: Any, w: Any) -> Any:
    return cgls(a, m, weights=w, damping=DAMPING)


def _gradient_descent(a: Any, m: Any, w: Any) -> Any:
    return gradient_descent(LeastSquares(a, m, w) + DAMPING * SquaredL2())


def _ista_ridge(a: Any, m: Any, w: Any) -> Any:
    return ista(LeastSquares(a, m, w), DAMPING * SquaredL2())


def _fista_ridge(a: Any, m: Any, w: Any) -> Any:
    return fista(LeastSquares(a, m, w), DAMPING * SquaredL2(), restart=True)


def _fista_restart(f: Any, g: Any) -> Any:
    return fista(f, g, restart=True)


def _conjugate_gradient(a: Any, m: Any, w: Any) -> Any:
    return conjugate_gradient(a, m, weights=w, damping=DAMPING)


def _primal_dual_ridge(a: Any, m: Any, w: Any) -> Any:
    g, a = LeastSquares(a, m, w).split()
    return primal_dual_hybrid_gradient(DAMPING * SquaredL2(), g, a, relaxation=1.5)


def _condat_vu_ridge(a: Any, m: Any, w: Any) -> Any:
    smooth = LeastSquares(a, m, w)
    identity = Identity(a.domain)
    return primal_dual_hybrid_gradient(Zero(), DAMPING * SquaredL2(), identity, smooth=smooth)


def _admm_ridge(a: Any, m: Any, w: Any) -> Any:
    identity = 1.5 * Identity(a.domain)
    return admm(LeastSquares(a, m, w), DAMPING / 2.25 * SquaredL2(), identity, 0.3, relaxation=1.5)


def _admm_several_terms(f: Any, g: Any) -> Any:
    data, a = f.split()
    both = stack(Identity(struct(8, a.dtype)), a)
    return admm(Zero(), separable(g, data), both, 1.0)


def _admm_total_variation(f: Any, g: Any, d: Any) -> Any:
    return admm(f, g, d, 1.0, iterations=20)


def _admm_proximal(f: Any, g: Any) -> Any:
    return admm(f, g, Identity(f.operator.domain), 1.0)


METHODS = [
    MethodCase("gradient descent, complex", _ridge(_gradient_descent, True), 1200, 1e-13),
    MethodCase("conjugate gradient, complex", _ridge(_conjugate_gradient, True), 20, 1e-13),
    MethodCase("CGLS, complex", _ridge(_cgls, True), 20, 1e-13),
    MethodCase("SIRT, non-negative", _sirt, 1000, 1e-13),
    MethodCase("SART", _consistent(_sart), 1000, 1e-13),
    MethodCase("ordered subsets, least squares", _consistent(_ordered_subsets), 1000, 1e-13),
    MethodCase("ordered subsets, one, ridge", _surrogates_ridge, 1000, 1e-13, True),
    MethodCase("ordered subsets, one, transmission", _transmission, 3600, 1e-13),
    MethodCase("ISTA, complex least squares", _ridge(_ista_ridge, True), 1200, 1e-13),
    MethodCase("ISTA, sparse", _lasso(ista), 800, 1e-13, True),
    MethodCase("FISTA, complex least squares", _ridge(_fista_ridge, True), 400, 1e-13, True),
    MethodCase("FISTA, complex sparse", _lasso(_fista_restart, True), 200, 1e-13),
    MethodCase("FISTA, non-negative", _nonnegative(fista), 1400, 1e-13, True),
    MethodCase("primal-dual, complex least squares", _ridge(_primal_dual_ridge, True), 200, 1e-13),
    MethodCase("primal-dual, Condat-Vu, complex", _ridge(_condat_vu_ridge, True), 800, 1e-13),
    MethodCase("primal-dual, Kullback-Leibler", _poisson, 600, 1e-13, True),
    MethodCase(
        "primal-dual, total variation", _step(primal_dual_hybrid_gradient), 200, 1e-13, True
    ),
    MethodCase("ADMM, complex least squares", _ridge(_admm_ridge, True), 200, 1e-13),
    MethodCase("ADMM, two terms", _lasso(_admm_several_terms), 400, 1e-13, True),
    MethodCase("ADMM, prox for the x-update", _nonnegative(_admm_proximal), 600, 1e-13),
    MethodCase("ADMM, total variation", _step(_admm_total_variation), 200, 1e-13, True),
]
