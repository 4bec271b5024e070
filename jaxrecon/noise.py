"""Random measurement noise. Every function takes a JAX key and keeps the dtype of its input."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_inexact, check_real


def gaussian(key: jax.Array, x: Any, sigma: Any) -> jax.Array:
    r"""y = x + sigma n, with n white and standard normal.

    Args:
        key: JAX random key.
        x: noiseless data, real or complex, any shape.
        sigma: standard deviation, a number or an array that broadcasts against x. For complex x it
            is that of the real and of the imaginary part each, so that E|y - x|^2 = 2 sigma^2.

    Raises:
        ValueError: a negative sigma (checked outside of jit only).
        TypeError: integer x.
    """
    x = _inexact(x, "gaussian", "x")
    _check_non_negative(sigma, "gaussian", "sigma")
    sigma = jnp.asarray(sigma, x.real.dtype)
    normal = jax.random.normal(key, x.shape, x.dtype)
    if jnp.iscomplexobj(x):
        normal = normal * np.sqrt(2).astype(x.real.dtype)  # jax draws with E|n|^2 = 1
    return x + sigma * normal


def poisson(key: jax.Array, rate: Any) -> jax.Array:
    r"""y ~ Poisson(rate): photon counts of mean and variance `rate`.

    Args:
        key: JAX random key.
        rate: expected counts, real and not negative, any shape. Counts above 2^24 are rounded in
            float32; rates must stay below 2^31.

    Returns:
        whole numbers in the dtype of `rate`. They have no derivative in the rate.

    Raises:
        ValueError: a negative rate (checked outside of jit only; NaN is passed on as a rate of 0
            would hide it, so it raises as well).
        TypeError: complex or integer rate.
    """
    rate = _inexact(rate, "poisson", "rate")
    check_real(rate, what="poisson", argument="rate")
    _check_non_negative(rate, "poisson", "rate")
    return jax.random.poisson(key, rate).astype(rate.dtype)


def poisson_gauss(key: jax.Array, rate: Any, gain: Any, read_sigma: Any) -> jax.Array:
    r"""y = gain Poisson(rate) + read_sigma n: a photon-counting step, then electronic read noise.

    The mean is gain * rate and the variance gain^2 rate + read_sigma^2.

    Args:
        key: JAX random key.
        rate: expected photons, real and not negative, any shape.
        gain: detector output per photon, > 0. With ``gain = 1 / photons`` and
            ``rate = photons * x`` the result is an unbiased noisy copy of x.
        read_sigma: standard deviation of the read noise in units of the output.

    Raises:
        ValueError: negative rate, gain or read_sigma (checked outside of jit only).
        TypeError: complex or integer rate.
    """
    rate = _inexact(rate, "poisson_gauss", "rate")
    check_real(rate, what="poisson_gauss", argument="rate")
    _check_non_negative(gain, "poisson_gauss", "gain")
    photons, read = jax.random.split(key)
    counts = poisson(photons, rate)
    return gaussian(read, jnp.asarray(gain, rate.dtype) * counts, read_sigma)


def _inexact(x: Any, what: str, argument: str) -> jax.Array:
    x = jnp.asarray(x)
    check_inexact(x, what=what, argument=argument)
    return x


def _check_non_negative(value: Any, what: str, argument: str) -> None:
    if isinstance(value, Tracer):
        return
    value = np.asarray(value)
    if not np.all(value >= 0):
        raise ValueError(
            f"{what} expected {argument} >= 0 everywhere, but its smallest value is "
            f"{value.min()}. Was an image with negative pixels passed? Clip it first."
        )
