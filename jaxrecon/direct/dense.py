"""Small dense systems: operators as matrices, and scaled Cholesky solves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator


def flat_rows(function: Callable, rows: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Apply `function`, which takes one array of `shape`, to each flat row; flat results."""
    out = jax.vmap(function)(rows.reshape(rows.shape[0], *shape))
    return out.reshape(rows.shape[0], -1)


def as_matrix(operator: LinearOperator) -> jax.Array:
    """The operator as a dense (M, N) matrix of flat arrays, from its smaller side."""
    rows, columns = operator.codomain, operator.domain
    m, n = math.prod(rows.shape), math.prod(columns.shape)
    if m <= n:
        return flat_rows(operator.adjoint, jnp.eye(m, dtype=rows.dtype), rows.shape).conj()
    return flat_rows(operator.apply, jnp.eye(n, dtype=columns.dtype), columns.shape).T


def solve_positive(matrix: jax.Array, right: Any) -> jax.Array:
    """Solve a Hermitian positive definite system by Cholesky, scaled to a unit diagonal.

    The scaling keeps float32 usable when variances span many orders of magnitude.
    """
    scale = 1 / jnp.sqrt(jnp.diag(matrix).real)
    factor = jax.scipy.linalg.cho_factor(scale[:, None] * matrix * scale[None, :])
    column = scale if right.ndim == 1 else scale[:, None]
    return column * jax.scipy.linalg.cho_solve(factor, column * right)
