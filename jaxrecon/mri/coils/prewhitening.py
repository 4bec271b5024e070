"""Noise prewhitening: virtual coils whose noise is independent and of unit variance."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.linalg import solve_triangular

from jaxrecon.core.products import matmul, tensordot
from jaxrecon.core.vectors import real_like
from jaxrecon.mri.coils.calibration import complex_coils


def noise_covariance(noise: Any) -> jax.Array:
    r"""Psi = 1 / (N - 1) sum_k n_k n_k^H over N noise samples of all coils, with mean 0.

    Args:
        noise: (coil, *samples), complex, measured without excitation: at least as many samples as
            coils, for a good estimate hundreds of times as many.

    Returns:
        (coil, coil), Hermitian; its diagonal is E|n|^2, real and imaginary parts together.

    Raises:
        ValueError: fewer samples than coils.
        TypeError: noise that is not complex.

    Source: Pruessmann, Weiger, Boernert and Boesiger 2001, doi:10.1002/mrm.1241.
    """
    noise = complex_coils(noise, what="noise_covariance", argument="noise", axes="(coil, *samples)")
    samples = noise.reshape(noise.shape[0], -1)
    coils, count = samples.shape
    if count <= coils:
        raise ValueError(
            f"noise_covariance expected more noise samples than the {coils} coils, got {count}. "
            "Is the axis of coils the first?"
        )
    return matmul(samples, samples.conj().T) / (count - 1)


def whitening_matrix(covariance: Any, *, bandwidth: Any = 1.0) -> jax.Array:
    r"""W = sqrt(bandwidth) L^-1 with Psi = L L^H (Cholesky), so that W Psi W^H = bandwidth I.

    Noise of a measurement is weaker the longer a sample lasts. When noise samples and data were
    taken with different dwell times, the noise of the data is Psi / bandwidth with

    bandwidth = dwell time of the data / dwell time of the noise * receiver noise bandwidth ratio,

    the last one of the noise calibration (a header field of ISMRMRD; 0.79 on many scanners). Data
    multiplied by W then have noise with E[n n^H] = I. The ISMRMRD tools multiply by sqrt(2) on top,
    so that real and imaginary parts each have variance 1: images in units of the noise's standard
    deviation then follow from sqrt(2) times ours.

    Args:
        covariance: Psi, (coil, coil), Hermitian and positive definite, see
            :func:`noise_covariance`.
        bandwidth: > 0, traced.

    Returns:
        (coil, coil), lower triangular. Differentiable. The virtual coil j mixes coils up to j, so
        the first is the first coil scaled.

    Raises:
        ValueError: covariance that is not square, or (outside of jit) not positive definite.

    Source: Roemer, Edelstein, Hayes, Souza and Mueller 1990, doi:10.1002/mrm.1910160203;
    Pruessmann, Weiger, Boernert and Boesiger 2001, doi:10.1002/mrm.1241; the bandwidth: Kellman and
    McVeigh 2005, doi:10.1002/mrm.20713.
    """
    what = "whitening_matrix"
    covariance = jnp.asarray(covariance)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(
            f"{what} expected a covariance of shape (coil, coil), got {covariance.shape}. "
            "noise_covariance makes it of noise samples."
        )
    factor = jnp.linalg.cholesky(covariance)
    if not isinstance(factor, Tracer) and not np.all(np.isfinite(np.asarray(factor))):
        raise ValueError(
            f"{what} expected a positive definite covariance. Is a coil dead, or twice in the data?"
        )
    identity = jnp.eye(covariance.shape[0], dtype=factor.dtype)
    scale = jnp.sqrt(real_like(bandwidth, factor))
    return scale * solve_triangular(factor, identity, lower=True)


def prewhiten(data: Any, matrix: Any) -> jax.Array:
    r"""W y over the axis of coils: data (or maps) of virtual coils with independent noise.

    Coil maps from prewhitened data are those of the virtual coils. Maps that were made before are
    multiplied by the same matrix.

    Args:
        data: (coil, ...), k-space, images or maps, complex.
        matrix: W, (virtual coil, coil), see :func:`whitening_matrix`.

    Returns:
        (virtual coil, ...).

    Raises:
        ValueError: a matrix that does not fit the coils.
        TypeError: data that are not complex.
    """
    data = complex_coils(data, what="prewhiten", argument="data", axes="(coil, ...)")
    matrix = jnp.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[1] != data.shape[0]:
        raise ValueError(
            f"prewhiten expected a matrix of shape (virtual coil, {data.shape[0]}), got "
            f"{matrix.shape}."
        )
    return tensordot(matrix.astype(data.dtype), data, 1)
