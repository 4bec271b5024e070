"""Linear minimum mean square error estimation, exact and with a diagonal approximation."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, Pytree
from jaxrecon.core.products import matmul
from jaxrecon.direct.dense import flat_rows, solve_positive


class LinearMMSE(Pytree):
    r"""The affine estimator of least mean square error, for images of known mean and covariance.

    For m = A f + noise, with f of mean mu and covariance C and noise of covariance S,

        f^ = mu + C A^H (A C A^H + S)^{-1} (m - A mu).

    Made by :func:`linear_mmse` once for an operator; then `estimator(m, S)` reconstructs one
    measurement vector and ``jax.vmap(estimator)`` a batch, each with its own S. Without noise it
    is statistical completion: measured coefficients are kept and the others predicted.

    Source: Kay, Fundamentals of Statistical Signal Processing, vol. 1, ch. 12; for single-pixel
    imaging Lorente Mur et al., doi:10.1364/OE.424228.
    """

    mean: Any
    """(y, x) image."""
    measured_mean: Any
    """(M,), A mu."""
    measured_covariance: Any
    """(M, M), A C A^H."""
    cross_covariance: Any
    """(N, M), C A^H."""

    def __call__(self, measurements: Any, noise: Any = None) -> jax.Array:
        """Reconstruct one vector of measurements.

        Args:
            measurements: m, (M,).
            noise: S: None or 0 (no noise), a scalar variance, (M,) variances, or an (M, M)
                covariance.

        Returns:
            f^, (y, x).

        Raises:
            ValueError: measurements or noise of another shape.
        """
        self._check(measurements)
        covariance = _add_noise(self.measured_covariance, noise)
        weights = solve_positive(covariance, measurements - self.measured_mean)
        return self.mean + matmul(self.cross_covariance, weights).reshape(self.mean.shape)

    def diagonal(self, measurements: Any, noise: Any) -> jax.Array:
        r"""Denoised completion: noise filtered one coefficient at a time, then completion.

        m~ = A mu + D (D + S)^{-1} (m - A mu) with D the diagonal of A C A^H, then the noiseless
        estimator of m~. No M x M system depends on the noise, so one factorisation serves all
        images; the price against the exact estimator grows with the noise.

        Args:
            measurements: m, (M,).
            noise: a scalar variance or (M,) variances.

        Raises:
            ValueError: measurements or noise of another shape.
        """
        self._check(measurements)
        noise = jnp.asarray(noise)
        if noise.shape not in ((), self.measured_mean.shape):
            raise ValueError(
                f"linear MMSE: diagonal takes a variance or {self.measured_mean.shape} variances "
                f"as noise, got {noise.shape}. For a batch use jax.vmap."
            )
        prior = jnp.diag(self.measured_covariance)
        shrunk = prior / (prior + noise) * (measurements - self.measured_mean)
        return self(self.measured_mean + shrunk)

    def _check(self, measurements: Any) -> None:
        if jnp.shape(measurements) != self.measured_mean.shape:
            raise ValueError(
                f"linear MMSE: measurements must be {self.measured_mean.shape}, got "
                f"{jnp.shape(measurements)}. For a batch use jax.vmap."
            )

    def affine(self) -> tuple[jax.Array, jax.Array]:
        """The noiseless estimator as (weights (N, M), offset (N,)): f^ = W m + b."""
        weights = solve_positive(self.measured_covariance, self.cross_covariance.conj().T).conj().T
        return weights, self.mean.ravel() - matmul(weights, self.measured_mean)


def _add_noise(covariance: jax.Array, noise: Any) -> jax.Array:
    if noise is None:
        return covariance
    noise = jnp.asarray(noise)
    if noise.shape == covariance.shape:
        return covariance + noise
    if noise.shape not in ((), covariance.shape[:1]):
        raise ValueError(
            f"linear MMSE: noise must be a scalar, ({covariance.shape[0]},) or a square matrix of "
            f"that size, got {noise.shape}. For a batch use jax.vmap."
        )
    return covariance + jnp.diag(jnp.broadcast_to(noise, covariance.shape[:1]))


def linear_mmse(operator: LinearOperator, mean: Any, covariance: Any) -> LinearMMSE:
    """Prepare the linear MMSE estimator of an operator for images of given statistics.

    Costs N + 2 applications of A and O(N^2) memory, once.

    Args:
        operator: A, from images (y, x) to measurements (M,) or any shape of M numbers.
        mean: (N,) or the image's shape.
        covariance: (N, N) of the flattened images, Hermitian, e.g. from `estimate_moments`. With
            fewer images than measurements A C A^H is singular: add noise or a small multiple of
            the identity.

    Raises:
        ValueError: sizes that disagree with the operator's domain.
    """
    shape = operator.domain.shape
    n = math.prod(shape)
    mean, covariance = jnp.asarray(mean), jnp.asarray(covariance)
    if mean.size != n or covariance.shape != (n, n):
        raise ValueError(
            f"linear_mmse: an operator on images {shape} needs mean ({n},) and covariance "
            f"({n}, {n}), got {mean.shape} and {covariance.shape}."
        )
    image = mean.reshape(shape)
    cross = flat_rows(operator.apply, covariance.conj(), shape).conj()
    measured = flat_rows(operator.apply, cross.T, shape).T
    return LinearMMSE(image, operator(image).ravel(), (measured + measured.conj().T) / 2, cross)
