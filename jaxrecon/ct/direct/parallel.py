"""Filtered backprojection of parallel beams, by FFTs, and the plain pixel-driven backprojection."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_space, struct
from jaxrecon.core.matched import matched
from jaxrecon.ct.direct.filters import filter_sinogram, padded_length
from jaxrecon.ct.geometry import ParallelGeometry
from jaxrecon.ct.projectors.bspline import interpolate_rows, inverse_filter
from jaxrecon.ct.projectors.fourier import grid_length, grid_middle, sheared_sums, spread_sums
from jaxrecon.ct.projectors.sheared_views import ShearedViews, sheared_views


def backproject_filtered(
    sinogram: jax.Array, response: jax.Array, geometry: ParallelGeometry
) -> jax.Array:
    r"""sum over views of (h * p_theta)(x cos(theta) + y sin(theta)), for all pixels by FFTs.

    The filtered rows, as cubic B-splines (their inverse filter joins the response), are sampled at
    every pixel of a sheared image, and shears of band-limited rows (see the model "fourier") bring
    them to the pixels: views x N^2 interpolations become views x N, and FFTs. The result is the
    average of the band-limited image over each pixel.
    """
    n = padded_length(geometry.bins)
    spline = jnp.asarray(inverse_filter(np.arange(n // 2 + 1) / n), geometry.dtype)
    rows = jnp.pad(filter_sinogram(sinogram, response * spline), ((0, 0), (2, 2)))

    views, length = sheared_views(geometry), grid_length(geometry)
    s = (jnp.arange(length) - grid_middle(views, geometry)) * views.unit[:, None]
    x = (s + views.middle[:, None] - geometry.positions[0]) / geometry.pitch  # bin at each pixel
    inside = (x > -1) & (x < geometry.bins)
    values = jnp.where(inside, interpolate_rows(rows, jnp.where(inside, x, 0) + 2), 0)
    like = struct(geometry.image_shape, geometry.dtype)
    return _spread_samples(geometry, values, like)


def _pixel_averages(views: ShearedViews, geometry: ParallelGeometry) -> jax.Array:
    """Factor at each frequency: from samples, not spline coefficients, to averages over pixels."""
    w = np.arange(grid_length(geometry) // 2 + 1) / grid_length(geometry)
    samples = 1 / jnp.asarray(inverse_filter(w), geometry.dtype)
    w = jnp.asarray(w, geometry.dtype)
    return samples * jnp.sinc(w) * jnp.sinc(w * views.slope[:, None])


def _sample(geometry: ParallelGeometry, image: jax.Array) -> jax.Array:
    views = sheared_views(geometry)
    return sheared_sums(image, views, geometry, _pixel_averages(views, geometry))


def _spread(geometry: ParallelGeometry, values: jax.Array) -> jax.Array:
    views = sheared_views(geometry)
    return spread_sums(values, views, geometry, _pixel_averages(views, geometry))


_, _spread_samples = matched(_sample, _spread, loop_on_cpu=True)


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
