"""Gridding: the weighted adjoint of a non-uniform Fourier transform as a reconstruction."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_real, complex_dtype, describe, struct_of
from jaxrecon.linops import NonuniformFourier


def gridding(
    kspace: Any,
    positions: Any,
    weights: Any,
    shape: tuple[int, ...],
    *,
    accuracy: float = 1e-4,
) -> jax.Array:
    r"""Images x_c = A^H W y_c, A the :class:`NonuniformFourier` of the positions.

    With weights of :mod:`jaxrecon.mri.density` this is quantitative: an object comes back with its
    values, as far as k-space is sampled densely enough and the object lies within the resolution.
    Coils are not combined.

    Args:
        kspace: (*samples) or (coil, *samples), complex; more leading axes are images, too.
        positions: (*samples, d), cycles per pixel.
        weights: (*samples), real.
        shape: static shape of the image, (y, x) or (z, y, x).
        accuracy: static, of the NUFFT.

    Returns:
        (*shape) or (coil, *shape), complex. Differentiable in the three arrays.

    Raises:
        TypeError: real k-space, complex weights. ValueError: shapes that do not match.

    Source: Jackson, Meyer, Nishimura and Macovski 1991, IEEE Trans. Med. Imaging 10, 473,
    doi:10.1109/42.97598.
    """
    kspace, positions = jnp.asarray(kspace), jnp.asarray(positions)
    weights = jnp.asarray(weights)
    check_real(weights, what="gridding", argument="weights")
    if not jnp.issubdtype(kspace.dtype, jnp.complexfloating):
        raise TypeError(
            f"gridding expected complex kspace, got {describe(struct_of(kspace))}. Convert with "
            f"kspace.astype({complex_dtype(kspace.dtype)})."
        )
    samples = positions.shape[:-1]
    leading = kspace.ndim - len(samples)
    if weights.shape != samples or leading < 0 or kspace.shape[leading:] != samples:
        raise ValueError(
            f"gridding expected kspace (coil, *samples) and weights (*samples) with *samples = "
            f"{samples}, those of the positions, got {kspace.shape} and {weights.shape}."
        )
    transform = NonuniformFourier(positions, shape, accuracy=accuracy, dtype=kspace.dtype)
    weighted = (kspace * weights.astype(kspace.real.dtype)).reshape(-1, *samples)
    images = _adjoints(transform, weighted)
    return images.reshape(*kspace.shape[:leading], *transform.shape)


@jax.jit
def _adjoints(transform: NonuniformFourier, data: jax.Array) -> jax.Array:
    return jax.vmap(transform.adjoint)(data)
