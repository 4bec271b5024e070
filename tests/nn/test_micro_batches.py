"""Networks that take a batch a few images at a time."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn
from jaxrecon.linops import Matrix

IMAGES = jax.random.normal(jax.random.key(0), (8, 16, 16, 1))


@pytest.mark.parametrize("size", [1, 3, 4, 8, 20])
def test_values_and_gradients_are_those_of_the_whole_batch(size):
    network = nn.DnCNN(3, 8, rngs=nnx.Rngs(0))

    def loss(network, x):
        return jnp.mean(network(x) ** 2)

    run = jax.jit(jax.value_and_grad(loss, (0, 1)))
    value, (weights, image) = run(network, IMAGES)
    got, (parts, at) = run(nn.MicroBatched(network, size), IMAGES)
    np.testing.assert_allclose(got, value, rtol=1e-6)
    np.testing.assert_allclose(at, image, atol=1e-7)
    for a, b in zip(jax.tree.leaves(parts), jax.tree.leaves(weights), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def _training_step(network, batch):
    matrix = jax.random.normal(jax.random.key(1), (40, 32 * 32)) / 40
    operator = Matrix(matrix, (32, 32))
    module = nn.UnrolledProximalGradient(network, steps=4, shared=True)

    def loss(module, m):
        return jnp.mean(module(operator, m, jax.vmap(operator.adjoint)(m), remat=True) ** 2)

    return nn.jit(jax.grad(loss)).lower(module, jnp.ones((batch, 40))).compile()


def test_memory_of_a_training_step_is_that_of_the_images_at_work():
    def needed(size, batch):
        network = nn.MicroBatched(nn.DnCNN(4, 16, rngs=nnx.Rngs(0)), size)
        return _training_step(network, batch).memory_analysis().temp_size_in_bytes

    whole, part = needed(16, 16), needed(2, 16)
    assert part < 0.25 * whole
    assert needed(2, 32) - part < 0.15 * whole  # the scheme's own images: one channel each


def test_inside_a_recomputed_step_nothing_is_computed_once_more():
    """Two passes through the layers and one back, as without micro-batches."""

    def products(network):
        text = _training_step(network, 4).as_text()
        return len(re.findall(r" (?:convolution|dot|custom-call)\(", text))

    network = nn.DnCNN(4, 16, rngs=nnx.Rngs(0))
    assert products(nn.MicroBatched(network, 2)) == products(network) > 0


def test_wrong_size():
    with pytest.raises(ValueError, match="at least 1 image, got 0"):
        nn.MicroBatched(nn.DnCNN(2, 4, rngs=nnx.Rngs(0)), 0)
