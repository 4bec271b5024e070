"""From line integrals to photon counts, and back with the variance of the result."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon import noise
from jaxrecon.core.checks import check_inexact, check_nonnegative, check_real, describe, struct_of

FEWEST_COUNTS = 0.5
"""What :func:`log_transform` takes fewer counts for."""


def transmission_counts(
    key: jax.Array,
    sinogram: Any,
    photons: Any,
    *,
    scatter: Any = 0.0,
    dark: Any = 0.0,
    electronic_noise: Any = 0.0,
) -> jax.Array:
    r"""Detector readings N = Poisson(I0 exp(-p) + scatter) + dark + sigma n, n standard normal.

    Beer and Lambert's law for one energy; for a spectrum pass p = -log T, see
    :func:`polychromatic_line_integrals`. Frames of a measured flat field are the readings for
    p = 0.

    Args:
        key: JAX random key.
        sinogram: line integrals p, without unit (attenuation in 1/mm times mm), any shape.
        photons: I0 > 0, the flat field: expected counts without object and scatter. This and the
            next three are numbers, or arrays that broadcast against the sinogram (one for each
            bin, for instance).
        scatter: expected scattered photons, >= 0.
        dark: reading without beam, in counts.
        electronic_noise: standard deviation sigma >= 0 in counts. With it, readings are no whole
            numbers, and may be negative.

    Returns:
        readings, in the dtype of the sinogram.

    Raises:
        ValueError: NaN in the sinogram, photons not positive, scatter or sigma negative (checked
            outside of jit), shapes that do not broadcast.
        TypeError: complex or integer sinogram.
    """
    what = "transmission_counts"
    sinogram = _data(sinogram, what, "sinogram")
    photons = _photons(photons, sinogram, what)
    scatter = _per_bin(scatter, sinogram, what, "scatter")
    check_nonnegative(scatter, what=what, argument="scatter")
    dark = _per_bin(dark, sinogram, what, "dark")
    check_nonnegative(electronic_noise, what=what, argument="electronic_noise")
    rate = photons * jnp.exp(-sinogram) + scatter
    if _is_zero(electronic_noise):
        return noise.poisson(key, rate) + dark
    sigma = _per_bin(electronic_noise, sinogram, what, "electronic_noise")
    quantum, electronic = jax.random.split(key)
    return noise.gaussian(electronic, noise.poisson(quantum, rate) + dark, sigma)


def log_transform(
    counts: Any,
    photons: Any,
    *,
    scatter: Any = 0.0,
    dark: Any = 0.0,
    electronic_noise: Any = 0.0,
) -> tuple[jax.Array, jax.Array]:
    r"""Line integrals p = -log((N - dark - scatter) / I0), and their variance.

    With the net counts m = N - dark - scatter, at least half a count, the variance is
    (m + scatter + sigma^2) / m^2, by the first derivative of the logarithm. Bins with fewer net
    counts (none, or negative ones after the subtraction) are set to half a count: p stays finite,
    and its variance of 2 or more tells a weighted reconstruction to trust it little. p is biased by
    about 1 / (2 m).

    Args:
        counts: readings N, any shape. They must not be negative, unless a dark field or electronic
            noise says why they may be.
        photons: I0 > 0, the flat field with its dark field subtracted.
        scatter, dark, electronic_noise: what :func:`transmission_counts` added, as estimated.

    Returns:
        (p, variance of p), both without unit and in the dtype and shape of the counts.

    Raises:
        ValueError: NaN in the counts, negative counts, photons not positive (checked outside of
            jit), shapes that do not broadcast.
        TypeError: complex or integer counts.
    """
    what = "log_transform"
    counts = _data(counts, what, "counts")
    if _is_zero(dark) and _is_zero(electronic_noise):
        check_nonnegative(
            counts,
            what=what,
            argument="counts",
            cause="Was a dark field subtracted (pass it as dark instead), or are these line "
            "integrals already?",
        )
    photons = _photons(photons, counts, what)
    scatter = _per_bin(scatter, counts, what, "scatter")
    dark = _per_bin(dark, counts, what, "dark")
    sigma = _per_bin(electronic_noise, counts, what, "electronic_noise")
    net = jnp.maximum(counts - dark - scatter, FEWEST_COUNTS)
    return jnp.log(photons) - jnp.log(net), (net + scatter + sigma**2) / net**2


def _data(x: Any, what: str, argument: str) -> jax.Array:
    """Real floating-point data without NaN."""
    x = jnp.asarray(x)
    check_real(x, what=what, argument=argument)
    check_inexact(x, what=what, argument=argument)
    if not isinstance(x, Tracer):
        bad = int(np.isnan(np.asarray(x)).sum())
        if bad:
            raise ValueError(
                f"{what} expected {argument} without NaN, got {bad} of {x.size} bins with NaN. "
                "Leave broken views out with geometry.take, or fill dead bins and give them a "
                "weight of 0."
            )
    return x


def _per_bin(value: Any, like: jax.Array, what: str, argument: str) -> jax.Array:
    """A number or an array that broadcasts against the data, in its dtype."""
    value = jnp.asarray(value, like.dtype)
    try:
        fits = jnp.broadcast_shapes(value.shape, like.shape) == like.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{what} expected {argument} to broadcast against {describe(struct_of(like))}, got "
            f"shape {value.shape}. Bins are the last axis, views the first."
        )
    return value


def _photons(photons: Any, like: jax.Array, what: str) -> jax.Array:
    if not isinstance(photons, Tracer):
        values = np.asarray(photons)
        if not np.all(values > 0):
            raise ValueError(
                f"{what} expected photons > 0 per bin, got {int(np.sum(~(values > 0)))} of "
                f"{values.size} that are not (smallest: {values.min()}). Dead bins?"
            )
    return _per_bin(photons, like, what, "photons")


def _is_zero(value: Any) -> bool:
    return not isinstance(value, Tracer) and not np.any(np.asarray(value))
