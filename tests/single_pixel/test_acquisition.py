"""Split Hadamard acquisition: patterns, photon statistics, orders, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import hadamard

from jaxrecon.linops.hadamard import sequency_order
from jaxrecon.single_pixel import (
    HadamardSubsampling,
    SplitHadamard,
    acquire,
    hadamard_coefficients,
    hadamard_covariance,
    preprocess,
    sequency_order_2d,
    variance_order,
)

SHAPE = (8, 8)


@pytest.fixture(scope="module")
def operator():
    return HadamardSubsampling(sequency_order_2d(SHAPE)[:20], SHAPE)


@pytest.fixture(scope="module")
def image():
    return jnp.asarray(np.random.default_rng(0).random(SHAPE), jnp.float32)


def test_rows_are_walsh_patterns(operator):
    walsh = hadamard(8)[sequency_order(8)]
    full = np.kron(walsh, walsh) / 8
    matrix = np.asarray(jax.vmap(operator)(jnp.eye(64).reshape(64, 8, 8)).T)
    np.testing.assert_allclose(matrix, full[np.asarray(operator.indices)], atol=1e-6)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(20), atol=1e-6)


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (8, 8)), (9, (8, 16)), (128, (8, 16)), (400, (256, 2))]
)
def test_every_way_of_computing_gives_the_same(count, shape):
    order = sequency_order_2d(shape)[:count]
    image = np.random.default_rng(3).random(shape).astype(np.float32)
    full = hadamard_coefficients(image).reshape(-1)
    np.testing.assert_allclose(HadamardSubsampling(order, shape)(image), full[order], atol=1e-5)


def test_split_patterns_are_zero_and_one(operator):
    split = SplitHadamard(operator)
    patterns = np.asarray(jax.vmap(split)(jnp.eye(64).reshape(64, 8, 8)))
    np.testing.assert_allclose(np.abs(patterns - 0.5), 0.5, atol=1e-5)
    np.testing.assert_allclose(patterns.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_preprocessing_is_unbiased_and_knows_its_variance(operator, image):
    split, photons = SplitHadamard(operator), 30.0
    keys = jax.random.split(jax.random.key(0), 4000)
    counts = jax.vmap(lambda k: acquire(k, image, split, photons, read_sigma=2.0))(keys)
    m, variance = preprocess(counts, photons, SHAPE, read_sigma=2.0)
    truth = operator(image)
    standard_error = jnp.sqrt(variance.mean(0) / len(keys))
    assert jnp.all(jnp.abs(m.mean(0) - truth) < 5 * standard_error)
    np.testing.assert_allclose(m.var(0), variance.mean(0), rtol=0.15)


def test_counts_are_whole_and_not_negative(operator, image):
    counts = acquire(jax.random.key(1), image, SplitHadamard(operator), 5.0)
    assert counts.shape == (2, 20)
    assert counts.dtype == image.dtype
    assert jnp.all(counts >= 0)
    assert jnp.all(counts == jnp.round(counts))


def test_variance_order_is_stable_and_decreasing():
    random = np.random.default_rng(1)
    images = random.normal(size=(300, 64)) * np.linspace(3, 1, 64)
    covariance = np.cov(images.T).astype(np.float32)
    order = variance_order(covariance, SHAPE)
    variances = np.diag(hadamard_covariance(covariance, SHAPE))[order]
    assert np.all(np.diff(variances) <= 0)
    assert sorted(order) == list(range(64))
    np.testing.assert_array_equal(variance_order(np.ones(64), SHAPE), np.arange(64))


def test_hadamard_covariance_is_the_covariance_of_the_coefficients():
    random = np.random.default_rng(2)
    square = random.normal(size=(64, 64))
    covariance = (square @ square.T).astype(np.float32)
    walsh = hadamard(8)[sequency_order(8)]
    full = np.kron(walsh, walsh) / 8
    np.testing.assert_allclose(
        hadamard_covariance(covariance, SHAPE), full @ covariance @ full.T, atol=1e-3
    )


@pytest.mark.parametrize("count", [0, 65])
def test_infeasible_number_of_measurements(count):
    with pytest.raises(ValueError, match="infeasible for 64 pixels"):
        HadamardSubsampling(np.zeros(count, np.int32), SHAPE)


def test_bad_input(operator, image):
    split = SplitHadamard(operator)
    with pytest.raises(ValueError, match="1 of them repeated"):
        HadamardSubsampling(np.array([3, 4, 3]), SHAPE)
    with pytest.raises(ValueError, match="from 0 to 63"):
        HadamardSubsampling(np.array([3, 64]), SHAPE)
    with pytest.raises(ValueError, match="powers of two"):
        HadamardSubsampling(np.arange(5), (6, 8))
    with pytest.raises(TypeError, match="whole numbers"):
        HadamardSubsampling(np.linspace(0, 1, 5), SHAPE)
    with pytest.raises(ValueError, match="negative values"):
        acquire(jax.random.key(0), 2 * image - 1, split, 10.0)
    with pytest.raises(ValueError, match="negative counts"):
        preprocess(-np.ones((2, 20), np.float32), 10.0, SHAPE)
    with pytest.raises(ValueError, match="positive and negative patterns"):
        preprocess(np.ones((3, 20), np.float32), 10.0, SHAPE)
    with pytest.raises(ValueError, match=r"batch.*vmap"):
        operator(jnp.stack([image, image]))
    with pytest.raises(TypeError, match="real-valued"):
        operator(image.astype(jnp.complex64))
