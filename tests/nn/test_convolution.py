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


DERIVATIVES = {
    "jvp": lambda f, p: jax.jvp(f, p, p)[1],
    "gradient": lambda f, p: jax.grad(f, range(len(p)))(*p),
    "product with the Hessian": lambda f, p: jax.grad(
        lambda *q: sum(
            jnp.vdot(a, b).real for a, b in zip(jax.grad(f, range(len(p)))(*q), p, strict=True)
        ),
        range(len(p)),
    )(*p),
    "gradients of a batch": lambda f, p: jax.vmap(jax.grad(f, range(len(p))))(
        *(jnp.stack([a, a.conj() / 2]) for a in p)
    ),
}


CHANNELS = {"real": 2, "complex": 2, "gradient by rows": 16, "by rows": 48}


@pytest.mark.parametrize(
    ("name", "moving"),
    [(name, "both") for name in DERIVATIVES] + [("gradient", "image"), ("gradient", "kernel")],
)
@pytest.mark.parametrize("kind", CHANNELS)
def test_derivatives_are_those_of_the_plain_convolution(kind, name, moving):
    dtype = jnp.complex64 if kind == "complex" else jnp.float32
    channels = CHANNELS[kind]
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, channels), dtype)
    kernel = jax.random.normal(jax.random.key(1), (3, 3, channels, channels), dtype) / channels

    def derivative(convolution):
        def of(*p):
            return jnp.sum(jnp.sin(jnp.abs(convolution(*p)) ** 2))

        if moving == "image":
            return DERIVATIVES[name](lambda x: of(x, kernel), (x,))
        if moving == "kernel":
            return DERIVATIVES[name](lambda k: of(x, k), (kernel,))
        return DERIVATIVES[name](of, (x, kernel))

    ours, theirs = (jax.jit(derivative, static_argnums=0)(f) for f in (convolve, plain))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * float(jnp.max(jnp.abs(b))))


@pytest.mark.parametrize(
    ("size", "channels", "name", "moving"),
    [
        (3, channels, name, moving)
        for channels in (2, 48)
        for name in DERIVATIVES
        for moving in ("xkb", "xk")
    ]
    + [(3, channels, "gradient", moving) for channels in (2, 48) for moving in ("x", "k", "b")]
    + [(size, 4, "gradient", moving) for size in (5, 1) for moving in ("xkb", "xk")],
)
def test_a_rectified_layer_is_its_convolution_and_relu(size, channels, name, moving):
    """Along all that moves: the images x, the kernel k and the bias b, or no bias for xk."""
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, channels))
    layer = nn.Convolution(channels, channels, size=size, bias=moving != "xk", rngs=nnx.Rngs(0))
    values = {"x": x, "k": layer.kernel[...], "b": jnp.linspace(-1, 1, channels)}

    def of(rectified, *moved):
        p = values | dict(zip(moving, moved, strict=True))
        changed = nnx.clone(layer)
        changed.kernel[...] = p["k"]
        if layer.bias is not None:
            changed.bias[...] = p["b"]
        return jnp.sum(jnp.sin(3 * rectified(changed, p["x"])))

    def derivative(rectified):
        moved = tuple(values[k] for k in moving)
        return DERIVATIVES[name](lambda *moved: of(rectified, *moved), moved)

    def as_relu(layer, x):
        y = plain(x, layer.kernel[...])
        return jax.nn.relu(y if layer.bias is None else y + layer.bias[...])

    ours = jax.jit(lambda: derivative(lambda layer, x: layer(x, rectified=True)))()
    theirs = jax.jit(lambda: derivative(as_relu))()
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * float(jnp.max(jnp.abs(b))))


def test_a_frozen_bias_and_a_frozen_kernel(data):
    """Gradients of a layer in its input alone, and in some of its parameters."""
    x, _ = data
    layer = nn.Convolution(2, 4, rngs=nnx.Rngs(0))
    layer.bias[...] = jnp.arange(4.0)
    taps = layer.kernel[...]

    def through(x, bias):
        return jnp.sum(jnp.sin(plain(x, taps) + bias))

    expected = jax.grad(through, (0, 1))(x, jnp.arange(4.0))
    np.testing.assert_allclose(
        jax.grad(lambda x: jnp.sum(jnp.sin(layer(x))))(x), expected[0], atol=1e-4
    )

    def of_bias(bias):
        changed = nnx.clone(layer)
        changed.bias[...] = bias
        return jnp.sum(jnp.sin(changed(x)))

    np.testing.assert_allclose(jax.grad(of_bias)(jnp.arange(4.0)), expected[1], rtol=1e-4)


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
