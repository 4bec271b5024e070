"""Smooth, least-squares and proximal gradient methods, on problems with known minimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import complex_dtype
from jaxrecon.functionals import L1, KullbackLeibler, LeastSquares, NonNegative, SquaredL2
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
    system,
)

DAMPING = 0.1
SPARSITY = 0.3


def _linear(method: Callable, damping: float = DAMPING) -> Callable:
    """Complex weighted least squares + damping/2 ||x||^2; method(A, m, weights) -> Method."""

    def case(dtype: Any) -> tuple:
        weights = np.linspace(0.5, 2.0, 12).astype(dtype)
        matrix, data = system(complex_dtype(dtype))
        minimiser = ridge(matrix, data, weights, damping)
        a, m, w = as_jax(matrix, data, weights)
        return method(Matrix(a), m, w), _start(matrix.dtype), minimiser

    return case


def _start(dtype: Any) -> Any:
    return jnp.asarray(0.1 * draw(5, (8,), dtype))


def _smooth(method: Callable, **options: Any) -> Callable:
    """The same problem; method(f) -> Method."""

    def make(a: Any, m: Any, w: Any) -> Any:
        return method(LeastSquares(a, m, w) + DAMPING * SquaredL2(), **options)

    return _linear(make)


def _counts(method: Callable) -> Callable:
    """KL(counts, A x + background) + DAMPING/2 ||x||^2; method(f, g) -> Method."""

    def case(dtype: Any) -> tuple:
        matrix, counts, background = counts_problem(dtype)
        minimiser = poisson_ridge(matrix, counts, background, DAMPING)
        f = KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), background)
        return method(f, DAMPING * SquaredL2()), jnp.full(5, 3.0, dtype), minimiser

    return case


def _sparse(method: Callable, **options: Any) -> Callable:
    """1/2 ||A x - m||^2 + SPARSITY ||x||_1, complex; method(f, g) -> Method."""

    def case(dtype: Any) -> tuple:
        matrix, data = system(complex_dtype(dtype))
        a, m = as_jax(matrix, data)
        f, g = LeastSquares(Matrix(a), m), SPARSITY * L1()
        return method(f, g, **options), _start(matrix.dtype), lasso(matrix, data, SPARSITY)

    return case


def _pixel_steps(method: Callable, **options: Any) -> Callable:
    """x >= 0, with the step sizes 1 / |A|^T |A| 1, for which S A^H A has no eigenvalue above 1."""

    def case(dtype: Any) -> tuple:
        matrix, data = system(dtype)
        a, m = as_jax(matrix, data)
        steps = 1 / jnp.sum(jnp.abs(a).T @ jnp.abs(a), 1)
        method_ = method(LeastSquares(Matrix(a), m), NonNegative(), steps, **options)
        return method_, _start(dtype), nonnegative_least_squares(matrix, data)

    return case


def _preconditioned(method: Callable) -> Callable:
    """P is the inverse of another positive definite matrix than that of the system."""

    def make(a: Any, m: Any, w: Any) -> Any:
        near = jnp.linalg.inv(a.matrix.conj().T @ a.matrix + 0.5 * jnp.eye(8, dtype=m.dtype))
        return method(a, m, weights=w, damping=DAMPING, preconditioner=Matrix(near))

    return make


def _landweber(a: Any, m: Any, w: Any) -> Any:
    diagonal = 1 / jnp.sum(jnp.abs(a.matrix) ** 2, 0)
    return landweber(a, m, weights=w, preconditioner=diagonal, relaxation=1.7)


def _lsqr(a: Any, m: Any, w: Any) -> Any:
    return lsqr(a, m, weights=w, damping=DAMPING)


def _hager_zhang(f: Any, g: Any) -> Any:
    return nonlinear_conjugate_gradient(f + g, formula="Hager-Zhang")


def _lbfgs(f: Any, g: Any) -> Any:
    return lbfgs(f + g)


def _short(f: Any, g: Any) -> Any:
    return barzilai_borwein(f + g, formula="short")


def _backtracking(method: Callable, **options: Any) -> Callable:
    return lambda f, g: method(f, g, 1.0, backtracking=True, **options)


_descent = _smooth(gradient_descent, line_search=True)
_strongly_convex = _smooth(nesterov, strong_convexity=DAMPING)
_quadratic = _smooth(nonlinear_conjugate_gradient)
_preconditioned_gradient = _linear(_preconditioned(conjugate_gradient))
_ista_counts = _counts(_backtracking(ista))
_fista_counts = _counts(_backtracking(fista, restart=True))

METHODS = [
    MethodCase("gradient descent, line search", _descent, 600, 1e-13),
    MethodCase("Landweber, preconditioned", _linear(_landweber, 0.0), 1200, 1e-13),
    MethodCase("Barzilai-Borwein, long", _smooth(barzilai_borwein), 200, 1e-13),
    MethodCase("Barzilai-Borwein, short, Kullback-Leibler", _counts(_short), 200, 1e-13, True),
    MethodCase("Nesterov, convex", _smooth(nesterov), 2000, 1e-13, True),
    MethodCase("Nesterov, strongly convex", _strongly_convex, 400, 1e-13),
    MethodCase("nonlinear conjugate gradient, quadratic", _quadratic, 20, 1e-13),
    MethodCase(
        "nonlinear conjugate gradient, Kullback-Leibler", _counts(_hager_zhang), 100, 1e-13, True
    ),
    MethodCase("L-BFGS, complex", _smooth(lbfgs, memory=4), 100, 1e-13),
    MethodCase("L-BFGS, Kullback-Leibler", _counts(_lbfgs), 40, 1e-13, True),
    MethodCase("LSQR", _linear(_lsqr), 20, 1e-13),
    MethodCase("conjugate gradient, preconditioned", _preconditioned_gradient, 20, 1e-13),
    MethodCase("LSQR, preconditioned", _linear(_preconditioned(lsqr)), 20, 1e-13),
    MethodCase("CGLS, preconditioned", _linear(_preconditioned(cgls)), 200, 1e-13),
    MethodCase("ISTA, backtracking", _sparse(ista, step_size=50.0, backtracking=True), 800, 1e-13),
    MethodCase("ISTA, backtracking, Kullback-Leibler", _ista_counts, 1600, 1e-13, True),
    MethodCase("FISTA, backtracking, Kullback-Leibler", _fista_counts, 400, 1e-13),
    MethodCase("ISTA, step sizes of pixels", _pixel_steps(ista), 2000, 1e-13, True),
    MethodCase("FISTA, step sizes of pixels", _pixel_steps(fista, restart=True), 400, 1e-13),
    MethodCase("POGM", _sparse(pogm), 1200, 1e-13, True),
    MethodCase("POGM, restart", _sparse(pogm, restart=True), 200, 1e-13),
]
