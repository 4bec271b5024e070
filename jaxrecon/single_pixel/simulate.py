"""Photon counts of a split Hadamard acquisition, and back to coefficients with their variance."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon import noise
from jaxrecon.single_pixel.operator import SplitHadamard


def acquire(
    key: jax.Array,
    image: Any,
    operator: SplitHadamard,
    photons: Any,
    *,
    read_sigma: Any = 0.0,
) -> jax.Array:
    r"""Counts y+- ~ Poisson(alpha P+- f) + N(0, sigma^2): what the single detector records.

    Args:
        key: JAX key.
        image: f (y, x), values in [0, 1], non-negative.
        operator: the split patterns.
        photons: alpha, mean counts of a pixel of value 1 under one pattern; traced.
        read_sigma: sigma, read noise in counts; traced. With it counts may be negative.

    Returns:
        (2, M) counts of the positive and the negative patterns, in the dtype of the image.

    Raises:
        ValueError: negative values in the image (checked outside of jit only).
    """
    if not isinstance(image, Tracer) and np.min(image) < 0:
        raise ValueError(
            f"acquire: the image has negative values (smallest {np.min(image):.3g}), intensities "
            "have none. Is it scaled to [-1, 1]? Map it to [0, 1] first."
        )
    rate = photons * jnp.maximum(operator(image), 0)
    counts_key, read_key = jax.random.split(key)
    counts = noise.poisson(counts_key, rate)
    return noise.gaussian(read_key, counts, read_sigma)


class Preprocessed(NamedTuple):
    """Estimated coefficients and the variance of each."""

    coefficients: jax.Array
    variance: jax.Array


def preprocess(
    counts: Any, photons: Any, shape: tuple[int, int], *, read_sigma: Any = 0.0
) -> Preprocessed:
    r"""m = (y+ - y-) / (alpha sqrt(N)), an unbiased estimate of A f, with its variance.

    var m = (y+ + y- + 2 sigma^2) / (alpha^2 N): each count estimates its own Poisson variance.

    Args:
        counts: (..., 2, M) counts of positive and negative patterns.
        photons: alpha, as in :func:`acquire`; broadcasts against the leading axes.
        shape: (y, x) of the image, N = y x.
        read_sigma: read noise in counts.

    Returns:
        (coefficients, variance), each (..., M), in the units of :class:`HadamardSubsampling`.

    Raises:
        ValueError: the axis of length 2 is missing; or, outside of jit, negative counts while there
            is no read noise.

    Source: Lorente Mur et al., doi:10.1364/OE.424228.
    """
    if counts.ndim < 2 or counts.shape[-2] != 2:
        raise ValueError(
            f"preprocess expected counts (..., 2, M), positive and negative patterns, got "
            f"{counts.shape}."
        )
    quiet = np.ndim(read_sigma) == 0 and not isinstance(read_sigma, Tracer) and read_sigma == 0
    if quiet and not isinstance(counts, Tracer) and np.min(counts) < 0:
        raise ValueError(
            f"preprocess: negative counts (smallest {np.min(counts):.3g}) cannot come from a "
            "Poisson model. Were they dark-corrected, or is there read noise to pass?"
        )
    plus, minus = counts[..., 0, :], counts[..., 1, :]
    photons = jnp.asarray(photons, plus.dtype)[..., None]
    n = math.prod(shape)
    variance = (plus + minus + 2 * jnp.asarray(read_sigma, plus.dtype) ** 2) / (photons**2 * n)
    return Preprocessed((plus - minus) / (photons * math.sqrt(n)), variance)
