"""Normalisation without batch statistics: of a layer's channels, or of a network's image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class GroupNormalisation(nnx.Module):
    r"""y_c = gain_c (x_c - mu_g) / sqrt(var_g + epsilon) + offset_c, for channels c of group g.

    Mean and variance are those of all pixels and channels of a group of one image, so that an
    image's result depends on that image alone, in training and after it. As many groups as channels
    is instance normalisation, one group is layer normalisation.

    Args:
        features: channels.
        groups: a divisor of it.
        epsilon: added to the variances.

    `x` has the shape (batch, y, x, features) or (batch, z, y, x, features).

    Raises:
        ValueError: groups that do not divide the channels.

    Source: Wu and He, Group normalization, doi:10.1007/978-3-030-01261-8_1.
    """

    def __init__(self, features: int, groups: int = 8, epsilon: float = 1e-5):
        if groups < 1 or features % groups:
            raise ValueError(
                f"GroupNormalisation: groups = {groups} must divide features = {features}."
            )
        self.gain = nnx.Param(jnp.ones(features))
        self.offset = nnx.Param(jnp.zeros(features))
        self.groups = groups
        self.epsilon = epsilon

    def __call__(self, x: jax.Array) -> jax.Array:
        grouped = x.reshape(x.shape[0], -1, self.groups, x.shape[-1] // self.groups)
        mean = grouped.mean(axis=(1, 3), keepdims=True)
        variance = grouped.var(axis=(1, 3), keepdims=True)
        unit = ((grouped - mean) * jax.lax.rsqrt(variance + self.epsilon)).reshape(x.shape)
        return self.gain[...].astype(x.dtype) * unit + self.offset[...].astype(x.dtype)


class Normalised(nnx.Module):
    """A network made equivariant to brightness and contrast: mu + s network((x - mu) / s).

    mu are the means of the image's channels and s their common standard deviation (at least
    `floor`); further channels, such as noise levels, are divided by s. What is learned on one
    contrast then holds for all.

    Args:
        network: (batch, y, x, channel) to as many channels as the image has; or with z.
        floor: smallest s, in the units of the image.
        channels: first channels of the input, which are the image; 2 for complex images.

    Raises:
        ValueError: at the first call, a network that returns another number of channels.

    Source: the normalisation of the U-Nets in Sriram et al., End-to-end variational networks,
    doi:10.1007/978-3-030-59713-9_7.
    """

    def __init__(self, network: nnx.Module, floor: float = 1e-2, channels: int = 1):
        self.network = network
        self.floor = floor
        self.channels = channels

    def __call__(self, x: jax.Array) -> jax.Array:
        space = tuple(range(1, x.ndim - 1))
        image = x[..., : self.channels]
        mean = image.mean(axis=space, keepdims=True)
        centred = image - mean
        variance = jnp.mean(centred**2, axis=(*space, -1), keepdims=True)
        scale = jnp.sqrt(variance + self.floor**2)
        shifted = jnp.concatenate([centred, x[..., self.channels :]], axis=-1) / scale
        y = self.network(shifted)  # type: ignore[operator]
        if y.shape[-1] != self.channels:
            raise ValueError(
                f"the normalised network returns {y.shape[-1]} channels of an image of "
                f"channels = {self.channels}. Build it with outputs={self.channels}."
            )
        return mean + scale * y
