"""A dense matrix as an operator between images."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space
from jaxrecon.linops.coefficients import as_coefficients, as_shape, element_dtype


class Matrix(LinearOperator):
    r"""y = M x for a dense matrix M of shape (m, n), real or complex; images are flattened by rows.

    Products are made in the full precision of the dtype, also on accelerators whose default is
    lower; `precision` changes that.

    Args:
        matrix: M, traced, of shape (m, n).
        domain_shape: shape of x, with n entries; (n,) by default.
        codomain_shape: shape of y, with m entries; (m,) by default.
        dtype: dtype of x; that of the matrix by default. Complex x with a real M is allowed.
        precision: of the products, as in ``jax.numpy.matmul``.

    Raises:
        ValueError: the matrix has not two axes, or a shape does not have as many entries.
        TypeError: a matrix of integers, or a complex (or more precise) M for a real dtype.
    """

    matrix: jax.Array
    domain_shape: tuple[int, ...] | None = static(default=None)
    codomain_shape: tuple[int, ...] | None = static(default=None)
    dtype: Any = static(default=None)
    precision: Any = static(default=jax.lax.Precision.HIGHEST)

    def __post_init__(self) -> None:
        self._set("matrix", as_coefficients(self.matrix, what="Matrix", argument="matrix"))
        if self.matrix.ndim != 2:
            raise ValueError(f"Matrix expected two axes, got the shape {self.matrix.shape}.")
        sides = ("codomain_shape", "domain_shape")
        for name, size in zip(sides, self.matrix.shape, strict=True):
            shape = (size,) if getattr(self, name) is None else getattr(self, name)
            shape = as_shape(shape, what="Matrix", argument=name)
            if math.prod(shape) != size:
                raise ValueError(
                    f"Matrix expected {name} with {size} entries, as the matrix is "
                    f"{self.matrix.shape}, got {shape}."
                )
            self._set(name, shape)
        dtype = element_dtype(self.dtype, self.matrix, what="Matrix", argument="matrix")
        self._set("dtype", dtype)
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.domain_shape or (), self.dtype)

    @property
    def codomain(self) -> Space:
        return struct(self.codomain_shape or (), self.dtype)

    def apply(self, x: Any) -> jax.Array:
        y = jnp.matmul(self.matrix, x.reshape(-1), precision=self.precision)
        return y.reshape(self.codomain_shape)

    def adjoint(self, y: Any) -> jax.Array:
        # conj(conj(y)^T M) = M^H y, without a conjugated copy of M
        x = jnp.matmul(jnp.conj(y).reshape(-1), self.matrix, precision=self.precision)
        return jnp.conj(x).reshape(self.domain_shape)

    def absolute_sums(self) -> tuple[jax.Array, jax.Array]:
        """(sum_j |M_ij|, sum_i |M_ij|), in the shapes of the codomain and the domain."""
        size = jnp.abs(self.matrix)
        return size.sum(1).reshape(self.codomain_shape), size.sum(0).reshape(self.domain_shape)
