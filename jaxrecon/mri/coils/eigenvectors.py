"""Leading eigenvectors of a small Hermitian matrix at every pixel, by orthogonal iteration."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def leading_eigenvectors(
    matrices: jax.Array, count: int, iterations: int
) -> tuple[jax.Array, jax.Array]:
    r"""The eigenvectors of the largest eigenvalues, of positive semi-definite matrices.

    v <- G v, orthonormalised. Vector i converges like (e_{i+1} / e_i)^iterations, e the eigenvalues
    in falling order; the start is a column with one of the largest diagonal entries. It works on
    real and imaginary parts with the pixels innermost, which is vector arithmetic on a CPU.

    Args:
        matrices: G, (coil, coil, pixel), complex.
        count: static; number of eigenvectors.
        iterations: static.

    Returns:
        eigenvectors (count, coil, pixel), unit vectors or 0 where G is 0, of any phase; and
        eigenvalues v^H G v, (count, pixel), real.
    """
    coils = matrices.shape[0]
    real, imag = matrices.real, matrices.imag
    _, largest = jax.lax.top_k(jnp.diagonal(real), count)
    start = jax.nn.one_hot(largest.T, coils, axis=1, dtype=real.dtype)

    def multiply(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
        p, q = real[:, 0] * a[0] - imag[:, 0] * b[0], real[:, 0] * b[0] + imag[:, 0] * a[0]
        for j in range(1, coils):
            p = p + real[:, j] * a[j] - imag[:, j] * b[j]
            q = q + real[:, j] * b[j] + imag[:, j] * a[j]
        return p, q

    def step(vectors: tuple[jax.Array, jax.Array], _: None) -> tuple[Any, None]:
        return _orthonormal([multiply(a, b) for a, b in zip(*vectors, strict=True)]), None

    (a, b), _ = jax.lax.scan(step, (start, jnp.zeros_like(start)), None, iterations)
    products = [multiply(a[i], b[i]) for i in range(count)]
    values = [(a[i] * p + b[i] * q).sum(0) for i, (p, q) in enumerate(products)]
    return jax.lax.complex(a, b), jnp.stack(values)


def _orthonormal(vectors: list[tuple[jax.Array, jax.Array]]) -> tuple[jax.Array, jax.Array]:
    """Gram and Schmidt over the vectors, each (coil, pixel) as real and imaginary part."""
    done: list[tuple[jax.Array, jax.Array]] = []
    for p, q in vectors:
        for a, b in done:
            along, across = (a * p + b * q).sum(0), (a * q - b * p).sum(0)
            p, q = p - along * a + across * b, q - along * b - across * a
        square = (p * p + q * q).sum(0)
        present = square > 0
        scale = jnp.where(present, jax.lax.rsqrt(jnp.where(present, square, 1)), 0)
        done.append((p * scale, q * scale))
    return jnp.stack([a for a, _ in done]), jnp.stack([b for _, b in done])
