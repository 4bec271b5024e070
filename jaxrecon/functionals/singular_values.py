"""Shrinking the singular values of small matrices, many at once, with derivatives everywhere."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.products import matmul
from jaxrecon.core.vectors import real_like


def shrink_singular_values(matrices: jax.Array, threshold: Any) -> jax.Array:
    r"""U max(S - threshold, 0) V^H of every matrix U S V^H of shape (..., p, q).

    It is h(G) X with the Gram matrix G = X X^H of the smaller side and h(t) = 1 - threshold /
    sqrt(t) above threshold^2, 0 below: one eigendecomposition of the smaller size, and no division
    by gaps between singular values in the first derivative, which is finite at 0 and at repeated
    ones. G squares the condition: absolute errors are about eps S_1^2 / threshold.

    Args:
        matrices: real or complex.
        threshold: real scalar >= 0, traced.

    Source: Cai, Candes and Shen 2010, doi:10.1137/080738970; the derivative of h(G): Higham,
    Functions of Matrices, theorem 3.11, doi:10.1137/1.9780898717778.
    """
    if matrices.shape[-2] > matrices.shape[-1]:
        return jnp.matrix_transpose(
            shrink_singular_values(jnp.matrix_transpose(matrices), threshold)
        )
    gram = matmul(matrices, _adjoint(matrices))
    return matmul(_shrinkage(gram, real_like(threshold, matrices)), matrices)


def _adjoint(x: jax.Array) -> jax.Array:
    return jnp.conj(jnp.matrix_transpose(x))


def _spectrum(gram: jax.Array, threshold: jax.Array) -> tuple[jax.Array, ...]:
    """Eigenvalues, their roots (1 at or below the threshold), which are above it; vectors."""
    values, vectors = jnp.linalg.eigh(gram)
    positive = values > 0
    sizes = jnp.where(positive, jnp.sqrt(jnp.where(positive, values, 1)), 0)
    kept = sizes > threshold
    return values, jnp.where(kept, sizes, 1), kept, vectors


def _function(vectors: jax.Array, values: jax.Array) -> jax.Array:
    return matmul(vectors * values[..., None, :], _adjoint(vectors))


@jax.custom_jvp
def _shrinkage(gram: jax.Array, threshold: jax.Array) -> jax.Array:
    """h(G), h(t) = max(1 - threshold / sqrt(t), 0)."""
    _, sizes, kept, vectors = _spectrum(gram, threshold)
    return _function(vectors, jnp.where(kept, 1 - threshold / sizes, 0))


@_shrinkage.defjvp
def _shrinkage_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    """dH = U (D * (U^H dG U)) U^H with D_ij = (h_i - h_j) / (t_i - t_j), without its quotient.

    That of the second order is finite only where eigenvalues differ.
    """
    (gram, threshold), (change, step) = primals, tangents
    values, sizes, kept, vectors = _spectrum(gram, threshold)
    shrunk = jnp.where(kept, 1 - threshold / sizes, 0)
    a, b = sizes[..., :, None], sizes[..., None, :]
    kept_a, kept_b = kept[..., :, None], kept[..., None, :]
    gap = jnp.abs(values[..., :, None] - values[..., None, :])
    one = jnp.where(kept_a, shrunk[..., :, None], shrunk[..., None, :])
    apart = (kept_a ^ kept_b) & (gap > 0)
    crossing = jnp.where(apart, one / jnp.where(apart, gap, 1), 0)
    ratios = jnp.where(kept_a & kept_b, threshold / (a * b * (a + b)), crossing)
    inner = matmul(matmul(_adjoint(vectors), change), vectors)
    moved = matmul(matmul(vectors, ratios * inner), _adjoint(vectors))
    by_threshold = _function(vectors, jnp.where(kept, -1 / sizes, 0))
    return _function(vectors, shrunk), moved + step * by_threshold
