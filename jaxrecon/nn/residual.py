"""The residual block that U-Nets are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from jaxrecon.nn.activation import as_activation
from jaxrecon.nn.convolution import Convolution, activated
from jaxrecon.nn.normalisation import GroupNormalisation


class ResidualBlock(nnx.Module):
    """x + C_2 s(N C_1 x), 3x3, with the second convolution near zero at the start.

    Args:
        features: channels.
        dims: axes of an image, 2 or 3.
        bias: whether the convolutions have one. Without, and with relu, the block is homogeneous of
            degree one, f(c x) = c f(x) for c > 0.
        groups: N is :class:`GroupNormalisation` with so many groups; None for no normalisation.
        activation: s, of each value; static, so give the same function every time, or a module.
            `jax.nn.silu`, `softplus` and `gelu` are smooth and `elu` has a continuous derivative,
            as has then the network. Only relu and its leaky forms are homogeneous.
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
        activation: Callable = jax.nn.relu,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"dims": dims, "bias": bias, "rngs": rngs}
        self.first = Convolution(features, features, **options)
        self.second = Convolution(features, features, scale=0.1, **options)
        self.norm = None if groups is None else GroupNormalisation(features, groups)
        self.activation = as_activation(activation)

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.norm is None:
            y = activated(self.first, self.activation, x)
        else:
            y = self.activation(self.norm(self.first(x)))
        return x + self.second(y)
