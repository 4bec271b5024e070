"""The programs of an unrolled network: with the compiler of a user on CPU, and on accelerators.

The other tests compile with flags of their own (`tests/conftest.py`), so that what a user gets is
compiled in a process without them.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

from jaxrecon import nn
from jaxrecon.linops import Matrix
from tests.nn.test_convolution_speed import (
    assert_canonical,
    lines_of,
    on_cpu,
    taken_by_libraries,
)
from tests.nn.unrolled_cases import matrix

SIDE, BATCH, COUNT, DEPTH, FEATURES = 32, 4, 60, 3, 32
LIBRARIES = "kCustom", "ynn", "xnn", "onednn"
IMAGES = BATCH * SIDE * SIDE * 4
"""bytes of a batch"""


def network(steps, features=FEATURES):
    return nn.UnrolledProximalGradient(
        nn.DnCNN(DEPTH, features, rngs=nnx.Rngs(0)), steps=steps, shared=True
    )


def operator():
    return Matrix(matrix((COUNT, SIDE**2)), (SIDE, SIDE))


def run(module, operator, m, remat=True):
    return module(operator, m, jax.vmap(operator.adjoint)(m), remat=remat)


def training_step(steps, remat=True):
    """A compiled one: loss, gradient, and an update by Adam."""
    graph, parameters, rest = nnx.split(network(steps), nnx.Param, ...)
    adam = optax.adam(1e-4)

    def update(parameters, state, operator, m, truth):
        def loss(p):
            return jnp.mean((run(nnx.merge(graph, p, rest), operator, m, remat) - truth) ** 2)

        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = adam.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    m, truth = jnp.ones((BATCH, COUNT)), jnp.ones((BATCH, SIDE, SIDE))
    arguments = parameters, adam.init(parameters), operator(), m, truth
    return nn.jit(update).lower(*arguments).compile()


def report():
    """What is looked at, as JSON: the program, what libraries take of it, bytes reserved."""
    programs = [training_step(20), training_step(80), training_step(20, remat=False)]
    square = jnp.ones((512, 512))
    product = jax.jit(jnp.matmul).lower(square, square).compile()
    found = {
        "lines": lines_of(programs[0]),
        "taken": taken_by_libraries(programs[0]),
        "taken by default": taken_by_libraries(product),
        "sizes": [p.memory_analysis().temp_size_in_bytes for p in programs],
    }
    print(json.dumps(found))


@pytest.fixture(scope="module")
def as_a_user_has_it():
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", "from tests.nn.test_unrolled_programs import report; report()"],
        env=environment | {"JAX_PLATFORMS": "cpu"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@on_cpu
def test_convolutions_of_a_training_step_are_canonical_and_left_to_eigen(as_a_user_has_it):
    """Products of matrices, in their gradients and in the operator, go to the default library, if
    this XLA has one."""
    taken, by_default = as_a_user_has_it["taken"], as_a_user_has_it["taken by default"]
    assert_canonical(as_a_user_has_it["lines"])
    assert bool(taken) == bool(by_default), "products of matrices are taken no more"
    if not taken:  # there is none, rather than one by another name
        assert not any(name in line for line in as_a_user_has_it["lines"] for name in LIBRARIES)
    assert not any(" convolution(" in body for body in taken)


@on_cpu
def test_memory_grows_by_two_image_batches_a_step(as_a_user_has_it):
    """x and the gradient of the fidelity; without remat all that the network makes, 78 of them."""
    few, many, plain = (size / IMAGES for size in as_a_user_has_it["sizes"])
    growth = (many - few) / 60
    assert 1 <= growth <= 2.2
    assert (plain - few) / 20 > 39


def lowered(function, *arguments, platform):
    """StableHLO for a platform, whether it is there or not."""
    exported = jax.export.export(jax.jit(function), platforms=[platform])(*arguments)
    return exported.mlir_module()


def kernels_of(program):
    """Shapes of the second arguments of the convolutions."""
    types = re.findall(r"stablehlo\.convolution.*: \(tensor<[^>]*>, tensor<([^>]*)>\)", program)
    return [tuple(int(n) for n in found.split("x")[:-1]) for found in types]


def test_on_accelerators_it_is_one_loop_over_plain_convolutions():
    """Neither filtering by rows nor strips, which are for CPU."""
    arguments = network(5, features=64), operator(), jnp.ones((BATCH, COUNT))
    program = lowered(run, *arguments, platform="cuda")
    assert program.count("stablehlo.while") == 1
    wide, first, last = (3, 3, 64, 64), (3, 3, 1, 64), (3, 3, 64, 1)
    assert sorted(kernels_of(program)) == sorted([first, wide, last])
    assert program.count("stablehlo.dot_general") == 3  # A, A^H, and A^H for the start
    of_cpu = kernels_of(lowered(run, *arguments, platform="cpu"))
    assert wide not in of_cpu  # so that this test can fail


def test_on_accelerators_its_gradient_is_two_loops_over_whole_batches():
    """No groups, which are for CPU: one loop forwards and one backwards, in which each convolution
    but the last is computed again, and has two gradients."""

    def loss(module, operator, m):
        return jnp.sum(run(module, operator, m) ** 2)

    m = jnp.ones((4 * BATCH, COUNT))
    program = lowered(jax.grad(loss), network(5), operator(), m, platform="cuda")
    assert program.count("stablehlo.while") == 2
    assert len(kernels_of(program)) == DEPTH + (DEPTH - 1) + 2 * DEPTH
    of_cpu = lowered(jax.grad(loss), network(5), operator(), m, platform="cpu")
    assert of_cpu.count("stablehlo.while") == 4  # so that this test can fail
