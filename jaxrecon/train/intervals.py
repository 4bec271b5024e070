"""How certain a mean over test images is, and whether two methods differ on the same images."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Interval(NamedTuple):
    """A mean with a confidence interval: numbers, or arrays of several.

    Where values are infinite, as the PSNR of a perfect image, so is their expectation: the mean and
    both ends are that infinity, or NaN for values of both infinities, which have no mean.
    """

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
        values: (n,), one value per test image, n >= 2; infinite ones as :class:`Interval` says.
        level: probability of covering the expectation.
        key: JAX key for the bootstrap.
        resamples: samples of the bootstrap.

    Raises:
        ValueError: fewer than two values, or one that is NaN; a level outside (0, 1).

    Source: Efron 1979, doi:10.1214/aos/1176344552.
    """
    values = image_values(values, "confidence_interval")
    if not 0 < level < 1:
        raise ValueError(f"confidence_interval expected 0 < level < 1, got {level}.")
    if np.any(np.isinf(values)):
        return Interval(*3 * [_infinite_mean(values)])
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
    1 / (resamples + 1). Equal values are ties, infinite ones too. An infinite difference counts in
    the test as one that is larger than all finite ones together.

    Args:
        first, second: (n,), a value per image of each method, in the same order.
        key: JAX key.
        level: of the interval.
        resamples: of the bootstrap, and sign flips of the test.

    Raises:
        ValueError: other than two or more values of each, or one that is NaN.
    """
    first, second = image_values(first, "paired"), image_values(second, "paired")
    if first.shape != second.shape:
        raise ValueError(
            f"paired expected values of the same images, got {len(first)} and {len(second)}."
        )
    difference = np.subtract(first, second, out=np.zeros(len(first)), where=first != second)
    drawing, flipping = jax.random.split(key)
    interval = confidence_interval(difference, level, key=drawing, resamples=resamples)
    signs = jax.random.rademacher(flipping, (resamples, len(difference)), jnp.int32)
    finite = _finite(difference)
    means = np.abs((np.asarray(signs) * finite).mean(axis=1))
    extreme = np.sum(means >= abs(finite.mean()) * (1 - 1e-12))
    p_value = float((extreme + 1) / (resamples + 1))
    return Comparison(interval, p_value, float(np.mean(difference > 0)))


def image_values(values: Any, what: str) -> np.ndarray:
    """(n,) values of two or more images, none of them NaN, or ValueError."""
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"{what} expected one value for each of two or more images, got the shape "
            f"{values.shape}."
        )
    if np.any(np.isnan(values)):
        (missing,) = np.nonzero(np.isnan(values))
        shown = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        raise ValueError(
            f"{what} expected a number for each image, got NaN for {len(missing)} of "
            f"{len(values)}, those with the numbers {shown}. Did their reconstruction diverge?"
        )
    return values


def _infinite_mean(values: np.ndarray) -> float:
    """The infinity among the values; NaN of both."""
    signs = set(np.sign(values[np.isinf(values)]))
    return signs.pop() * np.inf if len(signs) == 1 else np.nan


def _finite(values: np.ndarray) -> np.ndarray:
    """Infinities replaced by numbers so large that signed sums keep their order in the limit."""
    infinite = np.isinf(values)
    large = 1 + 3 * np.abs(values[~infinite]).sum()
    return np.where(infinite, np.copysign(large, values), values)
