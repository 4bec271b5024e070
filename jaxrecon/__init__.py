"""jaxrecon: image reconstruction in JAX, from pure functions to learned methods.

Importing it imports neither Flax nor optax nor matplotlib: `jaxrecon.nn` and `jaxrecon.train` do.
"""

from jaxrecon.core import (
    Functional,
    LinearOperator,
    Method,
    block_diagonal,
    iterate,
    matched,
    separable,
    solve,
    stack,
    struct,
    tight,
)

__all__ = [
    "Functional",
    "LinearOperator",
    "Method",
    "block_diagonal",
    "iterate",
    "matched",
    "separable",
    "solve",
    "stack",
    "struct",
    "tight",
]
