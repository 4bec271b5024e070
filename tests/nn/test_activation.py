"""The function between convolutions: every network takes it, and what it is differentiable for."""

import copy
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn, train

IMAGES = jax.random.normal(jax.random.key(0), (2, 8, 8))
NETWORKS = {
    "CNN": lambda **o: nn.CNN((4, 3), (3, 1, 3), rngs=nnx.Rngs(0), **o),
    "DnCNN": lambda **o: nn.DnCNN(3, 4, groups=2, rngs=nnx.Rngs(0), **o),
    "UNet": lambda **o: nn.UNet((4, 4), rngs=nnx.Rngs(0), **o),
    "DRUNet": lambda **o: nn.DRUNet((4, 4), blocks=1, inputs=1, rngs=nnx.Rngs(0), **o),
}
SMOOTH = partial(NETWORKS["DnCNN"], activation=jax.nn.silu)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_it_and_has_relu_without(name):
    run = jax.jit(nn.on_images)
    plain = run(NETWORKS[name](), IMAGES)
    np.testing.assert_array_equal(run(NETWORKS[name](activation=jax.nn.relu), IMAGES), plain)
    smooth = run(NETWORKS[name](activation=jax.nn.silu), IMAGES)
    assert jnp.abs(smooth - plain).max() > 1e-2
    linear = jax.jit(nn.on_images)(NETWORKS[name](activation=partial(jnp.multiply, 1.0)), IMAGES)
    assert jnp.abs(linear - plain).max() > 1e-2


def test_it_acts_between_the_convolutions_of_a_block():
    block = nn.ResidualBlock(3, activation=jnp.tanh, rngs=nnx.Rngs(1))
    x = jax.random.normal(jax.random.key(1), (1, 6, 6, 3))
    expected = x + block.second(jnp.tanh(block.first(x)))
    np.testing.assert_array_equal(block(x), expected)


def largest_jumps(function):
    """The largest difference of neighbours on a line of 257 points, and of 2049."""
    fine = jax.jit(jax.vmap(function))(jnp.linspace(0, 1, 2049))
    return jnp.abs(jnp.diff(fine[::8])).max(), jnp.abs(jnp.diff(fine)).max()


def line_in_float64():
    x, v = (jnp.asarray(np.random.default_rng(k).standard_normal((1, 8, 8, 1))) for k in (0, 1))
    return x, v


def test_the_gradient_of_a_gradient_step_is_continuous_where_that_of_relu_jumps():
    """Differences of <grad g(x + t v), v> shrink with the spacing, or are those of a jump."""
    with jax.enable_x64(True):
        x, v = line_in_float64()

        def jumps(activation):
            step = nn.GradientStep(NETWORKS["CNN"](activation=activation))
            return largest_jumps(lambda t: jnp.vdot(step.gradient(x + 5 * t * v), v))

        for activation in (jax.nn.silu, jax.nn.softplus, jax.nn.elu):
            coarse, fine = jumps(activation)
            assert fine < coarse / 6
        coarse, fine = jumps(jax.nn.relu)
        assert fine > coarse / 3


def test_second_derivatives_are_continuous_where_the_activation_has_such():
    with jax.enable_x64(True):
        x, v = line_in_float64()

        def jumps(activation):
            network = NETWORKS["CNN"](activation=activation)

            def value(t):
                return jnp.vdot(network(x + 5 * t * v), v)

            return largest_jumps(jax.grad(jax.grad(value)))

        coarse, fine = jumps(jax.nn.silu)
        assert fine < coarse / 6
        coarse, fine = jumps(jax.nn.elu)
        assert fine > coarse / 3
        assert max(jumps(jax.nn.relu)) < 1e-12


@pytest.mark.parametrize("activation", [jax.nn.relu, jax.nn.silu, jnp.tanh, jax.nn.gelu])
def test_copies_pickles_and_parts_are_one_network_to_the_compiler(activation):
    traces = []

    @jax.jit
    def run(network):
        traces.append(None)
        return nn.on_images(network, IMAGES)

    network = NETWORKS["DnCNN"](activation=activation)
    expected = run(network)
    again = [
        copy.deepcopy(network),
        pickle.loads(pickle.dumps(network)),
        nnx.clone(network),
        nnx.merge(*nnx.split(network)),
        NETWORKS["DnCNN"](activation=activation),
    ]
    for other in again:
        np.testing.assert_array_equal(run(other), expected)
    assert len(traces) == 1
    run(NETWORKS["DnCNN"](activation=jax.nn.softplus))
    assert len(traces) == 2


def test_a_module_in_its_place_is_trained():
    network = NETWORKS["CNN"](activation=nnx.PReLU())
    assert nn.parameter_count(network) == nn.parameter_count(NETWORKS["CNN"]()) + 1
    slopes = jax.jit(jax.grad(lambda n: jnp.sum(nn.on_images(n, IMAGES) ** 2)))(network)
    assert jnp.all(slopes.activation.negative_slope[...] != 0)


def test_saved_weights_are_those_of_any_activation(tmp_path):
    network = SMOOTH()
    train.save_weights(tmp_path / "w.npz", network)
    loaded = train.load_weights(tmp_path / "w.npz", nnx.eval_shape(SMOOTH))
    run = jax.jit(nn.on_images)
    np.testing.assert_array_equal(run(loaded, IMAGES), run(network, IMAGES))


def test_training_stops_and_resumes(tmp_path):
    def fit(steps, **options):
        return train.fit(
            SMOOTH(),
            lambda module, x, key: jnp.mean((nn.on_images(module, x) - 1) ** 2),
            np.asarray(IMAGES),
            key=jax.random.key(2),
            steps=steps,
            batch_size=2,
            optimiser=train.adam_cosine(4, 1e-2),
            **options,
        ).module

    fit(2, checkpoints=tmp_path)
    resumed, whole = fit(4, checkpoints=tmp_path), fit(4)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    assert jax.tree.structure(resumed) == jax.tree.structure(SMOOTH())


def test_export(tmp_path):
    pytest.importorskip("flatbuffers")
    network = SMOOTH()
    file = tmp_path / "network.jaxexport"
    train.export_reconstruction(file, partial(nn.on_images, network), IMAGES, platforms=["cpu"])
    run = jax.export.deserialize(bytearray(file.read_bytes())).call
    expected = jax.jit(nn.on_images)(network, IMAGES)
    np.testing.assert_allclose(jax.jit(run)(IMAGES), expected, atol=1e-6)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match=r"jax\.nn\.silu, got 'silu'"):
        NETWORKS["CNN"](activation="silu")
