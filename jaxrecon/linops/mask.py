"""Measuring some entries only: as an image with holes, or as a list of samples."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space
from jaxrecon.linops.coefficients import as_shape, inexact_dtype
from jaxrecon.linops.diagonal import check_broadcast


class Mask(LinearOperator):
    """y = x where the mask is True and 0 elsewhere: an orthogonal projection, P = P^H = P P.

    The result keeps the shape of the image, so the mask may change without compiling again.
    Use :class:`Sample` for a list of the measured entries, :class:`Diagonal` for soft weights.

    Args:
        mask: boolean array, traced; broadcasts to `shape`.
        shape: shape of x; that of the mask by default.
        dtype: dtype of x, float32 by default.

    Raises:
        TypeError: a mask that is not boolean, or a dtype that is not floating.
        ValueError: a mask that does not broadcast to the shape.
    """

    mask: jax.Array
    shape: tuple[int, ...] | None = static(default=None)
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("mask", jnp.asarray(self.mask))
        if self.mask.dtype != bool:
            raise TypeError(
                f"Mask expected a boolean mask, got {self.mask.dtype}. Pass mask > 0 for zeros and "
                "ones; for weights use Diagonal, for positions use Sample."
            )
        shape = self.mask.shape if self.shape is None else self.shape
        self._set("shape", as_shape(shape, what="Mask"))
        check_broadcast(self.mask, self.shape or (), what="Mask", argument="a mask")
        self._set("dtype", inexact_dtype(self.dtype, what="Mask"))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape or (), self.dtype)

    @property
    def codomain(self) -> Space:
        return self.domain

    def apply(self, x: Any) -> jax.Array:
        return jnp.where(self.mask, x, jnp.zeros((), self.dtype))

    def adjoint(self, y: Any) -> jax.Array:
        return self.apply(y)

    def normal(self, x: Any) -> jax.Array:
        return self.apply(x)


class Sample(LinearOperator):
    """y_i = x[indices_i], entries picked from the flattened image; the adjoint puts them back.

    An index may occur several times; its adjoint is then the sum. Distinct indices give
    S S^H = I, a tight frame.

    Args:
        indices: integers of shape (m,), traced, positions in the row-wise flattened image.
        shape: shape of x.
        dtype: dtype of x, float32 by default.

    Raises:
        TypeError: indices that are not integers.
        ValueError: indices without exactly one axis, or (where their values are known, i.e. not
            inside jit) outside of the image. Traced ones outside of the image count as absent.
    """

    indices: jax.Array
    shape: tuple[int, ...] = static()
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Sample"))
        self._set("dtype", inexact_dtype(self.dtype, what="Sample"))
        size = math.prod(self.shape)
        if not jnp.issubdtype(jnp.result_type(self.indices), jnp.integer):
            raise TypeError(
                f"Sample expected integer indices, got {jnp.result_type(self.indices)}. For a "
                "boolean mask pass jnp.flatnonzero(mask), or use Mask."
            )
        if np.ndim(self.indices) != 1:
            raise ValueError(
                f"Sample expected indices with one axis, got the shape {np.shape(self.indices)}. "
                "For pairs pass jnp.ravel_multi_index(pairs, shape)."
            )
        if not isinstance(self.indices, Tracer) and np.size(self.indices):
            values = np.asarray(self.indices)
            if values.min() < 0 or values.max() >= size:
                raise ValueError(
                    f"Sample expected indices from 0 to {size - 1} for the shape {self.shape}, "
                    f"got {values.min()} to {values.max()}."
                )
        self._set("indices", jnp.asarray(self.indices))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return struct(self.indices.shape, self.dtype)

    def apply(self, x: Any) -> jax.Array:
        return x.reshape(-1).at[self.indices].get(mode="fill", fill_value=0)

    def adjoint(self, y: Any) -> jax.Array:
        x = jnp.zeros(math.prod(self.shape), self.dtype).at[self.indices].add(y, mode="drop")
        return x.reshape(self.shape)

    def normal(self, x: Any) -> jax.Array:
        ones = jnp.ones(self.indices.shape, jnp.finfo(self.dtype).dtype)
        counts = (
            jnp.zeros(math.prod(self.shape), ones.dtype).at[self.indices].add(ones, mode="drop")
        )
        return counts.reshape(self.shape) * x
