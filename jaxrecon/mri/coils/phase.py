"""The phase of coil maps, which data leave open at each pixel, fixed by a reference coil."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrecon.core.products import matmul, tensordot


def reference_coil(data: jax.Array, coil: int | None, *, what: str) -> jax.Array:
    """Weights over the coils: one of them, or for None the principal component of the data.

    The principal component is the virtual coil with the most energy in the data, (coil, ...); its
    largest weight is real and positive.

    Raises:
        ValueError: there is no such coil.
    """
    coils = data.shape[0]
    if coil is not None:
        if not 0 <= coil < coils:
            raise ValueError(f"{what} expected a reference among {coils} coils, got {coil}.")
        return jnp.zeros(coils, data.dtype).at[coil].set(1)
    columns = data.reshape(coils, -1)
    vector = jnp.linalg.eigh(matmul(columns, columns.conj().T))[1][:, -1]
    return vector * phase(vector[jnp.argmax(jnp.abs(vector))]).conj()


def align_phase(maps: jax.Array, reference: jax.Array) -> jax.Array:
    """Maps (set, coil, *image) times phases that make <reference, maps> real and non-negative."""
    seen = tensordot(reference.conj(), maps, ((0,), (1,)))
    return maps * phase(seen).conj()[:, None]


def phase(z: jax.Array) -> jax.Array:
    """z / |z|, or 1 where z vanishes."""
    square = z.real**2 + z.imag**2
    present = square > 0
    size = jnp.sqrt(jnp.where(present, square, 1))
    return jnp.where(present, z / size, 1)
