"""Large batches go through a chain of convolutions a few images at a time, on CPU."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import iterate, nn
from jaxrecon.nn import groups


@pytest.fixture(autouse=True)
def _few_pixels(monkeypatch):
    monkeypatch.setattr(groups, "PIXELS", 2 * 8 * 8)
    monkeypatch.setattr(groups, "PIXELS_BACKWARDS", 2 * 8 * 8)


@pytest.fixture
def network():
    return nn.DnCNN(2, 3, rngs=nnx.Rngs(0))


def images(count, side=8):
    return jax.random.normal(jax.random.key(count), (count, side, side, 1))


def run(network, x):
    return network(x)


def loops(function, *arguments):
    text = jax.jit(function).lower(*arguments).compile().as_text() or ""
    return text.count(" while(")


@pytest.mark.parametrize("count", [1, 2, 4, 5, 7])
def test_a_batch_in_groups_is_the_same(network, count):
    """Also where groups of equal size are more than the batch."""
    x = images(count)
    np.testing.assert_allclose(jax.jit(run)(network, x), network(x), atol=1e-6)
    assert loops(run, network, x) == (count > 2)


def test_images_above_the_limit_are_taken_one_by_one(network):
    x = images(3, side=16)
    found = jax.jit(run)(network, x)
    np.testing.assert_allclose(found, network(x), atol=1e-6)
    one = jax.jit(run).lower(network, x).compile().as_text() or ""
    assert "f32[3,1,16,16,1]" in one


def test_volumes_too():
    network = nn.CNN((2,), (3, 1), dims=3, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (5, 2, 4, 8, 1))
    np.testing.assert_allclose(jax.jit(run)(network, x), network(x), atol=1e-6)
    assert loops(run, network, x) == 1


def derivatives_of(loss):
    """In the weights, the images, both, forwards, and of second order."""

    def along(state, x):
        return jax.jvp(partial(loss, state), (x,), (x,))

    def curvature(state, x):
        return jax.grad(lambda state: along(state, x)[1])(state)

    return [*(jax.grad(loss, which) for which in (0, 1, (0, 1))), along, curvature]


def assert_same(found, expected):
    def same(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(1, jnp.max(jnp.abs(b))))

    jax.tree.map(same, found, expected)


def test_derivatives_take_all_images_at_once(network):
    graph, state = nnx.split(network)
    x = images(5)

    def loss(state, x):
        return jnp.sum(jnp.sin(nnx.merge(graph, state)(x)))

    def one_by_one(state, x):
        return sum(loss(state, x[i : i + 1]) for i in range(len(x)))

    for derivative, expected in zip(derivatives_of(loss), derivatives_of(one_by_one), strict=True):
        assert_same(jax.jit(derivative)(state, x), jax.jit(expected)(state, x))
        assert not loops(derivative, state, x)


def recomputed(graph, state, x, remat=True):
    return iterate(lambda x: x + jnp.sin(nnx.merge(graph, state)(x)), x, 2, remat=remat)[0]


@pytest.mark.parametrize("count", [4, 5])
def test_recomputed_steps_go_backwards_by_groups(network, count):
    """Also where the last group is filled up."""
    graph, state = nnx.split(network)
    x = images(count)

    def loss(state, x, remat=True):
        return jnp.sum(recomputed(graph, state, x, remat) ** 2)

    plain = derivatives_of(partial(loss, remat=False))
    for derivative, expected in zip(derivatives_of(loss), plain, strict=True):
        assert_same(jax.jit(derivative)(state, x), jax.jit(expected)(state, x))
    both = partial(jax.grad, argnums=(0, 1))
    assert loops(both(loss), state, x) - loops(both(partial(loss, remat=False)), state, x) == 2


def test_recomputed_steps_hold_the_activations_of_a_group():
    """Each image more costs the few that a step keeps, not those of the network."""
    channels = 16
    graph, state = nnx.split(nn.DnCNN(4, channels, rngs=nnx.Rngs(0)))

    def size(count):
        gradient = jax.grad(lambda state, x: jnp.sum(recomputed(graph, state, x)))
        program = jax.jit(gradient).lower(state, images(count)).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert size(64) - size(32) < 32 * channels * images(1).nbytes
    assert size(64) < 64 * channels * images(1).nbytes


def test_a_loop_that_keeps_its_activations_takes_all_images_at_once_in_a_recomputed_step(network):
    graph, state = nnx.split(network)

    def loss(state, x):
        def step(x):
            return recomputed(graph, state, x, remat=False)

        return jnp.sum(iterate(step, x, 2, remat=True)[0])

    def derivative(state, x):
        return jax.grad(loss)(state, x)

    assert loops(derivative, state, images(5)) == loops(derivative, state, images(2))


def test_other_backends_take_all_images_at_once(network):
    lowered = jax.jit(run).trace(network, images(5)).lower(lowering_platforms=("cuda",))
    assert "while" not in lowered.as_text()


def test_a_batch_of_any_size_is_exported(network):
    shape = (*jax.export.symbolic_shape("batch"), 8, 8, 1)
    given = jax.ShapeDtypeStruct(shape, jnp.float32)
    exported = jax.export.export(jax.jit(partial(run, network)))(given)
    np.testing.assert_allclose(exported.call(images(5)), network(images(5)), atol=1e-6)


def test_under_vmap(network):
    x = jnp.stack([images(5), images(5) + 1])
    found = jax.jit(jax.vmap(run, (None, 0)))(network, x)
    np.testing.assert_allclose(found, jnp.stack([network(a) for a in x]), atol=1e-6)
