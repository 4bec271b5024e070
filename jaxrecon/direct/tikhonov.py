"""Pseudo-inverse and Tikhonov regularisation in closed form."""

from __future__ import annotations

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import check_choice, check_space
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.core.products import matmul
from jaxrecon.direct.dense import as_matrix, solve_positive


def pseudo_inverse(operator: LinearOperator, measurements: Any, *, rtol: float = 1e-5) -> jax.Array:
    """A^+ m: of all least-squares solutions the one of least norm.

    By a dense eigendecomposition in the smaller of M and N; eigenvalues of A A^H below rtol times
    the largest count as zero. An operator with orthonormal rows needs none of this: its
    pseudo-inverse is its adjoint.

    Args:
        operator: A, one image to one array of measurements.
        measurements: m, in the codomain of A; a batch by `jax.vmap` decomposes A once.
        rtol: relative cut on the eigenvalues of A A^H (squares of singular values).

    Returns:
        image in the domain of A.
    """
    check_space(measurements, operator.codomain, what="pseudo_inverse", argument="measurements")
    matrix = as_matrix(operator)
    wide = matrix.shape[0] <= matrix.shape[1]
    adjoint = matrix.conj().T
    gram = matmul(matrix, adjoint) if wide else matmul(adjoint, matrix)
    values, vectors = jnp.linalg.eigh(gram)
    keep = values > rtol * values[-1]
    inverse = jnp.where(keep, 1 / jnp.where(keep, values, 1), 0)

    def solve(b: jax.Array) -> jax.Array:
        return matmul(vectors, inverse * matmul(vectors.conj().T, b))

    flat = measurements.ravel()
    x = matmul(adjoint, solve(flat)) if wide else solve(matmul(adjoint, flat))
    return x.reshape(operator.domain.shape)


def tikhonov(
    operator: LinearOperator,
    measurements: Any,
    penalty: Any,
    *,
    method: Literal["auto", "dense", "iterative"] = "auto",
    iterations: int = 100,
) -> jax.Array:
    r"""argmin_f ||A f - m||^2 + penalty ||f||^2, in closed form.

    f = A^H (A A^H + penalty I)^{-1} m for M <= N, and (A^H A + penalty I)^{-1} A^H m otherwise: one
    Cholesky factorisation in the smaller of M and N, shared by a batch under `jax.vmap`. Systems
    of more than 4,096 unknowns ('auto') are solved by conjugate gradients instead, with implicit
    derivatives.

    Args:
        operator: A, one image to one array of measurements.
        measurements: m, in the codomain of A.
        penalty: lambda > 0, traced and differentiable.
        method: 'auto', 'dense' or 'iterative'.
        iterations: of conjugate gradients.

    Returns:
        image in the domain of A.

    Source: Tikhonov and Arsenin, Solutions of Ill-posed Problems, 1977; Bertero and Boccacci,
    Introduction to Inverse Problems in Imaging, doi:10.1201/9780367806941, ch. 5.
    """
    check_choice(method, ("auto", "dense", "iterative"), what="tikhonov", argument="method")
    check_space(measurements, operator.codomain, what="tikhonov", argument="measurements")
    m, n = math.prod(operator.codomain.shape), math.prod(operator.domain.shape)
    if method == "iterative" or (method == "auto" and min(m, n) > 4096):
        return solve_normal(
            operator, operator.adjoint(measurements), damping=penalty, iterations=iterations
        )
    matrix, flat = as_matrix(operator), measurements.ravel()
    adjoint = matrix.conj().T
    identity = penalty * jnp.eye(min(m, n), dtype=matrix.dtype)
    if m <= n:
        x = matmul(adjoint, solve_positive(matmul(matrix, adjoint) + identity, flat))
    else:
        x = solve_positive(matmul(adjoint, matrix) + identity, matmul(adjoint, flat))
    return x.reshape(operator.domain.shape)
