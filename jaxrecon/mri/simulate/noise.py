"""Thermal noise of receive coils: complex, Gaussian, correlated between coils."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_positive_int, complex_dtype
from jaxrecon.core.products import tensordot


def coil_noise(key: jax.Array, kspace: Any, covariance: Any) -> jax.Array:
    r"""y + n with E n n^H = covariance at every sample, independent between samples.

    n = L w, covariance = L L^H (Cholesky) and w white, E w w^H = I. Real and imaginary part have
    half the variance each: a standard deviation sigma per part, as in `jaxrecon.noise.gaussian`, is
    the covariance 2 sigma^2 I. A centred orthonormal transform of a Cartesian k-space leaves the
    noise of its image as it is.

    Args:
        key: JAX random key.
        kspace: (coil, *samples), complex.
        covariance: (coil, coil), Hermitian and positive definite, real or complex; or a number, the
            variance E |n|^2 of every coil without correlation.

    Returns:
        Like kspace.

    Raises:
        TypeError: k-space that is not complex. ValueError: a covariance of another shape, or, where
            known, one that is not Hermitian and positive definite.

    Source: Kellman and McVeigh 2005, doi:10.1002/mrm.20713.
    """
    kspace = jnp.asarray(kspace)
    if not jnp.issubdtype(kspace.dtype, jnp.complexfloating):
        raise TypeError(
            f"coil_noise expected complex kspace, got {kspace.dtype}. Convert with "
            f"kspace.astype({complex_dtype(kspace.dtype)})."
        )
    covariance = jnp.asarray(covariance)
    white = jax.random.normal(key, kspace.shape, kspace.dtype)  # E |w|^2 = 1
    if covariance.ndim == 0:
        _check_positive(covariance.reshape(1, 1))
        return kspace + jnp.sqrt(covariance.real).astype(kspace.real.dtype) * white
    coils = kspace.shape[0] if kspace.ndim else 0
    if covariance.shape != (coils, coils):
        raise ValueError(
            f"coil_noise expected a covariance of shape ({coils}, {coils}), got "
            f"{covariance.shape}. The first axis of kspace holds the coils."
        )
    _check_positive(covariance)
    factor = jnp.linalg.cholesky(covariance.astype(kspace.dtype))
    return kspace + tensordot(factor, white, axes=1)


def ring_covariance(
    coils: int, variance: Any, correlation: Any, *, dtype: Any = jnp.complex64
) -> jax.Array:
    r"""Covariance of loops on a ring, variance rho^(steps between them, the shorter way).

    Neighbours have the complex correlation coefficient rho = `correlation`, against the direction
    of counting its conjugate. Positive definite for |rho| < 1 when rho is real and not negative;
    the Hermitian matrix of a complex rho may cease to be so as |rho| nears 1, which
    :func:`coil_noise` tells.

    Args:
        coils: static.
        variance: E |n|^2 of each coil.
        correlation: rho, traced.
        dtype: complex.

    Returns:
        (coils, coils), Hermitian.

    Raises:
        ValueError: coils that are no positive whole number.
    """
    coils = check_positive_int(coils, what="ring_covariance", argument="coils")
    steps = (np.arange(coils)[:, None] - np.arange(coils) + coils // 2) % coils - coils // 2
    opposite = (2 * np.abs(steps) == coils) if coils % 2 == 0 else np.zeros_like(steps, bool)
    rho = jnp.asarray(correlation, dtype)
    power = rho ** np.abs(steps)
    hermitian = jnp.where(steps < 0, power.conj(), power)
    hermitian = jnp.where(opposite, jnp.abs(power).astype(dtype), hermitian)
    return jnp.asarray(variance, dtype) * hermitian


def _check_positive(covariance: Any) -> None:
    if isinstance(covariance, Tracer):
        return
    matrix = np.asarray(covariance, np.complex128)
    if not np.allclose(matrix, matrix.conj().T, rtol=1e-5, atol=1e-6 * np.abs(matrix).max()):
        raise ValueError("coil_noise expected a Hermitian covariance, E n n^H.")
    if not np.linalg.eigvalsh(matrix).min() > 0:
        raise ValueError(
            "coil_noise expected a positive definite covariance; are two coils the same, or was a "
            "correlation above 1 given?"
        )
