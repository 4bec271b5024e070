"""Filtered backprojection: the analytic inverse of the Radon transform, in correct units."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_space
from jaxrecon.ct.filters import filter_sinogram, ramp_response
from jaxrecon.ct.geometry import ParallelGeometry


def filtered_backprojection(
    sinogram: Any,
    geometry: ParallelGeometry,
    window: str = "ram-lak",
    cutoff: Any = 1.0,
    *,
    weights: Any = None,
) -> jax.Array:
    r"""f(x, y) = sum over views of w (h * p_theta)(x cos(theta) + y sin(theta)), h the ramp filter.

    Quantitative: a disc of attenuation mu in 1/mm comes back as mu, for any pixel size, pitch and
    number of views. The object must lie inside the field of view of all views.

    Args:
        sinogram: line integrals (views, bins), in the dtype of the geometry.
        geometry: the rays. Angles equally spaced over pi or a multiple of it (2 pi: a full turn)
            are assumed unless weights are given.
        window: one of "ram-lak", "shepp-logan", "cosine", "hamming", "hann".
        cutoff: fraction of the Nyquist frequency of the detector, in (0, 1].
        weights: (views,), radians: the share of each view in the integral over pi. pi / views when
            not given; :func:`angular_weights` finds those of irregular angles.

    Returns:
        (rows, columns) in 1/mm.

    Raises:
        ValueError, TypeError: sinogram not of geometry.sinogram_space, weights of wrong shape,
            unknown window or a cutoff out of (0, 1].

    Source: Kak and Slaney 1988, chapter 3, doi:10.1137/1.9780898719277.
    """
    what = "filtered_backprojection"
    sinogram = jnp.asarray(sinogram)
    check_space(sinogram, geometry.sinogram_space, what=what, argument="sinogram")
    if weights is None:
        weights = jnp.full(geometry.views, np.pi / geometry.views, geometry.dtype)
    weights = jnp.asarray(weights, geometry.dtype)
    if weights.shape != (geometry.views,):
        raise ValueError(
            f"{what} expected weights of shape ({geometry.views},), got {weights.shape}."
        )
    response = ramp_response(geometry.bins, geometry.pitch, window, cutoff, geometry.dtype)
    return backproject_pixels(weights[:, None] * filter_sinogram(sinogram, response), geometry)


def backproject_pixels(sinogram: Any, geometry: ParallelGeometry) -> jax.Array:
    r"""b(x, y) = sum over views of p_theta(x cos(theta) + y sin(theta)), interpolated linearly.

    The pixel-driven backprojection of the inversion formula. It is not the adjoint of the
    projector (that is :func:`jaxrecon.ct.backproject`); use it in no iterative method.

    Args:
        sinogram: (views, bins), in the dtype of the geometry; zero beyond its ends.
        geometry: the rays.

    Returns:
        (rows, columns), in the unit of the sinogram.

    Raises:
        ValueError, TypeError: the sinogram is not of geometry.sinogram_space.
    """
    sinogram = jnp.asarray(sinogram)
    space = geometry.sinogram_space
    check_space(sinogram, space, what="backproject_pixels", argument="sinogram")
    y, x = geometry.pixel_positions()
    y = y[:, None]
    first = geometry.positions[0] - geometry.pitch  # one empty bin at either end
    padded = jnp.pad(sinogram, ((0, 0), (1, 1)))
    last = geometry.bins

    @partial(jax.checkpoint, prevent_cse=False)
    def view(image: jax.Array, item: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        angle, values = item
        bin_ = (x * jnp.cos(angle) + y * jnp.sin(angle) - first) / geometry.pitch
        bin_ = jnp.clip(bin_, 0, last + 1)
        k = jnp.clip(jnp.floor(bin_), 0, last)
        a, k = bin_ - k, k.astype(jnp.int32)
        return image + (1 - a) * values[k] + a * values[k + 1], None

    image = jnp.zeros(geometry.image_shape, geometry.dtype)
    return jax.lax.scan(view, image, (geometry.angles, padded))[0]


def angular_weights(angles: Any) -> jax.Array:
    """Half the distance of each angle to its two neighbours, modulo pi: (views,), radians.

    They sum to pi. For views that leave out a part of the half turn, those at the ends of the gap
    get the weight of the gap.
    """
    angles = jnp.asarray(angles)
    folded = jnp.mod(angles, np.pi)
    order = jnp.argsort(folded)
    ordered = folded[order]
    after = jnp.append(ordered[1:], ordered[0] + np.pi) - ordered
    weights = (after + jnp.roll(after, 1)) / 2
    return jnp.zeros_like(angles).at[order].set(weights)
