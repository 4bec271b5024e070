"""How far an image is from the constraints of a cost."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.vectors import norm, subtract
from jaxrecon.solvers.offers import terms_of


def constraint_violation(cost: Any, x: Any) -> jax.Array:
    r"""The largest of ||A x - P(A x)|| / max(||A x||, ||P(A x)||) over the constraints of a cost.

    A constraint is an indicator, or one of A x (`L2Ball(r, m) @ A`), and P projects onto its set;
    those inside of weighted, translated, rescaled, perturbed and separable terms count
    (``Functional.constraints``). Methods that project onto one set at a time come near the others
    only as they converge: where this number does not fall, the constraints contradict each other.
    As a residual of :func:`jaxrecon.solve_until`::

        residual=lambda s: jnp.maximum(norm(f.grad(s.x)), constraint_violation(cost, s.x))

    Args:
        cost: a functional, a sum f + g + h or a list of them.
        x: image.

    Returns:
        A real scalar >= 0; 0 without constraints.
    """
    worst = jnp.zeros_like(norm(x))
    for term in terms_of(cost):
        for reached, nearest in term.constraints(x):
            worst = jnp.maximum(worst, _relative(reached, nearest))
    return worst


def _relative(y: Any, nearest: Any) -> jax.Array:
    size = jnp.maximum(norm(y), norm(nearest))
    off = norm(subtract(y, nearest))
    return jnp.where(off > 0, off / jnp.where(size > 0, size, 1), 0)
