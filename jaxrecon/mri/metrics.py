"""PSNR, SSIM and NMSE of a volume as the fastMRI challenges compute them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon import metrics


class VolumeQuality(NamedTuple):
    """Scalars of one volume."""

    psnr: jax.Array
    """10 log10(max(truth)^2 / mean (x - truth)^2), in dB, over all of the volume"""
    ssim: jax.Array
    """mean over the slices, windows of 7 x 7 pixels, data range max(truth)"""
    nmse: jax.Array
    """||x - truth||^2 / ||truth||^2, over all of the volume"""


def volume_quality(x: Any, truth: Any, maximum: Any = None) -> VolumeQuality:
    r"""The three figures that results on fastMRI are published in.

    The data range is the largest value of the whole volume, not of a slice: dark slices then count
    for less. Slices are usually cut to the size of the reconstruction before.

    Args:
        x: magnitudes (slice, y, x), real.
        truth: those of the full scan, of the same shape and dtype, e.g. `reconstruction_rss`.
        maximum: data range; max(truth) unless given, as the attribute `max` of a file does.

    Returns:
        :class:`VolumeQuality`, differentiable in x.

    Raises:
        TypeError: complex or integer images; take their magnitudes.
        ValueError: other than three axes, shapes that differ, slices smaller than 7 x 7.

    Source: Zbontar et al. 2018, arXiv:1811.08839, section 5.
    """
    x, truth = jnp.asarray(x), jnp.asarray(truth)
    if x.ndim != 3:
        raise ValueError(
            f"volume_quality expected a volume (slice, y, x), got the shape {x.shape}; a single "
            "slice needs an axis in front."
        )
    span = jnp.max(truth) if maximum is None else jnp.asarray(maximum, x.dtype)
    ssim = jnp.mean(metrics.ssim(x, truth, span))
    error, power = jnp.mean((x - truth) ** 2), jnp.mean(truth**2)
    return VolumeQuality(10 * jnp.log10(span**2 / error), ssim, error / power)
