"""The order in which XLA's CPU backend computes things, and so what it holds at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def after(x: jax.Array, y: jax.Array) -> jax.Array:
    """x, which waits for y: a dependency on a value, as an `optimization_barrier` does not bind the
    scheduler."""
    first = y[(0,) * y.ndim].real
    return x + jnp.where(jnp.isfinite(first), 0 * first, 0).astype(x.dtype)
