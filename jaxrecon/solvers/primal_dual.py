"""Primal-dual hybrid gradient: terms that have a prox only when freed from their operator."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add, add_scaled, subtract, zeros_like
from jaxrecon.solvers.diagonal_steps import conj_prox, prox
from jaxrecon.solvers.momentum import descend
from jaxrecon.solvers.normal_form import normal_form
from jaxrecon.solvers.step_conditions import (
    check_primal_dual_steps,
    check_relaxation_below,
    lipschitz_or_none,
)
from jaxrecon.solvers.step_sizes import check_positive


class PrimalDualState(NamedTuple):
    """The image, and the dual variable in the codomain of A."""

    x: Any
    y: Any


class PrimalDualHybridGradient(Method):
    r"""min_x f(x) + g(A x) + h(x). Made by :func:`primal_dual_hybrid_gradient`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    smooth: Functional | None
    primal_step: Any
    dual_step: Any
    relaxation: Any

    def init(self, x0: Any) -> PrimalDualState:
        return PrimalDualState(x0, zeros_like(self.operator(x0)))

    def step(self, state: PrimalDualState) -> PrimalDualState:
        x, y = state
        slope = self.operator.adjoint(y)
        if self.smooth is not None:
            slope = add(slope, self.smooth.grad(x))
        x_new = prox(self.functional, descend(x, self.primal_step, slope), self.primal_step)
        behind = subtract(subtract(x, x_new), x_new)
        raised = descend(y, self.dual_step, self.operator.apply(behind))
        y_new = conj_prox(self.composed, raised, self.dual_step)
        return PrimalDualState(
            add_scaled(x, self.relaxation, subtract(x_new, x)),
            add_scaled(y, self.relaxation, subtract(y_new, y)),
        )


def primal_dual_hybrid_gradient(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    *,
    smooth: Functional | None = None,
    primal_step: Any = None,
    dual_step: Any = None,
    relaxation: Any = 1.0,
) -> PrimalDualHybridGradient:
    r"""Primal-dual hybrid gradient (Chambolle-Pock; Condat-Vu with `smooth`).

    min_x f(x) + g(A x) + h(x), with f and g convex and simple (they have proxes), h smooth:

        x' = prox_{tau f}(x - tau (A^H y + grad h(x)))
        y' = prox_{sigma g*}(y + sigma A (2 x' - x))
        (x, y) <- (x, y) + rho ((x', y') - (x, y)).

    It converges for 1/tau - sigma ||A||^2 >= L/2 and 0 < rho < 2 - (L/2) / (1/tau - sigma ||A||^2),
    L the Lipschitz constant of grad h; without h that is tau sigma ||A||^2 <= 1 and 0 < rho < 2.
    Several terms g_i(A_i x): pass separable(g_1, ...) and stack(A_1, ...). The ratio sigma / tau
    decides the speed: it should be near |y*| / |x*|; :func:`adaptive_primal_dual` finds it, and
    :func:`diagonal_steps` gives each entry a step of its own. A quadratic h is applied as A^H A, so
    that operators with a shortcut for it need one transform, not two.

    Args:
        f: term in x; Zero() for none.
        g: term in A x; its conj_prox is used.
        operator: A.
        smooth: h, or None.
        primal_step: tau, traced. Unless given, the largest that dual_step allows, less 1 %; with
            neither given, 0.99 / ||A|| (less what h takes). A scalar, or, with both steps given,
            arrays like x (diagonal preconditioning), where f acts on each entry alone.
        dual_step: sigma, traced. Unless given, 1 / ||A||, or the largest that primal_step allows,
            less 1 %. ||A|| comes from the power method, an estimate from below. Or arrays like A x,
            one scalar or array for each block of a stack; constant on each group of entries that g
            couples.
        relaxation: rho, traced.

    Raises:
        ValueError: steps that are not positive, or miss the condition by more than 1 %; a
            relaxation outside of (0, 2); where all values are known (outside of jit). To check two
            given steps costs ten applications of A^H A, once. At the first use, x0 of another shape
            than the domain of A.
        TypeError: x0 of another dtype.
        NotImplementedError: no primal step is given and h knows no Lipschitz constant.

    Source: Chambolle and Pock 2011, doi:10.1007/s10851-010-0251-1; Condat 2013,
    doi:10.1007/s10957-012-0245-9; Vu 2013, doi:10.1007/s10444-011-9254-8.
    """
    what = "primal_dual_hybrid_gradient"
    check_relaxation_below(relaxation, 2, what=what)
    if smooth is not None:
        smooth = normal_form(smooth, operator.domain)
    primal_step, dual_step = steps_of(
        operator, smooth, primal_step, dual_step, relaxation=relaxation, what=what
    )
    return PrimalDualHybridGradient(f, g, operator, smooth, primal_step, dual_step, relaxation)


def steps_of(
    operator: LinearOperator,
    smooth: Functional | None,
    primal_step: Any,
    dual_step: Any,
    *,
    relaxation: Any = 1.0,
    what: str,
) -> tuple[Any, Any]:
    """(tau, sigma) with tau (L/2 / (2 - rho) + sigma ||A||^2) <= 1: chosen, or checked if
    given."""
    if primal_step is not None and dual_step is not None:
        lipschitz = 0.0 if smooth is None else lipschitz_or_none(smooth)
        half = 0.0 if lipschitz is None else lipschitz / 2 / (2 - relaxation)
        check_primal_dual_steps(operator, primal_step, dual_step, half, what=what)
        return primal_step, dual_step
    norm = operator_norm(operator)
    half = 0.0 if smooth is None else smooth.lipschitz() / 2 / (2 - relaxation)
    if dual_step is None:
        free = 1 / norm if primal_step is None else (1 / primal_step - half) / norm**2
        dual_step = free if primal_step is None else 0.99 * free
    if primal_step is None:
        primal_step = 0.99 / (half + dual_step * norm**2)
    check_positive(primal_step, what=what, argument="primal_step")
    check_positive(dual_step, what=what, argument="dual_step")
    return primal_step, dual_step
