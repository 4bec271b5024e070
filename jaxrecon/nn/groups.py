"""Large batches a few images at a time, where nothing is differentiated: faster on CPUs.

The activations of more images than a cache holds go through memory, layer by layer, and what the
allocator does not keep is handed out anew at every call. The images of a batch do not depend on
each other, so that on CPU a chain of convolutions takes them in groups. In derivatives, whose
activations are kept anyway, and on other backends, it takes them all at once; so do U-Nets, most of
whose activations are small (no gain).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.core import Tracer
from jax.custom_derivatives import SymbolicZero

PIXELS = 2**15
"""At a time; half and twice as many are no faster (measured with 32 and 64 channels)."""


def in_groups(call: Callable) -> Callable:
    """Decorator for a network's `__call__`: (self, x) -> y, with the batch as the first axis."""

    @wraps(call)
    def grouped(self: Any, x: jax.Array) -> jax.Array:
        if not isinstance(x, Tracer) or not _divided(x.shape):
            return call(self, x)
        graph, state = nnx.split(self)
        return _apply(lambda state, x: call(nnx.merge(graph, state), x), state, x)

    return grouped


def _divided(shape: tuple[int, ...]) -> bool:
    """Whether a batch is more than one group; one of any size, for export, is taken as it is."""
    return len(shape) > 0 and all(isinstance(n, int) for n in shape) and _groups_of(shape) > 1


def _groups_of(shape: tuple[int, ...]) -> int:
    """How many groups a batch is divided into: at most one for each image."""
    return min(shape[0], -(-prod(shape[:-1]) // PIXELS))


def _apply(whole: Callable, state: Any, x: jax.Array) -> jax.Array:
    """whole(state, x), by groups on CPU unless it is differentiated."""

    @jax.custom_jvp
    def apply(state: Any, x: jax.Array) -> jax.Array:
        return lax.platform_dependent(state, x, cpu=partial(_by_groups, whole), default=whole)

    def apply_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
        values, tree = jax.tree.flatten(primals)
        directions = jax.tree.leaves(tangents)
        moving = [i for i, d in enumerate(directions) if type(d) is not SymbolicZero]

        def of_moving(given: list) -> jax.Array:
            at = dict(zip(moving, given, strict=True))
            return whole(*tree.unflatten([at.get(i, v) for i, v in enumerate(values)]))

        return jax.jvp(
            of_moving, ([values[i] for i in moving],), ([directions[i] for i in moving],)
        )

    apply.defjvp(apply_jvp, symbolic_zeros=True)
    return apply(state, x)


def _by_groups(whole: Callable, state: Any, x: jax.Array) -> jax.Array:
    """Groups of equal size; the last one is filled up with images that are already in it."""
    images = len(x)
    size = -(-images // _groups_of(x.shape))
    groups = -(-images // size)
    x = x[jnp.minimum(jnp.arange(groups * size), images - 1)] if images % size else x
    y = lax.map(partial(whole, state), x.reshape(groups, size, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])[:images]
