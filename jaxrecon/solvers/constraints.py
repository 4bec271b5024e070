"""How far an image is from the constraints of a cost."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import struct_of
from jaxrecon.core.functional import Functional, Indicator, Precomposed
from jaxrecon.core.operator import Identity
from jaxrecon.core.vectors import norm, subtract
from jaxrecon.solvers.offers import apart, innermost, terms_of


def constraint_violation(cost: Any, x: Any) -> jax.Array:
    r"""The largest of ||A x - P(A x)|| / max(||A x||, ||P(A x)||) over the constraints of a cost.

    A constraint is an indicator, or one of A x (`L2Ball(r, m) @ A`), and P projects onto its set.
    Methods that project onto one set at a time come near the others only as they converge: where
    this number does not fall, the constraints contradict each other. As a residual of
    :func:`jaxrecon.solve_until`::

        residual=lambda s: jnp.maximum(norm(f.grad(s.x)), constraint_violation(cost, s.x))

    Args:
        cost: a functional, a sum f + g + h or a list of them.
        x: image.

    Returns:
        A real scalar >= 0; 0 without constraints.
    """
    space = struct_of(x)
    size = norm(x)
    worst = jnp.zeros_like(size)
    for term in terms_of(cost):
        composed = isinstance(innermost(term), Precomposed)
        g, operator = apart(term, space) if composed else (term, Identity(space))
        if isinstance(innermost(g), Indicator):
            worst = jnp.maximum(worst, _violation(g, operator(x)))
    return worst


def _violation(g: Functional, y: Any) -> jax.Array:
    projected = g.prox(y, 1.0)
    size = jnp.maximum(norm(y), norm(projected))
    off = norm(subtract(y, projected))
    return jnp.where(off > 0, off / jnp.where(size > 0, size, 1), 0)
