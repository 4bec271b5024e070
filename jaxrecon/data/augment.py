"""Augmentation: pure functions of a key, drawn anew for each item of a batch.

Each takes a pytree of arrays (batch, y, x, ...), e.g. a pair of images, or with ``dims=3`` of
volumes (batch, z, y, x, ...), and does the same to all of its leaves. In a stream:
``stream.map(lambda images, key: random_orientations(key, images))``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice, check_positive_int


def random_flips(key: jax.Array, images: Any, *, dims: int = 2) -> Any:
    """Each image flipped along any of its axes, all combinations with equal probability.

    Args:
        dims: static; 2, or 3 for volumes.
    """

    def one(key: jax.Array, image: Any) -> Any:
        return _flipped(image, jax.random.bernoulli(key, shape=(dims,)))

    return _each_item(key, images, one, dims)


def random_quarter_turns(key: jax.Array, images: Any, *, dims: int = 2) -> Any:
    """Each image in one of the four turns of a square, or volume in one of the 24 of a cube, with
    equal probability.

    Args:
        dims: static; 2, or 3 for volumes.

    Raises:
        ValueError: sides that are not equal.
    """
    return _symmetry(key, images, dims, mirrored=False, what="random_quarter_turns")


def random_orientations(key: jax.Array, images: Any, *, dims: int = 2) -> Any:
    """Each image in one of the eight flips and turns of a square, or volume in one of the 48 of a
    cube, with equal probability.

    Args:
        dims: static; 2, or 3 for volumes.

    Raises:
        ValueError: sides that are not equal.
    """
    return _symmetry(key, images, dims, mirrored=True, what="random_orientations")


def random_shifts(key: jax.Array, images: Any, largest: int, *, dims: int = 2) -> Any:
    """Each image moved by up to `largest` pixels along each of its axes, periodically.

    Args:
        largest: static, in pixels.
        dims: static; 2, or 3 for volumes.
    """
    largest = check_positive_int(largest, what="random_shifts", argument="largest")

    def one(key: jax.Array, image: Any) -> Any:
        shift = jax.random.randint(key, (dims,), -largest, largest + 1)
        return _each(lambda a: jnp.roll(a, shift, tuple(range(dims))), image)

    return _each_item(key, images, one, dims)


def random_crops(key: jax.Array, images: Any, size: Sequence[int]) -> Any:
    """A patch of each image, (batch, *size, ...), every position equally likely.

    Args:
        size: static; (rows, columns), or (planes, rows, columns) for volumes.

    Raises:
        ValueError: a size of other than two or three whole numbers; a patch larger than the images.
    """
    if np.shape(size) not in ((2,), (3,)):
        raise ValueError(
            "random_crops expected a size (rows, columns), or (planes, rows, columns), got "
            f"{size}. For squares, repeat the side."
        )
    size = tuple(check_positive_int(n, what="random_crops", argument="size") for n in size)
    dims = len(size)
    sides = _sides(images, dims, "random_crops")
    if any(n > side for n, side in zip(size, sides, strict=True)):
        raise ValueError(f"random_crops: patches of {size} do not fit images of {_text(sides)}.")
    room = np.array(sides) - np.array(size) + 1

    def one(key: jax.Array, image: Any) -> Any:
        start = jax.random.randint(key, (dims,), 0, room)
        return _each(
            lambda a: jax.lax.dynamic_slice(
                a, (*start, *(0,) * (a.ndim - dims)), (*size, *a.shape[dims:])
            ),
            image,
        )

    return _each_item(key, images, one, dims)


def _symmetry(key: jax.Array, images: Any, dims: int, *, mirrored: bool, what: str) -> Any:
    """Axes in any order, then flips of any axes; without mirrors an even number of both."""
    sides = _sides(images, dims, what)
    if len(set(sides)) > 1:
        shape = "square images" if dims == 2 else "cubes"
        raise ValueError(f"{what} expected {shape}, got {_text(sides)}; crop them first.")
    orders = list(permutations(range(dims)))
    odd = jnp.array([np.linalg.det(np.eye(dims)[list(order)]) < 0 for order in orders])

    def one(key: jax.Array, image: Any) -> Any:
        drawing, flipping = jax.random.split(key)
        number = jax.random.randint(drawing, (), 0, len(orders))
        flips = jax.random.bernoulli(flipping, shape=(dims,))
        if not mirrored:
            uneven = (odd[number] + flips.sum()) % 2 == 1
            flips = flips.at[-1].set(flips[-1] ^ uneven)
        choices = [lambda a, order=order: _transposed(a, order) for order in orders]
        return _flipped(jax.lax.switch(number, choices, image), flips)

    return _each_item(key, images, one, dims)


def _transposed(image: Any, order: Sequence[int]) -> Any:
    return _each(lambda a: a.transpose(*order, *range(len(order), a.ndim)), image)


def _flipped(image: Any, flips: jax.Array) -> Any:
    """Flipped along the axes that are chosen."""
    for axis, chosen in enumerate(flips):
        image = _each(lambda a, axis=axis, c=chosen: jnp.where(c, jnp.flip(a, axis), a), image)
    return image


def _each(function: Callable, image: Any) -> Any:
    return jax.tree.map(function, image)


def _each_item(key: jax.Array, images: Any, one: Callable, dims: int) -> Any:
    _sides(images, dims, "augmentation")
    count = jax.tree.leaves(images)[0].shape[0]
    return jax.vmap(one)(jax.random.split(key, count), images)


def _sides(images: Any, dims: int, what: str) -> tuple[int, ...]:
    check_choice(dims, (2, 3), what=what, argument="dims")
    shapes = {leaf.shape[1 : 1 + dims] for leaf in jax.tree.leaves(images)}
    if len(shapes) != 1 or len(next(iter(shapes))) != dims:
        axes = "images (batch, y, x, ...)" if dims == 2 else "volumes (batch, z, y, x, ...)"
        raise ValueError(
            f"{what} expected {axes} of one size, got "
            f"{[leaf.shape for leaf in jax.tree.leaves(images)]}."
        )
    return shapes.pop()


def _text(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))
