"""Checks shared by operators that hold arrays and name axes: what they accept, in plain words."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int, describe, struct_of


def as_coefficients(value: Any, *, what: str, argument: str) -> jax.Array:
    """`value` as a real or complex array, or TypeError when it holds integers or booleans."""
    value = jnp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        raise TypeError(
            f"{what} expected {argument} to be real or complex numbers, got "
            f"{describe(struct_of(value))}. Convert with {argument}.astype(jnp.float32), or "
            "whichever precision the images have."
        )
    return value


def element_dtype(dtype: Any, coefficients: Any, *, what: str, argument: str) -> Any:
    """The dtype of the images: `dtype`, or that of the coefficients when it is None.

    Raises:
        TypeError: `dtype` could not hold the products with the coefficients.
    """
    own = jnp.result_type(coefficients)
    if dtype is None:
        return jax.dtypes.canonicalize_dtype(own)
    dtype = inexact_dtype(dtype, what=what)
    if jnp.result_type(own, dtype) != dtype:
        raise TypeError(
            f"{what} of {own} {argument} would turn images of {dtype} into "
            f"{jnp.result_type(own, dtype)}; convert {argument}, or build it with that dtype."
        )
    return dtype


def inexact_dtype(dtype: Any, *, what: str) -> Any:
    """`dtype` as this process has it (float64 needs x64), float32 for None.

    Raises:
        TypeError: neither real nor complex floating.
    """
    dtype = jnp.float32 if dtype is None else dtype
    if not jnp.issubdtype(dtype, jnp.inexact):
        raise TypeError(f"{what} expected a real or complex floating dtype, got {dtype!r}.")
    return jax.dtypes.canonicalize_dtype(dtype)


def as_shape(shape: Any, *, what: str, argument: str = "shape") -> tuple[int, ...]:
    """A shape as a tuple of positive ints, or ValueError."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return tuple(check_positive_int(n, what=what, argument=argument) for n in shape)


def as_axes(axes: Any, ndim: int, *, what: str) -> tuple[int, ...]:
    """Axes as distinct non-negative ints (all of them for None), or ValueError."""
    if axes is None:
        return tuple(range(ndim))
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    if any(not -ndim <= a < ndim for a in axes):
        raise ValueError(f"{what} expected axes within an array of {ndim} axes, got {axes}.")
    axes = tuple(a % ndim for a in axes)
    if len(set(axes)) != len(axes) or not axes:
        raise ValueError(f"{what} expected at least one axis, each named once, got {axes}.")
    return axes
