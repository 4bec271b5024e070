"""What is kept is not computed again in the backward pass, and nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import iterate, keep, linops
from jaxrecon.core import matched, struct
from jaxrecon.core.normal_equations import solve_normal

MATRIX = jax.random.normal(jax.random.key(0), (5, 4))


def raw(p, x):
    return p @ x


def raw_adjoint(p, y):
    return p.conj().T @ y


APPLY, APPLY_ADJOINT = matched(raw, raw_adjoint)


def counts(step, x, primitive):
    """How often the gradient's program has a primitive: recomputing all but what is kept, all, and
    nothing. The gradients are compared."""

    def loss(x, through, remat):
        state, _ = iterate(lambda x: step(x, through), x, 3, remat=remat)
        return jnp.sum(jnp.abs(state) ** 2)

    def gradient(through, remat):
        return lambda x: jax.grad(loss)(x, through, remat)

    np.testing.assert_allclose(gradient(keep, True)(x), gradient(keep, False)(x), rtol=1e-5)
    runs = (keep, True), (lambda x: x, True), (lambda x: x, False)
    programs = (str(jax.make_jaxpr(gradient(*run))(x)) for run in runs)
    return [program.count(f"{primitive}[") for program in programs]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_an_operator_is_not_applied_again(dtype):
    """A and A^H forward, and both backward; recomputed, twice forward."""
    matrix = MATRIX.astype(dtype)

    def step(x, through):
        y = APPLY_ADJOINT(matrix, APPLY(matrix, x), struct(4, dtype))
        return jnp.tanh(through(y))

    assert counts(step, jnp.linspace(0.1, 0.4, 4).astype(dtype), "jaxrecon_matched") == [4, 6, 4]


def test_a_solve_is_not_done_again():
    """It keeps its solution itself, which the derivative in the damping takes."""
    operator = linops.Matrix(MATRIX)

    def step(x, _):
        return jnp.tanh(solve_normal(operator, x, damping=1 + x[0] ** 2))

    recomputed, _, stored = counts(step, jnp.linspace(0.1, 0.4, 4), "while")
    assert recomputed == stored > 1
