"""From line integrals to photon counts, and back with the variance of the result."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon import noise
from jaxrecon.core.checks import check_real


def transmission_counts(key: jax.Array, sinogram: Any, photons: Any) -> jax.Array:
    r"""Counts behind the object, N ~ Poisson(I0 exp(-p)) (Beer and Lambert, one energy).

    Args:
        key: JAX random key.
        sinogram: line integrals p, without unit (attenuation in 1/mm times mm), any shape.
        photons: I0 > 0, expected counts of a bin without object, a number or an array that
            broadcasts against the sinogram.

    Returns:
        counts, in the dtype of the sinogram.

    Raises:
        ValueError: photons not positive (checked outside of jit).
        TypeError: complex or integer sinogram.
    """
    sinogram = _real(sinogram, "transmission_counts", "sinogram")
    photons = _photons(photons, sinogram, "transmission_counts")
    return noise.poisson(key, photons * jnp.exp(-sinogram))


def log_transform(counts: Any, photons: Any) -> tuple[jax.Array, jax.Array]:
    r"""Line integrals p = -log(N / I0) and their variance, about 1 / N.

    Bins with fewer than half a count are set to half a count: p stays finite, and its variance of
    2 tells a weighted reconstruction to trust it little. p is biased by about 1 / (2 N).

    Args:
        counts: N >= 0, any shape.
        photons: I0, as in :func:`transmission_counts`.

    Returns:
        (p, variance of p), both without unit and in the dtype and shape of the counts.

    Raises:
        ValueError: negative counts or photons not positive (checked outside of jit).
        TypeError: complex or integer counts.
    """
    counts = _real(counts, "log_transform", "counts")
    if not isinstance(counts, Tracer) and not np.all(np.asarray(counts) >= 0):
        raise ValueError(
            "log_transform expected counts >= 0, got negative or NaN ones. Was a dark field "
            "subtracted, or are these line integrals already?"
        )
    photons = _photons(photons, counts, "log_transform")
    counts = jnp.maximum(counts, 0.5)
    return jnp.log(photons) - jnp.log(counts), 1 / counts


def _real(x: Any, what: str, argument: str) -> jax.Array:
    x = jnp.asarray(x)
    check_real(x, what=what, argument=argument)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"{what} expected a floating-point {argument}, got {x.dtype}.")
    return x


def _photons(photons: Any, like: jax.Array, what: str) -> jax.Array:
    if not isinstance(photons, Tracer) and not np.all(np.asarray(photons) > 0):
        raise ValueError(f"{what} expected photons > 0 per bin, got {photons}.")
    return jnp.asarray(photons, like.dtype)
