"""Nesterov's accelerated gradient method."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import add_scaled, inner, subtract
from jaxrecon.solvers.momentum import descend, extrapolate
from jaxrecon.solvers.step_sizes import check_positive, checked_step_size


class NesterovState(NamedTuple):
    """The iterate, the point extrapolated from it, and Nesterov's t."""

    x: Any
    extrapolated: Any
    momentum: jax.Array


class Nesterov(Method):
    r"""x' = y - s grad f(y), y' = x' + beta (x' - x). Made by :func:`nesterov`."""

    functional: Functional
    step_size: Any
    strong_convexity: Any

    def init(self, x0: Any) -> NesterovState:
        return NesterovState(x0, x0, jnp.ones((), inner(x0, x0).dtype))

    def step(self, state: NesterovState) -> NesterovState:
        y = state.extrapolated
        x = descend(y, self.step_size, self.functional.grad(y))
        if self.strong_convexity is None:
            return NesterovState(x, *extrapolate(x, state.x, state.momentum))
        root = jnp.sqrt(self.strong_convexity * self.step_size)
        beta = (1 - root) / (1 + root)
        return NesterovState(x, add_scaled(x, beta, subtract(x, state.x)), state.momentum)


def nesterov(f: Functional, step_size: Any = None, *, strong_convexity: Any = None) -> Nesterov:
    r"""Nesterov's accelerated gradient for min_x f(x), f smooth and convex.

        x_{k+1} = y_k - s grad f(y_k),  y_{k+1} = x_{k+1} + beta_k (x_{k+1} - x_k).

    For convex f, beta_k = (t_k - 1) / t_{k+1} with t' = (1 + sqrt(1 + 4 t^2)) / 2, and for s <= 1/L
    f(x_k) - f* <= 2 ||x_0 - x*||^2 / (s (k + 1)^2). For f with the strong convexity mu > 0,
    beta = (1 - sqrt(mu s)) / (1 + sqrt(mu s)), and

        f(x_k) - f* <= (1 - sqrt(mu s))^k (f(x_0) - f* + mu/2 ||x_0 - x*||^2).

    f need not fall in every step. ``fista(f, Zero(), restart=True)`` drops the momentum where it
    points uphill, and so is linear without knowing mu.

    Args:
        f: term whose gradient has the Lipschitz constant L, real or complex x of any pytree.
        step_size: s, a traced scalar; 1 / f.lipschitz() unless given.
        strong_convexity: mu, a traced scalar; None for 0. For f + damping/2 ||x||^2 at least
            the damping.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.
        ValueError: a concrete step size that is not positive, or that for a quadratic f exceeds
            1/L by more than rounding (8 steps of the power method tell); a concrete mu that is not
            positive, or exceeds 1/s.

    Source: Nesterov 2004, section 2.2, doi:10.1007/978-1-4419-8853-9.
    """
    step_size = checked_step_size(f, step_size, 1, what="nesterov")
    check_positive(strong_convexity, what="nesterov", argument="strong_convexity")
    if strong_convexity is not None:
        product = strong_convexity * step_size
        if not isinstance(product, Tracer) and product > 1:
            raise ValueError(
                f"nesterov expected strong_convexity <= 1 / step_size, as mu <= L, got "
                f"{strong_convexity} with the step size {step_size}."
            )
    return Nesterov(f, step_size, strong_convexity)
