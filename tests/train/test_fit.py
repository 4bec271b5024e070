"""The training loop: exact resume at any step, averages, parts, streams, records, bad ends."""

import csv
import json
import shutil
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxrecon import data, nn, train
from jaxrecon.train import loop
from jaxrecon.train.step import make_step
from tests.train.test_interrupts import interrupt

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((24, 3)).astype(np.float32)
Y = X @ np.array([1.0, -2.0, 0.5], np.float32)
KEY = jax.random.key(3)


class Linear(nnx.Module):
    def __init__(self):
        self.w = nnx.Param(jnp.zeros(3))


def loss(module, batch, key):
    x, y = batch
    noise = 0.1 * jax.random.normal(key, y.shape)
    return jnp.mean((x @ module.w[...] - y - noise) ** 2)


def quiet(module, batch, key):
    return jnp.mean((batch[0] @ module.w[...] - batch[1]) ** 2)


def validate(module):
    return jnp.sum((module.w[...] - jnp.array([1.0, -2.0, 0.5])) ** 2)


def run(**options):
    options = {"epochs": 4, "batch_size": 4, "learning_rate": 0.1, "key": KEY} | options
    return train.fit(Linear(), options.pop("loss", loss), options.pop("data", (X, Y)), **options)


def weights(result):
    return np.asarray(result.module.w[...])


class Killed(BaseException):
    """Not an Exception: nothing is saved on the way out, as when a process is killed."""


class Failed(Exception):
    """Something that goes wrong while training."""


def stop_at(step, error):
    def callback(done, _):
        if done == step:
            raise error

    return callback


@pytest.fixture(scope="module")
def whole():
    return run(average=0.9, validate=validate, patience=3, every=4)


@pytest.mark.parametrize("error", [Failed, Killed])
@pytest.mark.parametrize("step", [1, 8, 13])
def test_a_run_stopped_at_any_step_resumes_bit_for_bit(whole, tmp_path, step, error):
    options = {"average": 0.9, "validate": validate, "patience": 3, "every": 4}
    options |= {"checkpoints": tmp_path / "run"}
    with pytest.raises(error):
        run(callback=stop_at(step, error), **options)
    seen = []
    resumed = run(callback=lambda done, _: seen.append(done), **options)
    # an error is met with a checkpoint; after a kill training goes on from the last record
    assert seen[0] == (step if error is Failed else (step - 1) // 4 * 4) + 1
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    np.testing.assert_array_equal(resumed.losses, whole.losses)
    np.testing.assert_array_equal(resumed.validation, whole.validation)
    np.testing.assert_array_equal(resumed.steps, whole.steps)


def at_the_end_of_step(number, action):
    """make_step, whose step acts after the state was donated and before the new one is known."""

    def make(*arguments):
        step = make_step(*arguments)

        def wrapped(state, arrays, raw, count, keys):
            out = step(state, arrays, raw, count, keys)
            if count + 1 == number:
                action()
            return out

        return wrapped

    return make


def test_an_interrupt_within_a_step_leaves_a_checkpoint_of_it(whole, tmp_path, monkeypatch):
    options = {"average": 0.9, "validate": validate, "patience": 3, "every": 4}
    options |= {"checkpoints": tmp_path}
    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_step", at_the_end_of_step(6, interrupt))
        with pytest.raises(KeyboardInterrupt):
            run(**options)
    seen = []
    resumed = run(callback=lambda done, _: seen.append(done), **options)
    assert seen[0] == 7
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    np.testing.assert_array_equal(resumed.losses, whole.losses)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_step_that_fails_with_the_memory_of_the_state_keeps_the_last_record(
    whole, tmp_path, monkeypatch
):
    def fail():
        raise Failed

    def twice():
        interrupt()
        interrupt()

    options = {"average": 0.9, "validate": validate, "patience": 3, "every": 4}
    for action, error in ((fail, Failed), (twice, KeyboardInterrupt)):
        options |= {"checkpoints": tmp_path / error.__name__}
        with monkeypatch.context() as patch:
            patch.setattr(loop, "make_step", at_the_end_of_step(6, action))
            with pytest.raises(error):
                run(**options)
        kept = train.Checkpoints(options["checkpoints"])
        assert kept.latest() == 4
        kept.close()
        np.testing.assert_array_equal(weights(run(**options)), weights(whole))


def damage(folder, how):
    if how == "truncated":
        for file in folder.rglob("d/*"):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif how == "zeros":
        for file in folder.rglob("d/*"):
            file.write_bytes(bytes(file.stat().st_size))
    else:
        shutil.rmtree(folder / "default")


@pytest.mark.parametrize("how", ["truncated", "zeros", "missing"])
def test_a_damaged_checkpoint_is_left_for_the_one_before(tmp_path, how):
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run(checkpoints=folder, callback=stop_at(15, Killed))
    damage(folder / "12", how)
    with pytest.warns(UserWarning, match="step 12 .* goes on from that of step 6"):
        resumed = run(checkpoints=folder)
    np.testing.assert_array_equal(weights(resumed), weights(run()))


def test_damaged_checkpoints_alone_are_an_error(tmp_path):
    with pytest.raises(Killed):
        run(checkpoints=tmp_path, callback=stop_at(7, Killed))
    damage(tmp_path / "6", "truncated")
    with pytest.raises(ValueError, match="none of the checkpoints"):
        run(checkpoints=tmp_path)
    assert (tmp_path / "6").exists()


def test_checkpoints_of_another_training_are_refused(tmp_path):
    run(checkpoints=tmp_path, epochs=1)
    with pytest.raises(ValueError, match="another key"):
        run(checkpoints=tmp_path, key=jax.random.key(4))
    with pytest.raises(ValueError, match="another steps per epoch"):
        run(checkpoints=tmp_path, batch_size=8)
    with pytest.raises(ValueError, match=r"of another training.*this module and optimiser"):
        run(checkpoints=tmp_path, optimiser=optax.sgd(0.1, momentum=0.9))
    # a longer run goes on, as these refusals changed nothing
    assert len(run(checkpoints=tmp_path, epochs=2).losses) == 2


def message_of(**options):
    with pytest.raises(FloatingPointError) as caught:
        run(**options)
    return str(caught.value)


def test_a_loss_that_is_not_finite_names_its_step_and_keeps_the_checkpoint(tmp_path):
    def after(step):
        def batch(count, key):
            return X[:4], Y[:4] * np.float32(np.nan if count + 1 >= step else 1)

        return data.Numbered(batch, 4)

    assert "Nothing of this run is kept" in message_of(data=after(3))
    assert "There is no checkpoint in" in message_of(data=after(3), checkpoints=tmp_path / "new")
    message = r"in step 7 the loss became nan.*last good checkpoint in .* is that of step 4"
    with pytest.raises(FloatingPointError, match=message):
        run(data=after(7), checkpoints=tmp_path)
    resumed = run(data=after(99), checkpoints=tmp_path)
    np.testing.assert_array_equal(weights(resumed), weights(run(data=after(99))))


def test_a_bad_file_is_named_and_what_was_learned_is_kept(tmp_path):
    (tmp_path / "items").mkdir()
    for k in range(8):
        np.savez(tmp_path / "items" / f"{k}.npz", x=X[k], y=Y[k])
    broken = tmp_path / "items" / "5.npz"
    content = broken.read_bytes()

    def read(batch, key):
        return batch["x"], batch["y"]

    def fit(**options):
        folder = tmp_path / "items"
        stream = data.folder_stream(folder, 2, shuffle=False, check=False)
        return run(data=stream.map(read), epochs=1, **options)

    undisturbed = fit()
    broken.write_bytes(content[:100])
    with pytest.raises(ValueError, match=r"could not read .*5\.npz"):
        fit(checkpoints=tmp_path / "run")
    broken.write_bytes(content)
    seen = []
    resumed = fit(checkpoints=tmp_path / "run", callback=lambda done, _: seen.append(done))
    assert seen == [3, 4]  # file 5 is of the third step
    np.testing.assert_array_equal(weights(resumed), weights(undisturbed))


def test_a_gradient_that_is_not_finite_stops_before_it_is_saved(tmp_path):
    def bad(module, batch, key):
        return quiet(module, batch, key) + jnp.sum(jnp.sqrt(module.w[...] * 0))

    with pytest.raises(FloatingPointError, match=r"in step 1 .*gradient nan"):
        run(loss=bad, epochs=1, checkpoints=tmp_path)
    assert train.Checkpoints(tmp_path).latest() is None


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
from tests.train.test_fit import run, quiet, loss, weights
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
