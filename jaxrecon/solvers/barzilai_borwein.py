"""Gradient descent with the step sizes of Barzilai and Borwein."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_choice
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import ratio
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import inner, scaled, subtract
from jaxrecon.solvers.line_search import (
    Point,
    first_step,
    kinked_along,
    nonmonotone_search,
    point_at,
)
from jaxrecon.solvers.step_sizes import check_positive

FORMULAS = ("long", "short")
"""The formulas of :func:`barzilai_borwein`."""

MEMORY = 0.85
"""Weight of former values in the mean that f has to fall below."""

SAFEGUARD = 1e10
"""Steps stay within this factor of the last accepted one."""


class BarzilaiBorweinState(NamedTuple):
    """The iterate with its value and gradient, the next step, and the weighted mean of values."""

    x: Any
    value: jax.Array
    gradient: Any
    step_size: jax.Array
    reference: jax.Array
    weight: jax.Array


class BarzilaiBorwein(Method):
    r"""min_x f(x) by steps that imitate the inverse Hessian. Made by :func:`barzilai_borwein`."""

    functional: Functional
    step_size: Any
    formula: str = static(default="long")

    def init(self, x0: Any) -> BarzilaiBorweinState:
        point = point_at(self.functional, x0)
        if self.step_size is None:
            step = first_step(self.functional, x0, point.gradient)
        else:
            step = jnp.asarray(self.step_size)
        value = point.value
        return BarzilaiBorweinState(
            *point, step.astype(value.dtype), value, jnp.ones((), value.dtype)
        )

    def step(self, state: BarzilaiBorweinState) -> BarzilaiBorweinState:
        point, direction = Point(*state[:3]), scaled(-1, state.gradient)
        new, step = nonmonotone_search(
            self.functional, point, direction, state.step_size, state.reference
        )
        s, y = subtract(new.x, state.x), subtract(new.gradient, state.gradient)
        curvature = inner(s, y)
        if self.formula == "long":
            following = ratio(inner(s, s), curvature)
        else:
            following = ratio(curvature, inner(y, y))
        following = jnp.where(
            following > 0, jnp.clip(following, step / SAFEGUARD, step * SAFEGUARD), step
        )
        weight = MEMORY * state.weight + 1
        reference = state.reference + (new.value - state.reference) / weight
        return BarzilaiBorweinState(*new, following, reference, weight)

    def stalled(self, state: BarzilaiBorweinState) -> jax.Array:
        return kinked_along(self.functional, state.x, state.gradient, scaled(-1, state.gradient))


def barzilai_borwein(
    f: Functional, step_size: Any = None, *, formula: str = "long"
) -> BarzilaiBorwein:
    r"""Barzilai and Borwein's gradient method for min_x f(x), f smooth.

    x_{k+1} = x_k - s_k grad f(x_k); with d = x_k - x_{k-1} and y = grad f(x_k) - grad f(x_{k-1})
    the step is "long", <d, d> / <d, y>, or "short", <d, y> / <y, y>: the scalars that fit the
    inverse Hessian best. The step before is kept where <d, y> <= 0.

    f does not fall in every step; so that it converges for every smooth f that is bounded below
    (to a stationary point), s_k is halved until f lies below a weighted mean of its former values.
    For quadratic f this hardly ever happens, and convergence is linear. One gradient in a step, and
    it is usually many times faster than a fixed step size. No Lipschitz constant is needed.

    Args:
        f: smooth term, real or complex x of any pytree.
        step_size: the first step, a traced scalar; unless given, the minimiser of the parabola
            along the first gradient.
        formula: static, "long" or "short".

    Raises:
        ValueError: an unknown formula, a concrete step size that is not positive.

    Source: Barzilai and Borwein 1988, doi:10.1093/imanum/8.1.141; for any smooth f Raydan 1997,
    doi:10.1137/S1052623494266365, with the mean of Zhang and Hager 2004,
    doi:10.1137/S1052623403428208.
    """
    check_choice(formula, FORMULAS, what="barzilai_borwein", argument="formula")
    check_positive(step_size, what="barzilai_borwein", argument="step_size")
    return BarzilaiBorwein(f, step_size, formula)
