"""The order in which XLA's CPU backend computes things, and what it fuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def after(x: jax.Array, y: jax.Array) -> jax.Array:
    """x, which waits for y: a dependency on a value, as an `optimization_barrier` does not bind the
    scheduler."""
    if y.size == 0:
        return x
    first = y[(0,) * y.ndim].real
    return x + jnp.where(jnp.isfinite(first), 0 * first, 0).astype(x.dtype)


def apart(function: Callable, *arguments: jax.Array) -> Any:
    """function(*arguments), not fused with what makes the arguments, which `optimization_barrier`
    does not prevent: a branch that is always taken, which XLA does not know.

    A transposition alone is a fast copy; fused with as little as a relu it becomes a slow
    loop over single numbers far apart.
    """
    if arguments[0].size == 0:
        return function(*arguments)
    unknown = 0 * arguments[0][(0,) * arguments[0].ndim].real != 1  # true of nan and infinity, too
    result = jax.eval_shape(function, *arguments)

    def otherwise(*_: jax.Array) -> Any:
        return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), result)

    return lax.cond(unknown, function, otherwise, *arguments)
