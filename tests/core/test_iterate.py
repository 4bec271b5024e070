"""The one loop: recording, thinning, memory control, stacked parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import iterate


def double(x):
    return 2 * x


def test_steps_and_history():
    state, history = iterate(double, jnp.float32(1), 4, trace=lambda x: {"x": x})
    assert state == 16
    np.testing.assert_array_equal(history["x"], [2, 4, 8, 16])
    assert iterate(double, 1.0, 4) == (16.0, None)
    _, thin = iterate(double, jnp.float32(1), 6, trace=lambda x: x, every=3)
    np.testing.assert_array_equal(thin, [8, 64])


def test_stacked_parameters():
    xs = jnp.arange(1.0, 5)
    state, history = iterate(lambda s, x: s * x, 1.0, xs=xs, trace=lambda s: s)
    assert state == 24
    np.testing.assert_array_equal(history, [1, 2, 6, 24])


@pytest.mark.parametrize("remat", [False, True, 2, 6])
def test_recomputing_changes_nothing(remat):
    xs = jnp.linspace(0.5, 1.5, 12)

    def run(xs):
        def step(s, x):
            return jnp.sin(s * x) + 0.1

        state, history = iterate(step, 1.0, xs=xs, remat=remat, trace=lambda s: s, every=2)
        return state + history.sum(), history

    (value, history), gradient = jax.value_and_grad(run, has_aux=True)(xs)
    (plain, expected), reference = jax.value_and_grad(lambda xs: run_plain(xs), has_aux=True)(xs)
    np.testing.assert_allclose(value, plain, rtol=1e-6)
    np.testing.assert_allclose(history, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, reference, rtol=1e-5)


def run_plain(xs):
    state, kept = 1.0, []
    for k in range(12):
        state = jnp.sin(state * xs[k]) + 0.1
        kept += [state] if k % 2 else []
    history = jnp.stack(kept)
    return state + history.sum(), history


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one number of steps"),
        ({"length": 3, "xs": jnp.ones(4)}, "one number of steps"),
        ({"length": 5, "every": 2}, "multiple of every"),
        ({"length": 6, "remat": 4}, "must divide"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        iterate(lambda s, *x: s, 1.0, **options)
