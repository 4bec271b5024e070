"""Partial Fourier: a little more than half of k-space, for images whose phase is smooth."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import iterate
from jaxrecon.core.checks import check_positive_int, real_dtype
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri.coils.calibration import complex_coils
from jaxrecon.mri.coils.phase import phase
from jaxrecon.mri.direct.lattice import concrete_mask


def homodyne(kspace: Any, mask: Any, *, axis: int = -2) -> jax.Array:
    r"""x = Re(conj(p) F^-1 (W y)) p: samples weighted so that the missing ones are made up for.

    y is sampled from -h on along one axis; p is the phase of the image of the symmetric band
    |k| <= h (with a Hann window, against ringing). W is 2 above the band, 0 below, and a ramp
    1 + k / (h + 1) in it, so that W(k) + W(-k) = 2: if the true image is a real one times p, and
    the low-pass p is that phase, the missing half adds only an imaginary part, which is left out.

    Where the phase is not smooth use a wider band, or :func:`pocs`, which keeps the data.

    Args:
        kspace: (coil, *image) or (*image) with axes to the left, complex; the axes of the image are
            all but the first. What the mask leaves out is not looked at.
        mask: measured lines along the axis, (n,), or the mask of the image that changes along that
            axis only, boolean, not traced. One run that holds the origin, n // 2, and at least one
            sample on both its sides, up to one of the two ends.
        axis: static; of the partial sampling.

    Returns:
        Coil images, (coil, *image), complex: a real image (of any sign) times the phase p, ready
        for :func:`root_sum_of_squares` or :func:`roemer`.

    Raises:
        ValueError: a mask with holes, without the origin, or without a side that is complete.
        TypeError: a traced mask, one that is not boolean, real k-space.

    Source: Noll, Nishimura and Macovski 1991, doi:10.1109/42.79473.
    """
    what = "homodyne"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *image)")
    band = _band(mask, kspace.shape, axis, what)
    images = _other_axes(kspace, band.axis)
    low = _along(band.window, images, band.axis)
    weights = _along(band.ramp, images, band.axis)
    turn = phase(ifft_centred(low * images, (band.axis,)))
    return (turn.conj() * ifft_centred(weights * images, (band.axis,))).real * turn


def pocs(kspace: Any, mask: Any, *, axis: int = -2, iterations: int = 20) -> jax.Array:
    r"""Projections in turn onto images of the phase p and onto k-spaces that agree with the data.

    x <- Re(conj(p) x) p, then the measured samples of F x are set to the data again; p as in
    :func:`homodyne`. Both sets are convex (closed affine subspaces over the reals), so that the
    iterates converge to a common point if there is one; 10 to 20 suffice as a rule. The last
    step sets the data.

    Args:
        kspace, mask, axis: as for :func:`homodyne`.
        iterations: static.

    Returns:
        Coil images, (coil, *image), complex.

    Raises:
        ValueError, TypeError: as :func:`homodyne`.

    Source: Haacke, Lindskog and Lin 1991, doi:10.1016/0022-2364(91)90253-P.
    """
    what = "pocs"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *image)")
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    band = _band(mask, kspace.shape, axis, what)
    images = _other_axes(kspace, band.axis)
    along = (band.axis,)
    turn = phase(ifft_centred(_along(band.window, images, band.axis) * images, along))
    measured = _along(band.measured, images, band.axis) > 0
    data = jnp.where(measured, images, 0)

    def step(x: jax.Array) -> jax.Array:
        x = (turn.conj() * x).real * turn
        return ifft_centred(jnp.where(measured, data, fft_centred(x, along)), along)

    return iterate(step, ifft_centred(data, along), iterations)[0]


class _Band(NamedTuple):
    axis: int
    measured: np.ndarray
    ramp: np.ndarray
    window: np.ndarray


def _band(mask: Any, shape: tuple[int, ...], axis: int, what: str) -> _Band:
    """Weights along the axis: what is measured, the ramp of homodyne, the low-pass of the phase."""
    if not -len(shape) < axis < len(shape) or axis % len(shape) == 0:
        raise ValueError(f"{what} expected an axis of the image {shape[1:]}, got {axis}.")
    axis = axis % len(shape)
    n = shape[axis]
    measured = _measured_lines(mask, shape, axis, what)
    lines = np.flatnonzero(measured)
    k = np.arange(n) - n // 2
    first, last = (k[lines[0]], k[lines[-1]]) if len(lines) else (0, 0)
    half = int(min(-first, last))
    if len(lines) != last - first + 1 or half < 1:
        raise ValueError(
            f"{what} expected one run of measured lines about the origin, entry {n // 2} of {n}, "
            f"with at least one on each side, got {len(lines)} lines from entry "
            f"{first + n // 2} to {last + n // 2}."
        )
    if first != k[0] and last != k[-1]:
        raise ValueError(
            f"{what} expected lines up to an end of k-space, got entries {first + n // 2} to "
            f"{last + n // 2} of {n}."
        )
    inside = np.abs(k) <= half
    sign = 1 if last >= -first else -1
    ramp = np.clip(1 + sign * k / (half + 1), 0, 2)
    ramp = np.where(inside, ramp, np.where(sign * k > 0, 2.0, 0.0))
    if n % 2 == 0:
        ramp[0] = 1.0  # the frequency -n / 2 is its own partner
    window = np.where(inside, 0.5 + 0.5 * np.cos(np.pi * k / (half + 1)), 0)
    return _Band(axis, measured, np.where(measured, ramp, 0), window)


def _measured_lines(mask: Any, shape: tuple[int, ...], axis: int, what: str) -> np.ndarray:
    mask = concrete_mask(mask, what=what)
    if mask.ndim != 1:
        try:
            mask = np.broadcast_to(mask, shape[1:])
        except ValueError:
            raise ValueError(
                f"{what} expected a mask (n,) or one that broadcasts to {shape[1:]}, got "
                f"{mask.shape}."
            ) from None
        lines = np.moveaxis(mask, axis - 1, 0).reshape(shape[axis], -1)
        if not np.array_equal(lines.any(1), lines.all(1)):
            raise ValueError(f"{what} expected a mask that changes along axis {axis} only.")
        mask = lines[:, 0]
    if mask.shape != (shape[axis],):
        raise ValueError(
            f"{what} expected a mask of {shape[axis]} lines along axis {axis}, got {mask.shape}."
        )
    return mask


def _other_axes(kspace: jax.Array, axis: int) -> jax.Array:
    """Inverse transform along all axes of the image but one."""
    others = tuple(a for a in range(1, kspace.ndim) if a != axis)
    return ifft_centred(kspace, others) if others else kspace


def _along(values: np.ndarray, x: jax.Array, axis: int) -> jax.Array:
    shape = [-1 if a == axis else 1 for a in range(x.ndim)]
    return jnp.asarray(values.reshape(shape), real_dtype(x.dtype))
