"""Vector arithmetic on arrays and pytrees of arrays. Every result keeps the dtype of the vector."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import real_dtype
from jaxrecon.core.products import vdot


def real_like(scalar: Any, x: jax.Array) -> jax.Array:
    """A real number (or weights) in the precision of x, so that it never promotes x."""
    return jnp.asarray(scalar, real_dtype(x.dtype))


def scaled(scalar: Any, x: Any) -> Any:
    """scalar * x, with a real scalar."""
    return jax.tree.map(lambda a: real_like(scalar, a) * a, x)


def add(x: Any, y: Any) -> Any:
    """x + y."""
    return jax.tree.map(jnp.add, x, y)


def subtract(x: Any, y: Any) -> Any:
    """x - y."""
    return jax.tree.map(jnp.subtract, x, y)


def add_scaled(x: Any, scalar: Any, y: Any) -> Any:
    """x + scalar * y, with a real scalar; the dtype of x."""
    return jax.tree.map(lambda a, b: (a + real_like(scalar, a) * b).astype(a.dtype), x, y)


def inner(x: Any, y: Any) -> jax.Array:
    """Re <x, y>, summed over the leaves."""
    parts = jax.tree.leaves(jax.tree.map(lambda a, b: vdot(a, b).real, x, y))
    return sum(parts[1:], start=jnp.asarray(parts[0]))


def norm(x: Any) -> jax.Array:
    """||x||, with the derivative 0 at x = 0; NaN of NaN."""
    square = inner(x, x)
    vanishes = square == 0
    return jnp.where(vanishes, 0, jnp.sqrt(jnp.where(vanishes, 1, square)))


def zeros_like(x: Any) -> Any:
    """The zero vector of the space of x: arrays, or ShapeDtypeStructs."""
    return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), x)
