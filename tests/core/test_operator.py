"""The algebra against matrices, and errors that say what is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import block_diagonal, stack, struct
from jaxrecon.core import FunctionOperator, Identity
from jaxrecon.linops import Matrix

RANDOM = np.random.default_rng(0)
X = jnp.asarray(RANDOM.normal(size=4), jnp.float32)


def make(m, n):
    matrix = RANDOM.normal(size=(m, n)).astype(np.float32)
    return Matrix(jnp.asarray(matrix)), matrix


A, a = make(3, 4)
B, b = make(3, 4)
C, c = make(5, 3)


@pytest.mark.parametrize(
    ("operator", "matrix"),
    [
        (C @ A, c @ a),
        (A + B, a + b),
        (A - B, a - b),
        (2.5 * A, 2.5 * a),
        (-A, -a),
        (A.H.H, a),
        (A @ Identity(A.domain), a),
        (C @ (A + 0.5 * B), c @ (a + 0.5 * b)),
    ],
)
def test_algebra(operator, matrix):
    y = jnp.asarray(RANDOM.normal(size=matrix.shape[0]), jnp.float32)
    np.testing.assert_allclose(operator(X), matrix @ X, atol=1e-5)
    np.testing.assert_allclose(operator.H(y), matrix.T @ y, atol=1e-5)
    np.testing.assert_allclose(operator.normal(X), matrix.T @ (matrix @ X), atol=1e-4)


def test_stack_and_block_diagonal():
    above, below = stack(A, B)(X)
    np.testing.assert_allclose(above, a @ X, atol=1e-5)
    np.testing.assert_allclose(below, b @ X, atol=1e-5)
    np.testing.assert_allclose(stack(A, B).H((above, below)), a.T @ above + b.T @ below, atol=1e-4)
    left, right = block_diagonal(A, C)((X, above))
    np.testing.assert_allclose(left, a @ X, atol=1e-5)
    np.testing.assert_allclose(right, c @ above, atol=1e-5)


def test_real_to_complex_uses_the_real_part_of_the_inner_product():
    operator = FunctionOperator(lambda x: jnp.stack([x, 1j * x]), struct(4))
    y = jnp.asarray(RANDOM.normal(size=(2, 4)) + 1j * RANDOM.normal(size=(2, 4)), jnp.complex64)
    assert operator.H(y).dtype == jnp.float32
    left, right = jnp.vdot(operator(X), y).real, jnp.vdot(X, operator.H(y))
    np.testing.assert_allclose(left, right, rtol=1e-5)


def test_an_operator_is_an_argument_of_jit_and_traced_once():
    traced = []

    @jax.jit
    def run(operator, x):
        traced.append(1)
        return operator(x)

    for scale in (1.0, 2.0):
        np.testing.assert_allclose(run(Matrix(scale * A.matrix), X), scale * (a @ X), atol=1e-5)
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: A(jnp.ones((7, 4))), ValueError, "jax.vmap"),
        (lambda: A(jnp.ones((2, 2))), ValueError, "reshape it first"),
        (lambda: A(jnp.ones(9)), ValueError, "another size"),
        (lambda: A(X.astype(jnp.complex64)), TypeError, "real-valued"),
        (lambda: A(jnp.arange(4)), TypeError, "astype"),
        (lambda: A((X, X)), ValueError, "structure"),
        (lambda: A @ X, TypeError, "write A"),
        (lambda: A * A, TypeError, "composes"),
        (lambda: A @ C, ValueError, "codomain of B"),
        (lambda: A + C, ValueError, "equal spaces"),
        (lambda: 1j * A, TypeError, "complex dtype"),
        (lambda: stack(A, C), ValueError, "equal domains"),
        (lambda: stack(), ValueError, "at least one"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors_come_while_tracing():
    with pytest.raises(ValueError, match="expected x of"):
        jax.eval_shape(A, struct(5))
