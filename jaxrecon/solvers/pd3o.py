"""PD3O: three terms, one smooth, one simple, one composed with an operator."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add, add_scaled, subtract, zeros_like
from jaxrecon.solvers.normal_form import normal_form
from jaxrecon.solvers.step_conditions import (
    check_at_most,
    check_primal_dual_steps,
    lipschitz_or_none,
)
from jaxrecon.solvers.step_sizes import check_positive


class PD3OState(NamedTuple):
    """The image, the dual variable in the codomain of A, and the gradient of h at the image."""

    x: Any
    y: Any
    gradient: Any


class PD3O(Method):
    r"""min_x f(x) + g(A x) + h(x). Made by :func:`pd3o`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    smooth: Functional
    primal_step: Any
    dual_step: Any

    def init(self, x0: Any) -> PD3OState:
        return PD3OState(x0, zeros_like(self.operator(x0)), self.smooth.grad(x0))

    def step(self, state: PD3OState) -> PD3OState:
        x, y, gradient = state
        tau = self.primal_step
        slope = add(gradient, self.operator.adjoint(y))
        x_new = self.functional.prox(add_scaled(x, -tau, slope), tau)
        gradient_new = self.smooth.grad(x_new)
        ahead = add(x_new, subtract(x_new, x))
        ahead = add_scaled(ahead, tau, subtract(gradient, gradient_new))
        raised = add_scaled(y, self.dual_step, self.operator.apply(ahead))
        return PD3OState(x_new, self.composed.conj_prox(raised, self.dual_step), gradient_new)


def pd3o(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    smooth: Functional,
    *,
    primal_step: Any = None,
    dual_step: Any = None,
) -> PD3O:
    r"""PD3O for min_x f(x) + g(A x) + h(x), f and g convex and simple, h convex and smooth.

        x' = prox_{tau f}(x - tau (grad h(x) + A^H y))
        y' = prox_{sigma g*}(y + sigma A (2 x' - x + tau (grad h(x) - grad h(x')))).

    It converges for tau < 2 / L and tau sigma ||A||^2 <= 1, L the Lipschitz constant of grad h: h
    takes nothing of the dual step, unlike in Condat-Vu (``primal_dual_hybrid_gradient`` with
    `smooth`), and tau may be up to twice as large. The cost of a step is the same, one gradient,
    one A, one A^H. A quadratic h is applied as A^H A.

    Args:
        f: term in x; Zero() for none.
        g: term in A x; its conj_prox is used.
        operator: A.
        smooth: h.
        primal_step: tau, traced; 1.5 / L unless given.
        dual_step: sigma, traced; 0.99 / (tau ||A||^2) unless given, ||A|| by the power method.

    Raises:
        ValueError: steps that are not positive or miss a condition by more than 1 %, where all
            values are known. To check two given steps costs ten applications of A^H A, once, and
            the Lipschitz constant of h.
        NotImplementedError: no primal step is given and h knows no Lipschitz constant.

    Source: Yan 2018, doi:10.1007/s10915-018-0680-3.
    """
    what = "pd3o"
    smooth = normal_form(smooth, operator.domain)
    lipschitz = lipschitz_or_none(smooth) if primal_step is not None else smooth.lipschitz()
    if primal_step is None:
        primal_step = 1.5 / lipschitz
    elif lipschitz is not None:
        check_at_most(primal_step * lipschitz, 2.0, what=what, condition="primal_step * L < 2")
    if dual_step is None:
        dual_step = 0.99 / (primal_step * operator_norm(operator) ** 2)
        check_positive((primal_step, dual_step), what=what, argument="steps")
    else:
        check_primal_dual_steps(operator, primal_step, dual_step, 0.0, what=what)
    return PD3O(f, g, operator, smooth, primal_step, dual_step)
