"""Terms g_i(A_i x) as one term g(A x), its blocks scaled so that one step size suits all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional, separable
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import Identity, LinearOperator, stack
from jaxrecon.core.tight import tight
from jaxrecon.core.vectors import add_scaled, inner, norm, scaled

LEAST = 1e-2
"""No scale of a block is taken for less than this fraction of the largest one."""

REACH = 12
"""Guesses of an image may be wrong by two to this power."""


class Balanced(NamedTuple):
    """g(A x) with the blocks g_i(. / r_i) and r_i A_i, and what follows for step sizes."""

    functional: Functional
    operator: LinearOperator
    bound: jax.Array
    """sum_i r_i^2 ||A_i||^2 >= ||A||^2, to the accuracy of the norms"""


def balanced_by_duals(blocks: Sequence, x: Any) -> tuple[Balanced, jax.Array]:
    r"""(blocks for primal-dual methods of dual step 1, the primal step that goes with it).

    With dual steps s_i the error after k steps is bounded by (|x|^2 / t + sum_i |y_i|^2 / s_i) / k,
    under t sum_i s_i ||A_i||^2 <= 1. The least of these bounds is at

        s_i = |y_i| / (|x| ||A_i||),   t = |x| / sum_i |y_i| ||A_i||,

    and s_i becomes the square of r_i. |x| and |y_i| are those of an image x that may be far from
    the solution, and y_i a gradient of a smoothed g_i at A_i x: speed depends on them, and
    convergence does not.

    Args:
        blocks: pairs with the fields functional and operator.
        x: an image.
    """
    operators = [block.operator for block in blocks]
    norms = jnp.stack([operator_norm(a) for a in operators])
    duals, size = _dual_sizes(blocks, x), norm(x)
    size = jnp.where((size > 0) & jnp.isfinite(size), size, 1)
    balanced = _scaled(blocks, jnp.sqrt(duals / (size * norms)), norms)
    return balanced, 0.99 / balanced.bound


def balanced_by_splits(blocks: Sequence, x: Any) -> Balanced:
    """The blocks for ADMM of penalty 1: r_i^2 = |y_i| / |A_i x| is the penalty of each block."""
    duals = _dual_sizes(blocks, x)
    splits = _sound(jnp.stack([norm(block.operator.apply(x)) for block in blocks]))
    return _scaled(blocks, jnp.sqrt(duals / splits), jnp.ones_like(splits))


def _scaled(blocks: Sequence, roots: jax.Array, norms: jax.Array) -> Balanced:
    """g_i(A_i x) = (g_i(. / r_i))(r_i A_i x)."""
    functionals, operators = [], []
    for block, root in zip(blocks, roots, strict=True):
        back = (1 / root) * Identity(block.operator.codomain)
        functionals.append(tight(block.functional, back, 1 / root**2))
        operators.append(root * block.operator)
    bound = jnp.sum(roots**2 * norms**2)
    if len(blocks) == 1:
        return Balanced(functionals[0], operators[0], bound)
    return Balanced(separable(*functionals), stack(*operators), bound)


@jax.jit
def fitted_multiple(blocks: Sequence, x: Any) -> Any:
    """2^j x of the least sum_i g_i(2^j A_i x), |j| <= 12; x itself where none is finite, or where
    it lies at an end, so that x is not known to be of another size than the solution."""
    powers = 2.0 ** jnp.arange(-REACH, REACH + 1)
    images = [block.operator.apply(x) for block in blocks]

    def cost(power: jax.Array) -> jax.Array:
        pairs = zip(blocks, images, strict=True)
        return sum((b.functional(scaled(power, z)) for b, z in pairs), start=jnp.zeros(()))

    costs = jax.lax.map(cost, powers)
    best = jnp.argmin(jnp.where(jnp.isnan(costs), jnp.inf, costs))
    inside = (best > 0) & (best < 2 * REACH) & jnp.isfinite(costs[best])
    return scaled(jnp.where(inside, powers[best], 1), x)


@jax.jit
def _dual_sizes(blocks: Sequence, x: Any) -> jax.Array:
    """|y_i|, the gradient at z = A_i x of g_i smoothed over a fraction of z, g_i(z) / ||z||^2 the
    reciprocal of its width; with noise on x, as a flat image has no edges."""
    x = _roughened(x)

    def size(block: Any) -> jax.Array:
        z = block.operator.apply(x)
        square, value = inner(z, z), block.functional(z)
        penalty = value / jnp.where(square > 0, square, 1)
        penalty = jnp.where((penalty > 0) & jnp.isfinite(penalty), penalty, 1)
        return norm(block.functional.conj_prox(scaled(penalty, z), penalty))

    return _sound(jnp.stack([size(block) for block in blocks]))


def _roughened(x: Any) -> Any:
    """x with noise of a tenth of its size, or of 1 where x is 0."""
    leaves, tree = jax.tree.flatten(x)
    keys = jax.random.split(jax.random.key(0), len(leaves))

    def rough(key: jax.Array, a: jax.Array) -> jax.Array:
        size = norm(a) / max(a.size, 1) ** 0.5
        noise = jax.random.normal(key, a.shape, a.dtype)
        return add_scaled(a, jnp.where(size > 0, size / 10, 1), noise)

    return tree.unflatten(map(rough, keys, leaves))


def _sound(sizes: jax.Array) -> jax.Array:
    """Positive sizes, none far below the largest; ones where none is known."""
    sizes = jnp.where(jnp.isfinite(sizes), sizes, 0)
    largest = jnp.max(sizes)
    return jnp.where(largest > 0, jnp.maximum(sizes, LEAST * largest), 1)
