"""Row and column sums of an operator with non-negative weights, and their inverses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import is_complex
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.solvers.subsets import Subsets

ROUNDINGS = 100
"""Sums within so many roundings of the largest one count as zero."""


@jax.jit
def row_sums(operator: LinearOperator) -> Any:
    """A 1, the sum of each row of A, in the codomain."""
    return operator.apply(_ones(operator.domain))


@jax.jit
def column_sums(operator: LinearOperator, weights: Any = None) -> Any:
    """A^T W 1, the sum of each column of A with weighted rows, in the domain."""
    return operator.adjoint(weigh(weights, _ones(operator.codomain)))


@jax.jit
def largest_column_sums(subsets: Subsets) -> jax.Array:
    """max_k A_k^T 1, an image."""

    def larger(sums: jax.Array, k: jax.Array) -> tuple[jax.Array, None]:
        return jnp.maximum(sums, column_sums(subsets.operator_of(k))), None

    space = subsets.operator.domain
    least = jnp.full(space.shape, -jnp.inf, space.dtype)
    return jax.lax.scan(larger, least, jnp.arange(subsets.count))[0]


def _ones(space: Any) -> Any:
    return jax.tree.map(lambda s: jnp.ones(s.shape, s.dtype), space)


def inverse_sums(sums: Any) -> Any:
    """1 / sums, and 0 where a sum is 0: rays that miss the image, pixels that no ray meets."""
    return jax.tree.map(_inverse, sums)


def _inverse(sums: jax.Array) -> jax.Array:
    least = ROUNDINGS * jnp.finfo(sums.dtype).eps * jnp.max(jnp.abs(sums))
    positive = sums > least
    return jnp.where(positive, 1 / jnp.where(positive, sums, 1), 0)


def check_sums(sums: Any, *, what: str, of: str) -> None:
    """Raise ValueError when concrete sums are negative beyond rounding, or not finite."""
    for leaf in jax.tree.leaves(sums):
        if isinstance(leaf, Tracer):
            continue
        values = np.asarray(leaf)
        most = np.max(np.abs(values), initial=0)
        least = np.min(values, initial=0)
        if not np.isfinite(most):
            raise ValueError(f"{what} expected an operator with finite {of}, got NaN or infinity.")
        if least < -ROUNDINGS * np.finfo(values.dtype).eps * most:
            raise ValueError(
                f"{what} expected an operator with non-negative weights, got {of} down to "
                f"{least:.3g} (the largest is {most:.3g}). CT projectors of the models 'shear', "
                "'planes' and 'joseph' have such weights, those by Fourier transforms have not."
            )


def check_real_operator(operator: LinearOperator, *, what: str) -> None:
    """Raise TypeError for an operator between complex spaces, which has no signs."""
    leaves = jax.tree.leaves((operator.domain, operator.codomain))
    if any(is_complex(leaf.dtype) for leaf in leaves):
        raise TypeError(
            f"{what} expected a real operator with non-negative weights, got {operator!r}. For "
            "complex problems take conjugate_gradient, cgls or fista."
        )


def check_relaxation(relaxation: Any, *, what: str) -> None:
    """Raise ValueError unless a concrete relaxation is between 0 and 2."""
    if isinstance(relaxation, Tracer):
        return
    if not 0 < np.min(np.asarray(relaxation)) <= np.max(np.asarray(relaxation)) < 2:
        raise ValueError(f"{what} expected 0 < relaxation < 2, got {relaxation}.")
