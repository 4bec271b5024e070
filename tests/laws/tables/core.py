"""The operator algebra."""

import jax
import jax.numpy as jnp

from jaxrecon import block_diagonal, stack, struct
from jaxrecon.core import FunctionOperator, Identity
from jaxrecon.core.checks import complex_dtype
from jaxrecon.linops import Diagonal, Matrix, Sample
from jaxrecon.testing import random_element
from tests.laws.cases import OperatorCase


def numbers(shape, dtype, seed=3):
    return random_element(jax.random.key(seed), struct(shape, dtype))


def matrix(dtype, m=5, n=4, seed=3):
    return Matrix(numbers((m, n), dtype, seed))


def diagonal(dtype, n=4, seed=4):
    return Diagonal(numbers((n,), dtype, seed))


def cumulate(x):
    return jnp.cumsum(x, axis=0)


def cumulate_adjoint(y):
    return jnp.flip(jnp.cumsum(jnp.flip(y, 0), axis=0), 0)


def complex_scaled(dtype):
    scalar = jnp.asarray(0.5 - 2j, complex_dtype(dtype))
    return scalar * matrix(complex_dtype(dtype))


def nested(dtype):
    """((2 A.H) @ B, D - I) on pairs, composed with a stack: every rule of the algebra at once."""
    a, b = matrix(dtype), matrix(dtype, seed=5)
    wide = block_diagonal((2.0 * a.H) @ b, diagonal(dtype) - Identity(struct(4, dtype)))
    return wide @ stack(diagonal(dtype, seed=6), -diagonal(dtype, seed=7))


OPERATORS = [
    OperatorCase("identity", lambda d: Identity(struct((3, 4), d))),
    OperatorCase("adjoint", lambda d: matrix(complex_dtype(d)).H),
    OperatorCase("composition", lambda d: matrix(d) @ diagonal(d)),
    OperatorCase(
        "composition_complex",
        lambda d: matrix(complex_dtype(d)).H @ matrix(complex_dtype(d), seed=8),
    ),
    OperatorCase("sum", lambda d: matrix(d) + matrix(d, seed=5)),
    OperatorCase("difference", lambda d: matrix(d) - matrix(d, seed=5)),
    OperatorCase("scaled", lambda d: 2.5 * matrix(d)),
    OperatorCase("scaled_complex", complex_scaled),
    OperatorCase("stack", lambda d: stack(matrix(d), Sample(jnp.array([0, 2]), (4,), d))),
    OperatorCase("block_diagonal", lambda d: block_diagonal(matrix(d), diagonal(complex_dtype(d)))),
    OperatorCase("nested", nested),
    OperatorCase("function", lambda d: FunctionOperator(cumulate, struct((5, 3), d))),
    OperatorCase(
        "function_with_adjoint",
        lambda d: FunctionOperator(cumulate, struct((5, 3), complex_dtype(d)), cumulate_adjoint),
    ),
]
