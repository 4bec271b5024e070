"""The residual block that U-Nets are made of."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from jaxrecon.nn.convolution import Convolution
from jaxrecon.nn.normalisation import GroupNormalisation


class ResidualBlock(nnx.Module):
    """x + C_2 relu(N C_1 x), 3x3, with the second convolution near zero at the start.

    Args:
        features: channels.
        dims: axes of an image, 2 or 3.
        bias: whether the convolutions have one. Without, the block is homogeneous of degree one,
            f(c x) = c f(x) for c > 0.
        groups: N is :class:`GroupNormalisation` with so many groups; None for no normalisation.
        rngs: random streams of Flax.

    (batch, y, x, features) to the same, or with z before y for three axes.

    Raises:
        ValueError: other than 2 or 3 axes, groups that do not divide the features.
    """

    def __init__(
        self,
        features: int,
        *,
        dims: int = 2,
        bias: bool = True,
        groups: int | None = None,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"dims": dims, "bias": bias, "rngs": rngs}
        self.first = Convolution(features, features, **options)
        self.second = Convolution(features, features, scale=0.1, **options)
        self.norm = None if groups is None else GroupNormalisation(features, groups)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.first(x)
        if self.norm is not None:
            y = self.norm(y)
        return x + self.second(jax.nn.relu(y))
