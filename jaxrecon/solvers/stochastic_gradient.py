"""Proximal stochastic gradient descent over subsets, with decaying steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.solvers.stochastic_steps import (
    check_decay,
    decayed,
    draw_subset,
    move,
    prox_start,
    stochastic_step_size,
)
from jaxrecon.solvers.subset_fidelity import SubsetFidelity, subset_fidelity
from jaxrecon.solvers.subsets import Subsets


class StochasticGradientState(NamedTuple):
    """The iterate, what the prox starts from, the number of steps so far, and the key."""

    x: Any
    start: Any
    count: jax.Array
    key: jax.Array


class StochasticGradient(Method):
    r"""min_x f(x) + r(x) + g(x), with the rows of A in subsets. See :func:`stochastic_gradient`."""

    fidelity: SubsetFidelity
    penalty: Functional | None
    constraint: Functional | None
    step_size: Any
    decay: Any
    key: jax.Array

    def init(self, x0: Any) -> StochasticGradientState:
        operator = self.fidelity.subsets.operator
        check_space(x0, operator.domain, what="stochastic_gradient", argument="x0")
        start, zero = prox_start(self.constraint, x0), jnp.zeros((), jnp.int32)
        return StochasticGradientState(x0, start, zero, self.key)

    def step(self, state: StochasticGradientState) -> StochasticGradientState:
        x, f = state.x, self.fidelity
        key, k = draw_subset(state.key, f.count)
        share = decayed(1.0, self.decay, state.count // f.count)
        step_size = self.step_size(x) if callable(self.step_size) else self.step_size
        step_size = jax.tree.map(lambda s: share * s, step_size)
        slope = f.gradient(x, k)
        x, start = move(x, slope, step_size, self.penalty, self.constraint, state.start)
        return StochasticGradientState(x, start, state.count + 1, key)


def stochastic_gradient(
    f: Any,
    subsets: Subsets,
    *,
    penalty: Functional | None = None,
    constraint: Functional | None = None,
    step_size: Any = None,
    decay: Any = 0.1,
    key: jax.Array,
) -> StochasticGradient:
    r"""Proximal stochastic gradient for min_x f(x) + r(x) + g(x), one of n subsets a step.

        x <- prox_{S g}(x - S (n A_k^H f_k'(A_k x) + grad r(x))),  k drawn uniformly,
        S = step_size / (1 + decay m)  after m passes, of n steps each.

    The steps must decay, as the gradients of the subsets do not vanish at the solution; then the
    error falls like S^(1/2) in the mean. With a decay of 0 it converges only where all subsets
    agree on the solution, as for data without noise, and else hovers about it. :func:`saga` and
    :func:`svrg` need no decay, for the memory of the slopes of the data; this one keeps the image
    alone.

    Args: as :func:`svrg`, without the period; the step size at the start is 1 / L, and the
        relaxation for counts 1, unless given.
        decay: >= 0, traced.

    Raises: as :func:`svrg`; ValueError for a decay < 0 (checked when concrete).

    Source: Robbins and Monro 1951, doi:10.1214/aoms/1177729586; with a prox: Duchi and Singer 2009,
    Efficient online and batch learning using forward backward splitting, JMLR 10.
    """
    what = "stochastic_gradient"
    fidelity = subset_fidelity(f, subsets, what=what)
    check_decay(decay, what=what)
    step = stochastic_step_size(f, subsets, penalty, step_size, share=1.0, what=what)
    return StochasticGradient(fidelity, penalty, constraint, step, decay, key)
