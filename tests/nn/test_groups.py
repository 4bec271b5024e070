"""Large batches go through a chain of convolutions a few images at a time, on CPU."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn
from jaxrecon.nn import groups


@pytest.fixture(autouse=True)
def _few_pixels(monkeypatch):
    monkeypatch.setattr(groups, "PIXELS", 2 * 8 * 8)


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


def test_derivatives_take_all_images_at_once(network, monkeypatch):
    """In the weights, the images, both, forwards, and of second order."""
    graph, state = nnx.split(network)
    x = images(5)

    def loss(state, x):
        return jnp.sum(jnp.sin(nnx.merge(graph, state)(x)))

    def along(state, x):
        return jax.jvp(partial(loss, state), (x,), (x,))

    def curvature(state, x):
        return jax.grad(lambda state: along(state, x)[1])(state)

    derivatives = [*(jax.grad(loss, which) for which in (0, 1, (0, 1))), along, curvature]
    found = [jax.jit(d)(state, x) for d in derivatives]
    assert not any(loops(d, state, x) for d in derivatives)
    monkeypatch.setattr(groups, "PIXELS", 2**30)
    expected = [jax.jit(lambda *given, d=d: d(*given))(state, x) for d in derivatives]
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5, rtol=1e-5), found, expected)


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
