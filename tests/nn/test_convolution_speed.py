"""What keeps convolutions fast on CPU: the form of the compiled programs, not times."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from jaxrecon import nn
from jaxrecon.nn import cpu_convolution
from jaxrecon.nn.scheduling import apart


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
    "channels filled up to a vector": ((2, 6, 5, 6), (3, 3, 6, 5)),
    "more channels in than out": ((1, 17, 6, 9), (3, 5, 9, 2)),
    "from one channel": ((2, 5, 7, 1), (3, 3, 1, 4)),
    "to two channels": ((2, 5, 7, 4), (1, 9, 4, 2)),
    "gradient by rows": ((2, 5, 19, 16), (3, 3, 16, 20)),
    "gradient by rows, short ones": ((2, 9, 7, 16), (3, 3, 16, 20)),
    "gradient by rows, volumes": ((2, 3, 5, 18, 16), (1, 5, 3, 16, 17)),
    "gradient by rows, short ones of volumes": ((3, 4, 5, 6, 16), (3, 5, 3, 16, 16)),
    "gradient of a kernel of width one": ((1, 5, 3, 17), (5, 1, 17, 16)),
    "by rows": ((2, 9, 13, 48), (3, 3, 48, 50)),
    "by rows, longer than short": ((2, 4, 18, 48), (3, 3, 48, 48)),
    "by rows, narrower than a block": ((1, 5, 3, 48), (5, 3, 48, 48)),
    "by rows, volumes": ((2, 4, 5, 9, 48), (3, 5, 3, 48, 49)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_form_is_the_plain_convolution(name):
    """Few images are cut into strips, many channels filtered by rows: values and gradients."""
    x, kernel = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate(SHAPES[name]))
    kernel /= np.sqrt(kernel[..., 0].size)

    def loss(convolution, x, kernel):
        return jnp.sum(jnp.sin(convolution(x, kernel)))

    ours, theirs = (
        jax.jit(jax.value_and_grad(loss, (1, 2)), static_argnums=0)(f, x, kernel)
        for f in (nn.convolve, plain)
    )
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [5, 18])
@pytest.mark.parametrize("images", [1, 5, 6])
def test_gradients_of_kernels_by_groups_of_images_are_the_plain_ones(images, width, monkeypatch):
    """Groups of three, or of one where no other number divides the batch."""
    x, y = (jax.random.normal(jax.random.key(i), (images, 4, width, 16)) for i in range(2))
    monkeypatch.setattr(cpu_convolution, "_VALUES", 3 * x[0].size)
    found = cpu_convolution.kernel_gradient(x, y, (3, 3))
    kernel = jnp.zeros((3, 3, 16, 16))
    (expected,) = jax.vjp(lambda kernel: plain(x, kernel), kernel)[1](y)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("channels", [3, 16, 48])
def test_no_images_have_a_gradient_of_zero(channels):
    x, kernel = jnp.ones((0, 4, 5, channels)), jnp.ones((3, 3, channels, channels))
    gradient = jax.grad(lambda kernel: jnp.sum(nn.convolve(x, kernel)))(kernel)
    np.testing.assert_array_equal(gradient, 0)
    layer = nn.Convolution(channels, channels, rngs=nnx.Rngs(0))
    of_layer = nnx.grad(lambda layer: jnp.sum(layer(x, rectified=True)))(layer)
    for leaf in jax.tree.leaves(of_layer):
        np.testing.assert_array_equal(leaf, 0)


@pytest.mark.parametrize("first", [1.0, 0.0, np.inf, np.nan])
def test_what_is_computed_apart_is_computed_whatever_the_values(first):
    x = jnp.arange(6.0).reshape(2, 3).at[0, 0].set(first)
    for found in (apart(jnp.transpose, x), jax.jit(partial(apart, jnp.transpose))(x)):
        np.testing.assert_array_equal(found, x.T)


def test_rounding_by_rows_is_that_of_float32():
    """Against float64, the error is at most four times that of the plain convolution."""
    x, kernel = (
        jax.random.normal(jax.random.key(i), s)
        for i, s in enumerate([(2, 32, 32, 64), (3, 3, 64, 64)])
    )
    with jax.enable_x64(True):
        exact = np.asarray(plain(*(jnp.asarray(np.asarray(a), jnp.float64) for a in (x, kernel))))
    ours, theirs = (
        np.linalg.norm(np.asarray(f(x, kernel)) - exact) / np.linalg.norm(exact)
        for f in (nn.convolve, plain)
    )
    assert ours < 4 * theirs
    assert ours < 1e-6


def test_by_rows_float32_stays_float32():
    x, kernel = jnp.ones((1, 8, 8, 48), jnp.float32), jnp.ones((3, 3, 48, 48), jnp.float32)
    with jax.enable_x64(True):
        y, pull = jax.vjp(nn.convolve, x, kernel)
        assert {y.dtype, *(g.dtype for g in pull(y))} == {jnp.dtype("float32")}


@pytest.mark.parametrize("channels", [(48, 48), (32, 1), (1, 32), (6, 5)])
def test_half_precision_loses_nothing(channels):
    """Neither filtering by rows nor sums of rounded taps: the error is that of rounding once."""
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, channels[0])).astype(jnp.bfloat16)
    kernel = jax.random.normal(jax.random.key(1), (3, 3, *channels)).astype(jnp.bfloat16)
    exact = plain(x.astype(jnp.float32), kernel.astype(jnp.float32))
    y = nn.convolve(x, kernel)
    assert y.dtype == jnp.bfloat16
    if channels == (48, 48):
        np.testing.assert_array_equal(y, plain(x, kernel))
    error = jnp.linalg.norm(y.astype(jnp.float32) - exact) / jnp.linalg.norm(exact)
    assert error < jnp.finfo(jnp.bfloat16).eps / 4


def lines_of(program):
    return [line.strip() for line in program.as_text().splitlines() if " = " in line]


def compiled_lines(function, *arguments):
    return lines_of(nn.jit(function).lower(*arguments).compile())


def taken_by_libraries(program):
    """Texts of the computations that are left to another library."""
    text = program.as_text()
    bodies = dict(re.findall(r"^%(\S+) [^\n]*\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    return [bodies[name] for name in re.findall(r"kind=kCustom, calls=%([\w.-]+)", text)]


def assert_canonical(lines):
    """Of the lines of a compiled training step."""
    convolutions = [line for line in lines if " convolution(" in line]
    assert len(convolutions) >= 3  # forward, and both gradients
    for line in convolutions:
        assert "dim_labels=b01f_01io->b01f" in line
        window = line.split("window={")[1].split("}")[0]
        assert all(word.startswith(("size=", "pad=")) for word in window.split()), window
        assert "group_count" not in line


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
    assert_canonical(lines)
    assert not any("kind=kCustom" in line for line in lines), "a library has taken them"
    assert nn.compiler_options(), "this XLA does not know the option: is there a new name for it?"


@on_cpu
def test_gradient_of_a_kernel_contracts_over_strips_of_one_image():
    x, kernel = jnp.ones((1, 32, 16, 4)), jnp.ones((3, 3, 4, 4))
    lines = compiled_lines(jax.grad(lambda k, x: jnp.sum(nn.convolve(x, k) ** 2)), kernel, x)
    shapes = [line.split("= ")[1] for line in lines if " convolution(" in line]
    assert any(shape.startswith("f32[4,3,3,4]") for shape in shapes)
    contracted = [line for line in lines if "f32[4,6,16,8]" in line]
    assert contracted, "eight strips of four rows and their halo"


@on_cpu
def test_a_training_step_keeps_one_image_a_layer():
    """What the gradient of a kernel needs is not made in the forward pass, to be kept."""
    depth, x = 12, jnp.ones((4, 32, 32, 32))
    kernels = [jnp.ones((3, 3, 32, 32))] * depth

    def loss(kernels):
        y = x
        for kernel in kernels:
            y = jax.nn.relu(nn.convolve(y, kernel))
        return jnp.sum(y**2)

    program = nn.jit(jax.grad(loss)).lower(kernels).compile()
    assert program.memory_analysis().temp_size_in_bytes < 2 * depth * x.nbytes


@on_cpu
@pytest.mark.parametrize(("features", "batch", "side"), [(32, 8, 64), (64, 8, 64), (64, 2, 128)])
def test_training_a_rectified_layer_takes_one_image_of_it(features, batch, side):
    """What relu is the positive part of is not kept beside it, nor is a copy of either."""
    x = jnp.ones((batch, side, side, 1))

    def needed(depth):
        network = nn.DnCNN(depth, features, rngs=nnx.Rngs(0))
        graph, parameters = nnx.split(network)
        loss = jax.grad(lambda p: jnp.sum(nnx.merge(graph, p)(x) ** 2))
        return nn.jit(loss).lower(parameters).compile().memory_analysis().temp_size_in_bytes

    images = (needed(7) - needed(4)) / (x.nbytes * features)
    assert images < 3 * 1.1


@on_cpu
def test_a_training_step_of_a_loop_holds_one_layer_at_work_at_a_time():
    """Gradients of kernels are not put off, and no image of a bias is made before the loop."""
    depth, x = 6, jnp.ones((4, 32, 32, 32))
    layers = [nn.Convolution(32, 32, rngs=nnx.Rngs(i)) for i in range(depth)]

    @jax.checkpoint
    def step(layers, y):
        for layer in layers:
            y = jax.nn.relu(layer(y))
        return y

    def loss(layers):
        return jnp.sum(lax.scan(lambda y, _: (step(layers, y), None), x, length=3)[0] ** 2)

    program = nn.jit(jax.grad(loss)).lower(layers).compile()
    transformed = 6 / 4 * 34 / 32  # six of a quarter of the width, and a halo
    at_work = 1 + 1 + 2 * transformed + transformed / 6  # x and y, both transformed, one turned
    between_steps, in_a_step = 3, depth
    images = program.memory_analysis().temp_size_in_bytes / x.nbytes
    assert images < between_steps + in_a_step + at_work


@on_cpu
def test_resolution_changes_need_no_convolution():
    network = nn.Downsample(4, 4, rngs=nnx.Rngs(0)), nn.Upsample(4, 4, rngs=nnx.Rngs(0))

    def loss(layers, x):
        return jnp.sum(layers[1](layers[0](nn.max_pool(x))) ** 2)

    lines = compiled_lines(jax.grad(loss, (0, 1)), network, jnp.ones((2, 16, 16, 4)))
    assert any(" dot(" in line for line in lines)
    slow = ("convolution(", "reduce-window(", "select-and-scatter(")
    assert not any(word in line for line in lines for word in slow)
