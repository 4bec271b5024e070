"""nn.jit is jax.jit with options of the backend, which it asks for at the first use."""

import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import nn

AT_IMPORT = """
import jax
from jaxrecon import nn

@nn.jit
def double(x):
    return 2 * x

jax.config.update("jax_num_cpu_devices", 2)  # an error once the backend has started
assert jax.device_count() == 2
assert double(3.0) == 6
"""


def test_a_decorator_at_the_top_of_a_module_starts_no_backend():
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    environment["JAX_PLATFORMS"] = "cpu"
    done = subprocess.run(
        [sys.executable, "-c", AT_IMPORT], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@nn.jit
def shifted(x, by=1.0):
    """x + by."""
    return x + by


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    @partial(nn.jit, static_argnums=0)
    def apply(self, x):
        return self.factor * x


def test_what_it_returns_is_used_as_that_of_jax():
    x = jnp.arange(3.0)
    assert (shifted.__name__, shifted.__doc__) == ("shifted", "x + by.")
    np.testing.assert_array_equal(shifted(x, by=2.0), x + 2)
    np.testing.assert_array_equal(shifted.lower(x).compile()(x), x + 1)
    assert shifted.eval_shape(x) == jax.ShapeDtypeStruct((3,), x.dtype)
    assert shifted.trace(x).jaxpr.out_avals[0].shape == (3,)
    exported = jax.export.export(shifted)(x)
    np.testing.assert_array_equal(exported.call(x), x + 1)
    np.testing.assert_array_equal(Scaled(3.0).apply(x), 3 * x)
    np.testing.assert_array_equal(Scaled.apply(Scaled(3.0), x), 3 * x)
    shifted.clear_cache()


def test_within_a_transformation_it_is_the_plain_one():
    x = jnp.arange(3.0)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(shifted(x) ** 2))(x), 2 * (x + 1))
    np.testing.assert_array_equal(jax.vmap(shifted)(x), x + 1)
    np.testing.assert_array_equal(jax.jit(shifted)(x), x + 1)


def test_options_are_those_of_jax():
    power = nn.jit(lambda x, n: x**n, static_argnames="n")
    assert power(3.0, n=2) == 9
    update = nn.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.zeros(4)
    np.testing.assert_array_equal(update.lower(x).compile()(x), jnp.ones(4))
    with pytest.raises(RuntimeError, match="deleted"):
        x.block_until_ready()
    with pytest.raises(TypeError, match="no_such_option"):
        nn.jit(shifted, no_such_option=1)(1.0)
