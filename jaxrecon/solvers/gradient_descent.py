"""Gradient descent for a smooth function, with a fixed step or a line search."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import inner, scaled, subtract
from jaxrecon.solvers.line_search import Point, first_step, kinked_along, point_at, search
from jaxrecon.solvers.momentum import descend
from jaxrecon.solvers.step_sizes import check_positive, checked_step_size

GROWTH = 1.1
"""The first trial of a line search, over the last accepted step."""


class GradientDescentState(NamedTuple):
    """The iterate."""

    x: Any


class GradientDescent(Method):
    r"""x <- x - step_size * grad f(x). Made by :func:`gradient_descent`."""

    functional: Functional
    step_size: Any

    def init(self, x0: Any) -> GradientDescentState:
        return GradientDescentState(x0)

    def step(self, state: GradientDescentState) -> GradientDescentState:
        gradient = self.functional.grad(state.x)
        return GradientDescentState(descend(state.x, self.step_size, gradient))


class LineSearchDescentState(NamedTuple):
    """The iterate with its value and gradient, and the first step of the next search."""

    x: Any
    value: jax.Array
    gradient: Any
    step_size: jax.Array


class LineSearchDescent(Method):
    r"""x <- x - s grad f(x), s by backtracking. Made by :func:`gradient_descent`."""

    functional: Functional
    step_size: Any

    def init(self, x0: Any) -> LineSearchDescentState:
        point = point_at(self.functional, x0)
        if self.step_size is None:
            step = first_step(self.functional, x0, point.gradient)
        else:
            step = jnp.asarray(self.step_size)
        return LineSearchDescentState(*point, step.astype(point.value.dtype))

    def step(self, state: LineSearchDescentState) -> LineSearchDescentState:
        direction = scaled(-1, state.gradient)
        new, step = search(self.functional, Point(*state[:3]), direction, state.step_size)
        moved = inner(subtract(new.gradient, state.gradient), direction) > 0
        return LineSearchDescentState(*new, jnp.where(moved, GROWTH * step, step))

    def stalled(self, state: LineSearchDescentState) -> jax.Array:
        return kinked_along(self.functional, state.x, state.gradient, scaled(-1, state.gradient))


def gradient_descent(
    f: Functional, step_size: Any = None, *, line_search: bool = False
) -> GradientDescent | LineSearchDescent:
    r"""Gradient descent for min_x f(x), f smooth: x <- x - s grad f(x).

    It converges for convex f and s < 2/L, with f(x_k) - f* <= ||x_0 - x*||^2 / (2 s k) at s <= 1/L.
    For least squares it is the Landweber iteration (:func:`jaxrecon.solvers.landweber`), and
    stopping early regularises. A step size for each pixel, S = diag(s), converges where S times the
    Hessian has no eigenvalue of 2 or more.

    With `line_search` the step is halved until Armijo's condition holds, each search starting at
    1.1 times the last step (unless f showed no curvature), so that no L is needed and f falls in
    every step. A trial costs a gradient, which is that of the next step if it is accepted.
    :func:`jaxrecon.solvers.barzilai_borwein` finds better first trials.

    Args:
        f: term whose gradient has the Lipschitz constant L, real or complex x of any pytree.
        step_size: s, traced; a scalar, or an array (a pytree) like x. 1 / f.lipschitz() unless
            given. With `line_search` it is the first trial, a scalar; unless given, the minimiser
            of the parabola along the first gradient.
        line_search: static.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.
        ValueError: a concrete step size that is not positive, or that for a quadratic f exceeds
            2/L by more than rounding (8 steps of the power method tell).

    Source: Nesterov 2004, section 2.1.5, doi:10.1007/978-1-4419-8853-9; line search: Armijo 1966,
    doi:10.2140/pjm.1966.16.1.
    """
    if not line_search:
        return GradientDescent(f, checked_step_size(f, step_size, 2, what="gradient_descent"))
    check_positive(step_size, what="gradient_descent", argument="step_size")
    return LineSearchDescent(f, step_size)
