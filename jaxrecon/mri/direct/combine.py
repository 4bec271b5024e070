"""Combination of coil images into one: root of the sum of squares, and Roemer's optimum."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from jaxrecon.core.checks import check_choice
from jaxrecon.core.products import tensordot
from jaxrecon.mri.coils.calibration import complex_coils


def root_sum_of_squares(images: Any, *, axis: int = 0) -> jax.Array:
    r"""sqrt(sum_c |x_c|^2), without coil maps.

    The magnitude of the object times the root of the sum of squares of the maps. Its noise has a
    mean above 0 where there is no signal. The derivative at 0 is 0.

    Args:
        images: (coil, ...), real or complex.
        axis: static; of the coils.

    Returns:
        (...), real.

    Source: Roemer, Edelstein, Hayes, Souza and Mueller 1990, doi:10.1002/mrm.1910160203.
    """
    images = jnp.asarray(images)
    square = images.real**2 + images.imag**2 if jnp.iscomplexobj(images) else images**2
    total = jnp.sum(square, axis=axis)
    present = total > 0
    return jnp.where(present, jnp.sqrt(jnp.where(present, total, 1)), 0)


def roemer(
    images: Any,
    maps: Any,
    noise_covariance: Any = None,
    *,
    normalise: str = "signal",
) -> jax.Array:
    r"""The combination of coil images with the best ratio of signal to noise at every pixel.

    With Psi = E n n^H over the coils, s the maps and x the images at a pixel,

    - normalise="signal": m = (s^H Psi^-1 x) / (s^H Psi^-1 s). Unit sensitivity: x = s f gives
      m = f, with noise of variance 1 / (s^H Psi^-1 s);
    - normalise="noise": m = (s^H Psi^-1 x) / sqrt(s^H Psi^-1 s). Noise of variance E|n|^2 = 1
      everywhere, so that |m| is the ratio of signal to noise; x = s f gives f sqrt(s^H Psi^-1 s).

    The two differ by a real factor at each pixel. m = 0 where all maps are 0.

    Args:
        images: x, (coil, *image), complex.
        maps: s, (coil, *image), complex.
        noise_covariance: Psi of the images, (coil, coil), Hermitian and positive definite; centred
            orthonormal transforms leave that of k-space as it is. None is I.
        normalise: static; "signal" or "noise".

    Returns:
        (*image), complex. Differentiable.

    Raises:
        ValueError: shapes that do not match, an unknown normalise.
        TypeError: images or maps that are not complex.

    Source: Roemer, Edelstein, Hayes, Souza and Mueller 1990, doi:10.1002/mrm.1910160203.
    """
    what = "roemer"
    check_choice(normalise, ("signal", "noise"), what=what, argument="normalise")
    images = complex_coils(images, what=what, argument="images", axes="(coil, *image)")
    maps = complex_coils(maps, what=what, argument="maps", axes="(coil, *image)")
    if images.shape != maps.shape:
        raise ValueError(
            f"{what} expected images and maps of one shape, got {images.shape} and {maps.shape}. "
            "For frames or slices use jax.vmap."
        )
    images = whitened(images, noise_covariance, what=what)
    maps = whitened(maps, noise_covariance, what=what)
    square = jnp.sum(maps.real**2 + maps.imag**2, axis=0)
    seen = square > 0
    scale = jnp.where(seen, square, 1)
    scale = scale if normalise == "signal" else jnp.sqrt(scale)
    return jnp.where(seen, jnp.sum(maps.conj() * images, axis=0) / scale, 0)


def whitened(data: jax.Array, noise_covariance: Any, *, what: str) -> jax.Array:
    """L^-1 over the coils, Psi = L L^H; the data as they are for None.

    Raises:
        ValueError: a covariance of another shape than (coil, coil).
    """
    if noise_covariance is None:
        return data
    psi = jnp.asarray(noise_covariance)
    coils = data.shape[0]
    if psi.shape != (coils, coils):
        raise ValueError(
            f"{what} expected a noise covariance of shape ({coils}, {coils}), got {psi.shape}."
        )
    factor = jnp.linalg.cholesky(psi.astype(data.dtype))
    inverse = solve_triangular(factor, jnp.eye(coils, dtype=data.dtype), lower=True)
    return tensordot(inverse, data, 1)
