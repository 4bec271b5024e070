"""Networks: shapes, independence of the batch, equivariance, bad input."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn

NETWORKS = {
    "CNN": lambda: nn.CNN((8, 4), (5, 1, 3), rngs=nnx.Rngs(0)),
    "DnCNN": lambda: nn.DnCNN(3, 8, rngs=nnx.Rngs(0)),
    "UNet": lambda: nn.UNet((4, 6, 8), rngs=nnx.Rngs(0)),
    "UNet, unfolded": lambda: nn.UNet((4, 6), blocks=2, fold=1, rngs=nnx.Rngs(0)),
    "Normalised": lambda: nn.Normalised(nn.UNet((4, 6), rngs=nnx.Rngs(0))),
}
IMAGES = jax.random.normal(jax.random.key(0), (3, 16, 24))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_result_depends_on_its_image_alone(name):
    network = NETWORKS[name]()
    run = jax.jit(nn.on_images)
    batch = run(network, IMAGES)
    assert batch.shape == IMAGES.shape
    np.testing.assert_allclose(run(network, IMAGES[1]), batch[1], atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    def loss(network):
        return jnp.mean((nn.on_images(network, IMAGES) - 1.5) ** 2)

    gradient = jax.jit(jax.grad(loss))(NETWORKS[name]())
    for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.state(gradient)):
        assert jnp.any(leaf != 0), path
        assert jnp.all(jnp.isfinite(leaf)), path


def test_normalised_is_equivariant_to_brightness_and_contrast():
    network = nn.Normalised(nn.UNet((4, 6), rngs=nnx.Rngs(0)), floor=1e-6)
    plain = nn.on_images(network, IMAGES)
    moved = nn.on_images(network, 3 * IMAGES + 2)
    np.testing.assert_allclose(moved, 3 * plain + 2, atol=1e-4)


def test_maps_are_channels():
    network = nn.UNet((4, 6), inputs=2, rngs=nnx.Rngs(0))
    levels = jnp.array([0.1, 0.2, 0.3])
    each = nn.on_images(network, IMAGES, levels)
    np.testing.assert_allclose(each[1], nn.on_images(network, IMAGES[1], 0.2), atol=1e-5)
    assert jnp.abs(each[1] - nn.on_images(network, IMAGES[1], 0.3)).max() > 0


def test_parameter_count_of_the_published_network():
    """9 x 9 x 64 + 64 + 64 x 32 + 32 + 5 x 5 x 32 + 1."""
    assert nn.parameter_count(nn.CNN(rngs=nnx.Rngs(0))) == 8129


def test_bad_input():
    network = nn.UNet((4, 6), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="multiples of 4"):
        nn.on_images(network, jnp.ones((6, 8)))
    with pytest.raises(ValueError, match=r"nn\.on_images"):
        network(jnp.ones((2, 8, 8)))
    with pytest.raises(ValueError, match="images"):
        nn.on_images(network, jnp.ones(8))
    with pytest.raises(TypeError, match="got 5 and 32"):
        nn.CNN(5, 32, rngs=nnx.Rngs(0))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one entry more"):
        nn.CNN((8,), (3,), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="at least 2"):
        nn.DnCNN(1, rngs=nnx.Rngs(0))


def test_channels_that_would_broadcast_are_refused():
    x, rngs = jnp.ones((1, 8, 8, 3)), nnx.Rngs(0)
    with pytest.raises(ValueError, match="residual=False"):
        nn.DnCNN(2, 4, inputs=1, outputs=2, rngs=rngs)
    with pytest.raises(ValueError, match="outputs <= inputs"):
        nn.UNet((4, 4), outputs=2, rngs=rngs)
    one = nn.DnCNN(2, 4, inputs=3, outputs=1, rngs=rngs)
    with pytest.raises(ValueError, match="outputs=2"):
        nn.GradientStep(one, channels=2)(x)
    two = nn.DnCNN(2, 4, inputs=1, outputs=2, residual=False, rngs=rngs)
    with pytest.raises(ValueError, match="an input with 1"):
        nn.GradientStep(two, channels=2)(x[..., :1])
    with pytest.raises(ValueError, match="outputs=2"):
        nn.Normalised(one, channels=2)(x)


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.int32, bool])
@pytest.mark.parametrize("name", ["on_images", "module", "function", "experts", "ridge", "norm"])
def test_integer_images_are_refused(name, dtype):
    """Weights would be rounded to integers."""
    network, rngs = nn.DnCNN(2, 4, rngs=nnx.Rngs(0)), nnx.Rngs(0)
    use = {
        "on_images": partial(nn.on_images, network),
        "module": lambda x: network(x[..., None]),
        "function": partial(nn.on_images, lambda x: x),
        "experts": nn.fields_of_experts(4, 3, rngs=rngs),
        "ridge": nn.convex_ridge(4, 3, rngs=rngs),
        "norm": partial(nn.jacobian_norm, lambda x: x),
    }[name]
    with pytest.raises(TypeError, match=rf"floating-point (x|images), got {jnp.dtype(dtype)}"):
        use(jnp.ones((2, 8, 8), dtype))


def test_jacobian_norms_of_complex_images_are_refused():
    with pytest.raises(TypeError, match="real x"):
        nn.jacobian_norm(lambda x: 3 * x, jnp.ones((2, 4), complex))


def test_maps_are_numbers_or_images():
    network = nn.CNN((4,), (3, 3), inputs=2, outputs=1, rngs=nnx.Rngs(0))
    level = jnp.linspace(0, 1, 16 * 24).reshape(16, 24)
    one, each = (nn.on_images(network, IMAGES, m) for m in (level, jnp.stack([level] * 3)))
    np.testing.assert_array_equal(one, each)
    levels = jnp.array([0.1, 0.2, 0.3])
    one, each = (nn.on_images(network, IMAGES, m) for m in (levels, levels[:, None, None]))
    np.testing.assert_array_equal(one, each)
    for wrong in (jnp.ones(24), jnp.ones((3, 1)), jnp.ones((3, 2, 1))):
        with pytest.raises(ValueError, match="expected maps of the shape"):
            nn.on_images(network, IMAGES, wrong)
    with pytest.raises(TypeError, match="real maps"):
        nn.on_images(network, IMAGES, 0.1j)


@pytest.mark.parametrize(("kind", "of"), [(nn.UNet, "level"), (nn.DRUNet, "scale")])
def test_features_of_each_level(kind, of):
    with pytest.raises(TypeError, match=f"{kind.__name__} expected features of each {of}.*got 32"):
        kind(32, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=f"{kind.__name__}: features needs at least one {of}"):
        kind((), rngs=nnx.Rngs(0))
