"""Block-sequential regularised expectation maximisation: relaxed subset steps that converge."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import real_like
from jaxrecon.solvers.emission import (
    check_start,
    emission_parts,
    mean_activity,
    sensitivity_of,
)
from jaxrecon.solvers.majoriser import penalty_majoriser
from jaxrecon.solvers.step_sizes import check_positive
from jaxrecon.solvers.stochastic_steps import check_decay, decayed
from jaxrecon.solvers.subset_fidelity import SubsetFidelity, subset_fidelity
from jaxrecon.solvers.subsets import Subsets
from jaxrecon.solvers.sums import check_relaxation


class BSREMState(NamedTuple):
    """The iterate, and the number of steps so far."""

    x: jax.Array
    count: jax.Array


class BSREM(Method):
    r"""min_{x >= 0} KL(y, A x + b) + r(x), with the rows of A in subsets. See :func:`bsrem`."""

    fidelity: SubsetFidelity
    penalty: Functional | None
    sensitivity: jax.Array
    penalty_curvature: Any
    lower: Any
    upper: Any
    relaxation: Any
    decay: Any

    def init(self, x0: Any) -> BSREMState:
        check_start(x0, self.fidelity.subsets.operator, what="bsrem")
        return BSREMState(self._clip(x0), jnp.zeros((), jnp.int32))

    def step(self, state: BSREMState) -> BSREMState:
        x, count = state
        n = self.fidelity.count
        slope = self.fidelity.gradient(x, count % n)
        if self.penalty is not None:
            slope = slope + self.penalty.grad(x)
        alpha = real_like(decayed(self.relaxation, self.decay, count // n), x)
        return BSREMState(self._clip(x - alpha * self._scale(x) * slope), count + 1)

    def _scale(self, x: jax.Array) -> jax.Array:
        """D(x) = d / (s + c d), d the distance to the nearer bound, 0 or U."""
        room = x if self.upper is None else jnp.minimum(x, real_like(self.upper, x) - x)
        load = self.sensitivity + real_like(self.penalty_curvature, x) * room
        seen = load > 0
        return jnp.where(seen, room / jnp.where(seen, load, 1), 0)

    def _clip(self, x: jax.Array) -> jax.Array:
        lower = real_like(self.lower, x)
        raised = jnp.maximum(x, lower)
        if self.upper is None:
            return raised
        return jnp.minimum(raised, real_like(self.upper, x) - lower)


def bsrem(
    f: Any,
    subsets: Subsets,
    *,
    penalty: Functional | None = None,
    penalty_curvature: Any = None,
    relaxation: Any = 1.0,
    decay: Any = 0.1,
    lower: Any = None,
    upper: Any = None,
) -> BSREM:
    r"""Modified BSREM for min_{x >= 0} f(x) + r(x), f = KullbackLeibler(A, y, b) and r smooth.

    Steps down the gradient of one subset of n, scaled as in EM and ever smaller:

        x <- P(x - alpha_m D(x) (n grad f_k(x) + grad r(x))),  k = 0, 1, ..., n - 1, 0, ...
        alpha_m = relaxation / (1 + decay m)   in pass m = 0, 1, 2, ...,
        D(x) = d / (s + c d),  d = min(x, U - x),  s = n max_k A_k^T 1,

    P the projection onto t <= x <= U - t. One step costs one subset:
    ``solve(method, x0, passes * subsets.count)``. The first passes are as fast as those of
    :func:`osem`. As alpha_m -> 0 with an infinite sum, the cycle shrinks to a point: for a strictly
    convex cost it converges to the minimiser within the bounds, with an error that falls about like
    alpha_m: a few digits are quick, six take some 1e5 passes, where :func:`saga` and :func:`svrg`
    need a hundred. With a decay of 0 it ends in a cycle, unless one subset is all. A minimiser with
    zeros is met up to t.

    Args:
        f: KullbackLeibler(A, counts, background), A with non-negative weights.
        subsets: the rows of the same A.
        penalty: r, with a gradient, or None.
        penalty_curvature: c >= 0, a scalar or an image, traced: second derivatives of r, so that
            strong penalties do not overshoot. None takes penalty.curvature() or
            penalty.lipschitz(); where these are far too large, see :func:`emission_step`; 0 is the
            scaling of the source.
        relaxation: alpha_0, traced, below 2; 1 and one subset is about a step of EM.
        decay: >= 0, traced.
        lower: t > 0, traced, below all activities of interest; 1e-6 of the mean activity,
            sum(counts) / sum(s), unless given.
        upper: U, traced, above all activities, or None for no bound; the proof of convergence
            has one.

    Raises:
        TypeError: another fidelity, a complex operator.
        ValueError: as :func:`mlem`; subsets of an operator of other spaces; and, where values are
            known, a relaxation outside of (0, 2), a decay < 0, bounds without 0 < t < U - t.
        NotImplementedError: no curvature of the penalty is known.

    Source: De Pierro and Yamagishi 2001, doi:10.1109/42.921477; the modification and its
    convergence: Ahn and Fessler 2003, doi:10.1109/TMI.2003.812251.
    """
    what = "bsrem"
    term, operator = emission_parts(f, what=what)
    fidelity = subset_fidelity(f, subsets, what=what)
    check_relaxation(relaxation, what=what)
    check_decay(decay, what=what)
    sensitivity = sensitivity_of(operator, subsets, what=what)
    curvature = penalty_majoriser(penalty, penalty_curvature, what=what)
    lower = 1e-6 * mean_activity(term, sensitivity) if lower is None else lower
    check_positive(lower, what=what, argument="lower")
    if upper is not None:
        check_positive(upper - 2 * lower, what=what, argument="upper - 2 lower")
    return BSREM(fidelity, penalty, sensitivity, curvature, lower, upper, relaxation, decay)
