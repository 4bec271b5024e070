"""Penalties and steps that adapt to the residuals, ever less, so that the method converges."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

LARGEST = 2.0
"""The most that the first steps change a penalty by."""
PERIOD = 10
"""Steps after which the room for changes has fallen to a quarter (of its logarithm)."""


def balancing_factor(excess: Any, shortage: Any, count: Any) -> jax.Array:
    r"""sqrt(excess / shortage), kept within [1 / c_k, c_k], c_k = 2^(1 / (1 + k / 10)^2).

    As sum_k log c_k is finite (all factors together are below 2^11), penalties or steps that are
    multiplied by it converge. It is 1 where both are 0.
    """
    excess, shortage = jnp.asarray(excess), jnp.asarray(shortage)
    exponent = 1 / (1 + count.astype(excess.dtype) / PERIOD) ** 2
    bound = jnp.asarray(LARGEST, excess.dtype) ** exponent
    above, below = excess > bound**2 * shortage, bound**2 * excess < shortage
    inside = ~above & ~below & (excess > 0)
    root = jnp.sqrt(jnp.where(inside, excess, 1) / jnp.where(inside, shortage, 1))
    return jnp.where(above, bound, jnp.where(below, 1 / bound, root))
