"""How certain a mean over test images is, and whether two methods differ on the same images."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Interval(NamedTuple):
    """A mean with a confidence interval: numbers, or arrays of several."""

    mean: Any
    low: Any
    high: Any


class Comparison(NamedTuple):
    """What :func:`paired` returns."""

    difference: Interval
    """mean of first - second"""
    p_value: float
    """two-sided, of the hypothesis that the signs of the differences are random"""
    fraction: float
    """of the images on which the first value is the larger one"""


def confidence_interval(
    values: Any, level: float = 0.95, *, key: jax.Array | None = None, resamples: int = 2000
) -> Interval:
    r"""The mean of independent values, with an interval that covers the expectation.

    Without a key by the normal approximation, mean +- z s / sqrt(n). With a key by the percentile
    bootstrap: quantiles of the means of `resamples` samples of n values drawn with replacement,
    which follows skewed distributions. Both are too narrow for few values (below about 20).

    Args:
        values: (n,), one value per test image, n >= 2.
        level: probability of covering the expectation.
        key: JAX key for the bootstrap.
        resamples: samples of the bootstrap.

    Raises:
        ValueError: fewer than two values, a level outside (0, 1).

    Source: Efron 1979, doi:10.1214/aos/1176344552.
    """
    values = _values(values, "confidence_interval")
    if not 0 < level < 1:
        raise ValueError(f"confidence_interval expected 0 < level < 1, got {level}.")
    mean = float(values.mean())
    if key is None:
        half = NormalDist().inv_cdf((1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values))
        return Interval(mean, float(mean - half), float(mean + half))
    drawn = jax.random.randint(key, (resamples, len(values)), 0, len(values))
    means = values[np.asarray(drawn)].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def paired(
    first: Any, second: Any, key: jax.Array, *, level: float = 0.95, resamples: int = 2000
) -> Comparison:
    """Compare two methods by a measure of quality of the same test images.

    Differences within images vary far less than images do, so that small ones can be certain. The
    interval is the bootstrap's, the p-value that of the sign-flip permutation test, at least
    1 / (resamples + 1).

    Args:
        first, second: (n,), a value per image of each method, in the same order.
        key: JAX key.
        level: of the interval.
        resamples: of the bootstrap, and sign flips of the test.

    Raises:
        ValueError: other than two or more values of each.
    """
    first, second = _values(first, "paired"), _values(second, "paired")
    if first.shape != second.shape:
        raise ValueError(
            f"paired expected values of the same images, got {len(first)} and {len(second)}."
        )
    difference = first - second
    drawing, flipping = jax.random.split(key)
    interval = confidence_interval(difference, level, key=drawing, resamples=resamples)
    signs = jax.random.rademacher(flipping, (resamples, len(difference)), jnp.int32)
    means = np.abs((np.asarray(signs) * difference).mean(axis=1))
    extreme = np.sum(means >= abs(interval.mean) * (1 - 1e-12))
    p_value = float((extreme + 1) / (resamples + 1))
    return Comparison(interval, p_value, float(np.mean(difference > 0)))


def _values(values: Any, what: str) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"{what} expected one value for each of two or more images, got the shape "
            f"{values.shape}."
        )
    return values
