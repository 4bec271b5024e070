"""Proximal gradient methods: ISTA and FISTA for a smooth term plus a term with a prox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import inner
from jaxrecon.solvers.momentum import descend, extrapolate, points_uphill
from jaxrecon.solvers.proximal_backtracking import ProximalBacktracking
from jaxrecon.solvers.step_sizes import check_positive, checked_step_size


def proximal_gradient_step(x: Any, gradient: Callable, prox: Callable, step_size: Any) -> Any:
    r"""One forward-backward step: z = x - step_size * gradient(x); return prox(z, step_size).

    ISTA, and an unrolled network whose `prox` is a trained denoiser, are this function repeated.

    Args:
        x: image, an array or a pytree of arrays.
        gradient: x -> gradient of the smooth term (steepest ascent, for complex x too).
        prox: (z, step_size) -> image.
        step_size: positive and traced; a scalar, or one for each pixel (an array like x).
    """
    return prox(descend(x, step_size, gradient(x)), step_size)


class ISTAState(NamedTuple):
    """The iterate, and where the next prox starts if it iterates."""

    x: Any
    start: Any = ()


class ISTA(Method):
    r"""Proximal gradient for min_x f(x) + g(x). Made by :func:`ista`."""

    smooth: Functional
    simple: Functional
    step_size: Any

    def init(self, x0: Any) -> ISTAState:
        return ISTAState(x0, self.simple.prox_start(x0))

    def step(self, state: ISTAState) -> ISTAState:
        z = descend(state.x, self.step_size, self.smooth.grad(state.x))
        return ISTAState(*self.simple.prox_from(z, self.step_size, state.start))


def ista(
    f: Functional, g: Functional, step_size: Any = None, *, backtracking: bool = False
) -> ISTA | ProximalBacktracking:
    r"""Proximal gradient (iterative shrinkage-thresholding) for min_x f(x) + g(x).

    x <- prox_{s g}(x - s grad f(x)), f smooth and g with a prox. For convex f and g and s <= 1/L it
    descends, with F(x_k) - F* <= L ||x_0 - x*||^2 / (2 k) at s = 1/L; it converges for s < 2/L.
    A prox that iterates starts where it ended in the step before.

    A step size for each pixel, S = diag(s), is for g that acts on each pixel alone (L1,
    NonNegative, Box); then S times the Hessian of f takes the place of s L.

    With `backtracking` s is halved, for good, whenever f lies above its quadratic model,
    f(x') > f(x) + <grad f(x), x' - x> + ||x' - x||^2 / (2 s): no L is needed, as for the
    Kullback-Leibler divergence; x0 must be where f is finite. A first step that is too large costs
    a few trials, one that is too small all the way. A trial costs a prox and a value of f.

    Args:
        f: term whose gradient has the Lipschitz constant L.
        g: term with a prox.
        step_size: s, traced; a scalar or an array like x. 1 / f.lipschitz() unless given.
        backtracking: static.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.
        ValueError: a concrete step size that is not positive, or that for a quadratic f exceeds
            2/L by more than rounding, without backtracking (8 steps of the power method tell).

    Source: Daubechies, Defrise and De Mol 2004, doi:10.1002/cpa.20042; rate and backtracking: Beck
    and Teboulle 2009, doi:10.1137/080716542.
    """
    if not backtracking:
        return ISTA(f, g, checked_step_size(f, step_size, 2, what="ista"))
    return ProximalBacktracking(f, g, _first_step(f, step_size, "ista"), accelerated=False)


def _first_step(f: Functional, step_size: Any, what: str) -> Any:
    if step_size is None:
        return 1 / f.lipschitz()
    check_positive(step_size, what=what, argument="step_size")
    return step_size


class FISTAState(NamedTuple):
    """The iterate, the point extrapolated from it, Nesterov's t, and where the next prox starts."""

    x: Any
    extrapolated: Any
    momentum: jax.Array
    start: Any = ()


def fista_step(
    state: FISTAState, gradient: Callable, prox: Callable, step_size: Any, restart: bool = False
) -> FISTAState:
    r"""A proximal gradient step from the extrapolated point y, then Nesterov's extrapolation.

    t' = (1 + sqrt(1 + 4 t^2)) / 2,  y' = x' + (t - 1) / t' (x' - x). With `restart`, t = 1 where
    <y - x', x' - x> > 0 (weighted by 1 / step_size): the momentum points uphill.
    """
    x = proximal_gradient_step(state.extrapolated, gradient, prox, step_size)
    return _accelerated(state, x, state.start, step_size, restart)


def _accelerated(
    state: FISTAState, x: Any, start: Any, step_size: Any, restart: bool
) -> FISTAState:
    t = state.momentum
    if restart:
        uphill = points_uphill(state.extrapolated, x, state.x, step_size)
        t = jnp.where(uphill, jnp.ones_like(t), t)
    return FISTAState(x, *extrapolate(x, state.x, t), start)


class FISTA(Method):
    r"""Accelerated proximal gradient for min_x f(x) + g(x). Made by :func:`fista`."""

    smooth: Functional
    simple: Functional
    step_size: Any
    restart: bool = static(default=False)

    def init(self, x0: Any) -> FISTAState:
        return fista_start(x0)._replace(start=self.simple.prox_start(x0))

    def step(self, state: FISTAState) -> FISTAState:
        y = state.extrapolated
        z = descend(y, self.step_size, self.smooth.grad(y))
        x, start = self.simple.prox_from(z, self.step_size, state.start)
        return _accelerated(state, x, start, self.step_size, self.restart)


def fista_start(x0: Any) -> FISTAState:
    """The state at x0, without momentum."""
    return FISTAState(x0, x0, jnp.ones((), inner(x0, x0).dtype))


def fista(
    f: Functional,
    g: Functional,
    step_size: Any = None,
    *,
    restart: bool = False,
    backtracking: bool = False,
) -> FISTA | ProximalBacktracking:
    r"""Accelerated proximal gradient (FISTA) for min_x f(x) + g(x).

    For convex f and g and s <= 1/L: F(x_k) - F* <= 2 ||x_0 - x*||^2 / (s (k + 1)^2). It does not
    descend in every step; with `restart` (by the gradient test, which costs no value of F) it loses
    the bound, but converges linearly where F is strongly convex near the minimiser, without
    knowing the constant.

    Step sizes for each pixel, a prox that iterates, and `backtracking` (with the same bound, for
    the last step size) are as in :func:`ista`. Where f is infinite at the extrapolated point, as
    the Kullback-Leibler divergence may be, backtracking drops the momentum.

    Args:
        f: term whose gradient has the Lipschitz constant L.
        g: term with a prox.
        step_size: s, traced; 1 / f.lipschitz() unless given.
        restart: static; drop the momentum whenever it points uphill.
        backtracking: static.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.
        ValueError: a concrete step size that is not positive, or that for a quadratic f exceeds
            1/L by more than rounding, without backtracking (8 steps of the power method tell).

    Source: Beck and Teboulle 2009, doi:10.1137/080716542; restart: O'Donoghue and Candes 2015,
    doi:10.1007/s10208-013-9150-3.
    """
    if not backtracking:
        return FISTA(f, g, checked_step_size(f, step_size, 1, what="fista"), restart)
    return ProximalBacktracking(f, g, _first_step(f, step_size, "fista"), restart=restart)
