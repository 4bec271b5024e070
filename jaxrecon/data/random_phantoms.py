"""Endless random phantoms, drawn on the device inside the training step."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.data.phantoms import random_ellipses, rasterise
from jaxrecon.data.stream import Generated


def random_phantoms(
    shape: tuple[int, int],
    batch_size: int,
    *,
    count: int = 20,
    pixel_size: Any = 1.0,
    supersampling: int = 1,
    value_range: tuple[float, float] = (-0.4, 1.0),
    mean_semi_axis: float = 0.2,
    epoch: int | None = None,
) -> Generated:
    """A stream of images (batch, y, x), each a sum of new :func:`random_ellipses`.

    Args:
        shape: of an image.
        batch_size: images a step.
        count: ellipses of an image.
        pixel_size: mm.
        supersampling: see :func:`rasterise`.
        value_range, mean_semi_axis: see :func:`random_ellipses`.
        epoch: how many steps count as an epoch.

    Raises:
        ValueError: a shape that is not two positive whole numbers, or a batch size that is none.
    """
    what = "random_phantoms"
    if np.shape(shape) != (2,):
        raise ValueError(f"{what} expected a shape (rows, columns), got {shape}.")
    rows, columns = (check_positive_int(n, what=what, argument="shape") for n in shape)
    batch = check_positive_int(batch_size, what=what, argument="batch_size")
    options = ((rows, columns), batch, count, supersampling, value_range, mean_semi_axis)
    return Generated(_Draw(pixel_size, *options), epoch)


class _Draw(Pytree):
    pixel_size: Any
    shape: tuple[int, int] = static()
    batch: int = static()
    count: int = static()
    supersampling: int = static()
    value_range: tuple[float, float] = static()
    mean_semi_axis: float = static()

    def __call__(self, key: jax.Array) -> jax.Array:
        def one(key: jax.Array) -> jax.Array:
            ellipses = random_ellipses(
                key,
                self.count,
                self.pixel_size * max(self.shape),
                value_range=self.value_range,
                mean_semi_axis=self.mean_semi_axis,
            )
            return rasterise(ellipses, self.shape, self.pixel_size, self.supersampling)

        return jax.vmap(one)(jax.random.split(key, self.batch))
