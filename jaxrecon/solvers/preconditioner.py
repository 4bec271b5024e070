"""Preconditioners: Hermitian positive definite maps of the image."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.checks import Space, check_real, describe, struct_of
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.solvers.step_sizes import check_positive


def precondition(preconditioner: Any, x: Any) -> Any:
    """P x; P is None (the identity), a real diagonal, or a map."""
    return preconditioner(x) if callable(preconditioner) else weigh(preconditioner, x)


def checked_preconditioner(preconditioner: Any, space: Space, *, what: str) -> Any:
    """P as a pytree. That a map is Hermitian and positive definite is the caller's promise.

    Raises:
        ValueError: P does not take x, P x is not in the space of x, or a concrete diagonal is not
            positive.
        TypeError: a complex diagonal.
    """
    if callable(preconditioner):
        if jax.tree.structure(preconditioner) == jax.tree.structure(0):
            preconditioner = jax.tree_util.Partial(preconditioner)
    else:
        for leaf in jax.tree.leaves(preconditioner):
            check_real(leaf, what=what, argument="preconditioner")
        check_positive(preconditioner, what=what, argument="a diagonal preconditioner")
    if isinstance(preconditioner, LinearOperator) and preconditioner.domain != space:
        raise ValueError(
            f"{what} expected a preconditioner on the images {describe(space)}, got "
            f"{preconditioner!r}."
        )
    got = struct_of(jax.eval_shape(precondition, preconditioner, space))
    if got != space:
        raise ValueError(
            f"{what} expected a preconditioner that maps {describe(space)} to itself, but it "
            f"gives {describe(got)}. It acts on images, not on data."
        )
    return preconditioner
