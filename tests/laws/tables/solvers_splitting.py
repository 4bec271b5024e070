"""Splitting methods, each on small problems whose minimisers come from outside of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import separable, stack, struct
from jaxrecon.core import Identity, Pytree
from jaxrecon.core.checks import complex_dtype
from jaxrecon.core.products import matmul
from jaxrecon.functionals import L1, LeastSquares, NonNegative, SquaredL2, Zero
from jaxrecon.linops.convolution import Convolution
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
from tests.laws.cases import MethodCase
from tests.solvers.problems import as_jax, draw, lasso, ridge, step_signal, system
from tests.solvers.splitting_problems import (
    KERNEL,
    blurred_signal,
    circulant,
    constrained_quadratic,
    differences,
    split_lasso,
)
from tests.solvers.subset_problems import matrix_subsets, nonnegative_system

DAMPING = 0.1
SPARSITY = 0.3
JUMPS = 0.05


def _start(n: int, dtype: Any) -> Any:
    return jnp.asarray(0.1 * draw(5, (n,), dtype))


def _ridge(method: Callable) -> Callable:
    """Complex least squares with weights + DAMPING/2 ||x||^2; method(f, g) -> Method."""

    def case(dtype: Any) -> tuple:
        weights = np.linspace(0.5, 2.0, 12).astype(dtype)
        matrix, data = system(complex_dtype(dtype))
        minimiser = ridge(matrix, data, weights, DAMPING)
        a, m, w = as_jax(matrix, data, weights)
        f = LeastSquares(Matrix(a), m, w)
        return method(f, DAMPING * SquaredL2()), _start(8, a.dtype), minimiser

    return case


def _lasso(method: Callable) -> Callable:
    """Complex 1/2 ||A x - m||^2 + SPARSITY ||x||_1; method(f, g) -> Method."""

    def case(dtype: Any) -> tuple:
        matrix, data = system(complex_dtype(dtype))
        a, m = as_jax(matrix, data)
        f, g = LeastSquares(Matrix(a), m), SPARSITY * L1()
        return method(f, g), _start(8, a.dtype), lasso(matrix, data, SPARSITY)

    return case


def _denoise(method: Callable) -> Callable:
    """Total variation of a step; method(f, g, D) -> Method."""

    def case(dtype: Any) -> tuple:
        data, minimiser = step_signal(dtype, SPARSITY)
        f, g = LeastSquares(None, jnp.asarray(data)), SPARSITY * L1()
        return method(f, g, FiniteDifference((12,), dtype=dtype)), jnp.asarray(data), minimiser

    return case


def _three(method: Callable) -> Callable:
    """1/2 ||A x - m||^2 + JUMPS ||D x||_1 over x >= 0; method(f, g, D, h) -> Method."""

    def case(dtype: Any) -> tuple:
        matrix, data = system(dtype)
        wide = matrix.astype(float)
        minimiser = constrained_quadratic(
            wide.T @ wide, wide.T @ data, differences(8), JUMPS, nonnegative=True
        )
        assert np.any(minimiser == 0) or np.min(minimiser) < 1e-12
        a, m = as_jax(matrix, data)
        h, d = LeastSquares(Matrix(a), m), FiniteDifference((8,), dtype=dtype)
        return method(NonNegative(), JUMPS * L1(), d, h), _start(8, dtype), minimiser

    return case


def _deblur(dtype: Any) -> tuple:
    """Periodic deconvolution with total variation, by ADMM with its x-update in Fourier space."""
    data, blur = blurred_signal(dtype), circulant(KERNEL, 12)
    rows = differences(12, periodic=True)
    minimiser = constrained_quadratic(blur.T @ blur, blur.T @ data, rows, JUMPS)
    f = LeastSquares(Convolution(jnp.asarray(KERNEL, dtype), (12,)), jnp.asarray(data))
    d = FiniteDifference((12,), boundary="periodic", dtype=dtype)
    method = admm(f, JUMPS * L1(), d, 0.2, x_update=fourier_update(f, d))
    return method, jnp.asarray(data), minimiser


def _complex_deconvolution(method: Callable) -> Callable:
    """1/2 ||k * x - m||^2 + DAMPING ||D x||^2 / 2, k complex; method(f, g, D) -> Method."""

    def case(dtype: Any) -> tuple:
        dtype = complex_dtype(dtype)
        kernel, data = KERNEL + 0.3j * KERNEL[::-1] ** 2, draw(9, (12,), dtype)
        blur, rows = circulant(kernel, 12), differences(12, periodic=True)
        minimiser = np.linalg.solve(
            blur.conj().T @ blur + DAMPING * rows.T @ rows, blur.conj().T @ data
        )
        f = LeastSquares(Convolution(jnp.asarray(kernel, dtype), (12,)), jnp.asarray(data))
        d = FiniteDifference((12,), boundary="periodic", dtype=dtype)
        return method(f, DAMPING * SquaredL2(), d), jnp.asarray(data), minimiser

    return case


def _half_quadratic(dtype: Any) -> tuple:
    matrix, data = system(complex_dtype(dtype))
    a, m = as_jax(matrix, data)
    f, identity = LeastSquares(Matrix(a), m), Identity(struct(8, a.dtype))
    method = half_quadratic_splitting(
        f, SPARSITY * L1(), 1.0 * identity, geometric_penalties(0.1, 2.0, 5), iterations=8
    )
    return method, _start(8, a.dtype), split_lasso(matrix, data, SPARSITY, 2.0)


def _stacked(dtype: Any) -> tuple:
    """Total variation with non-negative weights, all terms freed from their operators, by steps
    for each entry."""
    matrix, data = nonnegative_system(dtype)
    wide = matrix.astype(float)
    minimiser = constrained_quadratic(wide.T @ wide, wide.T @ data, differences(8), JUMPS)
    a, m = as_jax(matrix, data)
    both = stack(Matrix(a), FiniteDifference((8,), dtype=dtype))
    tau, sigma = diagonal_steps(both, 0.5)
    g = separable(LeastSquares(None, m), JUMPS * L1())
    method = primal_dual_hybrid_gradient(Zero(), g, both, primal_step=tau, dual_step=sigma)
    return method, jnp.full(8, 0.7, dtype), minimiser


def _stochastic(dtype: Any) -> tuple:
    matrix, data = nonnegative_system(dtype)
    wide = matrix.astype(float)
    hessian = wide.T @ wide + DAMPING * np.eye(8)
    minimiser = constrained_quadratic(hessian, wide.T @ data, differences(8), JUMPS)
    a, m = as_jax(matrix, data)
    a = Matrix(a)
    method = stochastic_primal_dual(
        DAMPING * SquaredL2(),
        LeastSquares(a, m),
        matrix_subsets(a, 3),
        penalty=(JUMPS * L1(), FiniteDifference((8,), dtype=dtype)),
        key=jax.random.key(0),
    )
    return method, jnp.full(8, 0.7, dtype), minimiser


class AffineMap(Pytree):
    """x -> M x - b."""

    matrix: Any
    shift: Any

    def __call__(self, x: Any) -> Any:
        return matmul(self.matrix, x) - self.shift


def _rotation(dtype: Any) -> tuple:
    """A monotone operator that is no gradient: skew, and a little of the identity."""
    dtype = complex_dtype(dtype)
    matrix, shift = draw(10, (6, 6), dtype), draw(11, (6,), dtype)
    matrix = (0.3 * (matrix - matrix.conj().T) + 0.2 * np.eye(6)).astype(dtype)
    minimiser = np.linalg.solve(matrix + DAMPING * np.eye(6), shift)
    step_size = 0.9 / np.linalg.norm(matrix, 2)
    field = AffineMap(*as_jax(matrix, shift))
    method = forward_backward_forward(DAMPING * SquaredL2(), field, step_size)
    return method, _start(6, dtype), minimiser


def _freed(method: Callable) -> Callable:
    """(f, g) with f = LeastSquares(A, m, w) -> method(g, data term, A)."""
    return lambda f, g: method(g, *f.split())


def _adaptive_admm(f: Any, g: Any) -> Any:
    identity = 1.5 * Identity(f.operator.domain)
    return admm(f, DAMPING / 2.25 * SquaredL2(), identity, 30.0, adaptive=True, relaxation=1.2)


def _adaptive_denoising(f: Any, g: Any, d: Any) -> Any:
    return admm(f, g, d, 100.0, adaptive=True, iterations=20)


def _exact_admm(f: Any, g: Any, d: Any) -> Any:
    return admm(f, g, d, 1.0, x_update=fourier_update(f, d))


def _prox_by_fft(f: Any, g: Any, d: Any) -> Any:
    return primal_dual_hybrid_gradient(fourier_quadratic(f, d.domain), g, d, dual_step=0.2)


def _linearised(f: Any, g: Any, a: Any) -> Any:
    return linearised_admm(f, g, a, 0.6)


def _adaptive_linearised(f: Any, g: Any, a: Any) -> Any:
    return linearised_admm(f, g, a, 30.0, adaptive=True)


def _douglas_rachford(f: Any, g: Any) -> Any:
    return douglas_rachford(f, g, 1.0, relaxation=1.5)


def _accelerated(f: Any, g: Any, a: Any) -> Any:
    return accelerated_primal_dual(f, g, a, primal_convexity=DAMPING / 2, primal_step=20.0)


def _accelerated_dual(f: Any, g: Any, a: Any) -> Any:
    return accelerated_primal_dual(f, g, a, dual_convexity=0.1)


def _accelerated_both(f: Any, g: Any, a: Any) -> Any:
    return accelerated_primal_dual(f, g, a, primal_convexity=DAMPING, dual_convexity=0.5)


def _unbalanced(f: Any, g: Any, a: Any) -> Any:
    return adaptive_primal_dual(f, g, a, dual_step=20.0)


def _tseng(f: Any, g: Any, d: Any, h: Any) -> Any:
    return forward_backward_forward_primal_dual(f, g, d, smooth=h, dual_step=0.1)


def _sparse_nonnegative(dtype: Any) -> tuple:
    matrix, data = system(dtype)
    wide = matrix.astype(float)
    rhs = wide.T @ data - 0.05
    minimiser = constrained_quadratic(wide.T @ wide, rhs, nonnegative=True)
    a, m = as_jax(matrix, data)
    method = davis_yin(NonNegative(), 0.05 * L1(), LeastSquares(Matrix(a), m), relaxation=1.2)
    return method, _start(8, dtype), minimiser


METHODS = [
    MethodCase("ADMM, adaptive, complex", _ridge(_adaptive_admm), 400, 1e-13),
    MethodCase("ADMM, adaptive, total variation", _denoise(_adaptive_denoising), 400, 1e-13, True),
    MethodCase("ADMM, Fourier, deblurring", _deblur, 600, 1e-13, True),
    MethodCase("ADMM, Fourier, complex", _complex_deconvolution(_exact_admm), 400, 1e-13),
    MethodCase("primal-dual, Fourier", _complex_deconvolution(_prox_by_fft), 200, 1e-13),
    MethodCase("linearised ADMM, complex", _ridge(_freed(_linearised)), 400, 1e-13),
    MethodCase(
        "linearised ADMM, adaptive, complex", _ridge(_freed(_adaptive_linearised)), 600, 1e-13, True
    ),
    MethodCase("linearised ADMM, total variation", _denoise(_linearised), 400, 1e-13, True),
    MethodCase("half-quadratic splitting, complex", _half_quadratic, 400, 1e-13),
    # its error falls like 1 / k, and a power of it, not linearly
    MethodCase("accelerated primal-dual, f", _ridge(_freed(_accelerated)), 2000, 1e-10, True),
    MethodCase("accelerated primal-dual, g", _ridge(_freed(_accelerated_dual)), 2000, 1e-13, True),
    MethodCase("accelerated primal-dual, both", _ridge(_freed(_accelerated_both)), 400, 1e-13),
    MethodCase("adaptive primal-dual, complex", _ridge(_freed(_unbalanced)), 400, 1e-13),
    MethodCase(
        "adaptive primal-dual, total variation", _denoise(adaptive_primal_dual), 300, 1e-13, True
    ),
    MethodCase("primal-dual, diagonal steps", _stacked, 400, 1e-13),
    MethodCase("stochastic primal-dual", _stochastic, 1000, 1e-13),
    MethodCase("PD3O, total variation, non-negative", _three(pd3o), 800, 1e-13),
    MethodCase("Douglas-Rachford, complex sparse", _lasso(_douglas_rachford), 200, 1e-13),
    MethodCase("Davis-Yin, sparse non-negative", _sparse_nonnegative, 1000, 1e-13),
    MethodCase("forward-backward-forward, complex", _rotation, 400, 1e-13, True),
    MethodCase("forward-backward-forward, three terms", _three(_tseng), 1600, 1e-13),
]
