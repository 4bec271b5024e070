"""Training on single noisy images, by predicting them from noisier ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon import noise
from jaxrecon.core.checks import check_nonnegative
from jaxrecon.linops.diagonal import check_broadcast
from jaxrecon.solvers.step_sizes import check_positive
from jaxrecon.train.losses.base import Loss
from jaxrecon.train.losses.distances import mean_square


class Noisier2Noise(Loss):
    r"""mean |A f(m + alpha sigma z) - m|^2 for single noisy measurements m, z standard normal.

    With Gaussian noise of deviation sigma in m, the best f gives E[m | m'] of the noisier
    m' = m + alpha sigma z, and the noiseless data follow, as the noise of m' splits in proportion:

        E[A x | m'] = ((1 + alpha^2) E[m | m'] - m') / alpha^2,

    which :meth:`corrected` computes.

    Args:
        reconstruct, operator: see :class:`Loss`.
        sigma: deviation of the Gaussian noise, broadcasts to the batch.
        alpha: > 0; 1 doubles the variance.

    Raises:
        ValueError: no sigma, a negative one, or an alpha that is not positive, where known; when
            called, a sigma that does not broadcast to the batch.

    Source: Moran, Schmidt, Zhong and Coady 2020, doi:10.1109/CVPR42600.2020.01208.
    """

    sigma: Any = None
    alpha: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma is None:
            raise ValueError("Noisier2Noise needs sigma, the deviation of the noise.")
        check_nonnegative(self.sigma, what="Noisier2Noise", argument="sigma")
        check_positive(self.alpha, what="Noisier2Noise", argument="alpha")

    def __call__(self, module: Any, batch: jax.Array, key: jax.Array) -> jax.Array:
        noisier = self._noisier(batch, key)
        return mean_square(self.predicted(self.reconstruct(module, self.operator, noisier)), batch)

    def corrected(self, module: Any, batch: jax.Array, key: jax.Array) -> jax.Array:
        """The estimate of A x, (batch, ...), after training: of x itself in denoising."""
        noisier = self._noisier(batch, key)
        mean = self.predicted(self.reconstruct(module, self.operator, noisier))
        return ((1 + self.alpha**2) * mean - noisier) / self.alpha**2

    def _noisier(self, batch: jax.Array, key: jax.Array) -> jax.Array:
        deviation = jnp.asarray(self.alpha * self.sigma)
        check_broadcast(
            deviation, jnp.shape(batch), what="Noisier2Noise", argument="alpha and sigma"
        )
        return noise.gaussian(key, batch, deviation)
