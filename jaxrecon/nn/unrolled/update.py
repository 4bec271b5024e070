"""The small network that updates an iterate and its memory in learned iterative schemes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.nn.convolution import Convolution
from jaxrecon.nn.networks import stacked
from jaxrecon.nn.unrolled.scheme import networks_of


class UpdateNetwork(nnx.Module):
    """C_n prelu(... prelu(C_1 x)): 3x3 convolutions whose result is added to an iterate.

    The slopes of the parametric rectifiers are learned, one for each channel, from 0.

    Args:
        inputs, outputs: channels in and out.
        depth: number of convolutions, at least 2.
        features: channels between them.
        scale: factor on the last kernel; 0 makes the first update zero.
        rngs: random streams of Flax.

    (batch, y, x, inputs) to (batch, y, x, outputs).

    Raises:
        ValueError: fewer than two convolutions.

    Source: Adler and Oktem 2018, doi:10.1109/TMI.2018.2799231.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        depth: int = 3,
        features: int = 32,
        scale: float = 0.1,
        rngs: nnx.Rngs,
    ):
        if depth < 2:
            raise ValueError(f"UpdateNetwork: depth must be at least 2, got {depth}.")
        channels = (inputs, *(features,) * (depth - 1), outputs)
        self.layers = nnx.List(
            Convolution(a, b, scale=scale if i == depth - 1 else 1.0, rngs=rngs)
            for i, (a, b) in enumerate(pairwise(channels))
        )
        self.slopes = nnx.List(nnx.Param(jnp.zeros(features)) for _ in range(depth - 1))

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.layers[0](x)
        for slope, layer in zip(self.slopes, self.layers[1:], strict=True):
            y = layer(jnp.maximum(y, 0) + slope[...].astype(y.dtype) * jnp.minimum(y, 0))
        return y


def update_networks(
    make: Callable[[nnx.Rngs], nnx.Module],
    steps: int,
    shared: bool | Sequence[int],
    rngs: nnx.Rngs,
    *,
    what: str,
) -> Any:
    """The networks of an :class:`UnrolledScheme`: one if all steps share it, else a stack."""
    count = networks_of(steps, shared, what=what)
    return make(rngs) if shared is True else stacked(make, count, rngs.params())
