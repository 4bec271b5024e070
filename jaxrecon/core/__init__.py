"""The base: pytrees of pure functions for operators, functionals and iterative methods."""

from jaxrecon.core.checks import struct, struct_of
from jaxrecon.core.functional import Functional, separable
from jaxrecon.core.implicit import fixed_point, stationary_point
from jaxrecon.core.iterate import Method, iterate, solve
from jaxrecon.core.keep import keep
from jaxrecon.core.matched import matched
from jaxrecon.core.operator import (
    FunctionOperator,
    Identity,
    LinearOperator,
    block_diagonal,
    stack,
)
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.core.stopping import Solution, Status, solve_until
from jaxrecon.core.tight import tight

__all__ = [
    "FunctionOperator",
    "Functional",
    "Identity",
    "LinearOperator",
    "Method",
    "Pytree",
    "Solution",
    "Status",
    "block_diagonal",
    "fixed_point",
    "iterate",
    "keep",
    "matched",
    "separable",
    "solve",
    "solve_until",
    "stack",
    "static",
    "stationary_point",
    "struct",
    "struct_of",
    "tight",
]
