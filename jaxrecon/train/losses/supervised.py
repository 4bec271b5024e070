"""Training on pairs of measurement and image."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.train.losses.base import Loss
from jaxrecon.train.losses.distances import mean_square


class Supervised(Loss):
    """d(f(m), x) for batches (measurements m, images x).

    Args:
        reconstruct, operator: see :class:`Loss`.
        distance: d, e.g. :func:`mean_absolute` or ``Weighted((1.0, 0.1), (mean_square, ...))``:
            a function or a pytree that is called, see :class:`Weighted`.

    With the mean square its minimiser over all f is the conditional mean E[x | m].

    Raises:
        ValueError: when called, f(m) that has another shape than x, of the distances here.
    """

    distance: Any = mean_square

    def __call__(self, module: Any, batch: tuple, key: jax.Array) -> jax.Array:
        measurements, images = batch
        return self.distance(self.reconstruct(module, self.operator, measurements), images)
