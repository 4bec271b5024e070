"""Linear systems inside of derivative rules: GMRES and conjugate gradients, themselves linear."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.normal_equations import conjugate_gradient_start, conjugate_gradient_step
from jaxrecon.core.products import matmul, tensordot
from jaxrecon.core.tangents import from_parts, real_parts, tied
from jaxrecon.core.vectors import inner, norm, scaled, zeros_like

RESTART = 20
"""GMRES keeps so many vectors, and starts again from there."""


def solve_linear(
    apply: Callable, rhs: Any, *, steps: int, tolerance: Any = None, symmetric: bool = False
) -> Any:
    r"""Solve M u = b for a real-linear map M of pytrees of inexact arrays, differentiably.

    Complex arrays are taken apart into real and imaginary parts, so that M need not be complex
    linear (thresholds of complex numbers are not) and its transpose is that of a real matrix. The
    solve is linear in b: it can be transposed, and derivatives of any order are again solves.

    Args:
        apply: u -> M u.
        rhs: b.
        steps: static; at most so many applications of M (for GMRES, rounded up to 20).
        tolerance: traced; stop at ||b - M u|| <= tolerance ||b||. A hundred times the precision of
            b unless given.
        symmetric: static; M is symmetric positive definite: conjugate gradients instead of
            restarted GMRES. In every 20 steps GMRES reduces the residual at least as far as the
            Neumann series, u <- b + (I - M) u, would.

    Returns:
        u, or NaN where the residual has not fallen to a tenth of ||b||: M is singular, or `steps`
        are far too few.

    Source: Saad and Schultz 1986, doi:10.1137/0907058; Hestenes and Stiefel 1952,
    doi:10.6028/jres.049.044.
    """
    if tolerance is None:
        tolerance = 100 * max(float(jnp.finfo(a.dtype).eps) for a in jax.tree.leaves(rhs))
    solver = partial(_conjugate_gradients if symmetric else _gmres, steps, tolerance)

    def real_apply(parts: Any) -> Any:
        return real_parts(apply(from_parts(parts, rhs)))

    solution = jax.lax.custom_linear_solve(
        real_apply,
        tied(real_parts(rhs)),
        solver,
        None if symmetric else solver,
        symmetric=symmetric,
    )
    return from_parts(solution, rhs)


def _reported(u: Any, residual: jax.Array, size: jax.Array) -> Any:
    """u, or NaN where the solve has failed."""
    return jax.tree.map(lambda a: jnp.where(residual <= size / 10, a, jnp.nan), u)


def _conjugate_gradients(steps: int, tolerance: Any, apply: Callable, b: Any) -> Any:
    start = conjugate_gradient_start(apply, b)
    threshold = tolerance**2 * start.square

    def unfinished(carry: tuple) -> jax.Array:
        count, state = carry
        return (count < steps) & (state.square > threshold)

    def step(carry: tuple) -> tuple:
        count, state = carry
        return count + 1, conjugate_gradient_step(apply, state)

    _, end = jax.lax.while_loop(unfinished, step, (jnp.int32(0), start))
    return _reported(end.x, jnp.sqrt(end.square), jnp.sqrt(start.square))


def _gmres(steps: int, tolerance: Any, apply: Callable, b: Any) -> Any:
    size = norm(b)

    def unfinished(carry: tuple) -> jax.Array:
        count, _, residual = carry
        return (count < steps) & (norm(residual) > tolerance * size)

    def restart(carry: tuple) -> tuple:
        count, u, residual = carry
        correction, residual = _krylov_minimum(apply, residual)
        return count + RESTART, jax.tree.map(jnp.add, u, correction), residual

    start = jnp.int32(0), zeros_like(b), b
    _, u, residual = jax.lax.while_loop(unfinished, restart, start)
    return _reported(u, norm(residual), size)


def _krylov_minimum(apply: Callable, residual: Any) -> tuple[Any, Any]:
    r"""The u in span{r, M r, ..., M^(n-1) r} of least ||r - M u||, and the new residual r - M u.

    Arnoldi's relation M V_n = V_{n+1} H, with the columns of V orthonormal (Gram-Schmidt, done
    twice), makes it a least-squares problem for the (n + 1) x n matrix H.
    """
    size = norm(residual)
    first = scaled(_inverse(size), residual)
    basis = jax.tree.map(lambda v: jnp.zeros((RESTART + 1, *v.shape), v.dtype).at[0].set(v), first)

    def extend(basis: Any, j: jax.Array) -> tuple[Any, jax.Array]:
        product = apply(jax.tree.map(lambda v: v[j], basis))
        along = _coefficients(basis, product)
        rest = jax.tree.map(jnp.subtract, product, _combination(basis, along))
        again = _coefficients(basis, rest)
        rest = jax.tree.map(jnp.subtract, rest, _combination(basis, again))
        height = norm(rest)
        exhausted = height <= 10 * jnp.finfo(height.dtype).eps * norm(product)
        height = jnp.where(exhausted, 0, height)
        new = scaled(_inverse(height), rest)
        basis = jax.tree.map(lambda v, n: v.at[j + 1].set(n), basis, new)
        return basis, (along + again).at[j + 1].set(height)

    basis, columns = jax.lax.scan(extend, basis, jnp.arange(RESTART))
    hessenberg = columns.T
    target = jnp.zeros(RESTART + 1, columns.dtype).at[0].set(size)
    weights = _least_squares(hessenberg, target)
    left = target - matmul(hessenberg, weights)
    return _combination(basis, jnp.append(weights, 0)), _combination(basis, left)


def _least_squares(matrix: jax.Array, target: jax.Array) -> jax.Array:
    """argmin_y ||H y - t||; 0 for the directions that have vanished."""
    q, triangle = jnp.linalg.qr(matrix)
    diagonal = jnp.abs(jnp.diagonal(triangle))
    present = diagonal > 10 * jnp.finfo(diagonal.dtype).eps * jnp.max(diagonal)
    triangle = jnp.where(present[:, None], triangle, jnp.eye(RESTART, dtype=triangle.dtype))
    rhs = jnp.where(present, matmul(q.T, target), 0)
    return jax.scipy.linalg.solve_triangular(triangle, rhs)


def _coefficients(basis: Any, x: Any) -> jax.Array:
    """<v_i, x> for each vector of the basis."""
    return jax.vmap(lambda v: inner(v, x))(basis)


def _combination(basis: Any, weights: jax.Array) -> Any:
    """sum_i weights_i v_i."""
    return jax.tree.map(lambda v: tensordot(weights.astype(v.dtype), v, 1), basis)


def _inverse(size: jax.Array) -> jax.Array:
    return jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 0)
