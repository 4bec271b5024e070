"""How many independent samples a chain is worth."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def effective_sample_size(chain: jax.Array) -> jax.Array:
    r"""n / tau with tau = 1 + 2 sum_k rho_k, the integrated autocorrelation time, for each column.

    The mean of n samples has the variance of that of n / tau independent ones. The sum of the
    autocorrelations rho_k is cut off, by Geyer's initial monotone sequence: the sums of pairs
    rho_2j + rho_2j+1 are positive and fall for reversible chains, so it ends with the first that is
    not, and none is more than the one before. Chains much shorter than 50 tau give no reliable
    number.

    Args:
        chain: real (n, ...), in order; e.g. the history of :func:`posterior_moments`.

    Returns:
        (...), at most n (more where the samples are anticorrelated); NaN for a constant column.

    Raises:
        ValueError: fewer than four samples.

    Source: Geyer 1992, doi:10.1214/ss/1177011137.
    """
    n = chain.shape[0]
    if n < 4:
        raise ValueError(f"effective_sample_size expected at least 4 samples, got {n}.")
    constant = jnp.all(chain == chain[0], axis=0)  # the rounded mean may differ from all values
    away = chain - jnp.mean(chain, axis=0)
    spectrum = jnp.abs(jnp.fft.rfft(away, 2 * n, axis=0)) ** 2
    covariance = jnp.fft.irfft(spectrum, 2 * n, axis=0)[: n - n % 2]
    rho = covariance / jnp.where(constant, 1, covariance[0])
    pairs = rho[0::2] + rho[1::2]
    going = jnp.cumprod(pairs > 0, axis=0)
    falling = jax.lax.cummin(pairs, axis=0)
    time = 2 * jnp.sum(jnp.where(going == 1, falling, 0), axis=0) - 1
    return jnp.where(constant, jnp.nan, n / time)
