"""Primal-dual hybrid gradient that finds the ratio of its steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add_scaled, inner, norm, real_like, scaled, subtract, zeros_like
from jaxrecon.solvers.balance import balancing_factor
from jaxrecon.solvers.primal_dual import steps_of
from jaxrecon.solvers.step_sizes import check_positive


class AdaptivePrimalDualState(NamedTuple):
    """The image, the dual variable, their images under A and A^H, the steps, and how many were
    made."""

    x: Any
    y: Any
    forward: Any
    backward: Any
    primal_step: jax.Array
    dual_step: jax.Array
    count: jax.Array


class AdaptivePrimalDual(Method):
    r"""min_x f(x) + g(A x). Made by :func:`adaptive_primal_dual`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    primal_step: Any
    dual_step: Any
    scale: Any

    def init(self, x0: Any) -> AdaptivePrimalDualState:
        forward = self.operator(x0)
        real = inner(x0, x0).dtype
        tau, sigma = jnp.asarray(self.primal_step, real), jnp.asarray(self.dual_step, real)
        y, count = zeros_like(forward), jnp.zeros((), jnp.int32)
        return AdaptivePrimalDualState(x0, y, forward, zeros_like(x0), tau, sigma, count)

    def step(self, state: AdaptivePrimalDualState) -> AdaptivePrimalDualState:
        x, y, forward, backward, tau, sigma, count = state
        x_new = self.functional.prox(add_scaled(x, -tau, backward), tau)
        forward_new = self.operator.apply(x_new)
        ahead = add_scaled(forward_new, 1, subtract(forward_new, forward))
        y_new = self.composed.conj_prox(add_scaled(y, sigma, ahead), sigma)
        backward_new = self.operator.adjoint(y_new)

        change, dual_change = subtract(x, x_new), subtract(y, y_new)
        primal = subtract(scaled(1 / tau, change), subtract(backward, backward_new))
        dual = subtract(scaled(1 / sigma, dual_change), subtract(forward, forward_new))
        factor = balancing_factor(real_like(self.scale, tau) * norm(primal), norm(dual), count)
        return AdaptivePrimalDualState(
            x_new, y_new, forward_new, backward_new, tau * factor, sigma / factor, count + 1
        )


def adaptive_primal_dual(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    *,
    primal_step: Any = None,
    dual_step: Any = None,
    scale: Any = 1.0,
) -> AdaptivePrimalDual:
    r"""Primal-dual hybrid gradient for min_x f(x) + g(A x) with balanced residuals.

    The steps of :func:`primal_dual_hybrid_gradient`, after each of which

        tau <- c tau,  sigma <- sigma / c,   c = sqrt(scale ||p|| / ||d||) in bounds,
        p = (x_old - x) / tau - A^H (y_old - y),   d = (y_old - y) / sigma - A (x_old - x),

    p and d the residuals of the optimality conditions. tau sigma stays as it is, and the bounds of
    c shrink so fast that all changes together stay within a factor 2^11: the steps settle, and it
    converges as with fixed ones, for tau sigma ||A||^2 <= 1. It mends steps that are far off; a
    ratio tuned by hand may be better still. One application of A and one of A^H a step; the norms
    make it somewhat dearer than fixed steps. The state shows the steps.

    Args:
        f: term in x; Zero() for none.
        g: term in A x; its conj_prox is used.
        operator: A.
        primal_step: tau of the first step, traced; chosen as in
            :func:`primal_dual_hybrid_gradient` unless given.
        dual_step: sigma of the first step.
        scale: traced; the size of x over that of y, in their units (255 for images up to 255 in
            total variation of weight 1).

    Raises:
        ValueError: a scale or steps that are not positive, or steps that miss the condition by more
            than 1 %, where all values are known; to check two given steps costs ten applications of
            A^H A, once.

    Source: Goldstein, Li, Yuan, Esser and Baraniuk 2013, Adaptive primal-dual hybrid gradient
    methods for saddle-point problems, doi:10.48550/arXiv.1305.0546.
    """
    what = "adaptive_primal_dual"
    primal_step, dual_step = steps_of(operator, None, primal_step, dual_step, what=what)
    check_positive(scale, what=what, argument="scale")
    return AdaptivePrimalDual(f, g, operator, primal_step, dual_step, scale)
