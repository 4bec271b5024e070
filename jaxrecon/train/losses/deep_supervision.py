"""Training all iterates of an unrolled scheme on pairs of measurement and image."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_nonnegative, check_positive_int
from jaxrecon.solvers.step_sizes import check_positive, is_concrete
from jaxrecon.train.losses.base import Loss
from jaxrecon.train.losses.distances import mean_square


def rising_weights(steps: int, first: Any = 0.1) -> jax.Array:
    """(steps,) weights in equal ratios from `first`, of the first iterate, to 1, of the last.

    Args:
        steps: K, static.
        first: > 0; 0.1 gives 10^(-(K - k) / (K - 1)) for k = 1 ... K.

    Source: Lønning et al. 2019, doi:10.1016/j.media.2019.01.005.
    """
    steps = check_positive_int(steps, what="rising_weights", argument="steps")
    check_positive(first, what="rising_weights", argument="first")
    return jnp.geomspace(first, 1.0, steps) if steps > 1 else jnp.ones(1)


class DeepSupervision(Loss):
    r"""sum_k w_k d(x_k, x) / sum_k w_k for batches (m, x), x_1 ... x_K the iterates for m.

    Each iterate is to be near the image, so that early steps get gradients of their own, and
    fewer steps give a usable image too. With all the weight on the last it is
    :class:`Supervised`.

    Args:
        reconstruct: static; (module, operator, batch of measurements) -> iterates
            (K, batch, y, x), as the schemes of :mod:`jaxrecon.nn` and :func:`jaxrecon.nn.unroll`
            return them with a trace::

                def iterates(module, operator, m):
                    return module(operator, m, start(operator, m), trace=lambda s: s.x)[1]

            They cost the memory of K images more than the last alone.
        operator: see :class:`Loss`.
        weights: w, traced, (K,), >= 0 and not all 0; None is all 1. :func:`rising_weights`.
        distance: d, as in :class:`Supervised`.

    Raises:
        ValueError: weights that are not (K,), negative or all 0; iterates that are not K images
            like the truth.

    Source: Lee, Xie, Gallagher, Zhang and Tu 2015, doi:10.48550/arXiv.1409.5185; on the iterates
    of a reconstruction: Lønning et al. 2019, doi:10.1016/j.media.2019.01.005.
    """

    weights: Any = None
    distance: Any = mean_square

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights is None:
            return
        what = "DeepSupervision"
        check_nonnegative(self.weights, what=what, argument="weights")
        if is_concrete(self.weights) and not np.any(np.asarray(self.weights)):
            raise ValueError(f"{what} expected weights that are not all 0, got {self.weights}.")

    def __call__(self, module: Any, batch: tuple, key: jax.Array) -> jax.Array:
        measurements, images = batch
        iterates = self.reconstruct(module, self.operator, measurements)
        shape = np.shape(iterates)
        if shape[1:] != np.shape(images):
            raise ValueError(
                f"DeepSupervision expected iterates (K, *{np.shape(images)}), K images like the "
                f"truth, got the shape {shape}. Does reconstruct return the history of a trace, "
                "trace=lambda s: s.x?"
            )
        weights = jnp.ones(shape[0]) if self.weights is None else jnp.asarray(self.weights)
        if weights.shape != shape[:1]:
            raise ValueError(
                f"DeepSupervision expected one weight for each of {shape[0]} iterates, got the "
                f"shape {weights.shape}."
            )
        distances = jax.vmap(lambda x: self.distance(x, images))(iterates)
        return jnp.sum(weights * distances) / jnp.sum(weights)
