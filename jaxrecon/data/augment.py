"""Augmentation: pure functions of a key, drawn anew for each item of a batch.

Each takes a pytree of arrays (batch, y, x, ...), e.g. a pair of images, and does the same to all of
its leaves. In a stream: ``stream.map(lambda images, key: random_orientations(key, images))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int


def random_flips(key: jax.Array, images: Any) -> Any:
    """Each image upside down, left to right, both or neither, with equal probability."""

    def one(key: jax.Array, image: Any) -> Any:
        rows, columns = jax.random.bernoulli(key, shape=(2,))
        image = _each(lambda a: jnp.where(rows, a[::-1], a), image)
        return _each(lambda a: jnp.where(columns, a[:, ::-1], a), image)

    return _each_item(key, images, one)


def random_quarter_turns(key: jax.Array, images: Any) -> Any:
    """Each image turned by 0, 90, 180 or 270 degrees, with equal probability.

    Raises:
        ValueError: images that are not square.
    """
    _check_square(images, "random_quarter_turns")

    def one(key: jax.Array, image: Any) -> Any:
        turns = jax.random.randint(key, (), 0, 4)
        choices = [lambda a, k=k: _each(lambda b: jnp.rot90(b, k), a) for k in range(4)]
        return jax.lax.switch(turns, choices, image)

    return _each_item(key, images, one)


def random_orientations(key: jax.Array, images: Any) -> Any:
    """Each image in one of the eight flips and turns of a square, with equal probability.

    Raises:
        ValueError: images that are not square.
    """
    turn, mirror = jax.random.split(key)

    def one(key: jax.Array, image: Any) -> Any:
        mirrored = jax.random.bernoulli(key)
        return _each(lambda a: jnp.where(mirrored, a.swapaxes(0, 1), a), image)

    return _each_item(mirror, random_quarter_turns(turn, images), one)


def random_shifts(key: jax.Array, images: Any, largest: int) -> Any:
    """Each image moved by up to `largest` pixels along y and x, periodically.

    Args:
        largest: static, in pixels.
    """
    largest = check_positive_int(largest, what="random_shifts", argument="largest")

    def one(key: jax.Array, image: Any) -> Any:
        shift = jax.random.randint(key, (2,), -largest, largest + 1)
        return _each(lambda a: jnp.roll(a, shift, (0, 1)), image)

    return _each_item(key, images, one)


def random_crops(key: jax.Array, images: Any, size: tuple[int, int]) -> Any:
    """A patch of each image, (batch, *size, ...), every position equally likely.

    Args:
        size: static (rows, columns).

    Raises:
        ValueError: a patch larger than the images.
    """
    size = (
        check_positive_int(size[0], what="random_crops", argument="size"),
        check_positive_int(size[1], what="random_crops", argument="size"),
    )
    rows, columns = _sides(images, "random_crops")
    if size[0] > rows or size[1] > columns:
        raise ValueError(f"random_crops: patches of {size} do not fit images of {rows}x{columns}.")

    def one(key: jax.Array, image: Any) -> Any:
        room = jnp.array([rows - size[0] + 1, columns - size[1] + 1])
        start = jax.random.randint(key, (2,), 0, room)
        return _each(
            lambda a: jax.lax.dynamic_slice(
                a, (*start, *(0,) * (a.ndim - 2)), (*size, *a.shape[2:])
            ),
            image,
        )

    return _each_item(key, images, one)


def _each(function: Callable, image: Any) -> Any:
    return jax.tree.map(function, image)


def _each_item(key: jax.Array, images: Any, one: Callable) -> Any:
    _sides(images, "augmentation")
    count = jax.tree.leaves(images)[0].shape[0]
    return jax.vmap(one)(jax.random.split(key, count), images)


def _sides(images: Any, what: str) -> tuple[int, int]:
    shapes = {leaf.shape[1:3] for leaf in jax.tree.leaves(images)}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise ValueError(
            f"{what} expected images (batch, y, x, ...) of one size, got "
            f"{[leaf.shape for leaf in jax.tree.leaves(images)]}."
        )
    return shapes.pop()


def _check_square(images: Any, what: str) -> None:
    rows, columns = _sides(images, what)
    if rows != columns:
        raise ValueError(f"{what} expected square images, got {rows}x{columns}; crop them first.")
