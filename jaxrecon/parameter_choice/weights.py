"""Weights as they are searched for: positive numbers, on a logarithmic scale."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_real


def as_bracket(low: Any, high: Any, *, what: str) -> tuple[jax.Array, jax.Array]:
    """(log low, log high) in one floating dtype, that of the arguments."""
    for name, value in (("low", low), ("high", high)):
        check_real(value, what=what, argument=name)
        if jnp.ndim(value) != 0:
            raise ValueError(
                f"{what} expected a scalar {name}, got the shape {jnp.shape(value)}. For a batch, "
                "each item with its own bracket, use jax.vmap."
            )
    if not isinstance(low, Tracer) and not isinstance(high, Tracer) and not 0 < low < high:
        raise ValueError(f"{what} expected 0 < low < high, got low = {low} and high = {high}.")
    low, high = jnp.asarray(low), jnp.asarray(high)
    dtype = jnp.result_type(low, high)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    return jnp.log(low.astype(dtype)), jnp.log(high.astype(dtype))


def as_weights(weights: Any, *, least: int, what: str) -> jax.Array:
    """One axis of at least so many positive weights."""
    check_real(weights, what=what, argument="weights")
    if jnp.ndim(weights) != 1 or jnp.shape(weights)[0] < least:
        raise ValueError(
            f"{what} expected weights of the shape (n,) with n >= {least}, got the shape "
            f"{jnp.shape(weights)}."
        )
    if not isinstance(weights, Tracer):
        values = np.asarray(weights)
        if not np.all((values > 0) & np.isfinite(values)):
            raise ValueError(
                f"{what} expected weights > 0, got {values.min()} to {values.max()}. Take "
                "jnp.geomspace(low, high, n)."
            )
    weights = jnp.asarray(weights)
    floating = jnp.issubdtype(weights.dtype, jnp.floating)
    return weights if floating else weights.astype(float)


def check_same_length(values: Any, weights: jax.Array, *, what: str, argument: str) -> jax.Array:
    """`values` as an array, or ValueError unless there is one real number for each weight."""
    check_real(values, what=what, argument=argument)
    if jnp.shape(values) != weights.shape:
        raise ValueError(
            f"{what} expected {argument} with one number for each weight, {weights.shape}, got the "
            f"shape {jnp.shape(values)}. For a batch use jax.vmap."
        )
    return jnp.asarray(values)
