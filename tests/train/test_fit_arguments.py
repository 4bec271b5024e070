"""What fit refuses, and what it says: precision, variables, optimisers, folders, validations."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxrecon import nn, train
from tests.train.fit_cases import KEY, X, Y, run, validate

IMAGES = jax.random.normal(jax.random.key(0), (4, 6, 6, 1))


def difference(module, batch, key):
    return jnp.mean((module(batch) - batch) ** 2)


def fit_images(module, **options):
    return train.fit(module, difference, IMAGES, key=KEY, steps=1, batch_size=4, **options)


def convolution():
    return nn.Convolution(1, 1, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.complex64, "bf16", True])
def test_a_precision_is_real_floating_point(dtype):
    with pytest.raises(TypeError, match=r"precision must be a real .* got .*\."):
        train.in_precision(convolution(), dtype)
    with pytest.raises(TypeError, match="precision must be a real"):
        run(precision=dtype)


def test_a_second_precision_replaces_the_first():
    module = train.in_precision(train.in_precision(convolution(), jnp.bfloat16), jnp.float32)
    np.testing.assert_array_equal(module(IMAGES), convolution()(IMAGES))


def test_a_precision_without_convolutions_is_refused():
    plain = nnx.Conv(1, 1, (3, 3), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"change nothing: Conv has no jaxrecon\.nn\.Convolution"):
        fit_images(plain, precision=jnp.bfloat16)


def test_a_loss_that_changes_variables_that_are_not_trained_is_refused():
    normalised = nnx.Sequential(convolution(), nnx.BatchNorm(1, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match=r"nnx\.Param \(BatchStat\).*GroupNormalisation"):
        fit_images(normalised)
    dropped = nnx.Sequential(convolution(), nnx.Dropout(0.5, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match=r"\(RngCount, RngKey\).*the mask of a dropout"):
        fit_images(dropped, accumulate=2)
    normalised.eval()
    assert np.isfinite(fit_images(normalised).losses).all()  # and what only reads them is not


def test_an_optimiser_may_look_at_the_loss():
    plateau = optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau(patience=1))
    assert run(optimiser=plateau).losses[-1] < run(optimiser=plateau, epochs=1).losses[0]


def test_line_searches_are_refused():
    with pytest.raises(TypeError, match=r"value_fn.*Line searches.* are not supported"):
        run(optimiser=optax.lbfgs())
    assert np.isfinite(run(optimiser=optax.lbfgs(0.1, linesearch=None)).losses).all()


@pytest.mark.parametrize("argument", ["checkpoints", "log"])
@pytest.mark.parametrize("below", [".", "run"])
def test_a_file_is_no_folder(tmp_path, argument, below):
    file, seen = tmp_path / "file", []
    file.write_text("")
    with pytest.raises(NotADirectoryError, match=rf"fit expected a folder for {argument}, got"):
        run(**{argument: file / below}, callback=lambda *_: seen.append(1))
    assert not seen


def test_a_validation_is_a_number():
    with pytest.raises(TypeError, match=r"a number from validate, got None\. Is there a return"):
        run(validate=lambda _: None)
    with pytest.raises(TypeError, match=r"a number from validate, got .*Take its mean"):
        run(validate=lambda module: module.w[...])


def test_an_infinite_validation_is_null_in_the_log(tmp_path):
    values = iter([np.inf, 1.0])
    options = {"validate": lambda _: next(values), "epochs": 2, "figure": tmp_path / "a.png"}
    result = run(log=tmp_path, **options)
    assert result.validation.tolist() == [np.inf, 1]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["validation"] for line in lines] == [None, 1]


@pytest.mark.parametrize("remat", [True, False, "all"])
def test_remat_is_a_policy(remat):
    with pytest.raises(TypeError, match=r"remat to be a policy of jax\.checkpoint_policies, got"):
        run(remat=remat)


@pytest.mark.parametrize("key", [0, None, jax.random.split(KEY)])
def test_a_key_is_one_key(key):
    with pytest.raises(TypeError, match=r"fit expected one JAX key, such as jax\.random\.key"):
        run(key=key)


@pytest.mark.parametrize("rate", [-1e-3, 0.0, np.nan, np.inf])
def test_a_learning_rate_is_positive(rate):
    with pytest.raises(ValueError, match="learning_rate > 0"):
        run(learning_rate=rate)


def test_data_that_are_not_finite_are_named():
    bad = Y.copy()
    bad[3] = np.nan
    with pytest.raises(FloatingPointError, match=r"its batch itself holds NaN.*Nothing of this"):
        run(data=(X, bad), validate=validate)
    with pytest.raises(FloatingPointError, match="Lower the learning rate") as caught:
        run(optimiser=optax.sgd(1e18), epochs=5)
    assert "batch" not in str(caught.value)
