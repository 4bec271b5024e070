"""What every network shares: images in and out, and stacks of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx


def on_images(network: Callable, images: jax.Array, *maps: Any) -> jax.Array:
    """Apply a network of (batch, y, x, channel) to images (..., y, x).

    Args:
        network: module or function with one output channel.
        images: real (..., y, x); leading axes are a batch.
        maps: further input channels, each a number, one value per image (...), or an image
            (..., y, x), e.g. the noise level of each image.

    Returns:
        (..., y, x), of the dtype of `images`.

    Raises:
        ValueError: fewer than two axes.
    """
    if images.ndim < 2:
        raise ValueError(f"on_images expected images (..., y, x), got the shape {images.shape}.")
    batch = images.reshape(-1, *images.shape[-2:])
    channels = [batch]
    for extra in maps:
        extra = jnp.asarray(extra, images.dtype)
        if extra.shape == images.shape[:-2]:
            extra = extra[..., None, None]
        channels.append(jnp.broadcast_to(extra, images.shape).reshape(batch.shape))
    out = network(jnp.stack(channels, axis=-1))
    return out[..., 0].reshape(images.shape)


class Normalised(nnx.Module):
    """A network made equivariant to brightness and contrast: mu + s network((x - mu) / s).

    mu and s are mean and standard deviation of the first channel over the image (s at least
    `floor`); further channels, such as noise levels, are divided by s. What is learned on one
    contrast then holds for all.

    Args:
        network: (batch, y, x, channel) to one channel.
        floor: smallest s, in the units of the image.

    Source: the normalisation of the U-Nets in Sriram et al., End-to-end variational networks,
    doi:10.1007/978-3-030-59713-9_7.
    """

    def __init__(self, network: nnx.Module, floor: float = 1e-2):
        self.network = network
        self.floor = floor

    def __call__(self, x: jax.Array) -> jax.Array:
        image = x[..., :1]
        mean = image.mean(axis=(1, 2), keepdims=True)
        scale = jnp.sqrt(image.var(axis=(1, 2), keepdims=True) + self.floor**2)
        shifted = jnp.concatenate([image - mean, x[..., 1:]], axis=-1) / scale
        return mean + scale * self.network(shifted)  # type: ignore[operator]


def stacked(make: Callable[[nnx.Rngs], nnx.Module], count: int, key: jax.Array) -> Any:
    """`count` networks with weights of their own, stacked along axis 0, to be scanned over.

    Args:
        make: rngs -> module, e.g. ``lambda rngs: UNet(rngs=rngs)``.
        count: how many.
        key: JAX key, split among them.
    """
    return jax.vmap(lambda k: make(nnx.Rngs(k)))(jax.random.split(key, count))


def parameter_count(module: Any) -> int:
    """Number of trainable scalars (`nnx.Param`) of a module or stack of modules."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
