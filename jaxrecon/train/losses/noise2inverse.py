"""Training a denoiser of reconstructions on noisy measurements, split into independent parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import static
from jaxrecon.core.checks import check_choice
from jaxrecon.core.pytree import Pytree
from jaxrecon.solvers.subsets import Subsets
from jaxrecon.train.losses.distances import mean_square


def sub_reconstructions(invert: Callable, subsets: Subsets, measurements: jax.Array) -> jax.Array:
    """Images of each of K subsets of the data, one batch after the other.

    Args:
        invert: (operator of a subset, its data) -> image, linear, e.g. filtered backprojection.
        subsets: e.g. of :func:`jaxrecon.ct.view_subsets`.
        measurements: (batch, rows, ...), of the whole operator.

    Returns:
        (batch, K, y, x).
    """

    def one(m: jax.Array) -> jax.Array:
        def of_subset(_: None, pair: tuple) -> tuple:
            number, part = pair
            return None, invert(subsets.operator_of(number), part)

        return jax.lax.scan(of_subset, None, (jnp.arange(subsets.count), subsets.split(m)))[1]

    return jax.vmap(one)(measurements)


class Noise2Inverse(Pytree):
    r"""mean |f(x_J) - x_J'|^2, where J is a random part of the K splits and J' all others.

    x_J is the mean of the reconstructions of the splits in J. For noise of mean zero that is
    independent from split to split, x_J' is, for given x_J, the noiseless reconstruction of J'
    plus noise of mean zero; the expectation is E mean |f(x_J) - E x_J'|^2 plus the variance of
    x_J'. So f learns to remove the noise; artefacts of too few data in the target stay.

    The batch is that of :func:`sub_reconstructions`, (batch, K, y, x), computed once before.
    :meth:`reconstruct` is the reconstruction after training.

    Args:
        denoise: static; (module, images (batch, y, x)) -> images.
        strategy: static; "1:X" has one split as the input and K - 1 as the target, "X:1" the other
            way round, which has more noise in the target and is what the paper recommends.

    Raises:
        ValueError: an unknown strategy, fewer than two splits.

    Source: Hendriksen, Pelt and Batenburg 2020, doi:10.1109/TCI.2020.3019647.
    """

    denoise: Callable[[Any, jax.Array], jax.Array] = static()
    strategy: str = static(default="X:1")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.strategy, ("X:1", "1:X"), what="Noise2Inverse", argument="strategy")

    def __call__(self, module: Any, batch: jax.Array, key: jax.Array) -> jax.Array:
        one = jax.random.randint(key, batch.shape[:1], 0, self._splits(batch))
        source, target = self._pair(batch, one)
        return mean_square(self.denoise(module, source), target)

    def reconstruct(self, module: Any, parts: jax.Array) -> jax.Array:
        """Mean over j of f(x_J), J = {j} or all others: (batch, K, y, x) to (batch, y, x)."""
        splits, batch = self._splits(parts), len(parts)
        sources = [self._pair(parts, jnp.full(batch, j))[0] for j in range(splits)]
        out = self.denoise(module, jnp.concatenate(sources))
        return out.reshape(splits, batch, *out.shape[1:]).mean(axis=0)

    def _pair(self, parts: jax.Array, one: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(input, target) for the split that is alone, (batch,)."""
        alone = jax.vmap(lambda p, j: p[j])(parts, one)
        others = (parts.sum(axis=1) - alone) / (parts.shape[1] - 1)
        return (others, alone) if self.strategy == "X:1" else (alone, others)

    def _splits(self, parts: jax.Array) -> int:
        if parts.ndim != 4 or parts.shape[1] < 2:
            raise ValueError(
                "Noise2Inverse expected reconstructions of two or more splits, (batch, K, y, x), "
                f"got the shape {parts.shape}; sub_reconstructions makes them."
            )
        return parts.shape[1]
