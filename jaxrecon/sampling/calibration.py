"""Whether credible intervals hold what they promise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.solvers.step_sizes import is_concrete


def rank_transform(truth: jax.Array, samples: jax.Array, key: jax.Array) -> jax.Array:
    """(r + u) / (S + 1) of each pixel: r of its S samples lie below the truth, u is uniform.

    Uniform on (0, 1), exactly and for every S, where the truth and the samples come from the same
    distribution independently; a histogram of it tells how an uncertainty fails: a U too narrow, a
    hill too wide, a slope biased.

    Args:
        truth: real, any shape.
        samples: (S, *shape of truth).
        key: JAX key, for u.

    Raises:
        ValueError: shapes that do not fit.

    Source: Talts et al. 2018, doi:10.48550/arXiv.1804.06788.
    """
    if samples.shape[1:] != truth.shape:
        raise ValueError(
            f"rank_transform expected samples (S, *{truth.shape}), got the shape {samples.shape}."
        )
    below = jnp.sum(samples < truth, axis=0)
    u = jax.random.uniform(key, truth.shape, truth.dtype)
    return (below + u) / (len(samples) + 1)


def normal_transform(truth: jax.Array, mean: jax.Array, deviation: jax.Array) -> jax.Array:
    """Phi((truth - mean) / deviation): uniform where the posterior of each pixel is normal.

    For mean and deviation of :func:`posterior_moments`, of which no samples were kept. Deviations
    from S samples widen the distribution by about 1 / (2 S).
    """
    return jax.scipy.stats.norm.cdf(truth, mean, deviation)


def coverage(transform: jax.Array, levels: Any) -> jax.Array:
    """The share of pixels whose truth lies in the central credible interval of each level.

    Calibrated uncertainties give the levels back: 0.9 of the truths in the 90 % intervals. Less is
    too sure. Over n independent pixels it has the deviation sqrt(level (1 - level) / n); pixels
    of one image depend on each other, so look at many images.

    Args:
        transform: of :func:`rank_transform` or :func:`normal_transform`, any shape.
        levels: (L,) nominal levels in (0, 1).

    Returns:
        (L,).

    Raises:
        ValueError: levels that are not between 0 and 1 (where known), or no axis of them.
    """
    width = 2 * jnp.abs(transform.ravel() - 0.5)
    levels = jnp.asarray(levels, width.dtype)
    if levels.ndim != 1:
        raise ValueError(f"coverage expected levels (L,), got the shape {levels.shape}.")
    if is_concrete(levels) and not np.all((np.asarray(levels) > 0) & (np.asarray(levels) < 1)):
        raise ValueError(f"coverage expected levels in (0, 1), got {levels}. Are they in percent?")
    return jnp.mean(width[:, None] <= levels[None], axis=0)
