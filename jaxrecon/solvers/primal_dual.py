"""Primal-dual hybrid gradient: terms that have a prox only when freed from their operator."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add, add_scaled, subtract


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
        return PrimalDualState(x0, jax.tree.map(jnp.zeros_like, self.operator(x0)))

    def step(self, state: PrimalDualState) -> PrimalDualState:
        x, y = state
        slope = self.operator.adjoint(y)
        if self.smooth is not None:
            slope = add(slope, self.smooth.grad(x))
        x_new = self.functional.prox(add_scaled(x, -self.primal_step, slope), self.primal_step)
        ahead = add(x_new, subtract(x_new, x))
        raised = add_scaled(y, self.dual_step, self.operator.apply(ahead))
        y_new = self.composed.conj_prox(raised, self.dual_step)
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
    decides the speed: it should be near |y*| / |x*|.

    Args:
        f: term in x; Zero() for none.
        g: term in A x; its conj_prox is used.
        operator: A.
        smooth: h, or None.
        primal_step: tau, traced. Unless given, the largest that dual_step allows, less 1 %; with
            neither given, 0.99 / ||A|| (less what h takes).
        dual_step: sigma, traced. Unless given, 1 / ||A||, or the largest that primal_step allows,
            less 1 %. ||A|| comes from the power method, an estimate from below.
        relaxation: rho, traced.

    Raises:
        ValueError, TypeError: at the first use, when x0 is not in the domain of A.
        NotImplementedError: no primal step is given and h knows no Lipschitz constant.

    Source: Chambolle and Pock 2011, doi:10.1007/s10851-010-0251-1; Condat 2013,
    doi:10.1007/s10957-012-0245-9; Vu 2013, doi:10.1007/s10444-011-9254-8.
    """
    if primal_step is None or dual_step is None:
        norm = operator_norm(operator)
        half = 0.0 if smooth is None else smooth.lipschitz() / 2
        if dual_step is None:
            free = 1 / norm if primal_step is None else (1 / primal_step - half) / norm**2
            dual_step = free if primal_step is None else 0.99 * free
        if primal_step is None:
            primal_step = 0.99 / (half + dual_step * norm**2)
    return PrimalDualHybridGradient(f, g, operator, smooth, primal_step, dual_step, relaxation)
