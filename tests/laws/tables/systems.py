"""Operators that solvers form of those they are given."""

import jax.numpy as jnp

from jaxrecon import struct
from jaxrecon.core.checks import complex_dtype
from jaxrecon.core.normal_equations import Normal
from jaxrecon.core.quadratic import HessianOperator, ProxSystem
from jaxrecon.functionals import LeastSquares
from jaxrecon.linops import Matrix
from jaxrecon.solvers.lifted import OfImage
from jaxrecon.solvers.step_conditions import Preconditioned
from jaxrecon.solvers.x_update import Augmented
from tests.laws.cases import OperatorCase
from tests.laws.tables.linops import numbers


def matrix(dtype, seed=1):
    return Matrix(numbers((5, 4), dtype, seed))


def misfit(dtype):
    return LeastSquares(matrix(dtype), numbers((5,), dtype, 2))


def augmented(d):
    normal = Normal(matrix(complex_dtype(d), 3), jnp.abs(numbers((5,), d, 4)), 0.5)
    return Augmented(misfit(complex_dtype(d)), normal, 2.0)


def preconditioned(d):
    roots = (jnp.abs(numbers((n,), d, n)) for n in (4, 5))
    return Preconditioned(matrix(d), *roots)


OPERATORS = [
    OperatorCase("augmented_normal_equations", augmented),
    OperatorCase(
        "prox_system", lambda d: ProxSystem(HessianOperator(misfit(d), struct(4, d)), 0.5)
    ),
    OperatorCase("preconditioned", preconditioned),
    OperatorCase("of_image", lambda d: OfImage(matrix(d), struct((2, 4), d))),
]
