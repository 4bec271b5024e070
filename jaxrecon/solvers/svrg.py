"""SVRG: stochastic gradients over subsets, their variance reduced by full gradients at times."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int, check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add_scaled, zeros_like
from jaxrecon.solvers.stochastic_steps import draw_subset, move, prox_start, stochastic_step_size
from jaxrecon.solvers.subset_fidelity import SubsetFidelity, subset_fidelity
from jaxrecon.solvers.subsets import Subsets


class SVRGState(NamedTuple):
    """The iterate, what the prox starts from, the gradient of f and the slopes of all subsets
    (count, size, ...) at the anchor, the number of steps so far, and the key."""

    x: Any
    start: Any
    gradient: Any
    slopes: jax.Array
    count: jax.Array
    key: jax.Array


class SVRG(Method):
    r"""min_x f(x) + r(x) + g(x), with the rows of A in subsets. See :func:`svrg`."""

    fidelity: SubsetFidelity
    penalty: Functional | None
    constraint: Functional | None
    step_size: Any
    key: jax.Array
    period: int = static()

    def init(self, x0: Any) -> SVRGState:
        subsets = self.fidelity.subsets
        check_space(x0, subsets.operator.domain, what="svrg", argument="x0")
        space = subsets.operator.codomain
        slopes = jnp.zeros((subsets.count, subsets.size, *space.shape[1:]), space.dtype)
        start, zero = prox_start(self.constraint, x0), jnp.zeros((), jnp.int32)
        return SVRGState(x0, start, zeros_like(x0), slopes, zero, self.key)

    def step(self, state: SVRGState) -> SVRGState:
        x, f = state.x, self.fidelity
        gradient, slopes = jax.lax.cond(
            state.count % self.period == 0,
            lambda: f.full(x),
            lambda: (state.gradient, state.slopes),
        )
        key, k = draw_subset(state.key, f.count)
        change = f.backproject(f.slope(x, k) - slopes[k], k)
        slope = add_scaled(gradient, f.count, change)
        x, start = move(x, slope, self.step_size, self.penalty, self.constraint, state.start)
        return SVRGState(x, start, gradient, slopes, state.count + 1, key)


def svrg(
    f: Any,
    subsets: Subsets,
    *,
    penalty: Functional | None = None,
    constraint: Functional | None = None,
    step_size: Any = None,
    period: int | None = None,
    key: jax.Array,
) -> SVRG:
    r"""Proximal SVRG for min_x f(x) + r(x) + g(x), one of n subsets of the rows of A a step.

        u = grad f(z) + n A_k^H (f_k'(A_k x) - f_k'(A_k z)) + grad r(x),  k drawn uniformly,
        x <- prox_{S g}(x - S u);    z <- x before every `period`-th step, and the first.

    The mean of u is the gradient, and its variance vanishes as x and the anchor z approach the
    solution: it converges (in the mean linearly, where the cost is strongly convex) with a fixed
    step size. The source asks for s < 1 / (4 L), L = n max_k ||A_k||^2 max f'' + L_r the Lipschitz
    constant of the gradient of each n f_k + r, and periods that are long enough for the condition
    of the problem. A step costs A_k and A_k^H, the full gradient a pass of n more, in the same
    compiled loop: 2 n steps, the usual period, make 3 passes. Kept are the slopes at z, as large as
    the data, and two images. Under `vmap` all
    items take their full gradients in the same steps, and only in these.

    Args:
        f: fidelity with ``split() -> (data term, A)``, the data term a sum over data:
            LeastSquares, KullbackLeibler, TransmissionPoisson.
        subsets: the rows of the same A; for CT :func:`jaxrecon.ct.view_subsets`.
        penalty: r, with a gradient, or None.
        constraint: g, with a prox, or None; one that iterates starts where it ended before.
        step_size: S, traced: a number, an image (then g must act on each pixel alone), or a pytree
            that maps x to such an image. None is 1 / (4 L), by the power method for each subset;
            for counts of emission, which have no L, ``emission_step(f, subsets,
            penalty=penalty, relaxation=1 / 4)``; give these a ``constraint=NonNegative()``.
        period: static; 2 n unless given.
        key: JAX key of the order of the subsets; the state carries it on.

    Raises:
        ValueError: subsets of an operator of other spaces, a period below 1; and, where all values
            are known, a step size that is not positive or exceeds 1 / L by more than 1 % (which
            costs ten applications of A^H A, once).
        TypeError: a fidelity without split().
        NotImplementedError: no step size is given, and no curvature of f or r is known.

    Source: Johnson and Zhang 2013, Accelerating stochastic gradient descent using predictive
    variance reduction; with a prox: Xiao and Zhang 2014, doi:10.1137/140961791; in emission
    tomography: Twyman et al. 2023, doi:10.1109/TMI.2022.3203237.
    """
    what = "svrg"
    fidelity = subset_fidelity(f, subsets, what=what)
    period = 2 * subsets.count if period is None else period
    period = check_positive_int(period, what=what, argument="period")
    step = stochastic_step_size(f, subsets, penalty, step_size, share=0.25, what=what)
    return SVRG(fidelity, penalty, constraint, step, key, period)
