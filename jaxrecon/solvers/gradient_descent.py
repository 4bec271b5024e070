"""Gradient descent for a smooth function."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import add_scaled


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
        return GradientDescentState(add_scaled(state.x, -self.step_size, gradient))


def gradient_descent(f: Functional, step_size: Any = None) -> GradientDescent:
    r"""Gradient descent for min_x f(x), f smooth: x <- x - s grad f(x).

    It converges for convex f and s < 2/L, with f(x_k) - f* <= ||x_0 - x*||^2 / (2 s k) at s <= 1/L.
    For least squares it is the Landweber iteration, and stopping early regularises.

    Args:
        f: term whose gradient has the Lipschitz constant L.
        step_size: s, traced; 1 / f.lipschitz() unless given.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.

    Source: Nesterov 2004, section 2.1.5, doi:10.1007/978-1-4419-8853-9.
    """
    return GradientDescent(f, 1 / f.lipschitz() if step_size is None else step_size)
