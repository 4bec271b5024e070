"""Networks of volumes: those of images, lifted, and the symmetries of the cube."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn
from tests.laws.cases import quick_jit

VOLUME = jax.random.normal(jax.random.key(0), (4, 8, 12))
RUN = quick_jit(lambda network, x: nn.on_images(network, x, dims=3))
NETWORKS = {
    "CNN": lambda dims: nn.CNN((4, 4), (3, 1, 3), groups=2, dims=dims, rngs=nnx.Rngs(0)),
    "UNet": lambda dims: nn.UNet((4, 4), groups=2, dims=dims, rngs=nnx.Rngs(0)),
    "Normalised": lambda dims: nn.Normalised(nn.DnCNN(2, 4, dims=dims, rngs=nnx.Rngs(0))),
    "GradientStep": lambda dims: nn.GradientStep(nn.DnCNN(2, 4, dims=dims, rngs=nnx.Rngs(0))),
}


def convolutions(network):
    """Each convolution, and whether its inputs and outputs are pixels folded into channels."""
    modules = [module for _, module in nnx.iter_graph(network)]
    unets = [module for module in modules if isinstance(module, nn.UNet)]
    for layer in modules:
        if isinstance(layer, nn.Convolution):
            folded = isinstance(layer, nn.Downsample) or any(layer is u.head for u in unets)
            unfolded = isinstance(layer, nn.Upsample) or any(layer is u.tail for u in unets)
            yield layer, folded, unfolded


def with_random_biases(network):
    rng = np.random.default_rng(0)
    for layer, _, _ in convolutions(network):
        layer.bias[...] = jnp.asarray(rng.standard_normal(layer.bias.shape) / 3, jnp.float32)
    return network


def lifted(name):
    """A network of images, and one of volumes that does the same where nothing changes along z."""
    flat, deep = with_random_biases(NETWORKS[name](2)), NETWORKS[name](3)
    pairs = zip(convolutions(flat), convolutions(deep), strict=True)
    for (layer, folded, unfolded), (target, _, _) in pairs:
        kernel, bias = np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])
        border = kernel.shape[0] // 2
        kernel = np.pad(kernel[None], [(border, border), *[(0, 0)] * 4])
        if folded:  # the mean of two planes
            kernel = np.concatenate([kernel, kernel], axis=-2) / 2
        if unfolded:
            kernel, bias = np.concatenate([kernel, kernel], axis=-1), np.tile(bias, 2)
        target.kernel[...], target.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
    return flat, deep


@pytest.mark.parametrize("name", NETWORKS)
def test_a_lifted_network_does_to_each_plane_what_that_of_images_does(name):
    flat, deep = lifted(name)
    image = VOLUME[0]
    expected = quick_jit(nn.on_images)(flat, image)
    got = RUN(deep, jnp.broadcast_to(image, VOLUME.shape))
    assert got.shape == VOLUME.shape
    assert jnp.abs(expected - image).max() > 0.1
    np.testing.assert_allclose(got, jnp.broadcast_to(expected, VOLUME.shape), atol=2e-5)


def turned(x):
    """z, y, x to y, x, z, and y reversed."""
    return np.moveaxis(np.asarray(x), 0, 2)[::-1]


def turned_channels(x, axis):
    """The same of 2 x 2 x 2 pixels that are folded into the channels."""
    x = np.moveaxis(np.asarray(x), axis, 0)
    pixels = turned(x.reshape(2, 2, 2, -1, *x.shape[1:]))
    return np.moveaxis(pixels.reshape(x.shape), 0, axis)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_turned_kernels_commutes_with_the_turn(name):
    network = with_random_biases(NETWORKS[name](3))
    expected = turned(RUN(network, VOLUME))
    for layer, folded, unfolded in convolutions(network):
        kernel, bias = turned(layer.kernel[...]), np.asarray(layer.bias[...])
        if folded:
            kernel = turned_channels(kernel, -2)
        if unfolded:
            kernel, bias = turned_channels(kernel, -1), turned_channels(bias, 0)
        layer.kernel[...], layer.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
    assert np.abs(expected - turned(VOLUME)).max() > 0.1
    np.testing.assert_allclose(RUN(network, jnp.asarray(turned(VOLUME))), expected, atol=2e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    def loss(network):
        return jnp.mean((nn.on_images(network, VOLUME, dims=3) - 1.5) ** 2)

    gradient = quick_jit(jax.grad(loss))(with_random_biases(NETWORKS[name](3)))
    for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.state(gradient)):
        assert jnp.any(leaf != 0), path
        assert jnp.all(jnp.isfinite(leaf)), path


def test_normalised_is_equivariant_to_brightness_and_contrast():
    network = nn.Normalised(NETWORKS["UNet"](3), floor=1e-6)
    np.testing.assert_allclose(
        RUN(network, 3 * VOLUME + 2), 3 * RUN(network, VOLUME) + 2, atol=1e-4
    )


def test_a_denoiser_of_volumes_is_a_step_down_its_potential():
    denoiser = with_random_biases(NETWORKS["GradientStep"](3))
    f = nn.GradientStepPotential(denoiser, dims=3)
    value, slope = quick_jit(jax.value_and_grad(lambda x: f(x)))(VOLUME)
    np.testing.assert_allclose(RUN(denoiser, VOLUME), VOLUME - slope, atol=1e-5)
    residual = VOLUME - RUN(denoiser.network, VOLUME)
    np.testing.assert_allclose(value, jnp.sum(residual**2) / 2, rtol=1e-5)
