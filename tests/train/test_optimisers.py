"""The default optimiser, seen through what it does to weights."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.train import adam_cosine

STEPS, RATE = 400, 0.01


def updates_of(optimiser, gradients):
    """The updates for gradients (steps, ...), one after the other."""

    def step(state, gradient):
        update, state = optimiser.update(gradient, state, jnp.zeros_like(gradient))
        return state, update

    return jax.lax.scan(step, optimiser.init(gradients[0]), gradients)[1]


def test_the_rate_rises_to_the_largest_and_falls_as_a_cosine_to_one_per_cent():
    """Adam moves by the rate, against the sign, where the gradient stays the same."""
    gradient = jnp.tile(jnp.array([0.3, -0.2]), (STEPS + 1, 1))
    moved = updates_of(adam_cosine(STEPS, RATE), gradient)
    step, warm_up = np.arange(STEPS + 1), 20  # a twentieth of the steps
    rising = 0.1 + 0.9 * step / warm_up
    falling = 0.505 + 0.495 * np.cos(np.pi * (step - warm_up) / (STEPS - warm_up))
    expected = RATE * np.where(step < warm_up, rising, falling)
    np.testing.assert_allclose(moved, expected[:, None] * [-1, 1], rtol=2e-4)  # 1 - b^k in float32
    assert expected[[0, warm_up, -1]].round(6).tolist() == [0.1 * RATE, RATE, 0.01 * RATE]


def test_a_warm_up_has_a_hundred_steps_at_most():
    gradient = jnp.ones((102, 1))
    rates = -updates_of(adam_cosine(10_000, RATE), gradient)[:, 0]
    np.testing.assert_allclose(rates[99:102], [0.991 * RATE, RATE, RATE], rtol=2e-4)


def test_gradients_are_clipped_to_their_norm_over_all_weights():
    """Of a constant gradient Adam would not notice: the second is another one."""
    first, second = jnp.array([0.6, -0.8]), jnp.array([0.1, 0.2])
    adam = adam_cosine(STEPS, RATE)
    moved = {c: updates_of(adam, jnp.stack([c * first, second])) for c in (1.0, 1e6, 0.5)}
    np.testing.assert_allclose(moved[1e6], moved[1.0], rtol=1e-5)
    assert np.abs(moved[0.5][1] / moved[1.0][1] - 1).max() > 0.1  # below 1 it stays as it is


def test_weight_decay_is_decoupled_from_the_gradient():
    """The weights shrink by rate times decay, whatever the size of the gradient."""
    weights = jnp.array([2.0, -4.0])
    gradient = jnp.array([0.3, -0.2])

    def first_update(decay):
        adam = adam_cosine(STEPS, RATE, weight_decay=decay)
        return adam.update(gradient, adam.init(weights), weights)[0]

    shrinking = first_update(0.3) - first_update(0.0)
    np.testing.assert_allclose(shrinking, -0.1 * RATE * 0.3 * weights, rtol=1e-4)
