"""Changes of resolution as permutations of pixels and matrix products, fast on every backend.

A convolution of stride 2 with a 2x2 kernel has blocks that do not overlap: it is the folding of
each block into channels, then one matrix product. Its transpose is the reverse of that. Strided,
transposed and window operations of XLA compute the same, many times slower on CPU.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.nn.convolution import Convolution


def _folded(x: Any, factor: int, what: str) -> jax.Array:
    """(batch, y, x, c) to (batch, y / f, f, x / f, f, c), and so in three dimensions."""
    sides = x.shape[1:-1]
    if any(n % factor for n in sides):
        raise ValueError(
            f"{what}: the image sides {sides} must be multiples of {factor}; pad or crop the image."
        )
    split = [m for n in sides for m in (n // factor, factor)]
    return x.reshape(x.shape[0], *split, x.shape[-1])


def space_to_depth(x: jax.Array, factor: int = 2) -> jax.Array:
    """(batch, y, x, c) to (batch, y / f, x / f, f f c), a permutation of the pixels; or with z.

    Raises:
        ValueError: sides that are no multiples of the factor.
    """
    if factor == 1:
        return x
    folded, dims = _folded(x, factor, "space_to_depth"), x.ndim - 2
    coarse, fine = range(1, 2 * dims, 2), range(2, 2 * dims + 1, 2)
    blocks = folded.transpose(0, *coarse, *fine, 2 * dims + 1)
    return blocks.reshape(*blocks.shape[: dims + 1], factor**dims * x.shape[-1])


def depth_to_space(x: jax.Array, factor: int = 2) -> jax.Array:
    """The inverse of :func:`space_to_depth`."""
    if factor == 1:
        return x
    b, *sides, c = x.shape
    dims = len(sides)
    blocks = x.reshape(b, *sides, *(factor,) * dims, c // factor**dims)
    order = [axis for i in range(dims) for axis in (1 + i, 1 + dims + i)]
    pixels = blocks.transpose(0, *order, 2 * dims + 1)
    return pixels.reshape(b, *(factor * n for n in sides), blocks.shape[-1])


def max_pool(x: jax.Array, factor: int = 2) -> jax.Array:
    """Largest value of each f x f block (f x f x f with z): the maximum of slices.

    Raises:
        ValueError: sides that are no multiples of the factor.
    """
    dims = x.ndim - 2
    folded = _folded(x, factor, "max_pool")
    offsets = product(range(factor), repeat=dims)
    slices = [folded[(slice(None), *(s for o in at for s in (slice(None), o)))] for at in offsets]
    return reduce(jnp.maximum, slices)


class Downsample(Convolution):
    """Convolution of stride 2 with a 2x2 (2x2x2) kernel: half as many pixels a side.

    Args:
        inputs, outputs: numbers of channels.
        dims: axes of an image, 2 or 3.
        options: bias, scale and rngs, as in :class:`Convolution`.
    """

    def __init__(self, inputs: int, outputs: int, *, dims: int = 2, **options: Any):
        super().__init__(2**dims * inputs, outputs, size=1, dims=dims, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        return super().__call__(space_to_depth(x))


class Upsample(Convolution):
    """Transposed convolution of stride 2 with a 2x2 (2x2x2) kernel: twice as many pixels a side.

    Args: as :class:`Downsample`.
    """

    def __init__(self, inputs: int, outputs: int, *, dims: int = 2, **options: Any):
        super().__init__(inputs, 2**dims * outputs, size=1, dims=dims, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        return depth_to_space(super().__call__(x))


def check_image(
    x: jax.Array, head: Convolution, multiple: int, *, what: str, fold: int = 1
) -> None:
    """Raise unless a network with this first layer takes x.

    Args:
        x: (batch, y, x, channel) or (batch, z, y, x, channel).
        head: first layer.
        multiple: what the sides must be multiples of.
        what: name of the network.
        fold: side of the blocks of pixels that became channels before the first layer.
    """
    *size, inputs, _ = head.kernel.shape
    inputs //= fold ** len(size)
    axes = "y, x" if len(size) == 2 else "z, y, x"
    if jnp.ndim(x) != len(size) + 2 or x.shape[-1] != inputs:
        raise ValueError(
            f"{what} expected (batch, {axes}, {inputs}), got {x.shape}. "
            f"Images (..., {axes}) go through nn.on_images."
        )
    if any(n % multiple for n in x.shape[1:-1]):
        raise ValueError(
            f"{what}: the image sides {x.shape[1:-1]} must be multiples of {multiple}; "
            "pad the image or build the network with fewer levels."
        )
