"""Training on noisy measurements alone, with Stein's unbiased estimate of the risk."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core import static
from jaxrecon.core.checks import check_inexact, check_nonnegative, check_real
from jaxrecon.parameter_choice import pure, sure
from jaxrecon.train.losses.base import Loss


class SURE(Loss):
    r"""Stein's unbiased risk estimate of a batch m = A x + n, n Gaussian of known variance:

        mean |A f(m) - m|^2 + 2 mean_i v_i d(A f(m))_i / dm_i - mean_i v_i,

    of expectation E mean |A f(m) - A x|^2, whichever f is. The divergence is estimated with random
    directions and exact derivatives along them, see :func:`jaxrecon.parameter_choice.sure`.

    Args:
        reconstruct, operator: see :class:`Loss`; differentiable twice.
        variance: v, broadcasts to the batch; for complex m that of the real and of the imaginary
            part each, and then the mean is over both.
        probes: static; random directions.

    Raises:
        ValueError: no variance, or a negative one, where known.
        TypeError: a complex variance; when called, a batch of whole numbers.

    Source: Stein 1981, doi:10.1214/aos/1176345632; as a loss: Soltanayev and Chun 2018,
    arXiv:1803.01314; Metzler et al. 2018, arXiv:1805.10531.
    """

    variance: Any = None
    probes: int = static(default=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variance is None:
            raise ValueError("SURE needs the variance of the noise.")
        for leaf in jax.tree.leaves(self.variance):
            check_real(leaf, what="SURE", argument="variance")
            check_nonnegative(leaf, what="SURE", argument="variance", cause="Is it a logarithm?")

    def __call__(self, module: Any, batch: Any, key: jax.Array) -> jax.Array:
        for leaf in jax.tree.leaves(batch):
            check_inexact(leaf, what="SURE", argument="batch")

        def predict(m: Any) -> Any:
            return self.predicted(self.reconstruct(module, self.operator, m))

        return sure(predict, batch, self.variance, key, probes=self.probes).value


class PoissonSURE(Loss):
    r"""The same for counts y ~ Poisson(A x + b), to first order in a single count:

        mean |p - y|^2 + 2 mean_i y_i dp_i/dy_i - mean_i y_i,   p = A f(y) + b;

    exact where each p_i is linear in its own count, see :func:`jaxrecon.parameter_choice.pure`.

    Args:
        reconstruct, operator: see :class:`Loss`; differentiable twice. The batch is counts, in a
            floating-point dtype.
        background: b, broadcasts to the batch.
        probes: static; random directions.

    Raises:
        TypeError: when called, counts of whole numbers or complex ones.

    Source: Luisier, Vonesch, Blu and Unser 2010, doi:10.1016/j.sigpro.2009.07.009.
    """

    background: Any = 0.0
    probes: int = static(default=1)

    def __call__(self, module: Any, batch: jax.Array, key: jax.Array) -> jax.Array:
        check_inexact(batch, what="PoissonSURE", argument="batch")

        def predict(y: jax.Array) -> Any:
            return self.predicted(self.reconstruct(module, self.operator, y))

        return pure(predict, batch, key, background=self.background, probes=self.probes).value
