"""Linearised ADMM: no system to solve in any step."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add, inner, norm, scaled, subtract, zeros_like
from jaxrecon.solvers.balance import balancing_factor
from jaxrecon.solvers.momentum import descend
from jaxrecon.solvers.step_conditions import check_primal_dual_steps
from jaxrecon.solvers.step_sizes import check_positive


class LinearisedADMMState(NamedTuple):
    """The image, the split variable z = A x, the scaled dual variable, penalty and step size, what
    the proxes start from, and the number of steps."""

    x: Any
    z: Any
    u: Any
    penalty: jax.Array
    step_size: jax.Array
    starts: Any
    count: jax.Array


class LinearisedADMM(Method):
    r"""min_x f(x) + g(A x). Made by :func:`linearised_admm`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    penalty: Any
    step_size: Any
    adaptive: bool = static(default=False)

    def init(self, x0: Any) -> LinearisedADMMState:
        z = self.operator(x0)
        starts = self.functional.prox_start(x0), self.composed.prox_start(z)
        real = inner(z, z).dtype
        steps = jnp.asarray(self.penalty, real), jnp.asarray(self.step_size, real)
        return LinearisedADMMState(x0, z, zeros_like(z), *steps, starts, jnp.zeros((), jnp.int32))

    def step(self, state: LinearisedADMMState) -> LinearisedADMMState:
        (x_start, z_start), penalty, step_size = state.starts, state.penalty, state.step_size
        misfit = add(subtract(self.operator.apply(state.x), state.z), state.u)
        slope = scaled(penalty, self.operator.adjoint(misfit))
        moved = descend(state.x, step_size, slope)
        x, x_start = self.functional.prox_from(moved, step_size, x_start)
        image = self.operator.apply(x)
        raised = add(image, state.u)
        z, z_start = self.composed.prox_from(raised, 1 / penalty, z_start)
        u, count = subtract(raised, z), state.count + 1
        if self.adaptive:
            misfit = norm(subtract(image, z)) * norm(u)
            motion = norm(subtract(z, state.z)) * jnp.maximum(norm(image), norm(z))
            factor = balancing_factor(misfit, motion, state.count)
            penalty, step_size, u = penalty * factor, step_size / factor, scaled(1 / factor, u)
        return LinearisedADMMState(x, z, u, penalty, step_size, (x_start, z_start), count)


def linearised_admm(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    penalty: Any,
    *,
    step_size: Any = None,
    adaptive: bool = False,
) -> LinearisedADMM:
    r"""Linearised ADMM (split inexact Uzawa) for min_x f(x) + g(A x), f and g with proxes.

        x = prox_{s f}(x - s penalty A^H (A x - z + u))
        z = prox_{g / penalty}(A x + u)
        u = u + A x - z

    ADMM with one gradient step on the penalty in place of its x-update. For convex f and g it
    converges for s penalty ||A||^2 <= 1. A step applies A twice and A^H once.

    With `adaptive` the penalty follows the residuals as in :func:`jaxrecon.solvers.admm`, and the
    step size its inverse, so that the condition stays met.

    Args:
        f: term in x, with a prox.
        g: term in A x, with a prox.
        operator: A.
        penalty: traced scalar > 0.
        step_size: s, traced; 0.99 / (penalty ||A||^2) unless given.
        adaptive: static.

    Raises:
        ValueError: steps that are not positive or miss the condition by more than 1 %, where all
            values are known. To check a given step costs ten applications of A^H A, once.

    Source: Zhang, Burger and Osher 2011, doi:10.1007/s10915-010-9408-8; Parikh and Boyd 2014,
    section 4.4.2, doi:10.1561/2400000003; adaptive penalties: He, Yang and Wang 2000,
    doi:10.1023/A:1004603514434.
    """
    check_positive(penalty, what="linearised_admm", argument="penalty")
    if step_size is None:
        step_size = 0.99 / (penalty * operator_norm(operator) ** 2)
    else:
        check_primal_dual_steps(operator, step_size, penalty, 0.0, what="linearised_admm")
    return LinearisedADMM(f, g, operator, penalty, step_size, adaptive)
