"""Rings: bins of a detector that are off at all angles, removed as stripes of the sinogram."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_inexact, check_nonnegative, check_positive_int, check_real
from jaxrecon.linops.wavelet import inverse_wavelet_transform, wavelet_transform


def remove_rings_by_sorting(sinogram: Any, size: int = 5) -> jax.Array:
    r"""Sort each bin over the views, take the median over neighbouring bins, and sort back.

    Neighbouring bins see about the same distribution of values, so that the sorted sinogram is
    smooth across the bins but for the stripes; each value is replaced by the median of those of
    the same rank. Full stripes and partial ones go, bins of any gain too. Stripes as wide as half
    the window stay.

    Args:
        sinogram: (views, ..., bins), e.g. (views, bins) or (views, rows, columns). Line integrals;
            any unit.
        size: static, odd: number of bins of the median, more than twice the width of a stripe.

    Returns:
        as the sinogram. Its derivative moves single values.

    Raises:
        ValueError: an even size, or more than the bins.
        TypeError: a sinogram that is no real floating-point array.

    Source: Vo, Atwood and Drakopoulos 2018, algorithm 3, doi:10.1364/OE.26.028396.
    """
    what = "remove_rings_by_sorting"
    sinogram = _checked(sinogram, what)
    size = check_positive_int(size, what=what, argument="size")
    bins = sinogram.shape[-1]
    if size % 2 == 0 or size > bins:
        raise ValueError(f"{what} expected an odd size up to the {bins} bins, got {size}.")
    order = jnp.argsort(sinogram, axis=0)
    ranked = jnp.take_along_axis(sinogram, order, axis=0)

    def median(row: jax.Array) -> jax.Array:
        wide = jnp.pad(row, [(0, 0)] * (row.ndim - 1) + [(size // 2, size // 2)], "symmetric")
        return jnp.median(jnp.stack([wide[..., k : k + bins] for k in range(size)]), axis=0)

    smooth = jax.lax.map(median, ranked)
    return jnp.take_along_axis(smooth, jnp.argsort(order, axis=0), axis=0)


def remove_rings_by_wavelets(
    sinogram: Any, sigma: Any = 0.5, levels: int = 4, name: str = "db5"
) -> jax.Array:
    r"""Damp the slow variation over the views in the wavelet details across the bins.

    At each level of a wavelet transform, the details that are low-pass along the views and
    high-pass along the bins hold the stripes; their Fourier coefficients at k cycles per scan are
    multiplied by 1 - exp(-k^2 / (2 sigma^2)). The sinogram is continued by its mirror image along
    the views and by its last bins along the detector, so that periodic transforms see no jump.
    Linear in the sinogram.

    Args:
        sinogram: (views, ..., bins), e.g. (views, bins) or (views, rows, columns). Line integrals;
            any unit. Views in the order of their angles.
        sigma: width of the damping in cycles per scan, >= 0; 0 takes out only the mean over the
            views. A larger one also takes out stripes that vary with the view, and more of what
            is round about the axis of rotation.
        levels: static. What a stripe adds at scales above 2**levels bins stays; more levels take
            more of the object.
        name: wavelet, see :func:`jaxrecon.linops.wavelet_filters`.

    Returns:
        as the sinogram. Differentiable, also in sigma > 0.

    Raises:
        ValueError: unknown wavelet, negative sigma (outside of jit).
        TypeError: a sinogram that is no real floating-point array.

    Source: Muench, Trtik, Marone and Stampanoni 2009, doi:10.1364/OE.17.008567.
    """
    what = "remove_rings_by_wavelets"
    sinogram = _checked(sinogram, what)
    check_nonnegative(sigma, what=what, argument="sigma")
    levels = check_positive_int(levels, what=what, argument="levels")
    views, bins = sinogram.shape[0], sinogram.shape[-1]
    middle = [(0, 0)] * (sinogram.ndim - 2)
    extra = -2 * views % 2**levels  # of the sinogram and its mirror image
    rows = ((extra // 2, views + extra - extra // 2), *middle, (0, 0))
    margin = 2**levels
    columns = ((0, 0), *middle, (margin, margin + -bins % 2**levels))
    x = jnp.pad(jnp.pad(sinogram, rows, "symmetric"), columns, "edge")
    period = x.shape[0] / views  # in scans
    x = _damped(x, jnp.asarray(sigma, x.dtype) * period, levels, name)
    return x[extra // 2 : extra // 2 + views, ..., margin : margin + bins]


def _damped(x: jax.Array, sigma: jax.Array, levels: int, name: str) -> jax.Array:
    """One level of the transform, damped, around the next one; sigma in cycles per period."""
    axes = (0, x.ndim - 1)
    y = wavelet_transform(x, name, 1, axes)
    low, high = jnp.split(y, 2, axis=0)  # along the views
    approximation, stripes = jnp.split(low, 2, axis=-1)
    k = jnp.arange(stripes.shape[0] // 2 + 1, dtype=x.dtype)
    tiny = jnp.finfo(x.dtype).tiny
    damping = -jnp.expm1(-0.5 * (k / jnp.maximum(sigma, tiny**0.25)) ** 2)
    spectrum = jnp.fft.rfft(stripes, axis=0) * damping.reshape(-1, *[1] * (x.ndim - 1))
    stripes = jnp.fft.irfft(spectrum, n=stripes.shape[0], axis=0).astype(x.dtype)
    if levels > 1:
        approximation = _damped(approximation, sigma, levels - 1, name)
    y = jnp.concatenate([jnp.concatenate([approximation, stripes], axis=-1), high], axis=0)
    return inverse_wavelet_transform(y, name, 1, axes)


def _checked(sinogram: Any, what: str) -> jax.Array:
    sinogram = jnp.asarray(sinogram)
    check_real(sinogram, what=what, argument="sinogram")
    check_inexact(sinogram, what=what, argument="sinogram")
    if sinogram.ndim < 2:
        raise ValueError(
            f"{what} expected a sinogram of shape (views, ..., bins), got {sinogram.shape}."
        )
    return sinogram
