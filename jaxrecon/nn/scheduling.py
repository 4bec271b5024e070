"""The order in which XLA's CPU backend computes things, and so what it holds at a time."""

from __future__ import annotations

import jax


def after(x: jax.Array, y: jax.Array) -> jax.Array:
    """x, which waits for y: a dependency on a value, as an `optimization_barrier` does not bind the
    scheduler. NaN where the first entry of y is not finite."""
    return x + (0 * y[(0,) * y.ndim]).astype(x.dtype)
