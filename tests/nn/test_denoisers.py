"""Denoisers: scale equivariance, complex images, volumes, normalisation and resolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn

IMAGES = jax.random.normal(jax.random.key(0), (2, 8, 8))
BIAS_FREE = {
    "DRUNet": lambda **o: nn.DRUNet((3, 3), blocks=1, rngs=nnx.Rngs(0), **o),
    "DnCNN": lambda **o: nn.DnCNN(3, 4, rngs=nnx.Rngs(0), **{"bias": False, "inputs": 2, **o}),
    "UNet": lambda **o: nn.UNet((3, 3), rngs=nnx.Rngs(0), **{"bias": False, "inputs": 2, **o}),
}


def with_random_biases(network):
    """Biases start at zero, where they would not show."""

    def shifted(path, leaf):
        name = jax.tree_util.keystr(path)
        return leaf + 0.3 if "bias" in name else leaf

    graph, state = nnx.split(network)
    return nnx.merge(graph, jax.tree_util.tree_map_with_path(shifted, state))


@pytest.mark.parametrize("name", BIAS_FREE)
def test_without_biases_scale_equivariant(name):
    """D(c x, c sigma) = c D(x, sigma); exactly so for powers of two."""
    run = jax.jit(nn.on_images)
    network = with_random_biases(BIAS_FREE[name]())
    plain = run(network, IMAGES, 0.5)
    assert jnp.abs(plain).max() > 0
    np.testing.assert_array_equal(run(network, 4 * IMAGES, 2.0), 4 * plain)
    np.testing.assert_allclose(run(network, 0.3 * IMAGES, 0.15), 0.3 * plain, rtol=1e-4, atol=1e-5)


def test_with_biases_not_scale_equivariant():
    network = with_random_biases(BIAS_FREE["DRUNet"](bias=True))
    run = jax.jit(nn.on_images)
    plain, scaled = (run(network, c * IMAGES, c * 0.5) for c in (1, 4))
    assert jnp.abs(scaled - 4 * plain).max() > 0.1


def test_complex_images_are_two_channels():
    network = BIAS_FREE["DRUNet"](inputs=3, outputs=2)
    image = jax.lax.complex(IMAGES[0], IMAGES[1])
    out = jax.jit(nn.on_images)(network, image, 0.1)
    assert out.dtype == image.dtype
    channels = jnp.stack([IMAGES[0], IMAGES[1], jnp.full((8, 8), 0.1)], axis=-1)
    parts = jax.jit(lambda network, x: network(x))(network, channels[None])[0]
    np.testing.assert_allclose(out.real, parts[..., 0], atol=1e-6)
    np.testing.assert_allclose(out.imag, parts[..., 1], atol=1e-6)
    with pytest.raises(ValueError, match="need 2 output channels, got 1"):
        nn.on_images(BIAS_FREE["DnCNN"](), image)


@pytest.mark.slow
def test_volumes():
    volume = jax.random.normal(jax.random.key(1), (4, 6, 4))
    network = BIAS_FREE["DRUNet"](dims=3)
    out = jax.jit(nn.on_images, static_argnames="dims")(network, volume, 0.1, dims=3)
    assert out.shape == volume.shape
    assert jnp.abs(out).max() > 0

    def loss(network):
        return jnp.sum((nn.on_images(network, volume, dims=3) - 1) ** 2)

    gradient = jax.jit(jax.grad(loss))(nn.DnCNN(2, 3, dims=3, rngs=nnx.Rngs(0)))
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(nnx.state(gradient)))
    with pytest.raises(ValueError, match=r"multiples of 2"):
        nn.on_images(network, volume[:3], 0.1, dims=3)
    with pytest.raises(ValueError, match=r"\(batch, z, y, x, 2\)"):
        nn.on_images(network, volume, 0.1)


@pytest.mark.parametrize("sides", [(3, 4), (2, 3, 4)])
def test_group_normalisation_is_of_each_image_and_group(sides):
    x = np.asarray(jax.random.normal(jax.random.key(2), (2, *sides, 6))) * 3 + 1
    layer = nn.GroupNormalisation(6, groups=2)
    layer.gain[...] = gain = jnp.arange(1.0, 7.0)
    layer.offset[...] = offset = jnp.arange(6.0)
    out = layer(jnp.asarray(x))
    for i in range(2):
        for g in range(2):
            part = x[i, ..., 3 * g : 3 * g + 3].astype(np.float64)
            unit = (part - part.mean()) / np.sqrt(part.var() + 1e-5)
            expected = gain[3 * g : 3 * g + 3] * unit + offset[3 * g : 3 * g + 3]
            np.testing.assert_allclose(out[i, ..., 3 * g : 3 * g + 3], expected, atol=1e-5)
    with pytest.raises(ValueError, match="must divide"):
        nn.GroupNormalisation(6, groups=4)


NORMALISED = {
    "DnCNN": lambda groups: nn.DnCNN(3, 4, groups=groups, rngs=nnx.Rngs(0)),
    "UNet": lambda groups: nn.UNet((4, 4), groups=groups, rngs=nnx.Rngs(0)),
}


@pytest.mark.parametrize("name", NORMALISED)
def test_normalised_networks_depend_on_their_image_alone(name):
    network, plain = NORMALISED[name](2), NORMALISED[name](None)
    run = jax.jit(nn.on_images)
    both = run(network, IMAGES)
    np.testing.assert_allclose(run(network, IMAGES[:1]), both[:1], atol=1e-5)
    assert jnp.abs(both - run(plain, IMAGES)).max() > 1e-3
    layers = 1 if name == "DnCNN" else 3
    assert nn.parameter_count(network) == nn.parameter_count(plain) + layers * 8


def test_normalised_complex_network_has_one_scale_for_both_channels():
    network = nn.Normalised(BIAS_FREE["UNet"](outputs=2, bias=True), floor=1e-6, channels=2)
    image = jax.lax.complex(IMAGES[0], IMAGES[1])
    run = jax.jit(nn.on_images)
    moved = run(network, 3 * image + 2 - 1j)
    np.testing.assert_allclose(moved, 3 * run(network, image) + 2 - 1j, atol=1e-4)


def test_resolution_changes_are_strided_convolutions():
    x = jax.random.normal(jax.random.key(3), (2, 4, 6, 3))
    layout = ("NHWC", "HWIO", "NHWC")
    down = nn.Downsample(3, 5, bias=False, rngs=nnx.Rngs(0))
    kernel = down.kernel[...].reshape(2, 2, 3, 5)
    expected = jax.lax.conv_general_dilated(x, kernel, (2, 2), "VALID", dimension_numbers=layout)
    np.testing.assert_allclose(down(x), expected, atol=1e-5)
    up = nn.Upsample(3, 5, bias=False, rngs=nnx.Rngs(0))
    kernel = up.kernel[...].reshape(3, 2, 2, 5).transpose(1, 2, 0, 3)
    expected = jax.lax.conv_transpose(
        x, kernel[::-1, ::-1], (2, 2), "VALID", dimension_numbers=layout, transpose_kernel=False
    )
    got = up(x)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_max_pool_and_folding_of_volumes():
    x = jax.random.normal(jax.random.key(4), (2, 4, 6, 3))
    blocks = np.asarray(x).reshape(2, 2, 2, 3, 2, 3)
    np.testing.assert_array_equal(nn.max_pool(x), blocks.max(axis=(2, 4)))
    volume = jax.random.normal(jax.random.key(5), (1, 2, 4, 2, 3))
    folded = nn.space_to_depth(volume)
    assert folded.shape == (1, 1, 2, 1, 24)
    np.testing.assert_array_equal(folded[0, 0, 1, 0], volume[0, :, 2:, :].reshape(-1))
    np.testing.assert_array_equal(nn.depth_to_space(folded), volume)
    np.testing.assert_array_equal(
        nn.max_pool(volume)[0, 0, 1, 0], np.asarray(volume)[0, :, 2:].max(axis=(0, 1, 2))
    )
    with pytest.raises(ValueError, match="max_pool"):
        nn.max_pool(x[:, :3])


def test_bad_input():
    with pytest.raises(ValueError, match="at least one scale"):
        nn.DRUNet((), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="dims must be 2 or 3"):
        nn.Convolution(1, 1, dims=1, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="expected 3 channels"):
        nn.convolve(jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 3, 1)))
    with pytest.raises(ValueError, match="as many axes"):
        nn.convolve(jnp.ones((1, 4, 4, 2)), jnp.ones((3, 2, 1)))
