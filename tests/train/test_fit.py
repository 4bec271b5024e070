"""The training loop: averages, parts, precision, patience, records, devices, bad arguments."""

import csv
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxrecon import data, nn, train
from tests.train.fit_cases import (
    KEY,
    RANDOM,
    Killed,
    Linear,
    quiet,
    run,
    stop_at,
    validate,
    weights,
)


def test_the_average_is_the_recursion():
    seen = []

    def collect(module, batch, key):
        return quiet(module, batch, key)

    sgd = optax.sgd(0.05)
    for n in range(1, 4):
        seen.append(weights(run(loss=collect, optimiser=sgd, epochs=None, steps=n)))
    average = np.zeros(3)
    for k, w in enumerate(seen):
        decay = min(0.15, (1 + k) / (10 + k))
        average = decay * average + (1 - decay) * w
    result = run(loss=collect, optimiser=sgd, epochs=None, steps=3, average=0.15)
    np.testing.assert_allclose(weights(result), average, rtol=1e-5)


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    parts = run(loss=quiet, optimiser=optax.sgd(0.05), accumulate=2)
    np.testing.assert_allclose(
        weights(parts), weights(run(loss=quiet, optimiser=optax.sgd(0.05))), rtol=1e-5
    )
    with pytest.raises(ValueError, match="accumulate = 3 must divide"):
        run(accumulate=3)


def test_rematerialisation_changes_nothing_but_what_is_kept():
    policy = jax.checkpoint_policies.nothing_saveable
    np.testing.assert_allclose(weights(run(remat=policy)), weights(run()), rtol=1e-5)


def test_patience_stops_and_returns_the_best():
    values = iter([5.0, 3.0, 4.0, 3.0, 6.0, 1.0])
    kept = []

    def scripted(module):
        kept.append(np.asarray(module.w[...]))
        return next(values)

    result = run(epochs=6, validate=scripted, patience=2)
    np.testing.assert_array_equal(result.validation, [5, 3, 4, 3])
    np.testing.assert_array_equal(weights(result), kept[1])
    up = iter([1.0, 3.0, 2.0, 2.0, 9.0])
    assert len(run(validate=lambda _: next(up), patience=2, maximise=True).losses) == 4


def test_records_are_written_as_tables_and_a_figure(tmp_path):
    options = {"log": tmp_path / "log", "figure": tmp_path / "f" / "curves.png", "every": 8}
    options |= {"validate": validate, "checkpoints": tmp_path / "run"}
    with pytest.raises(Killed):
        run(callback=stop_at(17, Killed), **options)
    result = run(**options)
    with open(tmp_path / "log" / "metrics.csv") as file:
        table = list(csv.DictReader(file))
    assert [int(row["step"]) for row in table] == result.steps.tolist() == [8, 16, 24]
    np.testing.assert_array_equal([float(row["loss"]) for row in table], result.losses)
    lines = (tmp_path / "log" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["validation"] for line in lines] == result.validation.tolist()
    assert (tmp_path / "f" / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert [p.name for p in (tmp_path / "f").iterdir()] == ["curves.png"]


def test_short_convolutions_round_as_bfloat16_does_and_weights_stay_float32():
    images = jnp.asarray(RANDOM.standard_normal((4, 6, 6, 1)), jnp.float32)
    module = nn.Convolution(1, 2, rngs=nnx.Rngs(0))

    def difference(module, batch, key):
        assert module.kernel[...].dtype == jnp.float32
        return jnp.mean((module(batch) - batch) ** 2)

    results = [
        train.fit(module, difference, images, key=KEY, steps=1, batch_size=4, precision=dtype)
        for dtype in (None, jnp.bfloat16)
    ]
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(results[1].module))
    assert results[0].losses[0] != results[1].losses[0]
    assert results[1].losses[0] == pytest.approx(results[0].losses[0], rel=2**-7)
    short = train.in_precision(nnx.clone(module), jnp.bfloat16)
    rounded = module.kernel[...].astype(jnp.bfloat16)
    expected = nn.convolve(images.astype(jnp.bfloat16), rounded).astype(jnp.float32)
    np.testing.assert_array_equal(short(images), expected)
    network = train.in_precision(nn.UNet((4, 4), rngs=nnx.Rngs(0)), jnp.bfloat16)
    layers = [n for _, n in nnx.iter_graph(network) if isinstance(n, nn.Convolution)]
    assert {type(layer).__name__ for layer in layers} == {"ShortConvolution"}
    kept = [type(layer) for layer in layers]
    train.in_precision(network, jnp.bfloat16)  # twice is once
    assert [type(layer) for layer in layers] == kept
    assert network(jnp.ones((1, 8, 8, 1))).dtype == jnp.float32


def test_in_short_precision_the_state_of_the_optimiser_stays_float32():
    adam, seen = optax.adam(1e-2), []

    def update(gradient, state, parameters):
        updates, following = adam.update(gradient, state, parameters)
        seen.append((gradient, state, following, updates))
        return updates, following

    def difference(module, batch, key):
        return jnp.mean((module(batch) - batch) ** 2)

    images = jnp.asarray(RANDOM.standard_normal((4, 6, 6, 1)), jnp.float32)
    train.fit(
        nn.Convolution(1, 2, rngs=nnx.Rngs(0)), difference, images, key=KEY, steps=2, batch_size=4,
        precision=jnp.bfloat16, optimiser=optax.GradientTransformation(adam.init, update),
    )  # fmt: skip
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(seen)}
    assert dtypes == {jnp.dtype("float32"), jnp.dtype("int32")}  # and the count of steps


def test_arrays_of_loss_and_stream_are_arguments_and_no_constants():
    target = jnp.arange(3.0)

    def towards(target, module, batch, key):
        return jnp.sum((module.w[...] - target) ** 2) + 0 * jnp.sum(batch)

    stream = data.Generated(lambda key: jax.random.normal(key, (2,)))
    result = train.fit(
        Linear(), jax.tree_util.Partial(towards, target), stream, key=KEY, steps=200,
        optimiser=optax.sgd(0.1), every=100,
    )  # fmt: skip
    np.testing.assert_allclose(weights(result), target, atol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="epochs or steps, one of the two"):
        run(steps=3)
    with pytest.raises(ValueError, match="endless stream has no epochs"):
        run(data=data.Generated(lambda key: key))
    with pytest.raises(ValueError, match="patience needs validate"):
        run(patience=1)


TWO_DEVICES = """
import jax, numpy as np
assert jax.device_count() == 2
from tests.train.fit_cases import run, quiet, loss, weights
one = weights(run(loss=loss))
two = run(loss=loss, devices=jax.devices())
np.testing.assert_allclose(weights(two), one, rtol=2e-6)
parts = weights(run(loss=quiet, devices=jax.devices(), accumulate=2))
np.testing.assert_allclose(parts, weights(run(loss=quiet)), rtol=1e-5)
try:
    run(batch_size=3, devices=jax.devices())
except ValueError as error:
    assert "2 devices must divide the batch" in str(error)
else:
    raise AssertionError("a batch of 3 on 2 devices")
"""


def test_two_devices_give_the_parameters_of_one(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [{"patience": 0, "validate": float}, {"average": 1.0}])
def test_patience_and_average_in_their_ranges(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        train.fit(
            Linear(), lambda *_: 0.0, jnp.ones((4, 2)), key=KEY, steps=1, batch_size=4, **options
        )
