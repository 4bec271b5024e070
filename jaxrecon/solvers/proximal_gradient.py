"""Proximal gradient methods: ISTA and FISTA for a smooth term plus a term with a prox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add_scaled, inner, subtract


def proximal_gradient_step(x: Any, gradient: Callable, prox: Callable, step_size: Any) -> Any:
    r"""One forward-backward step: z = x - step_size * gradient(x); return prox(z, step_size).

    ISTA, and an unrolled network whose `prox` is a trained denoiser, are this function repeated.

    Args:
        x: image, an array or a pytree of arrays.
        gradient: x -> gradient of the smooth term (steepest ascent, for complex x too).
        prox: (z, step_size) -> image.
        step_size: positive scalar, traced.
    """
    z = add_scaled(x, -step_size, gradient(x))
    return prox(z, step_size)


class ISTAState(NamedTuple):
    """The iterate."""

    x: Any


class ISTA(Method):
    r"""Proximal gradient for min_x f(x) + g(x). Made by :func:`ista`."""

    smooth: Functional
    simple: Functional
    step_size: Any

    def init(self, x0: Any) -> ISTAState:
        return ISTAState(x0)

    def step(self, state: ISTAState) -> ISTAState:
        x = proximal_gradient_step(state.x, self.smooth.grad, self.simple.prox, self.step_size)
        return ISTAState(x)


def ista(f: Functional, g: Functional, step_size: Any = None) -> ISTA:
    r"""Proximal gradient (iterative shrinkage-thresholding) for min_x f(x) + g(x).

    x <- prox_{s g}(x - s grad f(x)), f smooth and g with a prox. For convex f and g and s <= 1/L it
    descends, with F(x_k) - F* <= L ||x_0 - x*||^2 / (2 k) at s = 1/L; it converges for s < 2/L.

    Args:
        f: term whose gradient has the Lipschitz constant L.
        g: term with a prox.
        step_size: s, traced; 1 / f.lipschitz() unless given.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.

    Source: Daubechies, Defrise and De Mol 2004, doi:10.1002/cpa.20042; rate: Beck and Teboulle
    2009, doi:10.1137/080716542.
    """
    return ISTA(f, g, 1 / f.lipschitz() if step_size is None else step_size)


class FISTAState(NamedTuple):
    """The iterate, the point extrapolated from it, and Nesterov's t."""

    x: Any
    extrapolated: Any
    momentum: jax.Array


def fista_step(
    state: FISTAState, gradient: Callable, prox: Callable, step_size: Any, restart: bool = False
) -> FISTAState:
    r"""A proximal gradient step from the extrapolated point y, then Nesterov's extrapolation.

    t' = (1 + sqrt(1 + 4 t^2)) / 2,  y' = x' + (t - 1) / t' (x' - x). With `restart`, t = 1 where
    <y - x', x' - x> > 0: the momentum points uphill.
    """
    y, t = state.extrapolated, state.momentum
    x = proximal_gradient_step(y, gradient, prox, step_size)
    change = subtract(x, state.x)
    if restart:
        t = jnp.where(inner(subtract(y, x), change) > 0, jnp.ones_like(t), t)
    following = (1 + jnp.sqrt(1 + 4 * t**2)) / 2
    return FISTAState(x, add_scaled(x, (t - 1) / following, change), following)


class FISTA(Method):
    r"""Accelerated proximal gradient for min_x f(x) + g(x). Made by :func:`fista`."""

    smooth: Functional
    simple: Functional
    step_size: Any
    restart: bool = static(default=False)

    def init(self, x0: Any) -> FISTAState:
        return fista_start(x0)

    def step(self, state: FISTAState) -> FISTAState:
        return fista_step(state, self.smooth.grad, self.simple.prox, self.step_size, self.restart)


def fista_start(x0: Any) -> FISTAState:
    """The state at x0, without momentum."""
    real = inner(x0, x0)
    return FISTAState(x0, x0, jnp.ones((), real.dtype))


def fista(f: Functional, g: Functional, step_size: Any = None, *, restart: bool = False) -> FISTA:
    r"""Accelerated proximal gradient (FISTA) for min_x f(x) + g(x).

    For convex f and g and s <= 1/L: F(x_k) - F* <= 2 ||x_0 - x*||^2 / (s (k + 1)^2). It does not
    descend in every step; with `restart` (by the gradient test) it loses the bound, but converges
    linearly where F is strongly convex near the minimiser, without knowing the constant.

    Args:
        f: term whose gradient has the Lipschitz constant L.
        g: term with a prox.
        step_size: s, traced; 1 / f.lipschitz() unless given.
        restart: static; drop the momentum whenever it points uphill.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.

    Source: Beck and Teboulle 2009, doi:10.1137/080716542; restart: O'Donoghue and Candes 2015,
    doi:10.1007/s10208-013-9150-3.
    """
    return FISTA(f, g, 1 / f.lipschitz() if step_size is None else step_size, restart)
