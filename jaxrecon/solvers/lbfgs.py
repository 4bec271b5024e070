"""L-BFGS: a quasi-Newton method with limited memory, for real or complex pytrees."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import ratio
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add_scaled, inner, norm, scaled, subtract
from jaxrecon.solvers.line_search import Point, first_step, kinked_along, point_at, search


class LBFGSState(NamedTuple):
    """The iterate with its value and gradient, and the memory of pairs (s, y)."""

    x: Any
    value: jax.Array
    gradient: Any
    steps: Any
    """s = x_{k+1} - x_k, stacked along axis 0"""
    changes: Any
    """y = grad f(x_{k+1}) - grad f(x_k)"""
    inverses: jax.Array
    """1 / <s, y>; 0 marks an empty place, which then has no effect"""
    stored: jax.Array
    """number of pairs so far"""
    scale: jax.Array
    """the first guess of the inverse Hessian is this multiple of the identity"""


class LBFGS(Method):
    r"""x <- x - s H grad f(x), H the memory's inverse Hessian. Made by :func:`lbfgs`."""

    functional: Functional
    memory: int = static(default=10)

    def init(self, x0: Any) -> LBFGSState:
        point = point_at(self.functional, x0)
        empty = jax.tree.map(lambda a: jnp.zeros((self.memory, *jnp.shape(a)), a.dtype), x0)
        real = point.value.dtype
        scale = first_step(self.functional, x0, point.gradient).astype(real)
        inverses = jnp.zeros(self.memory, real)
        return LBFGSState(*point, empty, empty, inverses, jnp.zeros((), jnp.int32), scale)

    def direction(self, state: LBFGSState) -> Any:
        """-H grad f(x), by the two loops over the memory."""
        newest_first = (state.stored - 1 - jnp.arange(self.memory)) % self.memory

        def pair(i: jax.Array) -> tuple:
            return *jax.tree.map(lambda a: a[i], (state.steps, state.changes)), state.inverses[i]

        def down(q: Any, i: jax.Array) -> tuple[Any, jax.Array]:
            s, y, inverse = pair(i)
            share = inverse * inner(s, q)
            return add_scaled(q, -share, y), share

        def up(r: Any, memory: tuple) -> tuple[Any, None]:
            i, share = memory
            s, y, inverse = pair(i)
            return add_scaled(r, share - inverse * inner(y, r), s), None

        q, shares = jax.lax.scan(down, state.gradient, newest_first)
        r, _ = jax.lax.scan(up, scaled(state.scale, q), (newest_first, shares), reverse=True)
        return scaled(-1, r)

    def step(self, state: LBFGSState) -> LBFGSState:
        point, unit = Point(*state[:3]), jnp.ones((), state.value.dtype)
        new, _ = search(self.functional, point, self.direction(state), unit)
        s, y = subtract(new.x, state.x), subtract(new.gradient, state.gradient)
        curvature, square = inner(s, y), inner(y, y)
        curved = curvature > jnp.finfo(curvature.dtype).eps * norm(s) * norm(y)
        place = state.stored % self.memory

        def put(memory: jax.Array, entry: jax.Array) -> jax.Array:
            return memory.at[place].set(jnp.where(curved, entry, memory[place]))

        return LBFGSState(
            *new,
            jax.tree.map(put, state.steps, s),
            jax.tree.map(put, state.changes, y),
            put(state.inverses, ratio(unit, curvature)),
            state.stored + curved,
            jnp.where(curved, ratio(curvature, square), state.scale),
        )

    def stalled(self, state: LBFGSState) -> jax.Array:
        return kinked_along(self.functional, state.x, state.gradient, self.direction(state))


def lbfgs(f: Functional, *, memory: int = 10) -> LBFGS:
    r"""L-BFGS for min_x f(x), f smooth: a quasi-Newton method for large images.

    x_{k+1} = x_k - s_k H_k grad f(x_k), with H_k the BFGS update of a multiple of the identity by
    the last `memory` pairs of steps and changes of the gradient, applied by two loops over them
    (4 `memory` vector operations, and as many images of memory as 2 `memory`). s_k is the first of
    1, 1/2, 1/4, ... that Armijo's condition accepts, so that f falls in every step; a trial costs a
    gradient, which is that of the next step if it is accepted. Pairs with <s, y> <= 0, of f that
    is not convex, are left out. For strongly convex f it converges linearly; in practice it is much
    faster than gradient methods. A converged iterate stays as it is.

    The inner product is the real part of <x, y>, so that complex images are treated as their real
    and imaginary parts.

    Args:
        f: smooth term, real or complex x of any pytree. No Lipschitz constant is needed.
        memory: static, number of pairs.

    Raises:
        ValueError: memory is not a positive whole number.

    Source: Liu and Nocedal 1989, doi:10.1007/BF01589116; the two loops: Nocedal 1980,
    doi:10.1090/S0025-5718-1980-0572855-7.
    """
    return LBFGS(f, check_positive_int(memory, what="lbfgs", argument="memory"))
