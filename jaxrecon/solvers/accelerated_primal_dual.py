"""Accelerated primal-dual methods for strongly convex terms."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add_scaled, inner, subtract, zeros_like
from jaxrecon.solvers.step_conditions import check_primal_dual_steps
from jaxrecon.solvers.step_sizes import check_positive


class AcceleratedPrimalDualState(NamedTuple):
    """The image, the dual variable, the extrapolated one of the two, and the steps."""

    x: Any
    y: Any
    extrapolated: Any
    primal_step: jax.Array
    dual_step: jax.Array


class AcceleratedPrimalDual(Method):
    r"""min_x f(x) + g(A x). Made by :func:`accelerated_primal_dual`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    primal_step: Any
    dual_step: Any
    primal_convexity: Any
    dual_convexity: Any
    kind: str = static()

    def init(self, x0: Any) -> AcceleratedPrimalDualState:
        y = zeros_like(self.operator(x0))
        steps = (jnp.asarray(s, inner(x0, x0).dtype) for s in (self.primal_step, self.dual_step))
        return AcceleratedPrimalDualState(x0, y, y if self.kind == "dual" else x0, *steps)

    def step(self, state: AcceleratedPrimalDualState) -> AcceleratedPrimalDualState:
        x, y, ahead, tau, sigma = state
        if self.kind == "dual":  # the same with the roles of x and y exchanged
            x_new = self._primal(x, ahead, tau)
            y_new = self._dual(y, x_new, sigma)
            theta = _momentum(self.dual_convexity, sigma)
            ahead = add_scaled(y_new, theta, subtract(y_new, y))
            return AcceleratedPrimalDualState(x_new, y_new, ahead, tau / theta, theta * sigma)
        y_new = self._dual(y, ahead, sigma)
        x_new = self._primal(x, y_new, tau)
        if self.kind == "primal":
            theta = _momentum(self.primal_convexity, tau)
            tau, sigma = theta * tau, sigma / theta
        else:
            theta = 1 / (1 + 2 * jnp.asarray(self.primal_convexity, tau.dtype) * tau)
        ahead = add_scaled(x_new, theta, subtract(x_new, x))
        return AcceleratedPrimalDualState(x_new, y_new, ahead, tau, sigma)

    def _primal(self, x: Any, y: Any, tau: Any) -> Any:
        return self.functional.prox(add_scaled(x, -tau, self.operator.adjoint(y)), tau)

    def _dual(self, y: Any, x: Any, sigma: Any) -> Any:
        return self.composed.conj_prox(add_scaled(y, sigma, self.operator.apply(x)), sigma)


def _momentum(convexity: Any, step: jax.Array) -> jax.Array:
    return 1 / jnp.sqrt(1 + 2 * jnp.asarray(convexity, step.dtype) * step)


def accelerated_primal_dual(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    *,
    primal_convexity: Any = None,
    dual_convexity: Any = None,
    primal_step: Any = None,
    dual_step: Any = None,
) -> AcceleratedPrimalDual:
    r"""Accelerated primal-dual method for min_x f(x) + g(A x), f or g* strongly convex.

        y' = prox_{sigma g*}(y + sigma A z)
        x' = prox_{tau f}(x - tau A^H y')
        z' = x' + theta (x' - x).

    - f strongly convex with modulus c (`primal_convexity`: f - c/2 ||x||^2 is convex):
      theta = 1 / sqrt(1 + 2 c tau), tau' = theta tau, sigma' = sigma / theta. The distance
      ||x_k - x*||^2 falls like 1 / k^2.
    - g* strongly convex with modulus d (`dual_convexity`: grad g has the Lipschitz constant 1/d):
      the same with the roles of x and y exchanged.
    - both: fixed steps tau = 1 / ||A|| sqrt(d / c), sigma = 1 / ||A|| sqrt(c / d) and
      theta = 1 / (1 + 2 c tau); linear convergence.

    Least squares as f: c = 1 for A = I. As g: d = 1. Moduli that are too large lose convergence;
    too small ones only speed.

    Args:
        f: term in x, with a prox.
        g: term in A x; its conj_prox is used.
        operator: A.
        primal_convexity: c > 0, traced, or None.
        dual_convexity: d > 0, traced, or None.
        primal_step: tau of the first step, traced; 0.99 / ||A|| unless given. With both moduli the
            steps follow from them, and none may be given.
        dual_step: sigma of the first step, traced; 1 / ||A|| unless given, and the other is not.
            The condition is tau sigma ||A||^2 <= 1.

    Raises:
        ValueError: no modulus at all; steps together with two moduli; and, where values are known,
            moduli or steps that are not positive, or steps that miss the condition by more than
            1 % (to check two given steps costs ten applications of A^H A, once).

    Source: Chambolle and Pock 2011, algorithms 2 and 3, doi:10.1007/s10851-010-0251-1.
    """
    what = "accelerated_primal_dual"
    c, d = primal_convexity, dual_convexity
    check_positive((c, d), what=what, argument="primal_convexity and dual_convexity")
    if c is None and d is None:
        raise ValueError(
            f"{what} expected primal_convexity or dual_convexity; without either take "
            "primal_dual_hybrid_gradient."
        )
    kind = "primal" if d is None else "dual" if c is None else "both"
    if c is not None and d is not None:
        if primal_step is not None or dual_step is not None:
            raise ValueError(f"{what} chooses the steps itself where both moduli are given.")
        root, norm = jnp.sqrt(jnp.asarray(c) / d), operator_norm(operator)
        primal_step, dual_step = 0.99 / (norm * root), root / norm
    elif primal_step is not None and dual_step is not None:
        check_primal_dual_steps(operator, primal_step, dual_step, 0.0, what=what)
    else:
        norm = operator_norm(operator)
        if dual_step is None:
            dual_step = 1 / norm if primal_step is None else 0.99 / (primal_step * norm**2)
        if primal_step is None:
            primal_step = 0.99 / (dual_step * norm**2)
        check_positive((primal_step, dual_step), what=what, argument="steps")
    return AcceleratedPrimalDual(f, g, operator, primal_step, dual_step, c, d, kind)
