"""SAGA: stochastic gradients over subsets, their variance reduced by the last of each subset."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxrecon.core.checks import check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import add, add_scaled
from jaxrecon.solvers.stochastic_steps import draw_subset, move, prox_start, stochastic_step_size
from jaxrecon.solvers.subset_fidelity import SubsetFidelity, subset_fidelity
from jaxrecon.solvers.subsets import Subsets


class SAGAState(NamedTuple):
    """The iterate, what the prox starts from, the sum of the gradients last seen of all subsets,
    their slopes (count, size, ...), and the key."""

    x: Any
    start: Any
    gradient: Any
    slopes: jax.Array
    key: jax.Array


class SAGA(Method):
    r"""min_x f(x) + r(x) + g(x), with the rows of A in subsets. See :func:`saga`."""

    fidelity: SubsetFidelity
    penalty: Functional | None
    constraint: Functional | None
    step_size: Any
    key: jax.Array

    def init(self, x0: Any) -> SAGAState:
        check_space(x0, self.fidelity.subsets.operator.domain, what="saga", argument="x0")
        start = prox_start(self.constraint, x0)
        return SAGAState(x0, start, *self.fidelity.full(x0), self.key)

    def step(self, state: SAGAState) -> SAGAState:
        x, f = state.x, self.fidelity
        key, k = draw_subset(state.key, f.count)
        new = f.slope(x, k)
        change = f.backproject(new - state.slopes[k], k)
        slope = add_scaled(state.gradient, f.count, change)
        x, start = move(x, slope, self.step_size, self.penalty, self.constraint, state.start)
        gradient = add(state.gradient, change)
        return SAGAState(x, start, gradient, state.slopes.at[k].set(new), key)


def saga(
    f: Any,
    subsets: Subsets,
    *,
    penalty: Functional | None = None,
    constraint: Functional | None = None,
    step_size: Any = None,
    key: jax.Array,
) -> SAGA:
    r"""SAGA for min_x f(x) + r(x) + g(x), one of n subsets of the rows of A a step.

        u = sum_i A_i^H p_i + n A_k^H (f_k'(A_k x) - p_k) + grad r(x),  k drawn uniformly,
        p_k <- f_k'(A_k x),   x <- prox_{S g}(x - S u),

    p_k the slope that subset k had when it was drawn last (at the start: at x0, which costs a
    pass). The mean of u is the gradient, and its variance vanishes at the solution: it converges
    with a fixed step size (linearly, where the cost is strongly convex), by its source for
    s <= 1 / (3 L), L = n max_k ||A_k||^2 max f'' + L_r the Lipschitz constant of the gradient of
    each n f_k + r. A step costs A_k and A_k^H, n steps a pass, with no full gradient in between.
    Kept are the slopes, as large as the data, instead of n images, and one image, the sum of
    their gradients, which is updated and never formed anew.

    Args: as :func:`svrg`, without the period; the step size is 1 / (3 L), and the
    relaxation for counts 1 / 3, unless given.

    Raises: as :func:`svrg`.

    Source: Defazio, Bach and Lacoste-Julien 2014, doi:10.48550/arXiv.1407.0202; in emission
    tomography: Twyman et al. 2023, doi:10.1109/TMI.2022.3203237.
    """
    what = "saga"
    fidelity = subset_fidelity(f, subsets, what=what)
    step = stochastic_step_size(f, subsets, penalty, step_size, share=1 / 3, what=what)
    return SAGA(fidelity, penalty, constraint, step, key)
