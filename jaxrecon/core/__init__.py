"""The base: pytrees of pure functions for operators, functionals and iterative methods."""

from jaxrecon.core.checks import struct, struct_of
from jaxrecon.core.functional import Functional, separable, tight
from jaxrecon.core.iterate import Method, iterate, solve
from jaxrecon.core.matched import matched
from jaxrecon.core.operator import (
    FunctionOperator,
    Identity,
    LinearOperator,
    block_diagonal,
    stack,
)
from jaxrecon.core.pytree import Pytree, static

__all__ = [
    "FunctionOperator",
    "Functional",
    "Identity",
    "LinearOperator",
    "Method",
    "Pytree",
    "block_diagonal",
    "iterate",
    "matched",
    "separable",
    "solve",
    "stack",
    "static",
    "struct",
    "struct_of",
    "tight",
]
