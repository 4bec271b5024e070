"""Mean and covariance of a class of images, in one pass over a data set of any size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.products import einsum


class Moments(NamedTuple):
    """Mean mu (N,) and covariance E (f - mu)(f - mu)^H (N, N) of flat images f, real or complex,
    with the number of images behind them."""

    mean: jax.Array
    covariance: jax.Array
    count: jax.Array


@jax.jit
def _update(moments: Moments, batch: jax.Array) -> Moments:
    """Merge the moments of a batch; `covariance` holds the sum of squared deviations here."""
    flat = batch.reshape(batch.shape[0], -1)
    n, m = moments.count, flat.shape[0]
    mean = flat.mean(axis=0)
    centred = flat - mean
    shift = mean - moments.mean
    scatter = einsum("bi,bj->ij", centred, centred.conj())
    total = n + m
    return Moments(
        moments.mean + shift * (m / total),
        moments.covariance + scatter + jnp.outer(shift, shift.conj()) * (n * m / total),
        total,
    )


def estimate_moments(batches: Iterable[Any]) -> Moments:
    """Mean and unbiased covariance of images, from batches (batch, y, x), one pass.

    Batches are merged by the pairwise update of Chan, Golub and LeVeque, stable for large sets,
    where sums of squares are not. Memory is N^2 numbers plus one batch.

    Args:
        batches: iterable of arrays (batch, y, x) or (batch, N), e.g. a loader of a data set.

    Returns:
        Moments of the flattened images.

    Raises:
        ValueError: fewer than two images, or batches of different image sizes.

    Source: Chan, Golub, LeVeque, Am. Stat. 37 (1983), doi:10.1080/00031305.1983.10483115.
    """
    moments = None
    for batch in batches:
        batch = jnp.asarray(batch)
        batch = batch.astype(jnp.result_type(batch, jnp.float32))
        n = int(np.prod(batch.shape[1:]))
        if moments is None:
            zero = jnp.zeros((n, n), batch.dtype)
            moments = Moments(zero[0], zero, jnp.zeros((), batch.real.dtype))
        if moments.mean.shape != (n,):
            raise ValueError(
                f"estimate_moments: a batch has images of {n} pixels, earlier ones had "
                f"{moments.mean.shape[0]}."
            )
        moments = _update(moments, batch)
    if moments is None or float(moments.count) < 2:
        raise ValueError("estimate_moments needs at least two images.")
    return moments._replace(covariance=moments.covariance / (moments.count - 1))


def symmetrise(moments: Moments, shape: tuple[int, int]) -> Moments:
    """The moments of the images together with their eight flips and quarter turns.

    The statistics of natural images are nearly the same in all orientations, so this removes
    error of estimation that a small training set leaves: one average over the group instead of
    eight passes over the data. (The covariance of the mean between orientations is added, as if
    all had been counted.)

    Args:
        moments: of flattened square images.
        shape: (y, x) with y = x.

    Raises:
        ValueError: images that are not square.
    """
    if shape[0] != shape[1]:
        raise ValueError(f"symmetrise: quarter turns need square images, got {shape}.")
    n = shape[0] * shape[1]
    second = moments.covariance + jnp.outer(moments.mean, moments.mean.conj())
    means, seconds = moments.mean.reshape(shape), second.reshape(*shape, *shape)
    for axis in (0, 1):
        means = (means + jnp.flip(means, axis)) / 2
        seconds = (seconds + jnp.flip(seconds, (axis, axis + 2))) / 2
    means = (means + means.T) / 2
    seconds = (seconds + seconds.transpose(1, 0, 3, 2)) / 2
    mean = means.reshape(n)
    covariance = seconds.reshape(n, n) - jnp.outer(mean, mean.conj())
    return Moments(mean, covariance, 8 * moments.count)
