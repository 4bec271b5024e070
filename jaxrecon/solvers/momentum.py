"""Nesterov's momentum, and the test by which it is dropped."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.vectors import add_scaled, inner, subtract


def descend(x: Any, step_size: Any, slope: Any) -> Any:
    """x - step_size * slope; the step size a scalar, or one for each pixel (array or pytree)."""
    return add_scaled(x, -1, weigh(step_size, slope))


def following_momentum(t: jax.Array) -> jax.Array:
    """t' = (1 + sqrt(1 + 4 t^2)) / 2."""
    return (1 + jnp.sqrt(1 + 4 * t**2)) / 2


def extrapolate(x: Any, last: Any, t: jax.Array) -> tuple[Any, jax.Array]:
    """(x + (t - 1) / t' (x - last), t')."""
    following = following_momentum(t)
    return add_scaled(x, (t - 1) / following, subtract(x, last)), following


def points_uphill(point: Any, reached: Any, last: Any, step_size: Any) -> jax.Array:
    """<G, reached - last> > 0, where G = (point - reached) / step_size, the composite gradient.

    Source: O'Donoghue and Candes 2015, doi:10.1007/s10208-013-9150-3.
    """
    change = subtract(reached, last)
    if any(jnp.ndim(s) > 0 for s in jax.tree.leaves(step_size)):
        change = weigh(jax.tree.map(lambda s: 1 / s, step_size), change)
    return inner(subtract(point, reached), change) > 0
