"""Forward-backward-forward splitting: monotone operators that are only Lipschitz continuous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add, add_scaled, subtract, zeros_like
from jaxrecon.solvers.normal_form import normal_form
from jaxrecon.solvers.step_conditions import CHECK_ITERATIONS, check_at_most, lipschitz_or_none
from jaxrecon.solvers.step_sizes import check_positive, is_concrete


class ForwardBackwardForwardState(NamedTuple):
    """The iterate."""

    x: Any


class ForwardBackwardForward(Method):
    r"""0 in subgradient f(x) + B x. Made by :func:`forward_backward_forward`."""

    functional: Functional
    monotone: Callable
    step_size: Any

    def init(self, x0: Any) -> ForwardBackwardForwardState:
        return ForwardBackwardForwardState(x0)

    def step(self, state: ForwardBackwardForwardState) -> ForwardBackwardForwardState:
        x, s = state.x, self.step_size
        slope = self.monotone(x)
        tried = self.functional.prox(add_scaled(x, -s, slope), s)
        correction = subtract(slope, self.monotone(tried))
        return ForwardBackwardForwardState(add_scaled(tried, s, correction))


def forward_backward_forward(
    f: Functional, monotone: Callable, step_size: Any
) -> ForwardBackwardForward:
    r"""Tseng's splitting: find x with 0 in the subdifferential of f at x plus B x.

        p  = prox_{s f}(x - s B x)
        x <- p + s (B x - B p)

    B is monotone, Re<B x - B y, x - y> >= 0, and Lipschitz continuous with the constant L, but need
    not be a gradient: saddle points, learned monotone operators, equilibria. It converges for
    f convex and 0 < s < 1 / L. Two evaluations of B a step.

    Args:
        f: convex, with a prox.
        monotone: x -> B x, a pytree whose class defines ``__call__``, a ``jax.tree_util.Partial``,
            or a plain function, which is static and compared by identity. Monotone is the caller's
            promise.
        step_size: s, traced; the condition is the caller's to keep.

    Raises:
        ValueError: s <= 0, where its value is known.

    Source: Tseng 2000, doi:10.1137/S0363012998338806.
    """
    check_positive(step_size, what="forward_backward_forward", argument="step_size")
    if jax.tree.structure(monotone) == jax.tree.structure(0):
        monotone = jax.tree_util.Partial(monotone)
    return ForwardBackwardForward(f, monotone, step_size)


class ForwardBackwardForwardPrimalDualState(NamedTuple):
    """The image, and the dual variable in the codomain of A."""

    x: Any
    y: Any


class ForwardBackwardForwardPrimalDual(Method):
    r"""min_x f(x) + g(A x) + h(x). Made by :func:`forward_backward_forward_primal_dual`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    smooth: Functional | None
    primal_step: Any
    dual_step: Any

    def init(self, x0: Any) -> ForwardBackwardForwardPrimalDualState:
        return ForwardBackwardForwardPrimalDualState(x0, zeros_like(self.operator(x0)))

    def _slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        """B (x, y) = (grad h(x) + A^H y, -A x), the second without its sign."""
        slope = self.operator.adjoint(y)
        if self.smooth is not None:
            slope = add(slope, self.smooth.grad(x))
        return slope, self.operator.apply(x)

    def step(
        self, state: ForwardBackwardForwardPrimalDualState
    ) -> ForwardBackwardForwardPrimalDualState:
        x, y = state
        tau, sigma = self.primal_step, self.dual_step
        slope, image = self._slopes(x, y)
        p = self.functional.prox(add_scaled(x, -tau, slope), tau)
        q = self.composed.conj_prox(add_scaled(y, sigma, image), sigma)
        slope_new, image_new = self._slopes(p, q)
        return ForwardBackwardForwardPrimalDualState(
            add_scaled(p, tau, subtract(slope, slope_new)),
            add_scaled(q, sigma, subtract(image_new, image)),
        )


def forward_backward_forward_primal_dual(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    *,
    smooth: Functional | None = None,
    primal_step: Any = None,
    dual_step: Any = None,
) -> ForwardBackwardForwardPrimalDual:
    r"""Forward-backward-forward for min_x f(x) + g(A x) + h(x), f and g with proxes, h smooth.

    Tseng's splitting with B (x, y) = (grad h(x) + A^H y, -A x), which is monotone but no gradient:

        p = prox_{tau f}(x - tau (grad h(x) + A^H y)),   q = prox_{sigma g*}(y + sigma A x)
        x <- p + tau (grad h(x) + A^H y - grad h(p) - A^H q),   y <- q + sigma (A p - A x).

    It converges for convex terms and tau L + sqrt(tau sigma) ||A|| < 1, L the Lipschitz constant of
    grad h. A step costs two gradients, two A and two A^H, twice that of
    :func:`primal_dual_hybrid_gradient`, which is the better choice for most problems; primal and
    dual updates are independent of each other here, and the image need not keep f's constraints
    until it has converged.

    Args:
        f: term in x; Zero() for none.
        g: term in A x; its conj_prox is used.
        operator: A.
        smooth: h, or None.
        primal_step: tau, traced; the largest that dual_step allows, less 1 %, unless given.
        dual_step: sigma, traced; as primal_step unless given. With neither, both are
            0.99 / (L + ||A||), ||A|| by the power method.

    Raises:
        ValueError: steps that are not positive or miss the condition by more than 1 %, where all
            values are known; to check given steps costs ten applications of A^H A, once.
        NotImplementedError: no primal step is given and h knows no Lipschitz constant.

    Source: Combettes and Pesquet 2012, doi:10.1007/s11228-011-0191-y; one step for each variable:
    Vu 2013, doi:10.48550/arXiv.1210.2986.
    """
    what = "forward_backward_forward_primal_dual"
    if smooth is not None:
        smooth = normal_form(smooth, operator.domain)
    if primal_step is not None and dual_step is not None:
        lipschitz = None if smooth is None else lipschitz_or_none(smooth)
        lipschitz = 0.0 if lipschitz is None else lipschitz
        check_positive((primal_step, dual_step), what=what, argument="steps")
        if is_concrete(operator, primal_step, dual_step, lipschitz):
            norm = operator_norm(operator, CHECK_ITERATIONS)
            size = primal_step * lipschitz + jnp.sqrt(primal_step * jnp.asarray(dual_step)) * norm
            condition = "primal_step * L + sqrt(primal_step * dual_step) ||A|| < 1"
            check_at_most(size, 1.0, what=what, condition=condition)
    else:
        norm = operator_norm(operator)
        lipschitz = 0.0 if smooth is None else smooth.lipschitz()
        if primal_step is None and dual_step is None:
            primal_step = dual_step = 0.99 / (lipschitz + norm)
        elif primal_step is None:  # sqrt(tau) solves tau L + sqrt(tau) b = 1
            b = jnp.sqrt(jnp.asarray(dual_step)) * norm
            primal_step = 0.98 * (2 / (b + jnp.sqrt(b**2 + 4 * lipschitz))) ** 2
        else:
            dual_step = 0.98 * ((1 - primal_step * lipschitz) / norm) ** 2 / primal_step
            check_at_most(primal_step * lipschitz, 0.99, what=what, condition="primal_step * L < 1")
        check_positive((primal_step, dual_step), what=what, argument="steps")
    return ForwardBackwardForwardPrimalDual(f, g, operator, smooth, primal_step, dual_step)
