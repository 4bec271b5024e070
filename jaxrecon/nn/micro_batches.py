"""A network that works through a batch a few images at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class MicroBatched(nnx.Module):
    """network(x) for `size` images after the other, with the memory that so many images take.

    A network keeps many channels of every image of a batch for its gradient, a scheme only a few
    images. Here no more than `size` images are inside the network at a time: what they keep is
    computed again in the backward pass, and the gradients in the weights are added up. Inside a
    scheme with ``remat=True``, which computes its steps again anyway, that costs nothing twice:

        prox = nn.MicroBatched(nn.DnCNN(4, 32, rngs=rngs), size=4)
        module = nn.UnrolledProximalGradient(prox, steps=10, shared=True)

    Values and gradients are those of the network itself but for rounding, as the images of a batch
    do not see each other. On accelerators choose `size` large enough to fill the device.

    Args:
        network: (batch, y, x, channel) to (batch, y, x, channel), or with z; each image by itself.
        size: images at a time. If it does not divide the batch, the rest goes last.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, network: nnx.Module, size: int):
        if size < 1:
            raise ValueError(f"MicroBatched: size must be at least 1 image, got {size}.")
        self.network = network
        self.size = size

    def __call__(self, x: jax.Array) -> jax.Array:
        graph, state = nnx.split(self.network)

        def apply(x: jax.Array) -> jax.Array:
            return nnx.merge(graph, state)(x)

        rest = len(x) % self.size
        parts = x[: len(x) - rest].reshape(-1, self.size, *x.shape[1:])
        y = jax.lax.map(jax.checkpoint(apply, prevent_cse=False), parts)
        y = y.reshape(-1, *y.shape[2:])
        return jnp.concatenate([y, jax.checkpoint(apply)(x[len(x) - rest :])]) if rest else y
