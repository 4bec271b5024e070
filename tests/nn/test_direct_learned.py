"""Direct reconstruction: learned linear MMSE and FBPConvNet."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import ct, nn
from jaxrecon.train import fit


def test_affine_layer_learns_the_linear_mmse_estimator():
    """Least squares over the data has the closed form C_xm C_m^-1, with means."""
    random = np.random.default_rng(0)
    pixels = random.standard_normal((400, 4)) @ random.standard_normal((4, 4)) * 0.5 + 1
    matrix = np.linalg.qr(random.standard_normal((4, 4)))[0][:3]
    data = pixels @ matrix.T + 0.1 * random.standard_normal((400, 3))
    centred, signal = data - data.mean(0), pixels - pixels.mean(0)
    weights = signal.T @ centred @ np.linalg.inv(centred.T @ centred)
    offset = pixels.mean(0) - weights @ data.mean(0)

    layer = nn.AffineLayer(jnp.zeros((4, 3)), jnp.zeros(4), (2, 2), free=True)
    batch = {"data": data.astype(np.float32), "image": pixels.reshape(-1, 2, 2).astype(np.float32)}

    def loss(layer, batch, key):
        return jnp.mean((layer(batch["data"]) - batch["image"]) ** 2)

    result = fit(
        layer, loss, batch, key=jax.random.key(0), epochs=800, batch_size=200, learning_rate=0.05
    )
    np.testing.assert_allclose(result.module.weights[...], weights, atol=0.02)
    np.testing.assert_allclose(result.module.offset[...], offset, atol=0.02)


@pytest.mark.slow
def test_fbp_conv_net():
    """A network after filtered backprojection: FBP to begin with, less error after training."""
    geometry = ct.parallel_beam((16, 16), views=6, bins=24)
    operator = ct.XRayTransform(geometry)
    y, x = jnp.meshgrid(jnp.linspace(-1, 1, 16), jnp.linspace(-1, 1, 16), indexing="ij")
    radii = jnp.linspace(0.3, 0.8, 8)[:, None, None]
    images = jnp.where(x**2 + y**2 < radii**2, 1.0, 0.0)
    sinograms = jax.jit(jax.vmap(operator))(images)
    inverse = jax.vmap(lambda m: ct.filtered_backprojection(m, geometry))
    network = nn.DirectReconstruction(nn.CNN((16, 16), (7, 3, 3), rngs=nnx.Rngs(0)))
    untrained = nn.CNN((4,), (3, 3), rngs=nnx.Rngs(0))
    untrained.layers[-1].kernel[...] *= 0
    zero = nn.DirectReconstruction(untrained)
    start = jax.jit(inverse)(sinograms)
    same = jax.jit(lambda module, m: module(m, inverse))(zero, sinograms)
    np.testing.assert_allclose(same, start, atol=1e-6)

    def loss(module, batch, key):
        return jnp.mean((module(batch["data"], inverse) - batch["image"]) ** 2)

    result = fit(
        network,
        loss,
        {"data": sinograms, "image": images},
        key=jax.random.key(0),
        epochs=80,
        batch_size=8,
        learning_rate=5e-3,
    )
    before = jnp.mean((start - images) ** 2)
    after = jax.jit(loss)(result.module, {"data": sinograms, "image": images}, None)
    assert after < 0.5 * before


@pytest.mark.parametrize(
    ("weights", "offset", "image"),
    [
        ((6, 4, 2), 6, (2, 3)),
        ((6,), 6, (2, 3)),
        ((5, 4), 6, (2, 3)),
        ((6, 4), 5, (2, 3)),
        ((6, 4), 6, (2, 2)),
        ((6, 4), 6, (1, 2, 3)),
    ],
)
def test_shapes_of_an_affine_layer(weights, offset, image):
    with pytest.raises(ValueError, match=r"AffineLayer expected weights \(pixels, measurements\)"):
        nn.AffineLayer(jnp.ones(weights), jnp.zeros(offset), image, free=True)


@pytest.mark.parametrize("measurements", [(5, 3), (4, 1), ()])
def test_an_affine_layer_takes_measurements_of_its_length(measurements):
    layer = nn.AffineLayer(jnp.ones((6, 4)), jnp.zeros(6), (2, 3), free=True)
    assert layer(jnp.ones((5, 4))).shape == (5, 2, 3)
    with pytest.raises(ValueError, match=r"AffineLayer expected measurements \(..., 4\)"):
        layer(jnp.ones(measurements))
