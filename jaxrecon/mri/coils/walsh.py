"""Coil maps from coil images: the local covariance of the coils, and a cheaper smooth variant."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.products import einsum, tensordot
from jaxrecon.mri.coils.calibration import complex_coils, per_axis
from jaxrecon.mri.coils.eigenvectors import leading_eigenvectors
from jaxrecon.mri.coils.phase import align_phase, phase, reference_coil


def walsh(
    images: Any,
    *,
    window: int | tuple[int, ...] = 5,
    iterations: int = 10,
    reference: int | None = None,
) -> jax.Array:
    r"""Adaptive maps: at each pixel the leading eigenvector of the coils' local covariance.

    R(r) = sum over a window about r of x(q) x(q)^H, x(q) the coils at pixel q; s(r) is the
    eigenvector of its largest eigenvalue. sum_c conj(s_c) x_c is then the combination with the best
    ratio of signal to noise, if the noise is white over the coils (:func:`prewhiten`). Outside of
    the object the maps are of noise. One row of covariances is held at a time.

    Args:
        images: coil images (coil, y, x) or (coil, z, y, x), complex; of fully sampled data, or of
            the calibration region filled up with zeros.
        window: static; pixels of the window along each axis, or for all, odd. 0 beyond the edges.
        iterations: static; of the power iteration, which converges like the second eigenvalue over
            the first: small where there is signal.
        reference: the coil whose map is real and non-negative; None is the first virtual coil, the
            principal component of the images.

    Returns:
        maps (coil, *image), unit vectors over the coils, or 0 where all images are 0.

    Raises:
        ValueError: an even window, no image axes.
        TypeError: images that are not complex.

    Source: Walsh, Gmitro and Marcellin 2000,
    doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G.
    """
    what = "walsh"
    images = complex_coils(images, what=what, argument="images", axes="(coil, *image)")
    window = _odd(per_axis(window, images.ndim - 1, what=what, argument="window"), what)
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    weights = reference_coil(images, reference, what=what)
    outer = images.shape[1:-1]
    wide = jnp.pad(images, [(0, 0), *((w // 2, w // 2) for w in window[:-1]), (0, 0)])

    def row(start: tuple[jax.Array, ...]) -> jax.Array:
        sizes = (images.shape[0], *window[:-1], images.shape[-1])
        zero = jnp.zeros((), jnp.int32)
        near = jax.lax.dynamic_slice(wide, (zero, *start, zero), sizes)
        near = near.reshape(sizes[0], -1, sizes[-1])
        covariance = einsum("iqx,jqx->ijx", near, near.conj())
        return leading_eigenvectors(_box(covariance, -1, window[-1]), 1, iterations)[0][0]

    starts = [i.ravel() for i in jnp.indices(outer, jnp.int32)] if outer else []
    maps = jax.lax.map(row, tuple(starts)) if outer else row(())[None]
    maps = jnp.moveaxis(maps, 0, 1).reshape(images.shape)
    return align_phase(maps[None], weights)[0]


def inati(images: Any, *, window: int | tuple[int, ...] = 5, iterations: int = 5) -> jax.Array:
    r"""Smooth coil maps by alternating: s = the smoothed conj(m) x over its norm, m = s^H x.

    As :func:`walsh` the combined image m comes closest to the coil images x in a window, but with
    sums over windows only, in a time proportional to the number of coils. The phase of the maps
    varies smoothly: their weighted mean over the image is real and positive along the mean of the
    coils.

    Args:
        images: coil images (coil, y, x) or (coil, z, y, x), complex.
        window: static; pixels of the window along each axis, or for all, odd. 0 beyond the edges.
        iterations: static.

    Returns:
        maps (coil, *image), unit vectors over the coils, or 0 where all images are 0.

    Raises:
        ValueError: an even window.
        TypeError: images that are not complex.

    Source: Inati, Hansen and Kellman, A fast optimal method for coil sensitivity estimation and
    adaptive coil combination for complex images, Proceedings of the ISMRM 2014.
    """
    what = "inati"
    images = complex_coils(images, what=what, argument="images", axes="(coil, *image)")
    window = _odd(per_axis(window, images.ndim - 1, what=what, argument="window"), what)
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    pixels = tuple(range(1, images.ndim))

    def along(weights: jax.Array, x: jax.Array) -> jax.Array:
        return tensordot(weights.conj(), x, 1)

    def step(combined: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        maps = images * combined.conj()
        for axis, w in zip(pixels, window, strict=True):
            maps = _box(maps, axis, w)
        maps = maps * _inverse_norm(maps)
        combined = (maps.conj() * images).sum(0)
        mean = (maps * combined).sum(pixels)
        turn = phase(along(mean, maps))
        return combined * turn, maps * turn.conj()

    start = along(images.sum(pixels), images)
    return jax.lax.scan(step, start, None, iterations)[1][-1]


def _inverse_norm(maps: jax.Array) -> jax.Array:
    square = (maps.real**2 + maps.imag**2).sum(0)
    present = square > 0
    return jnp.where(present, jax.lax.rsqrt(jnp.where(present, square, 1)), 0)


def _odd(window: tuple[int, ...], what: str) -> tuple[int, ...]:
    if any(w % 2 == 0 for w in window):
        raise ValueError(f"{what} expected a window of odd sizes, got {window}.")
    return window


def _box(x: jax.Array, axis: int, size: int) -> jax.Array:
    """Sums over windows of odd size along an axis, with 0 beyond the ends."""
    axis, n, half = axis % x.ndim, x.shape[axis], size // 2
    wide = jnp.pad(x, [(half, half) if a == axis else (0, 0) for a in range(x.ndim)])
    part = partial(jax.lax.slice_in_dim, wide, axis=axis)
    total = part(0, n)
    for k in range(1, size):
        total = total + part(k, k + n)
    return total
