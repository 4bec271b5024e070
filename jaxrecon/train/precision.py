"""Mixed precision: convolutions compute in a short format, everything else stays as it is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.nn.convolution import Convolution

_SHORT = "ShortConvolution"


def in_precision(module: Any, dtype: Any) -> Any:
    """The module, changed in place so that its convolutions compute in `dtype`, e.g. bfloat16.

    Images and kernels are rounded to it on the way into each :class:`jaxrecon.nn.Convolution`, also
    those that change the resolution (but not in filter banks of learned functionals), and the
    result gets the dtype of the images again. Operators, norms, losses, weights, gradients and
    the state of the optimiser keep their precision, which is what reconstruction needs: data
    consistency in bfloat16, with its 8 bits, would be worth nothing.

    Args:
        module: NNX module, or pytree of them.
        dtype: real floating point; None changes nothing.
    """
    if dtype is not None:
        for _, node in nnx.iter_graph(module):
            if isinstance(node, Convolution) and type(node).__name__ != _SHORT:
                node.__class__ = _short(type(node), jnp.dtype(dtype))
    return module


@lru_cache
def _short(layer: type[Convolution], dtype: Any) -> type[Convolution]:
    class ShortConvolution(layer):
        """A convolution that computes in another dtype than that of its images."""

        def __call__(self, x: jax.Array, *args: Any, **options: Any) -> jax.Array:
            return super().__call__(x.astype(dtype), *args, **options).astype(x.dtype)

    return ShortConvolution
