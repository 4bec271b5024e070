"""The random ellipses of DIVal: the same images as its generator makes, and endless new ones."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice, check_positive_int

SEEDS = {"train": 42, "validation": 2, "test": 1}
MOST = 70  # ellipses of an image
MEAN = 40


def dival_ellipses(part: str, count: int, size: int = 128) -> np.ndarray:
    """The first images of a part of the data set, as DIVal 0.6.2 makes them from its fixed seeds.

    Up to 70 ellipses (Poisson of mean 40) with values uniform in (-0.4, 1), semi-axes exponential
    of mean 0.2, centres uniform in (-0.9, 0.9) and uniform angles, where -1 and 1 are the centres
    of the outermost pixels; then the smallest value is subtracted where the image is not zero, and
    it is divided by its largest. Parts have 32,000, 3,200 and 3,200 images; each image follows from
    all before it.

    Args:
        part: "train", "validation" or "test".
        count: number of images.
        size: side of the image.

    Returns:
        float32 (count, y, x), values from 0 to 1; 0 all over where an image of few pixels has but
        one value, and the division none. DIVal's arrays have the axes (x, y).

    Raises:
        ValueError: an unknown part, or a count or size that is no positive whole number.

    Source: Baguer, Leuschner and Schmidt 2020, doi:10.1088/1361-6420/aba415; generator after Adler
    and Oktem 2017, doi:10.1088/1361-6420/aa9581.
    """
    check_choice(part, tuple(SEEDS), what="dival_ellipses", argument="part")
    count = check_positive_int(count, what="dival_ellipses", argument="count")
    size = check_positive_int(size, what="dival_ellipses", argument="size")
    draws = _draws(np.random.RandomState(SEEDS[part]))
    return np.stack([_image(next(draws), size) for _ in range(count)])


def _draws(random: np.random.RandomState) -> Iterator[np.ndarray]:
    """Rows (value, semi-axes, centre, angle) of one image after the other."""
    while True:
        value = random.uniform(-0.4, 1.0, MOST)
        axes = [0.2 * random.exponential(1.0, MOST) for _ in range(2)]
        centre = [random.uniform(-0.9, 0.9, MOST) for _ in range(2)]
        angle = random.uniform(0.0, 2 * np.pi, MOST)
        number = min(random.poisson(MEAN), MOST)
        yield np.stack([value, *axes, *centre, angle], axis=1)[:number]


def _image(ellipses: np.ndarray, size: int) -> np.ndarray:
    grid = np.linspace(-1, 1, size)
    image = np.zeros((size, size), np.float32)
    for value, a, b, cx, cy, angle in ellipses:
        cos, sin = np.cos(angle), np.sin(angle)
        reach = np.hypot(a * sin, b * cos), np.hypot(a * cos, b * sin)
        rows, columns = (
            slice(*np.searchsorted(grid, (c - r - 1e-9, c + r + 1e-9)))
            for c, r in zip((cy, cx), reach, strict=True)
        )
        y, x = grid[rows, None] - cy, grid[columns] - cx
        inside = ((cos * x + sin * y) / a) ** 2 + ((cos * y - sin * x) / b) ** 2 <= 1
        image[rows, columns][inside] += np.float32(value)
    image[image != 0] -= image.min()
    return image / (image.max() or 1)


def random_dival_ellipses(key: jax.Array, size: int = 128) -> jax.Array:
    """One image of the same distribution as :func:`dival_ellipses`, drawn on the device.

    A pure function of the key: map over keys with `jax.vmap`, inside a training step too.

    Args:
        key: JAX key.
        size: static side of the image.

    Returns:
        float32 (size, size), values from 0 to 1, as there.
    """
    keys = jax.random.split(key, 5)
    value = jax.random.uniform(keys[0], (MOST,), minval=-0.4, maxval=1.0)
    axes = jnp.maximum(0.2 * jax.random.exponential(keys[1], (2, MOST)), 1e-6)
    centre = jax.random.uniform(keys[2], (2, MOST), minval=-0.9, maxval=0.9)
    angle = jax.random.uniform(keys[3], (MOST,), maxval=2 * np.pi)
    value = jnp.where(jnp.arange(MOST) < jax.random.poisson(keys[4], MEAN), value, 0)
    grid = jnp.linspace(-1, 1, size)

    def add(image: jax.Array, ellipse: tuple) -> tuple[jax.Array, None]:
        v, (a, b), (cx, cy), t = ellipse
        x, y = grid - cx, grid[:, None] - cy
        along = (jnp.cos(t) / a) * x + (jnp.sin(t) / a) * y
        across = (jnp.cos(t) / b) * y - (jnp.sin(t) / b) * x
        return image + jnp.where(along**2 + across**2 <= 1, v, 0), None

    image, _ = jax.lax.scan(add, jnp.zeros((size, size)), (value, axes.T, centre.T, angle))
    image = jnp.where(image != 0, image - image.min(), 0)
    return image / jnp.where(image.max() > 0, image.max(), 1)
