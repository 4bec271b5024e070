"""Mixed precision: convolutions compute in a short format, everything else stays as it is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.nn.convolution import Convolution


def in_precision(module: Any, dtype: Any) -> Any:
    """The module, changed in place so that its convolutions compute in `dtype`, e.g. bfloat16.

    Images and kernels are rounded to it on the way into each :class:`jaxrecon.nn.Convolution`, also
    those that change the resolution (but not in filter banks of learned functionals), and the
    result gets the dtype of the images again. Operators, norms, losses, weights, gradients and
    the state of the optimiser keep their precision, which is what reconstruction needs: data
    consistency in bfloat16, with its 8 bits, would be worth nothing.

    Args:
        module: NNX module, or pytree of them.
        dtype: real floating point; None changes nothing. It replaces that of a call before.

    Raises:
        TypeError: no real floating point dtype.
        ValueError: the module has no such convolution.
    """
    if dtype is None:
        return module
    dtype = _floating(dtype)
    layers = [node for _, node in nnx.iter_graph(module) if isinstance(node, Convolution)]
    if not layers:
        raise ValueError(
            f"precision = {dtype} would change nothing: {type(module).__name__} has no "
            "jaxrecon.nn.Convolution, which alone computes in it. Was it built of nnx.Conv? That "
            "has a `dtype` of its own."
        )
    for layer in layers:
        layer.__class__ = _short(getattr(type(layer), "in_full", type(layer)), dtype)
    return module


def _floating(precision: Any) -> Any:
    """As a dtype; TypeError unless it is of real floating point."""
    try:
        dtype = jnp.dtype(precision)
    except TypeError:
        dtype = None
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            "precision must be a real floating point dtype, such as jnp.bfloat16, or None, got "
            f"{precision!r}."
        )
    return dtype


@lru_cache
def _short(layer: type[Convolution], dtype: Any) -> type[Convolution]:
    class ShortConvolution(layer):
        """A convolution that computes in another dtype than that of its images."""

        in_full = layer
        """what it is a short form of"""

        def __call__(self, x: jax.Array, *args: Any, **options: Any) -> jax.Array:
            return super().__call__(x.astype(dtype), *args, **options).astype(x.dtype)

    return ShortConvolution
