"""What keeps convolutions fast on CPU: the form of the compiled programs, not times."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from jaxrecon import nn


def plain(x, kernel):
    layout = ("NDHWC", "DHWIO", "NDHWC") if x.ndim == 5 else ("NHWC", "HWIO", "NHWC")
    ones = (1,) * (x.ndim - 2)
    return lax.conv_general_dilated(x, kernel, ones, "SAME", dimension_numbers=layout)


SHAPES = {
    "one image": ((1, 19, 6, 2), (3, 3, 2, 3)),
    "three images": ((3, 16, 5, 2), (5, 3, 2, 1)),
    "one volume": ((1, 17, 4, 5, 2), (3, 1, 3, 2, 2)),
    "more rows of kernel than of strips": ((1, 16, 4, 1), (9, 1, 1, 2)),
    "1x1": ((2, 4, 4, 3), (1, 1, 3, 2)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_gradients_of_few_images_and_of_volumes(name):
    """Few images are cut into strips; the result is that of the plain convolution."""
    x, kernel = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate(SHAPES[name]))

    def loss(convolution, x, kernel):
        return jnp.sum(jnp.sin(convolution(x, kernel)))

    ours, theirs = (
        jax.jit(jax.value_and_grad(loss, (1, 2)), static_argnums=0)(f, x, kernel)
        for f in (nn.convolve, plain)
    )
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def compiled_lines(function, *arguments):
    text = nn.jit(function).lower(*arguments).compile().as_text()
    return [line.strip() for line in text.splitlines() if " = " in line]


on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="about XLA's CPU backend")


@on_cpu
@pytest.mark.parametrize("scanned", [False, True])
def test_compiled_convolutions_are_canonical_and_left_to_eigen(scanned):
    """Other layouts, dilation, groups or another library make a training step many times slower."""
    kernel, x = jnp.ones((2, 3, 3, 32, 32)), jnp.ones((2, 16, 16, 32))  # large enough for libraries

    def loss(kernels, x):
        def layer(y, kernel):
            return jax.nn.relu(nn.convolve(y, kernel)), None

        if scanned:
            return jnp.sum(lax.scan(layer, x, kernels)[0] ** 2)
        for k in kernels:
            x, _ = layer(x, k)
        return jnp.sum(x**2)

    lines = compiled_lines(jax.grad(loss, (0, 1)), kernel, x)
    convolutions = [line for line in lines if " convolution(" in line]
    assert len(convolutions) >= 3  # forward, and both gradients
    for line in convolutions:
        assert "dim_labels=b01f_01io->b01f" in line
        window = line.split("window={")[1].split("}")[0]
        assert all(word.startswith(("size=", "pad=")) for word in window.split()), window
        assert "group_count" not in line
    assert nn.compiler_options(), "this XLA does not know the option: is there a new name for it?"
    assert not any("kind=kCustom" in line for line in lines), "a library has taken them"


@on_cpu
def test_gradient_of_a_kernel_contracts_over_strips_of_one_image():
    x, kernel = jnp.ones((1, 32, 16, 4)), jnp.ones((3, 3, 4, 4))
    lines = compiled_lines(jax.grad(lambda k, x: jnp.sum(nn.convolve(x, k) ** 2)), kernel, x)
    shapes = [line.split("= ")[1] for line in lines if " convolution(" in line]
    assert any(shape.startswith("f32[4,3,3,4]") for shape in shapes)
    contracted = [line for line in lines if "f32[4,6,16,8]" in line]
    assert contracted, "eight strips of four rows and their halo"


@on_cpu
def test_resolution_changes_need_no_convolution():
    network = nn.Downsample(4, 4, rngs=nnx.Rngs(0)), nn.Upsample(4, 4, rngs=nnx.Rngs(0))

    def loss(layers, x):
        return jnp.sum(layers[1](layers[0](nn.max_pool(x))) ** 2)

    lines = compiled_lines(jax.grad(loss, (0, 1)), network, jnp.ones((2, 16, 16, 4)))
    assert any(" dot(" in line for line in lines)
    slow = ("convolution(", "reduce-window(", "select-and-scatter(")
    assert not any(word in line for line in lines for word in slow)
