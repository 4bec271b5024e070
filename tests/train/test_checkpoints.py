"""What checkpoints hold and when they are kept: updates not finite, keys, unreadable files."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrecon import train
from tests.train.fit_cases import Failed, Killed, run, stop_at, weights


def bad_in_step(number):
    return optax.sgd(lambda k: jnp.where(k == number - 1, jnp.nan, 1e-2))


@pytest.mark.parametrize("average", [None, 0.9])
def test_an_update_that_is_not_finite_is_named_and_not_saved(tmp_path, average):
    options = {"every": 1, "epochs": 1, "checkpoints": tmp_path, "average": average}
    message = r"in step 4 the update made a parameter nan, while.*that of step 3"
    for _ in range(2):  # the second resumes
        with pytest.raises(FloatingPointError, match=message):
            run(optimiser=bad_in_step(4), **options)
    good = bad_in_step(99)
    resumed = run(optimiser=good, **options)
    whole = run(optimiser=good, **options | {"checkpoints": None})
    np.testing.assert_array_equal(weights(resumed), weights(whole))


def test_an_update_that_is_not_finite_in_the_last_step_is_an_error():
    with pytest.raises(FloatingPointError, match="in step 6 the update"):
        run(optimiser=bad_in_step(6), epochs=1)


def test_large_parameters_are_finite():
    assert np.abs(weights(run(optimiser=optax.sgd(1e25), epochs=None, steps=1))).max() > 1e24


def two_checkpoints(folder):
    """Of steps 6 and 12."""
    with pytest.raises(Killed):
        run(checkpoints=folder, callback=stop_at(15, Killed))


def failing_to_read(step, error, monkeypatch):
    read = train.Checkpoints._read

    def failing(self, number):
        if number == step:
            raise error
        return read(self, number)

    monkeypatch.setattr(train.Checkpoints, "_read", failing)


def test_a_checkpoint_that_was_not_read_is_set_aside_and_not_deleted(tmp_path, monkeypatch):
    two_checkpoints(tmp_path)
    (tmp_path / "12.unreadable").mkdir()  # of a failure before
    with monkeypatch.context() as patch:
        failing_to_read(12, OSError(5, "Input/output error"), patch)
        with (
            pytest.warns(UserWarning, match=r"set aside as 12\.unreadable1, .* of step 6"),
            pytest.raises(Killed),
        ):
            run(checkpoints=tmp_path, callback=stop_at(9, Killed))
    aside = tmp_path / "12.unreadable1"
    kept = train.Checkpoints(tmp_path)
    assert aside.is_dir()
    assert kept.latest() == 6
    kept.close()
    aside.rename(tmp_path / "12")
    seen = []
    np.testing.assert_array_equal(
        weights(run(checkpoints=tmp_path, callback=lambda done, _: seen.append(done))),
        weights(run()),
    )
    assert seen[0] == 13


@pytest.mark.parametrize("error", [MemoryError(), PermissionError(13, "Permission denied")])
def test_errors_that_say_nothing_of_the_file_are_let_through(tmp_path, monkeypatch, error):
    two_checkpoints(tmp_path)
    failing_to_read(12, error, monkeypatch)
    with pytest.raises(type(error)):
        run(checkpoints=tmp_path)
    assert (tmp_path / "12").is_dir()


@pytest.mark.parametrize("error", [Failed, Killed])
def test_an_optimiser_with_a_key_resumes_bit_for_bit(tmp_path, error):
    noisy = optax.chain(optax.add_noise(0.1, 0.5, key=jax.random.key(7)), optax.sgd(0.01))
    with pytest.raises(error):
        run(optimiser=noisy, checkpoints=tmp_path, callback=stop_at(9, error))
    resumed = run(optimiser=noisy, checkpoints=tmp_path)
    np.testing.assert_array_equal(weights(resumed), weights(run(optimiser=noisy)))


def test_a_training_of_more_steps_is_not_resumed_for_fewer(tmp_path):
    run(checkpoints=tmp_path, epochs=2)
    with pytest.raises(ValueError, match="has done 12 steps, more than the 6"):
        run(checkpoints=tmp_path, epochs=1)
    assert len(run(checkpoints=tmp_path, epochs=2).losses) == 2
