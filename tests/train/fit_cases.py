"""A line fitted by least squares: the training that the tests of `fit` run."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrecon import train

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
