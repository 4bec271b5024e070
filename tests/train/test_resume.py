"""Runs that stop: killed, interrupted, with damaged checkpoints, bad files, losses not finite."""

import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrecon import data, train
from jaxrecon.train import loop
from jaxrecon.train.step import make_step
from tests.train.fit_cases import (
    Failed,
    Killed,
    X,
    Y,
    quiet,
    run,
    stop_at,
    validate,
    weights,
)
from tests.train.test_interrupts import interrupt


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
