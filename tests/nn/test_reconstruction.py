"""Direct and unrolled networks on the solvers' own steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn
from jaxrecon.nn.direct import Frozen
from jaxrecon.single_pixel import HadamardSubsampling, sequency_order_2d

SHAPE = (8, 8)
OPERATOR = HadamardSubsampling(sequency_order_2d(SHAPE)[:20], SHAPE)
DATA = jax.vmap(OPERATOR)(jax.random.normal(jax.random.key(0), (3, 8, 8)))


def unet(rngs):
    return nn.UNet((4, 6), rngs=rngs)


def test_shared_weights_equal_stacked_copies():
    network = unet(nnx.Rngs(0))
    copies = jax.tree.map(lambda a: jnp.stack([a] * 3), network)
    shared = nn.UnrolledProximalGradient(network, steps=3, shared=True)
    unshared = nn.UnrolledProximalGradient(copies, steps=3, shared=False)
    start = jax.vmap(OPERATOR.adjoint)(DATA)
    np.testing.assert_allclose(
        shared(OPERATOR, DATA, start), unshared(OPERATOR, DATA, start), atol=1e-5
    )


@pytest.mark.slow
def test_unrolled_equals_the_steps_written_out():
    stack = nn.stacked(unet, 2, jax.random.key(3))
    module = nn.UnrolledProximalGradient(stack, steps=2, shared=False, step_size=0.7)
    weights = jnp.linspace(0.5, 2, 20) * jnp.ones((3, 1))
    x = start = jax.vmap(OPERATOR.adjoint)(DATA)
    for k in range(2):
        network = jax.tree.map(lambda a, k=k: a[k], stack)
        residual = weights * (jax.vmap(OPERATOR)(x) - DATA)
        x = nn.on_images(network, x - 0.7 * jax.vmap(OPERATOR.adjoint)(residual))
    np.testing.assert_allclose(module(OPERATOR, DATA, start, weights), x, atol=1e-5)


@pytest.mark.slow
def test_step_sizes_and_all_networks_are_trained():
    stack = nn.stacked(unet, 2, jax.random.key(3))
    module = nn.UnrolledProximalGradient(stack, steps=2, shared=False)
    start = jnp.zeros((3, 8, 8))
    gradient = jax.grad(lambda n: jnp.sum((n(OPERATOR, DATA, start) - 1) ** 2))(module)
    assert jnp.all(gradient.step_sizes[...] != 0)
    for leaf in jax.tree.leaves(nnx.state(gradient.network)):
        assert jnp.all(jnp.any(leaf.reshape(2, -1) != 0, axis=1))


@pytest.mark.parametrize("free", [True, False])
def test_a_frozen_layer_is_not_trained(free):
    first = nn.AffineLayer(jnp.ones((64, 20)), jnp.zeros(64), SHAPE, free=free)
    module = nn.DirectReconstruction(unet(nnx.Rngs(0)), first)
    assert module(DATA).shape == (3, 8, 8)
    trained = nn.parameter_count(module) - nn.parameter_count(module.network)
    assert trained == (64 * 21 if free else 0)
    assert isinstance(module.first.weights, nnx.Param if free else Frozen)


def test_direct_takes_one_inverse():
    module = nn.DirectReconstruction(unet(nnx.Rngs(0)))
    images = jax.vmap(OPERATOR.adjoint)(DATA)
    np.testing.assert_allclose(
        module(DATA, jax.vmap(OPERATOR.adjoint)), nn.on_images(module.network, images), atol=1e-6
    )
    with pytest.raises(ValueError, match="one approximate inverse"):
        module(DATA)


def test_bad_input():
    with pytest.raises(ValueError, match="positive whole number for steps, got 0"):
        nn.UnrolledProximalGradient(unet(nnx.Rngs(0)), steps=0, shared=True)
    with pytest.raises(ValueError, match=r"nn\.stacked"):
        nn.UnrolledProximalGradient(unet(nnx.Rngs(0)), steps=2, shared=False)
    with pytest.raises(ValueError, match=r"\(pixels, measurements\)"):
        nn.AffineLayer(jnp.ones((63, 20)), jnp.zeros(63), SHAPE, free=True)


def test_networks_lower_for_accelerators():
    module = nn.UnrolledProximalGradient(unet(nnx.Rngs(0)), steps=2, shared=True)
    start = jnp.zeros((3, 8, 8))

    def step(module, operator, data):
        return jax.grad(lambda n: jnp.sum(n(operator, data, start) ** 2))(module)

    graph, state = nnx.split(module)

    def flat(leaves, operator, data):
        module = nnx.merge(graph, jax.tree.unflatten(jax.tree.structure(state), leaves))
        return jax.tree.leaves(nnx.state(step(module, operator, data)))

    exported = jax.export.export(
        jax.jit(lambda leaves, data: flat(leaves, OPERATOR, data)), platforms=["cuda", "tpu"]
    )(jax.tree.leaves(state), DATA)
    assert set(exported.platforms) == {"cuda", "tpu"}
