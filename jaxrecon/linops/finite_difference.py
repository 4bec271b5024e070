"""Forward differences and their adjoint: the discrete gradient and divergence."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.lax import slice_in_dim

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_choice, real_dtype
from jaxrecon.linops.coefficients import as_axes, as_shape, inexact_dtype

Boundary = Literal["replicate", "periodic", "zero"]
BOUNDARIES = ("replicate", "periodic", "zero")


def gradient(
    x: Any,
    axes: tuple[int, ...] | None = None,
    *,
    boundary: Boundary = "replicate",
    spacing: Any = 1.0,
) -> jax.Array:
    r"""Forward differences (D_a x)[n] = (x[n + e_a] - x[n]) / h_a along each axis a.

    Args:
        x: image, real or complex, any number of axes.
        axes: axes to differentiate along; all by default.
        boundary: the value after the last one along an axis: 'replicate' the last (the difference
            is 0 there, Neumann), 'periodic' the first, 'zero' 0 (Dirichlet).
        spacing: h, sample distance (mm, say), a scalar or one for each axis; traced.

    Returns:
        Array of shape (len(axes), *x.shape), in the dtype of x.

    Raises:
        ValueError: an unknown boundary, or an axis out of range.
    """
    check_choice(boundary, BOUNDARIES, what="gradient", argument="boundary")
    x = jnp.asarray(x)
    axes = as_axes(axes, x.ndim, what="gradient")
    rates = _rates(spacing, len(axes), x.dtype)
    parts = [(_next(x, a, boundary) - x) * rates[i] for i, a in enumerate(axes)]
    return jnp.stack(parts)


def divergence(
    p: Any,
    axes: tuple[int, ...] | None = None,
    *,
    boundary: Boundary = "replicate",
    spacing: Any = 1.0,
) -> jax.Array:
    r"""The discrete divergence, div = -D^H of :func:`gradient` with the same arguments, exactly.

    Args:
        p: field of shape (len(axes), *shape).
        axes: axes of the image, not counting axis 0 of p; all by default.
        boundary: as in :func:`gradient`.
        spacing: as in :func:`gradient`.

    Returns:
        Image of shape p.shape[1:], in the dtype of p.

    Raises:
        ValueError: an unknown boundary, an axis out of range, or other than one component an axis.
    """
    check_choice(boundary, BOUNDARIES, what="divergence", argument="boundary")
    p = jnp.asarray(p)
    axes = as_axes(axes, p.ndim - 1, what="divergence")
    if p.shape[0] != len(axes):
        raise ValueError(
            f"divergence expected one component for each of {len(axes)} axes along axis 0, got "
            f"the shape {p.shape}."
        )
    rates = _rates(spacing, len(axes), p.dtype)
    total = jnp.zeros(p.shape[1:], p.dtype)
    for i, a in enumerate(axes):
        q = p[i] * rates[i]
        total = total + (q if boundary != "replicate" else _without_last(q, a))
        total = total - _previous(q, a, boundary)
    return total


def _rates(spacing: Any, n: int, dtype: Any) -> jax.Array:
    return 1 / jnp.broadcast_to(jnp.asarray(spacing, real_dtype(dtype)), (n,))


def _next(x: jax.Array, axis: int, boundary: Boundary) -> jax.Array:
    n = x.shape[axis]
    end = slice_in_dim(x, 0, 1, axis=axis)
    if boundary == "replicate":
        end = slice_in_dim(x, n - 1, n, axis=axis)
    elif boundary == "zero":
        end = jnp.zeros_like(end)
    return jnp.concatenate([slice_in_dim(x, 1, n, axis=axis), end], axis)


def _previous(q: jax.Array, axis: int, boundary: Boundary) -> jax.Array:
    n = q.shape[axis]
    start = slice_in_dim(q, n - 1, n, axis=axis)
    start = start if boundary == "periodic" else jnp.zeros_like(start)
    return jnp.concatenate([start, slice_in_dim(q, 0, n - 1, axis=axis)], axis)


def _without_last(q: jax.Array, axis: int) -> jax.Array:
    n = q.shape[axis]
    kept = slice_in_dim(q, 0, n - 1, axis=axis)
    return jnp.concatenate([kept, jnp.zeros_like(slice_in_dim(q, 0, 1, axis=axis))], axis)


class FiniteDifference(LinearOperator):
    r"""D x = forward differences along some axes, of shape (len(axes), *shape); D^H = -div.

    The operator of total variation, in any number of dimensions. `norm_bound` bounds \|\|D\|\| and
    gives primal-dual step sizes, tau sigma \|\|D\|\|^2 <= 1, without a power method.

    Args:
        shape: shape of the image.
        axes: axes to differentiate along; all by default.
        boundary: 'replicate' (default), 'periodic' or 'zero', see :func:`gradient`.
        spacing: sample distance, a scalar or one for each axis, positive; traced.
        dtype: dtype of x, float32 by default.

    Raises:
        ValueError: an unknown boundary, an axis out of range or named twice, a spacing that is not
            positive (where its value is known) or not one number an axis.

    Source: Chambolle 2004, doi:10.1023/B:JMIV.0000011325.36760.1e.
    """

    shape: tuple[int, ...] = static()
    axes: tuple[int, ...] | None = static(default=None)
    boundary: Boundary = static(default="replicate")
    spacing: Any = 1.0
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="FiniteDifference"))
        axes = as_axes(self.axes, len(self.shape), what="FiniteDifference")
        self._set("axes", axes)
        self._set("dtype", inexact_dtype(self.dtype, what="FiniteDifference"))
        check_choice(self.boundary, BOUNDARIES, what="FiniteDifference", argument="boundary")
        if np.shape(self.spacing) not in ((), (len(axes),)):
            raise ValueError(
                f"FiniteDifference expected a scalar spacing or one for each of {len(axes)} axes, "
                f"got the shape {np.shape(self.spacing)}."
            )
        leaves = jax.tree.leaves(self.spacing)
        if any(not isinstance(s, Tracer) and np.any(np.asarray(s) <= 0) for s in leaves):
            raise ValueError(f"FiniteDifference expected spacing > 0, got {self.spacing}.")
        spacing = jnp.asarray(self.spacing, real_dtype(self.dtype))
        self._set("spacing", jnp.broadcast_to(spacing, (len(axes),)))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return struct((len(self.axes or ()), *self.shape), self.dtype)

    def apply(self, x: Any) -> jax.Array:
        return gradient(x, self.axes, boundary=self.boundary, spacing=self.spacing)

    def adjoint(self, y: Any) -> jax.Array:
        return -divergence(y, self.axes, boundary=self.boundary, spacing=self.spacing)

    def norm_bound(self) -> jax.Array:
        r"""2 sqrt(sum_a 1 / h_a^2) >= \|\|D\|\|, a scalar; sqrt(8) for h = 1 in two dimensions."""
        return 2 * jnp.sqrt(jnp.sum(1 / self.spacing**2))

    def absolute_sums(self) -> tuple[jax.Array, jax.Array]:
        """Bounds of the sums of absolute weights in any row and any column, max_a 2 / h_a and
        sum_a 2 / h_a: scalars, so that steps made of them agree over the components of D x."""
        return jnp.max(2 / self.spacing), jnp.sum(2 / self.spacing)
