"""jaxrecon: image reconstruction in JAX, from pure functions to learned methods.

Importing it imports neither Flax nor optax nor matplotlib: `jaxrecon.nn` and `jaxrecon.train` do.
"""

from jaxrecon.core import (
    Functional,
    LinearOperator,
    Method,
    Solution,
    Status,
    block_diagonal,
    fixed_point,
    iterate,
    keep,
    matched,
    separable,
    solve,
    solve_until,
    stack,
    stationary_point,
    struct,
    tight,
)

__all__ = [
    "Functional",
    "LinearOperator",
    "Method",
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
    "stationary_point",
    "struct",
    "tight",
]
