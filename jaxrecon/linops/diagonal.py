"""Multiplication by weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, describe
from jaxrecon.linops.coefficients import as_coefficients, as_shape, element_dtype


class Diagonal(LinearOperator):
    """y = w x, entry by entry.

    Args:
        weights: w, real or complex, traced; broadcasts to `shape`.
        shape: shape of x; that of the weights by default.
        dtype: dtype of x; that of the weights by default. Complex x with real w is allowed.

    Raises:
        ValueError: weights that do not broadcast to the shape.
        TypeError: integer weights, or complex (or more precise) ones for a real dtype.
    """

    weights: jax.Array
    shape: tuple[int, ...] | None = static(default=None)
    dtype: Any = static(default=None)

    def __post_init__(self) -> None:
        self._set("weights", as_coefficients(self.weights, what="Diagonal", argument="weights"))
        shape = self.weights.shape if self.shape is None else self.shape
        self._set("shape", as_shape(shape, what="Diagonal"))
        check_broadcast(self.weights, self.shape or (), what="Diagonal", argument="weights")
        dtype = element_dtype(self.dtype, self.weights, what="Diagonal", argument="weights")
        self._set("dtype", dtype)
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape or (), self.dtype)

    @property
    def codomain(self) -> Space:
        return self.domain

    def apply(self, x: Any) -> jax.Array:
        return self.weights * x

    def adjoint(self, y: Any) -> jax.Array:
        return jnp.conj(self.weights) * y

    def normal(self, x: Any) -> jax.Array:
        return (jnp.conj(self.weights) * self.weights).real * x


def check_broadcast(weights: Any, shape: tuple[int, ...], *, what: str, argument: str) -> None:
    """Raise ValueError unless the weights broadcast to exactly `shape`."""
    try:
        fits = jnp.broadcast_shapes(weights.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{what} expected {argument} that broadcast to the shape {shape}, got "
            f"{describe(jax.typeof(weights))}."
        )
