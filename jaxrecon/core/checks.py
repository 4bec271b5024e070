"""Errors for wrong shapes and dtypes, raised while tracing, so that they cost nothing under jit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Space = Any
"""A `jax.ShapeDtypeStruct`, or a pytree (tuples, for hashability) of them."""


def struct(shape: int | tuple[int, ...], dtype: Any = None) -> jax.ShapeDtypeStruct:
    """The space of arrays of one shape and dtype (float32 when no dtype is given)."""
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    dtype = jnp.float32 if dtype is None else dtype
    return jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(dtype))


def struct_of(x: Any) -> Space:
    """The space that the array, or pytree of arrays, `x` lives in."""
    return jax.tree.map(lambda a: struct(np.shape(a), _dtype(a)), x)


def _dtype(a: Any) -> Any:
    dtype = a.dtype if hasattr(a, "dtype") else np.asarray(a).dtype
    return jax.dtypes.canonicalize_dtype(dtype)


def describe(space: Space) -> str:
    """A space as text: ``float32[64,64]``, or a tuple of such."""
    if hasattr(space, "shape") and hasattr(space, "dtype"):
        return f"{space.dtype}[{','.join(map(str, space.shape))}]"
    if isinstance(space, tuple | list):
        return "(" + ", ".join(describe(s) for s in space) + ")"
    return str(space)


def is_complex(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.complexfloating)


def _is_integer(dtype: Any) -> bool:
    return not jnp.issubdtype(dtype, jnp.inexact)


def real_dtype(dtype: Any) -> Any:
    """float32 for complex64 and float32, float64 for complex128 and float64."""
    return jnp.finfo(dtype).dtype


def complex_dtype(dtype: Any) -> Any:
    """complex64 for float32 and complex64, complex128 for float64 and complex128."""
    return jnp.result_type(dtype, jnp.complex64)


def check_space(x: Any, space: Space, *, what: str, argument: str = "x") -> None:
    """Raise unless `x` is exactly one element of `space`.

    Raises:
        ValueError: wrong tree structure or shape.
        TypeError: wrong dtype. Precision is not converted silently either.
    """
    got = struct_of(x)
    if jax.tree.structure(got) != jax.tree.structure(space):
        raise ValueError(
            f"{what} expected {argument} with the structure {describe(space)}, got {describe(got)}."
        )
    for leaf, expected in zip(jax.tree.leaves(got), jax.tree.leaves(space), strict=True):
        _check_leaf(leaf, expected, what, argument)


def _check_leaf(got: Any, expected: Any, what: str, argument: str) -> None:
    message = f"{what} expected {argument} of {describe(expected)}, got {describe(got)}"
    if got.shape != expected.shape:
        if got.shape[1:] == expected.shape:
            cause = "It looks like a batch: use jax.vmap over the leading axis."
        elif got.shape[::-1] == expected.shape:
            cause = "The axes look reversed."
        elif np.prod(got.shape) == np.prod(expected.shape):
            cause = "The sizes agree: reshape it first."
        else:
            cause = "Was the operator made for another size?"
        raise ValueError(f"{message}. {cause}")
    if got.dtype != expected.dtype:
        if is_complex(got.dtype) and not is_complex(expected.dtype):
            cause = "It is real-valued: pass x.real, or build it with a complex dtype."
        elif is_complex(expected.dtype) != is_complex(got.dtype) or _is_integer(got.dtype):
            cause = f"Convert with x.astype({expected.dtype})."
        else:
            cause = "Build it with that dtype, or convert x; precision is never changed silently."
        raise TypeError(f"{message}. {cause}")


def check_real(x: Any, *, what: str, argument: str) -> None:
    """Raise TypeError when `x` is complex where only real values make sense."""
    if is_complex(_dtype(x)):
        raise TypeError(
            f"{what} expected a real {argument}, got {describe(struct_of(x))}. "
            "Pass its real part or its magnitude, whichever you mean."
        )


def check_inexact(x: Any, *, what: str, argument: str) -> None:
    """Raise TypeError when `x` is of integers, which overflow, and to which results are rounded."""
    if _is_integer(_dtype(x)):
        raise TypeError(
            f"{what} expected floating-point {argument}, got {describe(struct_of(x))}. Convert "
            "with astype(jnp.float32); images of 8 bits have values up to 255."
        )


def check_nonnegative(x: Any, *, what: str, argument: str, cause: str = "") -> None:
    """Raise ValueError when a concrete `x` has a negative value; a traced one is not looked at."""
    if isinstance(x, Tracer):
        return
    least = np.min(np.asarray(x), initial=0)
    if not least >= 0:
        raise ValueError(
            f"{what} expected {argument} >= 0, got a minimum of {least}. {cause}".strip()
        )


def check_no_nan(x: Any, *, what: str, argument: str) -> None:
    """Raise ValueError when a concrete `x` holds NaN; traced values are not looked at."""
    for leaf in jax.tree.leaves(x):
        if not isinstance(leaf, Tracer) and np.any(np.isnan(np.asarray(leaf))):
            raise ValueError(
                f"{what} expected numbers in {argument}, got NaN. Are there dead detectors or "
                "divisions by zero in the data? Weights of 0 leave single data out."
            )


def check_weights(weights: Any, *, what: str) -> None:
    """Raise unless concrete weights are real, >= 0 and not NaN; None has none."""
    for leaf in jax.tree.leaves(weights):
        check_real(leaf, what=what, argument="weights")
        check_no_nan(leaf, what=what, argument="weights")
        check_nonnegative(leaf, what=what, argument="weights", cause="They are inverse variances.")


def check_data(data: Any, space: Any, *, what: str) -> None:
    """Raise unless data are an element of the space, and, where concrete, free of NaN."""
    check_space(data, space, what=what, argument="data")
    check_no_nan(data, what=what, argument="data")


def check_positive_int(n: Any, *, what: str, argument: str) -> int:
    """`n` as an int, or ValueError unless it is a whole number of at least 1."""
    if isinstance(n, bool) or int(n) != n or n < 1:
        raise ValueError(f"{what} expected a positive whole number for {argument}, got {n!r}.")
    return int(n)


def check_choice(value: Any, choices: tuple, *, what: str, argument: str) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{what} expected {argument} to be one of {choices}, got {value!r}.")
