"""Large batches a few images at a time, where their activations are not kept: faster on CPUs.

The activations of more images than a cache holds go through memory, layer by layer, and what the
allocator does not keep is handed out anew at every call. The images of a batch do not depend on
each other, so that on CPU a chain of convolutions takes them in groups: where nothing is
differentiated, and within a step that its loop computes again in the backward pass, where each
group goes forwards and backwards before the next, so that the memory of a group is all there is.
Where activations are kept, and on other backends, it takes them all at once; so do U-Nets, most of
whose activations are small (no gain).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.core import Tracer
from jax.custom_derivatives import SymbolicZero

from jaxrecon.core import keep, matched
from jaxrecon.core.operator import conj
from jaxrecon.core.recomputed import recomputed

PIXELS = 2**15
"""At a time; half and twice as many are no faster (measured with 32 and 64 channels)."""
PIXELS_BACKWARDS = 2**13
"""At a time, where each group goes backwards, too."""


def in_groups(call: Callable) -> Callable:
    """Decorator for a network's `__call__`: (self, x) -> y, with the batch as the first axis."""

    @wraps(call)
    def grouped(self: Any, x: jax.Array) -> jax.Array:
        if not isinstance(x, Tracer) or not _divided(x.shape):
            return call(self, x)
        graph, state = nnx.split(self)
        return _apply(lambda state, x: call(nnx.merge(graph, state), x), state, x)

    return grouped


def _pixels() -> int:
    return PIXELS_BACKWARDS if recomputed() else PIXELS


def _divided(shape: tuple[int, ...]) -> bool:
    """Whether a batch is more than one group; one of any size, for export, is taken as it is."""
    known = len(shape) > 0 and all(isinstance(n, int) for n in shape)
    return known and _division(shape, _pixels()).groups > 1


class _Division(NamedTuple):
    """A batch as groups of equal size."""

    images: int
    groups: int
    size: int

    def split(self, x: jax.Array) -> jax.Array:
        """The last group is filled up with images that are already in it."""
        last = self.images - 1
        x = x[jnp.minimum(jnp.arange(self.groups * self.size), last)] if self._filled else x
        return self._folded(x)

    def split_values(self, y: jax.Array) -> jax.Array:
        """The last group is filled up with zeros."""
        rest = [(0, 0)] * (y.ndim - 1)
        return self._folded(jnp.pad(y, [(0, self._filled), *rest]) if self._filled else y)

    def join(self, y: jax.Array) -> jax.Array:
        return y.reshape(-1, *y.shape[2:])[: self.images]

    def _folded(self, x: jax.Array) -> jax.Array:
        return x.reshape(self.groups, self.size, *x.shape[1:])

    @property
    def _filled(self) -> int:
        return self.groups * self.size - self.images


def _division(shape: tuple[int, ...], pixels: int) -> _Division:
    """Groups of at most so many pixels, or of one image."""
    images = shape[0]
    size = -(-images // min(images, -(-prod(shape[:-1]) // pixels)))
    return _Division(images, -(-images // size), size)


def _apply(whole: Callable, state: Any, x: jax.Array) -> jax.Array:
    """whole(state, x), by groups on CPU unless activations are kept for its derivatives."""
    again, pixels = recomputed(), _pixels()

    def by_groups(state: Any, x: jax.Array) -> jax.Array:
        division = _division(x.shape, pixels)
        return division.join(lax.map(partial(whole, state), division.split(x)))

    @jax.custom_jvp
    def apply(state: Any, x: jax.Array) -> jax.Array:
        return lax.platform_dependent(state, x, cpu=by_groups, default=whole)

    def apply_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
        values, tree = jax.tree.flatten(primals)
        directions = jax.tree.leaves(tangents)
        moving = [i for i, d in enumerate(directions) if type(d) is not SymbolicZero]
        along = [directions[i] for i in moving]

        def of_moving(values: list, given: list) -> jax.Array:
            at = dict(zip(moving, given, strict=True))
            return whole(*tree.unflatten([at.get(i, v) for i, v in enumerate(values)]))

        if not again:
            return jax.jvp(partial(of_moving, values), ([values[i] for i in moving],), (along,))
        return apply(*primals), _derivative(of_moving, moving, pixels)(values, along)

    apply.defjvp(apply_jvp, symbolic_zeros=True)
    y = apply(state, x)
    return keep(y) if again else y  # else a step that needs it computes it twice


def _derivative(function: Callable, moving: Sequence[int], pixels: int) -> Callable:
    """(values, directions) -> the derivative of function(values, those of them that move) along
    directions: linear, and transposed without activations, which it computes again by groups.

    The last one of the values is the batch.
    """

    def forwards(values: list, directions: list) -> jax.Array:
        at = [values[i] for i in moving]
        return jax.jvp(partial(function, values), (at,), (directions,))[1]

    def backwards(values: list, y: jax.Array) -> list:
        at = [values[i] for i in moving]
        return conj(jax.vjp(partial(function, values), at)[1](conj(y))[0])

    def by_groups(values: list, y: jax.Array) -> list:
        *weights, x = values
        division = _division(x.shape, pixels)

        def add(sums: list, group: tuple) -> tuple[list, list]:
            found = backwards([*weights, group[0]], group[1])
            return [s + f for s, f in zip(sums, found, strict=False)], found[len(sums) :]

        sums = [jnp.zeros_like(values[i]) for i in moving if i < len(weights)]
        groups = division.split(x), division.split_values(y)
        sums, images = lax.scan(add, sums, groups)
        return [*sums, *map(division.join, images)]

    def transposed(values: list, y: jax.Array) -> list:
        return lax.platform_dependent(values, y, cpu=by_groups, default=backwards)

    return matched(forwards, transposed)[0]
