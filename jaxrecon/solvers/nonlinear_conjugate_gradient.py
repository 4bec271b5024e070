"""Nonlinear conjugate gradients for a smooth function."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_choice
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import ratio
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add_scaled, inner, scaled, subtract
from jaxrecon.solvers.line_search import (
    Point,
    first_step,
    hessian_product,
    kinked_along,
    point_at,
    search,
)
from jaxrecon.solvers.step_sizes import is_quadratic

FORMULAS = ("Polak-Ribiere", "Hager-Zhang")
"""The formulas of :func:`nonlinear_conjugate_gradient`."""

TRUNCATION = 0.4
"""eta of Hager and Zhang's lower bound."""


class NonlinearConjugateGradientState(NamedTuple):
    """The iterate with its value and gradient, the next direction, and the last step."""

    x: Any
    value: jax.Array
    gradient: Any
    direction: Any
    step_size: jax.Array


class NonlinearConjugateGradient(Method):
    r"""min_x f(x) along conjugate directions. See :func:`nonlinear_conjugate_gradient`."""

    functional: Functional
    formula: str = static(default="Polak-Ribiere")

    def init(self, x0: Any) -> NonlinearConjugateGradientState:
        point = point_at(self.functional, x0)
        step = first_step(self.functional, x0, point.gradient).astype(point.value.dtype)
        return NonlinearConjugateGradientState(*point, scaled(-1, point.gradient), step)

    def step(self, state: NonlinearConjugateGradientState) -> NonlinearConjugateGradientState:
        f, point, direction = self.functional, Point(*state[:3]), state.direction
        product = hessian_product(f, state.x, direction)
        slope, curvature = inner(state.gradient, direction), inner(direction, product)
        step = ratio(-slope, curvature.astype(slope.dtype))
        if is_quadratic(f, state.x):
            x = add_scaled(state.x, step, direction)
            value = state.value + step * slope / 2
            new = Point(x, value, add_scaled(state.gradient, step, product))
        else:
            step = jnp.where(step > 0, step, state.step_size)
            new, step = search(f, point, direction, step)
        beta = self._beta(state.gradient, new.gradient, direction, slope)
        following = add_scaled(scaled(-1, new.gradient), beta, direction)
        descends = inner(new.gradient, following) < 0
        following = jax.tree.map(lambda d, g: jnp.where(descends, d, -g), following, new.gradient)
        return NonlinearConjugateGradientState(*new, following, step)

    def stalled(self, state: NonlinearConjugateGradientState) -> Any:
        if is_quadratic(self.functional, state.x):
            return False
        return kinked_along(self.functional, state.x, state.gradient, state.direction)

    def _beta(self, old: Any, new: Any, direction: Any, slope: jax.Array) -> jax.Array:
        change = subtract(new, old)
        if self.formula == "Polak-Ribiere":
            return jnp.maximum(ratio(inner(new, change), inner(old, old)), 0)
        along = inner(direction, change)
        size = ratio(inner(change, change), along)
        beta = ratio(inner(new, change) - 2 * size * inner(direction, new), along)
        return jnp.maximum(beta, TRUNCATION * ratio(slope, inner(direction, direction)))


def nonlinear_conjugate_gradient(
    f: Functional, *, formula: str = "Polak-Ribiere"
) -> NonlinearConjugateGradient:
    r"""Nonlinear conjugate gradients for min_x f(x), f smooth.

        x_{k+1} = x_k + alpha_k d_k,  d_{k+1} = -g_{k+1} + beta_k d_k,  g = grad f(x).

    With y = g_{k+1} - g_k, beta is that of Polak and Ribiere, cut at 0 (restart),

        max(<g_{k+1}, y> / <g_k, g_k>, 0),

    or that of Hager and Zhang, <y - 2 d <y, y> / <d, y>, g_{k+1}> / <d, y>, at least
    0.4 <d, g_k> / <d, d>. The direction is -g_{k+1} where the formula gives none of descent.

    alpha is exact for quadratic f, by its Hessian: then these are the conjugate gradients of
    Hestenes and Stiefel, one application of the Hessian in each step. Otherwise alpha is Newton's
    step along the line, from the second derivative by forward differentiation of the gradient
    (about the cost of a gradient), halved until Armijo's condition holds; f falls in every step.
    A converged iterate stays as it is.

    Args:
        f: smooth term, real or complex x of any pytree. No Lipschitz constant is needed.
        formula: static, "Polak-Ribiere" or "Hager-Zhang".

    Raises:
        ValueError: an unknown formula.

    Source: Polak and Ribiere 1969, doi:10.1051/m2an/196903R100351; Gilbert and Nocedal 1992,
    doi:10.1137/0802003; Hager and Zhang 2005, doi:10.1137/030601880, its lower bound 2013,
    doi:10.1137/120898097.
    """
    check_choice(formula, FORMULAS, what="nonlinear_conjugate_gradient", argument="formula")
    return NonlinearConjugateGradient(f, formula)
