"""Training on pairs of independent noisy measurements of the same image."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.train.losses.base import Loss
from jaxrecon.train.losses.distances import mean_square


class Noise2Noise(Loss):
    r"""mean |A f(m) - m'|^2 for batches (m, m') with independent noise, m' = A x + n'.

    As E[n' | m] = 0, its expectation is E mean |A f(m) - A x|^2 plus the variance of n': the
    minimiser is the supervised one, of the error in the measurement domain.

    Args:
        reconstruct, operator: see :class:`Loss`.

    Source: Lehtinen et al. 2018, arXiv:1803.04189.
    """

    def __call__(self, module: Any, batch: tuple, key: jax.Array) -> jax.Array:
        first, second = batch
        return mean_square(self.predicted(self.reconstruct(module, self.operator, first)), second)
