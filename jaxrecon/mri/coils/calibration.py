"""The fully sampled centre of k-space, and its patches, from which coils are calibrated."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int, is_complex


def calibration_region(kspace: Any, size: int | tuple[int, ...]) -> jax.Array:
    """The centre of Cartesian k-space, about its origin at entry n // 2 along each axis.

    Args:
        kspace: (coil, y, x) or (coil, z, y, x), fully sampled in the region.
        size: samples along each axis, or one number for all; an axis shorter than that is kept.

    Returns:
        (coil, *region), with the origin at entry m // 2.

    Raises:
        ValueError: sizes that are not positive, or not one for each axis.
    """
    what = "calibration_region"
    kspace = jnp.asarray(kspace)
    for axis, m in enumerate(per_axis(size, kspace.ndim - 1, what=what, argument="size"), 1):
        n = kspace.shape[axis]
        if m < n:
            kspace = jax.lax.slice_in_dim(kspace, n // 2 - m // 2, n // 2 - m // 2 + m, axis=axis)
    return kspace


def patches(calibration: jax.Array, kernel: tuple[int, ...]) -> jax.Array:
    """All windows of the region as columns, (coil * kernel entries, windows).

    The transpose of the calibration matrix of GRAPPA, SPIRiT and ESPIRiT.
    """
    x = calibration
    for axis, k in reversed(list(enumerate(kernel, 1))):
        starts = jnp.arange(x.shape[axis] - k + 1)
        x = jnp.take(x, jnp.arange(k)[:, None] + starts, axis=axis)
    d = len(kernel)  # the axes of x: coil, entry, window, entry, window, ...
    order = (0, *range(1, 2 * d, 2), *range(2, 2 * d + 1, 2))
    rows = calibration.shape[0]
    for k in kernel:
        rows *= k
    return x.transpose(order).reshape(rows, -1)


def per_axis(value: Any, ndim: int, *, what: str, argument: str) -> tuple[int, ...]:
    """One positive int for each axis, from one for all or from a sequence."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * ndim
    if len(values) != ndim:
        raise ValueError(
            f"{what} expected one {argument}, or one for each of {ndim} axes, got {value!r}."
        )
    return tuple(check_positive_int(n, what=what, argument=argument) for n in values)


def complex_coils(x: Any, *, what: str, argument: str, axes: str) -> jax.Array:
    """`x` as a complex array with a leading axis of coils, or an error.

    Raises:
        ValueError: fewer axes than coil and one more.
        TypeError: not complex.
    """
    x = jnp.asarray(x)
    if x.ndim < 2:
        raise ValueError(f"{what} expected {argument} of shape {axes}, got {x.shape}.")
    if not is_complex(x.dtype):
        raise TypeError(
            f"{what} expected complex {argument}, got {x.dtype}. Were the phases taken off?"
        )
    return x
