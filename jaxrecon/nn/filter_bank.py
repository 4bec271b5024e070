"""Responses of an image to a bank of learned filters: what one-layer regularisers are made of."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_inexact
from jaxrecon.nn.convolution import convolve

_SAMPLES = 64
"""Frequencies per axis at which the power of the bank is evaluated, and at least 4 a filter tap."""


def filter_responses(kernels: jax.Array, x: jax.Array) -> jax.Array:
    """(w_1 * x, ..., w_C * x): images (..., y, x) to (..., y, x, C), of zero padding.

    Args:
        kernels: (rows, columns, C), or (planes, rows, columns, C) for volumes; sizes odd.
        x: real or complex, of at least as many axes as a filter has.

    Raises:
        ValueError: an image with too few axes.
        TypeError: images of integers.
    """
    check_inexact(x, what="filter_responses", argument="images")
    dims = kernels.ndim - 1
    if x.ndim < dims:
        raise ValueError(
            f"filter_responses: filters of {dims} axes need images of at least {dims}, "
            f"got the shape {x.shape}."
        )
    if jnp.iscomplexobj(x):
        return jax.lax.complex(filter_responses(kernels, x.real), filter_responses(kernels, x.imag))
    batch = x.reshape(-1, *x.shape[x.ndim - dims :], 1)
    weights = jnp.expand_dims(kernels, -2).astype(x.dtype)
    return convolve(batch, weights).reshape(*x.shape, kernels.shape[-1])


def zero_mean(kernels: jax.Array) -> jax.Array:
    """Filters that do not see constants."""
    return kernels - kernels.mean(axis=tuple(range(kernels.ndim - 1)), keepdims=True)


def filter_bank_bound(kernels: jax.Array, weights: Any) -> jax.Array:
    r"""A bound of ||sum_c s_c W_c^T W_c|| for images of any size: max_k sum_c s_c |w^_c(k)|^2.

    The sum is a trigonometric polynomial of degree d = size - 1 in each frequency, evaluated at n
    frequencies an axis; between them it exceeds the largest sample by a factor of at most
    1 / cos(pi d / n) an axis. Zero padding only lowers the norm.

    Args:
        kernels: (rows, columns, C), or with planes.
        weights: (C,), s_c >= 0.

    Source: the factor follows from Riesz's inequality, as in Ehlich and Zeller 1964,
    doi:10.1007/BF01111276.
    """
    sizes = kernels.shape[:-1]
    shape = tuple(max(_SAMPLES, 4 * n) for n in sizes)
    response = jnp.fft.fftn(kernels, shape, axes=tuple(range(len(sizes))))
    power = jnp.sum(weights * (response.real**2 + response.imag**2), axis=-1)
    factor = math.prod(
        math.cos(math.pi * (n - 1) / count) for n, count in zip(sizes, shape, strict=True)
    )
    return jnp.max(power) / factor
