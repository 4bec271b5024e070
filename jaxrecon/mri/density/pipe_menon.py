"""Density weights of any trajectory by fixed-point iteration."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int, check_real, complex_dtype, real_dtype
from jaxrecon.linops import NonuniformFourier


def pipe_menon(
    positions: Any, shape: tuple[int, ...], *, iterations: int = 20, accuracy: float = 1e-3
) -> jax.Array:
    r"""Weights with density 1 at every sample: w <- w / (C w) from w = 1.

    (C w)_j = (1 / N) sum_l w_l prod_i n_i sinc^2(n_i (k_j - k_l)_i) is the density of the weighted
    samples, smoothed over a cell of the Cartesian grid. The kernel integrates to N over k-space, so
    that no scale is left to choose, see :mod:`jaxrecon.mri.density`; it is positive, and its
    transform, a triangle twice as wide as the image, leaves out just what lies beyond any
    difference of two pixels. C is applied as a NUFFT onto twice the image and back, in
    O(samples + N log N); 10 to 20 iterations are usual. A sample that lies alone has w = 1, the
    cell of the Cartesian grid, and no more: gaps of an undersampled trajectory are not made up for.
    As published it has no guarantee of convergence: it is stopped after a number of steps.
    Differentiable in the positions and mapped by `jax.vmap` like any function, e.g. over frames.

    Args:
        positions: (*samples, d), cycles per pixel, traced.
        shape: static shape of the image.
        iterations: static.
        accuracy: static, of the NUFFT.

    Returns:
        (*samples), real, positive.

    Raises:
        TypeError: complex positions. ValueError: positions and shape of different dimension.

    Sources: Pipe and Menon 1999, doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V.
    """
    positions = jnp.asarray(positions)
    check_real(positions, what="pipe_menon", argument="positions")
    iterations = check_positive_int(iterations, what="pipe_menon", argument="iterations")
    if not jnp.issubdtype(positions.dtype, jnp.inexact):
        positions = positions.astype(jnp.float32)
    if positions.ndim < 1 or positions.shape[-1] != len(shape):
        raise ValueError(
            f"pipe_menon expected positions (*samples, {len(shape)}) for the shape {shape}, got "
            f"{positions.shape}."
        )
    wide = tuple(2 * n for n in shape)
    flat = positions.reshape(-1, len(shape))
    dtype = complex_dtype(positions.dtype)
    transform = NonuniformFourier(flat, wide, accuracy=accuracy, dtype=dtype)
    return _iterated(transform, iterations).reshape(positions.shape[:-1])


@partial(jax.jit, static_argnums=1)
def _iterated(transform: NonuniformFourier, iterations: int) -> jax.Array:
    """The weights, by a transform onto twice the image along every axis."""
    dtype = real_dtype(transform.dtype)
    axes = len(transform.shape)
    taper = jnp.full((), 2**axes, dtype)  # pixels of the wide image over those of the image
    for axis, n in enumerate(transform.shape):
        triangle = 1 - np.abs(np.arange(n) - n // 2) / (n // 2)
        along = [-1 if i == axis else 1 for i in range(axes)]
        taper = taper * jnp.asarray(triangle, dtype).reshape(along)

    def step(weights: jax.Array, _: None) -> tuple[jax.Array, None]:
        image = transform.adjoint(weights.astype(transform.dtype))
        density = transform.apply(taper * image).real
        # the density is at least the sample's own weight; NUFFT errors must not change its sign
        return weights / jnp.maximum(density, weights / 2), None

    weights = jnp.ones(transform.samples, dtype)
    return jax.lax.scan(jax.checkpoint(step), weights, None, length=iterations)[0]
