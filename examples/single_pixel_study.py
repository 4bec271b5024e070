"""The running example: 64x64 natural images seen through 333 of 4096 Hadamard coefficients."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.data.images import TEST_IMAGES, TRAINING_IMAGES, natural_patches
from jaxrecon.direct import LinearMMSE, linear_mmse
from jaxrecon.single_pixel import (
    HadamardSubsampling,
    SplitHadamard,
    estimate_moments,
    symmetrise,
    variance_order,
)

SHAPE = (64, 64)
MEASUREMENTS = 333
TUNING_PATCHES = 48


class Study(NamedTuple):
    """Images, operators and statistics that all methods share."""

    train: jax.Array
    """(6400, y, x), in [0, 1]"""
    validation: jax.Array
    """every 25th training patch, to watch training with"""
    test: jax.Array
    """(n, y, x), of images that no training patch comes from"""
    operator: HadamardSubsampling
    split: SplitHadamard
    estimator: LinearMMSE
    affine: tuple
    """(W, b) of the noiseless estimator"""

    @property
    def shape(self) -> tuple[int, int]:
        return SHAPE

    @property
    def tuning(self) -> jax.Array:
        """The training patches on which the penalties of classical methods are chosen."""
        return self.validation[:: max(1, len(self.validation) // TUNING_PATCHES)]

    def range_of(self, images: Any) -> jax.Array:
        """max - min of each image: the data range of the published table (ISBI 2020)."""
        return images.max(axis=(-2, -1)) - images.min(axis=(-2, -1))


def make_study(train: Any = None, test: Any = None) -> Study:
    """Operators and statistics from training images; the packaged ones unless others are given.

    The covariance of the training images, symmetrised over flips and quarter turns, decides which
    coefficients are measured (largest variance first), and is the prior of the linear estimator.
    """
    assert not set(TRAINING_IMAGES) & set(TEST_IMAGES), "training and test share an image"
    train = jnp.asarray(natural_patches("train") if train is None else train)
    test = jnp.asarray(natural_patches("test") if test is None else test)
    batches = (train[i : i + 1600] for i in range(0, len(train), 1600))
    moments = symmetrise(estimate_moments(batches), SHAPE)
    order = variance_order(moments.covariance, SHAPE)
    operator = HadamardSubsampling(order[:MEASUREMENTS], SHAPE)
    estimator = linear_mmse(operator, moments.mean, moments.covariance)
    return Study(
        train=train,
        validation=train[::25],
        test=test,
        operator=operator,
        split=SplitHadamard(operator),
        estimator=estimator,
        affine=estimator.affine(),
    )
