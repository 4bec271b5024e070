"""Sums of losses."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.pytree import Pytree


class WeightedLosses(Pytree):
    """sum_i w_i loss_i(module, batch, key_i), all of the same batch.

    Args:
        weights: w_i, traced.
        losses: as many losses that are pytrees.

    Raises:
        ValueError: as many weights as losses are needed.
    """

    weights: tuple
    losses: tuple

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.weights) != len(self.losses):
            raise ValueError(
                f"WeightedLosses needs one weight for each loss, got {len(self.weights)} weights "
                f"for {len(self.losses)} losses."
            )

    def __call__(self, module: Any, batch: Any, key: jax.Array) -> jax.Array:
        keys = jax.random.split(key, len(self.losses))
        terms = zip(self.weights, self.losses, keys, strict=True)
        return sum(w * loss(module, batch, k) for w, loss, k in terms)  # type: ignore[return-value]
