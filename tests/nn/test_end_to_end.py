from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn
from jaxrecon.linops.fourier import fft_centred, ifft_centred

BATCH, COILS, N = 2, 3, 8


def identity(x):
    return x


def data(seed=0):
    random = np.random.default_rng(seed)
    image = random.normal(size=(BATCH, 1, N, N)) + 1j * random.normal(size=(BATCH, 1, N, N))
    maps = random.normal(size=(COILS, N, N)) + 1j * random.normal(size=(COILS, N, N))
    kspace = fft_centred(jnp.asarray(image * maps, jnp.complex64), (-2, -1))
    return kspace, (random.random(N) < 0.5) | (np.abs(np.arange(N) - 4) < 2)


CENTRE = np.abs(np.arange(N) - 4) < 2


def test_it_starts_as_gradient_descent_in_k_space():
    kspace, mask = data()
    network = nn.EndToEndVariationalNetwork(identity, identity, steps=3, shared=True, step_size=0.5)
    x, history = network(kspace, mask, CENTRE, trace=lambda s: s.kspace)
    z = measured = np.where(mask, kspace, 0)
    for found in history:
        z = z - 0.5 * np.where(mask, z - measured, 0)
        np.testing.assert_allclose(found, z, rtol=1e-5, atol=1e-6)
    zero_filled = np.asarray(ifft_centred(jnp.asarray(measured), (-2, -1)))
    expected = np.sqrt(np.sum(np.abs(zero_filled) ** 2, axis=1))
    np.testing.assert_allclose(x, expected, rtol=1e-4)
    combined = network(kspace, mask, CENTRE, combine="maps")
    maps = np.asarray(network.maps(jnp.asarray(measured), jnp.asarray(CENTRE)))
    last = np.asarray(ifft_centred(history[-1], (-2, -1)))
    expected = np.abs(np.sum(maps.conj() * last, axis=1))
    np.testing.assert_allclose(combined, expected, rtol=1e-4, atol=1e-5)


def test_a_step_refines_the_combined_image():
    kspace, mask = data()
    network = nn.EndToEndVariationalNetwork(lambda x: 0.25 * x, identity, steps=1, shared=True)
    _, history = network(kspace, mask, CENTRE, trace=lambda s: s.kspace)
    measured = jnp.where(mask, kspace, 0)
    maps = network.maps(measured, jnp.asarray(CENTRE))
    np.testing.assert_allclose(jnp.sum(jnp.abs(maps) ** 2, axis=1), 1, rtol=1e-5)
    x = jnp.sum(maps.conj() * ifft_centred(measured, (-2, -1)), axis=1, keepdims=True)
    expected = measured + fft_centred(maps * (-0.75 * x), (-2, -1))
    np.testing.assert_allclose(history[0], expected, rtol=1e-4, atol=1e-5)


def test_all_weights_learn_and_items_are_independent():
    kspace, mask = data()

    def make(rngs):
        return nn.Normalised(nn.UNet((4,), fold=1, inputs=2, outputs=2, rngs=rngs), channels=2)

    network = nn.EndToEndVariationalNetwork(
        nn.stacked(make, 2, jax.random.key(1)), make(nnx.Rngs(2)), steps=2
    )
    graph, weights, rest = nnx.split(network, nnx.Param, ...)
    masks = jnp.broadcast_to(jnp.asarray(mask), (BATCH, 1, 1, N))

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def loss_and_images(weights, kspace):
        images = nnx.merge(graph, weights, rest)(kspace, masks, CENTRE)
        return jnp.sum(images**2), images

    (_, images), slopes = loss_and_images(weights, kspace)
    assert all(float(jnp.abs(s).max()) > 0 for s in jax.tree.leaves(slopes))
    (_, others), _ = loss_and_images(weights, kspace.at[1].multiply(3.0))
    np.testing.assert_array_equal(images[0], others[0])
    assert not np.allclose(images[1], others[1])


def test_bad_input():
    kspace, mask = data()
    network = nn.EndToEndVariationalNetwork(identity, identity, steps=1, shared=True)
    with pytest.raises(ValueError, match=r"\(batch, coil, y, x\)"):
        network(kspace[0], mask, CENTRE)
    with pytest.raises(ValueError, match="combine to be one of"):
        network(kspace, mask, CENTRE, combine="sum")
    with pytest.raises(TypeError, match="complex k-space"):
        network(kspace.real, mask, CENTRE)
    with pytest.raises(TypeError, match="boolean mask"):
        network(kspace, mask.astype(float), CENTRE)
    with pytest.raises(ValueError, match="centre to broadcast"):
        network(kspace, mask, CENTRE[:4])
