"""Fast Walsh-Hadamard transforms, as products with small Hadamard matrices."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import check_choice
from jaxrecon.core.products import tensordot

Ordering = Literal["natural", "sequency"]

_RADIX = 64  # the largest Hadamard matrix that is applied as one dense product


def _check_length(n: int, what: str) -> None:
    if n < 1 or n & (n - 1):
        raise ValueError(f"{what} needs axes whose length is a power of two, got {n}.")


def sequency_order(n: int) -> np.ndarray:
    """Row of the natural Hadamard matrix that has k sign changes, for k = 0 ... n - 1.

    The bit reversal of the Gray code of k (Beauchamp, Walsh Functions and Their Applications,
    1975). int32, shape (n,), n a power of two.
    """
    _check_length(n, "sequency_order")
    bits = n.bit_length() - 1
    k = np.arange(n)
    gray = k ^ (k >> 1)
    reverse = np.zeros(n, np.int32)
    for b in range(bits):
        reverse |= (((gray >> b) & 1) << (bits - 1 - b)).astype(np.int32)
    return reverse


@lru_cache
def hadamard_matrix(n: int, ordering: Ordering = "sequency") -> np.ndarray:
    """The n x n matrix of +1 and -1 with H H^T = n I; symmetric in both orderings. int8."""
    _check_length(n, "hadamard_matrix")
    check_choice(ordering, ("natural", "sequency"), what="hadamard_matrix", argument="ordering")
    matrix = np.ones((1, 1), np.int8)
    while len(matrix) < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    matrix = matrix if ordering == "natural" else matrix[sequency_order(n)]
    matrix.setflags(write=False)
    return matrix


def walsh_hadamard(x: Any, axis: int = -1, ordering: Ordering = "sequency") -> jax.Array:
    r"""Orthonormal Walsh-Hadamard transform along one axis, y = H x / sqrt(n), its own inverse.

    H_n is the Kronecker product of Hadamard matrices of at most 64 rows, each applied as one
    matrix product: n log_64(n) products of vectors of 64 run at the speed of the matrix units,
    where butterflies run at the speed of memory.

    Args:
        x: real or complex array; the axis has a power of two as its length n.
        axis: the axis to transform.
        ordering: 'natural' (Sylvester's recursion) or 'sequency' (by number of sign changes).

    Returns:
        Array of the shape and dtype of x (integers become float32).

    Raises:
        ValueError: n is no power of two, or an unknown ordering.
    """
    x = jnp.asarray(x)
    x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.float32)
    n = x.shape[axis]
    _check_length(n, "walsh_hadamard")
    check_choice(ordering, ("natural", "sequency"), what="walsh_hadamard", argument="ordering")
    if n <= _RADIX:
        return _product(x, hadamard_matrix(n, ordering), axis)
    axis = axis % x.ndim
    factors = []
    while n > 1:
        factors.append(min(n, _RADIX))
        n //= factors[-1]
    y = x.reshape(*x.shape[:axis], *factors, *x.shape[axis + 1 :])
    for i, factor in enumerate(factors):
        y = _product(y, hadamard_matrix(factor, "natural"), axis + i)
    y = y.reshape(x.shape)
    if ordering == "sequency":
        y = jnp.take(y, sequency_order(x.shape[axis]), axis=axis)
    return y


def _product(x: jax.Array, matrix: np.ndarray, axis: int) -> jax.Array:
    scaled = jnp.asarray(matrix / math.sqrt(len(matrix)), dtype=x.dtype)
    y = tensordot(x, scaled, axes=((axis,), (1,)))
    return jnp.moveaxis(y, -1, axis)


class WalshHadamard(LinearOperator):
    """Orthonormal Walsh-Hadamard transform over some axes of an array; symmetric, H H = I.

    Over two axes in 'sequency' ordering this is the 2-D Walsh transform of single-pixel imaging:
    the coefficient (u, v) has u sign changes along y and v along x.

    Args:
        shape: shape of the array; transformed axes have powers of two as lengths.
        axes: the axes transformed; all by default.
        ordering: 'natural' or 'sequency', along each axis.
        dtype: float32 by default; complex dtypes are allowed.

    Raises:
        ValueError: a length that is no power of two, an axis out of range, an unknown ordering.
    """

    shape: tuple[int, ...] = static()
    axes: tuple[int, ...] | None = static(default=None)
    ordering: Ordering = static(default="sequency")
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", tuple(self.shape))
        axes = range(len(self.shape)) if self.axes is None else self.axes
        if any(not -len(self.shape) <= a < len(self.shape) for a in axes):
            raise ValueError(f"WalshHadamard: axes {tuple(axes)} out of range for {self.shape}.")
        self._set("axes", tuple(a % len(self.shape) for a in axes))
        self._set("dtype", jnp.dtype(self.dtype))
        for axis in self.axes or ():
            _check_length(self.shape[axis], "WalshHadamard")
        check_choice(
            self.ordering, ("natural", "sequency"), what="WalshHadamard", argument="ordering"
        )
        super().__post_init__()

    @property
    def domain(self) -> Any:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Any:
        return self.domain

    def apply(self, x: Any) -> jax.Array:
        for axis in self.axes or ():
            x = walsh_hadamard(x, axis, self.ordering)
        return x

    def adjoint(self, y: Any) -> jax.Array:
        return self.apply(y)

    def normal(self, x: Any) -> jax.Array:
        return x
