"""Anderson acceleration of any method that iterates to a fixed point."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_nonnegative, check_positive_int
from jaxrecon.core.iterate import Method
from jaxrecon.core.products import tensordot
from jaxrecon.core.pytree import static
from jaxrecon.core.tangents import merged, split
from jaxrecon.core.vectors import add, add_scaled, inner, norm, subtract

DECAY = 1e-6
"""Residuals at accepted steps must fall faster than 1 / n^(1 + DECAY), so that they have a sum."""


class AndersonState(NamedTuple):
    """The state of the method; what its numbers and their residual were one step earlier; how they
    moved and how the residual changed in the last steps; counts, and the first residual."""

    state: Any
    last: list
    last_residual: list
    moves: list
    changes: list
    count: jax.Array
    accepted: jax.Array
    first: jax.Array


class Anderson(Method):
    r"""The fixed point of another method's step, extrapolated. Made by :func:`anderson`."""

    method: Method
    regularisation: Any
    safeguard: Any
    memory: int = static()

    def init(self, x0: Any) -> AndersonState:
        state = jax.tree.map(jnp.asarray, self.method.init(x0))
        floats, _ = _parts(state)
        zeros = [jnp.zeros_like(a) for a in floats]
        rows = [jnp.zeros((self.memory, *a.shape), a.dtype) for a in floats]
        none = jnp.zeros((), jnp.int32)
        start = jnp.zeros_like(norm(floats))
        return AndersonState(state, floats, zeros, rows, rows, none, none, start)

    def step(self, state: AndersonState) -> AndersonState:
        z, _ = _parts(state.state)
        following = self.method.step(state.state)
        image, others = _parts(following)
        residual = subtract(image, z)
        size = norm(residual)
        begins = state.count == 0
        row = (state.count - 1) % self.memory

        def recorded(rows: list, change: list) -> list:
            return jax.tree.map(
                lambda a, c: a.at[row].set(jnp.where(begins, 0, c).astype(a.dtype)), rows, change
            )

        moves = recorded(state.moves, subtract(z, state.last))
        changes = recorded(state.changes, subtract(residual, state.last_residual))
        weights = self._weights(moves, changes, residual)
        shift = jax.tree.map(
            lambda a: tensordot(weights.astype(a.dtype), a, 1), add(moves, changes)
        )
        candidate = add_scaled(image, -1, shift)
        first = jnp.where(begins, size, state.first)
        bound = self.safeguard * first * (state.accepted + 1.0) ** -(1 + DECAY)
        accept = (size <= bound) & jnp.isfinite(norm(candidate))
        chosen = jax.tree.map(lambda c, g: jnp.where(accept, c, g), candidate, image)
        moving = _moving(following)
        new = jax.tree.unflatten(jax.tree.structure(following), merged(moving, chosen, others))
        accepted = state.accepted + accept.astype(jnp.int32)
        return AndersonState(new, z, residual, moves, changes, state.count + 1, accepted, first)

    def _weights(self, moves: list, changes: list, residual: list) -> jax.Array:
        """argmin_w ||r - sum_i w_i change_i||^2 + regularisation (||moves||^2 + ||changes||^2)
        ||w||^2."""
        gram = jax.vmap(lambda a: jax.vmap(lambda b: inner(a, b))(changes))(changes)
        rhs = jax.vmap(lambda a: inner(a, residual))(changes)
        size = inner(moves, moves) + inner(changes, changes)
        least = 10 * jnp.finfo(gram.dtype).eps
        damping = jnp.maximum(jnp.asarray(self.regularisation, gram.dtype), least) * size
        damping = jnp.where(size > 0, damping, 1)
        return jnp.linalg.solve(gram + damping * jnp.eye(self.memory, dtype=gram.dtype), rhs)

    def solution(self, state: AndersonState) -> Any:
        return self.method.solution(state.state)

    def under_way(self, state: AndersonState) -> Any:
        return self.method.under_way(state.state)

    def stalled(self, state: AndersonState) -> Any:
        return self.method.stalled(state.state)


def _moving(state: Any) -> list[bool]:
    """Which leaves are numbers that move, unlike counts and keys."""
    return [jnp.issubdtype(a.dtype, jnp.inexact) for a in jax.tree.leaves(state)]


def _parts(state: Any) -> tuple[list, list]:
    return split(_moving(state), jax.tree.leaves(state))


def anderson(
    method: Method, memory: int = 5, *, regularisation: Any = 1e-8, safeguard: Any = 1e6
) -> Anderson:
    r"""Anderson acceleration (type II) of the fixed-point iteration z <- S(z) of a method.

    With the residual r = S(z) - z, and what z and r changed by in the last m steps as the columns
    of dZ and dR,

        w = argmin ||r - dR w||^2 + regularisation (||dZ||_F^2 + ||dR||_F^2) ||w||^2
        z <- S(z) - (dZ + dR) w,

    on the whole state of the method, with real w. One step of the method and m^2 inner products a
    step; memory of 2 m + 2 states. For affine S and m not less than the dimension it is GMRES.

    The safeguard takes the plain step S(z) instead unless
    ||r|| <= safeguard ||r_0|| (n + 1)^-(1 + 1e-6), n the number of accelerated steps so far, and
    wherever the extrapolated point is not finite. As the regularisation bounds w, the accelerated
    steps then have a finite sum, and for nonexpansive averaged S with a fixed point the iteration
    converges to one, as the plain one does. For contractions it is usually much faster, but no rate
    is claimed, and the residual may rise in between.

    It suits methods whose step depends on nothing but the state and whose state comes to rest:
    proximal gradient, ADMM, Douglas-Rachford, primal-dual, EM, plug-and-play with one noise level,
    equilibrium networks; not momentum, which changes with the count. Derivatives of the fixed point
    are those of the plain step: ``fixed_point(method, ..., solver=anderson(method))``.

    Args:
        method: whose step is S.
        memory: m, static.
        regularisation: traced, >= 0; at least ten times the precision of z is taken.
        safeguard: traced, >= 0; 0 gives the plain iteration.

    Raises:
        ValueError: a memory that is no positive whole number; negative parameters, where known.

    Source: Walker and Ni 2011, doi:10.1137/10078356X; regularisation and safeguard: Fu, Zhang and
    Boyd 2020, doi:10.1137/19M1290097.
    """
    memory = check_positive_int(memory, what="anderson", argument="memory")
    check_nonnegative(regularisation, what="anderson", argument="regularisation")
    check_nonnegative(safeguard, what="anderson", argument="safeguard")
    return Anderson(method, regularisation, safeguard, memory)
