"""Training on single noisy measurements: more noise makes a pair with independent errors."""

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


def recorrupted_pair(
    key: jax.Array, measurements: jax.Array, sigma: Any, alpha: Any = 0.5
) -> tuple[jax.Array, jax.Array]:
    r"""(m + alpha sigma z, m - sigma z / alpha) with z standard normal.

    For m = A x + n with Gaussian n of deviation sigma the errors of the two are independent: their
    covariance is sigma^2 - sigma^2 = 0. Their variances are (1 + alpha^2) sigma^2 and
    (1 + 1 / alpha^2) sigma^2.

    Args:
        key: JAX key.
        measurements: m, real or complex (then sigma is that of each part).
        sigma: >= 0, broadcasts to m.
        alpha: > 0, likewise.

    Raises:
        ValueError: a negative sigma or an alpha that is not positive, where known; one that does
            not broadcast to m.
    """
    _check_noise(sigma, alpha, "recorrupted_pair")
    for argument, value in (("sigma", sigma), ("alpha", alpha)):
        check_broadcast(
            jnp.asarray(value), jnp.shape(measurements), what="recorrupted_pair", argument=argument
        )
    z = noise.gaussian(key, jnp.zeros_like(measurements), 1.0)
    return measurements + alpha * sigma * z, measurements - sigma * z / alpha


def _check_noise(sigma: Any, alpha: Any, what: str) -> None:
    check_nonnegative(sigma, what=what, argument="sigma")
    check_positive(alpha, what=what, argument="alpha")


class Recorrupted(Loss):
    r"""mean |A f(m_1) - m_2|^2 for a :func:`recorrupted_pair` of each m in the batch.

    Recorrupted-to-recorrupted: Noise2Noise with pairs made from one measurement. Its expectation
    is E mean |A f(m_1) - A x|^2 plus the variance of m_2. The input has (1 + alpha^2) times the
    variance of m; :meth:`averaged` uses f on m itself.

    Args:
        reconstruct, operator: see :class:`Loss`.
        sigma: deviation of the Gaussian noise, broadcasts to the batch.
        alpha: > 0, balances the noise of input and target.

    Raises:
        ValueError: no sigma, a negative one, or an alpha that is not positive, where known; when
            called, one that does not broadcast to the batch.

    Source: Pang, Zheng, Quan and Ji 2021, doi:10.1109/CVPR46437.2021.00208.
    """

    sigma: Any = None
    alpha: Any = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma is None:
            raise ValueError("Recorrupted needs sigma, the deviation of the noise.")
        _check_noise(self.sigma, self.alpha, "Recorrupted")

    def __call__(self, module: Any, batch: jax.Array, key: jax.Array) -> jax.Array:
        source, target = recorrupted_pair(key, batch, self.sigma, self.alpha)
        return mean_square(self.predicted(self.reconstruct(module, self.operator, source)), target)

    def averaged(self, module: Any, batch: jax.Array, key: jax.Array, count: int = 8) -> jax.Array:
        """The reconstruction after training: mean of f over recorrupted copies of each m."""

        def one(k: jax.Array) -> jax.Array:
            source, _ = recorrupted_pair(k, batch, self.sigma, self.alpha)
            return self.reconstruct(module, self.operator, source)

        return jax.lax.map(one, jax.random.split(key, count)).mean(axis=0)
