"""What every network shares: images in and out, and stacks of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core.checks import check_inexact, check_real


def on_images(network: Callable, images: jax.Array, *maps: Any, dims: int = 2) -> jax.Array:
    """Apply a network of (batch, y, x, channel) to images (..., y, x).

    A complex image is two channels, real and imaginary part, on the way in and on the way out.

    Args:
        network: module or function; its first output channel is the result, or its first two where
            the images are complex.
        images: (..., y, x), real or complex; leading axes are a batch.
        maps: further input channels, each a real number, one value per image (...), an image
            (y, x), or images (..., y, x), whose axes may be 1; e.g. the noise level of each image.
        dims: axes of an image; 3 for volumes (..., z, y, x), whose networks take
            (batch, z, y, x, channel).

    Returns:
        as `images`, in shape and dtype.

    Raises:
        ValueError: fewer than `dims` axes, maps of another shape, or a network with too few output
            channels.
        TypeError: images of integers, complex maps.
    """
    if images.ndim < dims:
        axes = "(..., y, x)" if dims == 2 else "(..., z, y, x)"
        raise ValueError(f"on_images expected images {axes}, got the shape {images.shape}.")
    check_inexact(images, what="on_images", argument="images")
    is_complex = jnp.iscomplexobj(images)
    parts = [images.real, images.imag] if is_complex else [images]
    parts += [_as_map(extra, parts[0], dims) for extra in maps]
    channels = jnp.stack(parts, axis=-1)
    out = network(channels.reshape(-1, *channels.shape[-dims - 1 :]))
    needed = 2 if is_complex else 1
    if out.shape[-1] < needed:
        raise ValueError(
            f"on_images: {images.dtype} images need {needed} output channels, got {out.shape[-1]}; "
            "make the network with inputs=2 and outputs=2 for complex images."
        )
    out = jax.lax.complex(out[..., 0], out[..., 1]) if is_complex else out[..., 0]
    return out.reshape(images.shape)


def _as_map(extra: Any, images: jax.Array, dims: int) -> jax.Array:
    check_real(extra, what="on_images", argument="maps")
    extra = jnp.asarray(extra, images.dtype)
    batch, image = images.shape[:-dims], images.shape[-dims:]
    if extra.shape == batch:
        extra = extra.reshape(*batch, *(1,) * dims)
    elif extra.shape not in ((), image) and not _broadcasts(extra.shape, images.shape):
        raise ValueError(
            f"on_images expected maps of the shape (), {batch}, {image} or {images.shape} for "
            f"images {images.shape}, got {extra.shape}."
        )
    return jnp.broadcast_to(extra, images.shape)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """With all its axes, each as long or 1."""
    return len(shape) == len(to) and all(n in (1, m) for n, m in zip(shape, to, strict=True))


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
