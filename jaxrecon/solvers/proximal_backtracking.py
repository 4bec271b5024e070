"""ISTA and FISTA with a step size found by backtracking."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import inner, norm, scaled, subtract
from jaxrecon.solvers.line_search import backtrack, kinked, probe_length, rounding
from jaxrecon.solvers.momentum import descend, extrapolate, points_uphill


class ProximalBacktrackingState(NamedTuple):
    """The iterate, the point extrapolated from it, Nesterov's t, start of the prox, and step."""

    x: Any
    extrapolated: Any
    momentum: jax.Array
    start: Any
    step_size: Any


class ProximalBacktracking(Method):
    r"""Proximal gradient for min_x f(x) + g(x) with backtracking.

    Made by :func:`jaxrecon.solvers.ista` and :func:`jaxrecon.solvers.fista`.
    """

    smooth: Functional
    simple: Functional
    step_size: Any
    accelerated: bool = static(default=True)
    restart: bool = static(default=False)

    def init(self, x0: Any) -> ProximalBacktrackingState:
        real = inner(x0, x0).dtype
        step_size = jax.tree.map(lambda s: jnp.asarray(s, real), self.step_size)
        start = self.simple.prox_start(x0)
        return ProximalBacktrackingState(x0, x0, jnp.ones((), real), start, step_size)

    def step(self, state: ProximalBacktrackingState) -> ProximalBacktrackingState:
        y, t = state.extrapolated, state.momentum
        value, slope = self.smooth(y), self.smooth.grad(y)
        problem = self.smooth, self.simple, y, value, slope, state.start
        fraction, (x, start) = backtrack(_attempt, _majorised, problem, state.step_size)
        step_size = scaled(fraction, state.step_size)
        if not self.accelerated:
            return ProximalBacktrackingState(x, x, t, start, step_size)
        if self.restart:
            uphill = points_uphill(y, x, state.x, step_size)
            t = jnp.where(uphill, jnp.ones_like(t), t)
        following, momentum = extrapolate(x, state.x, t)
        new = ProximalBacktrackingState(x, following, momentum, start, step_size)
        inside = jnp.isfinite(value)
        lost = ~inside & (norm(subtract(y, state.x)) == 0)  # f is infinite at x itself
        stay = jax.tree.map(lambda a: jnp.where(lost, jnp.nan, a).astype(a.dtype), state.x)
        back = state._replace(x=stay, extrapolated=stay, momentum=jnp.ones_like(t))
        return jax.tree.map(lambda a, b: jnp.where(inside, a, b), new, back)

    def stalled(self, state: ProximalBacktrackingState) -> jax.Array:
        """By a proximal step that is as long as a gradient can just see."""
        x, slope = state.x, self.smooth.grad(state.x)
        size = norm(slope)
        step = probe_length(x) / jnp.where(size > 0, size, 1)
        moved, _ = self.simple.prox_from(descend(x, step, slope), step, state.start)
        move = subtract(moved, x)
        return kinked(self.smooth, x, move, norm(move) / jnp.where(step > 0, step, 1))


def _attempt(problem: tuple, step_size: Any) -> tuple[Any, Any]:
    _, simple, y, _, slope, start = problem
    return simple.prox_from(descend(y, step_size, slope), step_size, start)


def _majorised(problem: tuple, step_size: Any, result: tuple) -> jax.Array:
    """f(x) <= f(y) + <grad f(y), x - y> + ||x - y||^2 / (2 step_size), up to rounding.

    True where f(y) is not finite: no step size would help.
    """
    smooth, _, y, value, slope, _ = problem
    change = subtract(result[0], y)
    square = inner(change, weigh(jax.tree.map(lambda s: 1 / s, step_size), change))
    model = value + inner(slope, change) + square / 2
    return (smooth(result[0]) <= model + rounding(value)) | ~jnp.isfinite(value)
