"""The convolution equals XLA's, with all its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn
from jaxrecon.nn.convolution import convolve


def plain(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.fixture(scope="module")
def data():
    x = jax.random.normal(jax.random.key(0), (3, 8, 6, 2))
    kernel = jax.random.normal(jax.random.key(1), (5, 3, 2, 4))
    return x, kernel


def loss(convolution, x, kernel):
    return jnp.sum(jnp.sin(convolution(x, kernel)))


def test_value_and_gradients(data):
    np.testing.assert_allclose(convolve(*data), plain(*data), atol=1e-5)
    ours = jax.grad(loss, (1, 2))(convolve, *data)
    theirs = jax.grad(loss, (1, 2))(plain, *data)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_forward_mode_second_order_and_vmap(data):
    x, kernel = data
    np.testing.assert_allclose(
        jax.jvp(convolve, data, data)[1], jax.jvp(plain, data, data)[1], atol=1e-4
    )

    def curvature(convolution):
        gradient = jax.grad(lambda k: loss(convolution, x, k))
        return jax.grad(lambda k: jnp.vdot(gradient(k), kernel))(kernel)

    np.testing.assert_allclose(curvature(convolve), curvature(plain), rtol=1e-3, atol=1e-3)
    kernels = jnp.stack([kernel, 2 * kernel])
    np.testing.assert_allclose(
        jax.vmap(convolve, (None, 0))(x, kernels)[1], plain(x, kernels[1]), atol=1e-4
    )


def test_gradients_are_canonical_convolutions():
    """On CPU only NHWC with HWIO kernels is fast; an upgrade must not bring other layouts."""

    def scanned(kernel, x):
        return jax.lax.scan(lambda c, _: (convolve(c, kernel), None), x, None, 3)[0].sum()

    kernel, x = jnp.ones((3, 3, 4, 4)), jnp.ones((2, 8, 6, 4))
    text = jax.jit(jax.grad(scanned, (0, 1))).lower(kernel, x).as_text(dialect="hlo")
    convolutions = [line for line in text.splitlines() if " convolution(" in line]
    assert len(convolutions) >= 3
    assert all("dim_labels=b01f_01io->b01f" in line for line in convolutions), convolutions


def test_fold_and_unfold(data):
    x = jnp.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    folded = nn.space_to_depth(x)
    assert folded.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(nn.depth_to_space(folded), x)
    np.testing.assert_array_equal(folded[0, 0, 0], x[0, :2, :2].reshape(-1))


def test_bad_input():
    with pytest.raises(ValueError, match="odd"):
        nn.Convolution(1, 1, size=4, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="multiples of 2"):
        nn.space_to_depth(jnp.ones((1, 5, 4, 1)))


def test_kernels_of_an_even_size_are_refused():
    with pytest.raises(ValueError, match="odd sizes"):
        convolve(jnp.ones((1, 8, 8, 1)), jnp.ones((4, 3, 1, 1)))
