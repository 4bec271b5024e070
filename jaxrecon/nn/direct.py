"""Direct networks: an approximate inverse, then a network on the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core.products import matmul
from jaxrecon.nn.networks import on_images


class Frozen(nnx.Variable):
    """A variable that belongs to the network but is not trained."""


class AffineLayer(nnx.Module):
    """m -> W m + b as an image: the first layer of a direct network, free or frozen.

    Args:
        weights: (pixels, measurements), e.g. the matrix of the linear MMSE estimator.
        offset: (pixels,).
        shape: shape (y, x) of the image.
        free: whether W and b are trained; a frozen layer keeps the physics it was made from.

    Raises:
        ValueError: shapes that disagree; of a call, measurements of another length.
    """

    def __init__(self, weights: Any, offset: Any, shape: tuple[int, int], *, free: bool):
        weights, offset = jnp.asarray(weights), jnp.asarray(offset)
        pixels = (math.prod(shape),)
        if len(shape) != 2 or weights.ndim != 2 or not weights.shape[:1] == offset.shape == pixels:
            raise ValueError(
                "AffineLayer expected weights (pixels, measurements) and an offset (pixels,) of "
                f"images (y, x) = {shape}, got {weights.shape} and {offset.shape}."
            )
        kind = nnx.Param if free else Frozen
        self.weights = kind(weights)
        self.offset = kind(offset)
        self.shape = tuple(shape)

    def __call__(self, measurements: jax.Array) -> jax.Array:
        length = self.weights.shape[1]
        if jnp.shape(measurements)[-1:] != (length,):
            raise ValueError(
                f"AffineLayer expected measurements (..., {length}), got the shape "
                f"{jnp.shape(measurements)}."
            )
        flat = matmul(measurements, self.weights[...].T) + self.offset[...]
        return flat.reshape(*measurements.shape[:-1], *self.shape)


class DirectReconstruction(nnx.Module):
    """f = network(B m) with an approximate inverse B: pinvNET, compNET, FBPConvNet.

    With B the pseudo-inverse and a residual network this is pseudo-inverse + CNN; with B the
    linear MMSE estimator (statistical completion when there is no noise) it is compNET; with
    filtered backprojection it is FBPConvNet. B is either a layer of its own
    (:class:`AffineLayer`, free or frozen) or any function given at the call.

    Args:
        network: (batch, y, x, channel) to the same, one channel.
        first: layer measurements -> image that belongs to the network, or None.

    Source: Ducros et al., doi:10.1109/ISBI45749.2020.9098380; Jin et al.,
    doi:10.1109/TIP.2017.2713099.
    """

    def __init__(self, network: nnx.Module, first: nnx.Module | None = None):
        self.network = network
        self.first = first

    def __call__(self, measurements: Any, inverse: Callable | None = None) -> jax.Array:
        """Reconstruct a batch of measurements (batch, ...).

        Args:
            measurements: whatever B takes, with a leading batch axis.
            inverse: batch of measurements -> images (batch, y, x), e.g. ``jax.vmap(estimator)``;
                needed exactly when the network has no first layer.
        """
        if (inverse is None) == (self.first is None):
            raise ValueError(
                "DirectReconstruction needs one approximate inverse: a first layer at construction "
                "or `inverse` at the call, not both."
            )
        first = self.first if inverse is None else inverse
        return on_images(self.network, first(measurements))  # type: ignore[operator,misc]
