"""POGM, the optimised proximal gradient method."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add_scaled, inner, scaled, subtract
from jaxrecon.solvers.momentum import descend, following_momentum, points_uphill
from jaxrecon.solvers.step_sizes import checked_step_size

DAMPING = 0.8
"""Factor on sigma where the composite gradient turns round."""


class POGMState(NamedTuple):
    """The iterate x and what its momentum is made of."""

    x: Any
    descended: Any
    """w, the gradient step from the iterate before"""
    raised: Any
    """z, whose prox is x"""
    momentum: jax.Array
    """theta"""
    prox_step: jax.Array
    """gamma / s: step size of the last prox, in units of that of the gradient"""
    start: Any
    """where the next prox starts if it iterates"""
    damping: jax.Array
    """sigma <= 1, on the part of the momentum that FISTA has not"""
    reached: Any
    """y, the step along the composite gradient; this and the next are only kept for restarts"""
    pull: Any
    """s F', F' the composite gradient"""


class POGM(Method):
    r"""min_x f(x) + g(x) with an optimised momentum. Made by :func:`pogm`."""

    smooth: Functional
    simple: Functional
    step_size: Any
    restart: bool = static(default=False)

    def _prox_step(self, factor: jax.Array) -> Any:
        return jax.tree.map(lambda s: factor * s, self.step_size)

    def init(self, x0: Any) -> POGMState:
        one = jnp.ones((), inner(x0, x0).dtype)
        memory = (x0, scaled(0, x0)) if self.restart else ((), ())
        return POGMState(x0, x0, x0, one, one, self.simple.prox_start(x0), one, *memory)

    def step(self, state: POGMState) -> POGMState:
        theta, sigma = state.momentum, state.damping
        following = following_momentum(theta)
        w = descend(state.x, self.step_size, self.smooth.grad(state.x))
        momentum = scaled(theta - 1, subtract(w, state.descended))
        momentum = add_scaled(momentum, sigma * theta, subtract(w, state.x))
        kept = (theta - 1) / state.prox_step
        momentum = add_scaled(momentum, kept, subtract(state.raised, state.x))
        z = add_scaled(w, 1 / following, momentum)
        prox_step = 1 + (theta - 1 + sigma * theta) / following
        x, start = self.simple.prox_from(z, self._prox_step(prox_step), state.start)
        reached = pull = ()
        if self.restart:
            reached = add_scaled(w, -1 / prox_step, subtract(z, x))
            pull = subtract(state.x, reached)
            uphill = points_uphill(state.x, reached, state.reached, self.step_size)
            following = jnp.where(uphill, 1, following).astype(theta.dtype)
            turned = jnp.where(inner(pull, state.pull) < 0, DAMPING * sigma, sigma)
            sigma = jnp.where(uphill, 1, turned).astype(theta.dtype)
        return POGMState(x, w, z, following, prox_step, start, sigma, reached, pull)

    def solution(self, state: POGMState) -> Any:
        """x_N with the larger momentum that POGM's last step has: one more prox, no gradient."""
        theta = state.momentum
        last = (1 + jnp.sqrt(1 + 8 * (theta**2 - theta))) / 2
        z = add_scaled(state.descended, theta / last, subtract(state.raised, state.descended))
        step_size = self._prox_step(1 + (state.prox_step - 1) * theta / last)
        x, _ = self.simple.prox_from(z, step_size, state.start)
        moved = theta > 1
        return jax.tree.map(lambda a, b: jnp.where(moved, a, b), x, state.x)


def pogm(f: Functional, g: Functional, step_size: Any = None, *, restart: bool = False) -> POGM:
    r"""The optimised proximal gradient method for min_x f(x) + g(x), f smooth, g with a prox.

        theta' = (1 + sqrt(1 + 4 theta^2)) / 2,  gamma' = s (2 theta + theta' - 1) / theta'
        w' = x - s grad f(x)
        z' = w' + [(theta - 1) (w' - w) + theta (w' - x) + (theta - 1) s / gamma (z - x)] / theta'
        x' = prox_{gamma' g}(z')

    For convex f and g and s <= 1/L the worst case of F(x_N) - F* is about half of FISTA's,
    ||x_0 - x*||^2 / (s (N + 1)^2); a step costs the same, a gradient and a prox. For g = 0 it is
    the optimised gradient method. The last step has sqrt(1 + 8 theta^2) in place of 4 theta^2, and
    so depends on N: ``method.solution(state)``, which :func:`jaxrecon.solve` returns, is x_N for
    the number of steps made, whereas the state goes on.

    It does not descend in every step; with `restart` the momentum is dropped where it points
    uphill, <F', y' - y> > 0 with the composite gradient F' = grad f(x) + (z' - x') / gamma' and
    y' = x - s F', which makes it linear where F is strongly convex near the minimiser. And as POGM
    overshoots along directions of curvature L, sigma, a factor on the term theta (w' - x) and the
    theta of gamma' that belongs to it, falls by 0.8 where F' turns round, until the next restart. A
    prox that iterates starts where it ended in the step before.

    Args:
        f: term whose gradient has the Lipschitz constant L.
        g: term with a prox.
        step_size: s, traced; a scalar, or one for each pixel, as in :func:`jaxrecon.solvers.ista`.
            1 / f.lipschitz() unless given.
        restart: static.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.
        ValueError: a concrete step size that is not positive, or that for a quadratic f exceeds
            1/L by more than rounding (8 steps of the power method tell).

    Source: Taylor, Hendrickx and Glineur 2017, section 4.3, doi:10.1137/16M108104X; in this form,
    with restart: Kim and Fessler 2018, doi:10.1007/s10957-018-1287-4.
    """
    return POGM(f, g, checked_step_size(f, step_size, 1, what="pogm"), restart)
