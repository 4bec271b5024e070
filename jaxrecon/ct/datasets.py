"""Scan geometries of public data sets, so that results can be compared with published ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.core.products import einsum
from jaxrecon.ct.geometry import ParallelGeometry
from jaxrecon.ct.projectors import project

FINE = 400
"""Pixels along a side of the images on which the ellipses data are simulated."""
NOISE = 0.025
"""Standard deviation of their noise, relative to the mean of the absolute data."""
NOISE_SEEDS = {"train": 1, "validation": 2, "test": 3}


def lodopab_geometry(dtype: Any = None) -> ParallelGeometry:
    """LoDoPaB-CT: images of 362 x 362 pixels over 260 x 260 mm, 1000 views over pi, 513 bins.

    Views are at (i + 1/2) pi / 1000; the bins cover the diagonal of the image, 367.7 mm. Data and
    images come from :func:`jaxrecon.data.lodopab_batches`. The published data were simulated on
    images interpolated to 1000 x 1000 pixels, with 4096 photons per bin.

    Source: Leuschner, Schmidt, Otero Baguer and Maass 2021, doi:10.1038/s41597-021-00893-z.
    """
    return _over_the_diagonal(362, 260.0, 1000, 513, dtype)


def ellipses_geometry(dtype: Any = None) -> ParallelGeometry:
    """The random ellipses of DIVal: 128 x 128 pixels of 1 mm, 30 views over pi, 183 bins.

    Views are at (i + 1/2) pi / 30; the bins cover the diagonal of the image, 181 mm. Images come
    from :func:`jaxrecon.data.dival_ellipses`, data from :func:`ellipses_measurements`.

    Source: Baguer, Leuschner and Schmidt 2020, doi:10.1088/1361-6420/aba415.
    """
    return _over_the_diagonal(128, 128.0, 30, 183, dtype)


def _over_the_diagonal(
    pixels: int, side: float, views: int, bins: int, dtype: Any
) -> ParallelGeometry:
    angles = (np.arange(views) + 0.5) * np.pi / views
    return ParallelGeometry(
        (pixels, pixels),
        jnp.asarray(angles, jnp.float32 if dtype is None else dtype),
        bins,
        pixel_size=side / pixels,
        pitch=side * 2**0.5 / bins,
    )


def ellipses_measurements(images: Any, *, part: str | None = None, key: Any = None) -> jax.Array:
    r"""Data of the random ellipses of DIVal: m = A f + noise in :func:`ellipses_geometry`.

    So that no inverse crime is committed, f is interpolated to 400 x 400 pixels before linear
    interpolation along the rays. The noise is white, of 2.5 % of the mean of the absolute data of
    each image. Pure and fit for jit with a key.

    Args:
        images: real (n, 128, 128), from :func:`jaxrecon.data.dival_ellipses`.
        part: the published noise for the first n images of this part, "train", "validation" or
            "test", in their order.
        key: JAX key of other noise. With neither, the data have none.

    Returns:
        (n, 30, 183) of the dtype of the images.

    Raises:
        ValueError: both a part and a key, an unknown part, or images of another shape.

    Source: Baguer, Leuschner and Schmidt 2020, doi:10.1088/1361-6420/aba415; DIVal 0.6.2.
    """
    images = jnp.asarray(images)
    coarse = ellipses_geometry(images.dtype)
    if images.ndim != 3 or images.shape[1:] != coarse.image_shape:
        raise ValueError(
            f"ellipses_measurements expected images (n, 128, 128), got the shape {images.shape}."
        )
    if part is not None and key is not None:
        raise ValueError("ellipses_measurements takes the noise of a part or of a key, not both.")
    clean = _simulated(images)
    if part is not None:
        check_choice(part, tuple(NOISE_SEEDS), what="ellipses_measurements", argument="part")
        random = np.random.RandomState(NOISE_SEEDS[part])
        noise = jnp.asarray(random.normal(size=clean.shape), clean.dtype)
    elif key is not None:
        noise = jax.random.normal(key, clean.shape, clean.dtype)
    else:
        return clean
    return clean + NOISE * jnp.abs(clean).mean(axis=(1, 2), keepdims=True) * noise


@jax.jit
def _simulated(images: jax.Array) -> jax.Array:
    coarse = ellipses_geometry(images.dtype)
    fine = coarse.replace(image_shape=(FINE, FINE), pixel_size=coarse.pixel_size * 128 / FINE)
    rows = jnp.asarray(_linear_interpolation(128, FINE), images.dtype)
    larger = einsum("ri,nij,cj->nrc", rows, images, rows)
    return jax.lax.map(partial(project, geometry=fine, model="joseph"), larger)


def _linear_interpolation(count: int, finer: int) -> np.ndarray:
    """(finer, count) weights that interpolate pixels, mirrored about the outermost centres."""
    position = np.abs((np.arange(finer) + 0.5) * count / finer - 0.5)
    position = np.where(position > count - 1, 2 * (count - 1) - position, position)
    left = np.minimum(np.floor(position).astype(int), count - 2)
    weights = np.zeros((finer, count))
    weights[np.arange(finer), left] = 1 - (position - left)
    weights[np.arange(finer), left + 1] = position - left
    return weights
