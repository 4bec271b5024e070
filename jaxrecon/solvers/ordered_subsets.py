"""Ordered subsets of separable surrogates, with Nesterov's momentum."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_space, struct
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import real_like
from jaxrecon.solvers.majoriser import data_curvature, penalty_majoriser
from jaxrecon.solvers.proximal_gradient import FISTAState, fista_start, fista_step
from jaxrecon.solvers.step_conditions import check_at_most
from jaxrecon.solvers.subset_fidelity import SubsetFidelity, split_fidelity, subset_fidelity
from jaxrecon.solvers.subsets import Subsets, whole
from jaxrecon.solvers.sums import (
    check_real_operator,
    check_relaxation,
    check_sums,
    column_sums,
    inverse_sums,
    row_sums,
)


class OrderedSubsetsState(NamedTuple):
    """The iterate, the point extrapolated from it, Nesterov's t, and the subset that is next."""

    x: jax.Array
    extrapolated: jax.Array
    momentum: jax.Array
    subset: jax.Array


class OrderedSubsets(Method):
    r"""min_x f(A x) + r(x) + g(x), with the rows of A in subsets. See :func:`ordered_subsets`."""

    fidelity: SubsetFidelity
    penalty: Functional | None
    constraint: Functional | None
    step_size: jax.Array
    momentum: bool = static(default=True)

    def init(self, x0: Any) -> OrderedSubsetsState:
        operator = self.fidelity.subsets.operator
        check_space(x0, operator.domain, what="ordered_subsets", argument="x0")
        return OrderedSubsetsState(*fista_start(x0)[:3], jnp.zeros((), jnp.int32))

    def gradient(self, x: Any, k: Any) -> jax.Array:
        """n A_k^T f_k'(A_k x) + grad r(x), which stands for the gradient of all."""
        slope = self.fidelity.gradient(x, k)
        return slope if self.penalty is None else slope + self.penalty.grad(x)

    def step(self, state: OrderedSubsetsState) -> OrderedSubsetsState:
        k = state.subset

        def prox(v: Any, step: Any) -> Any:
            return v if self.constraint is None else self.constraint.prox(v, step)

        point = FISTAState(*state[:3])
        new = fista_step(point, lambda x: self.gradient(x, k), prox, self.step_size)
        if not self.momentum:
            new = FISTAState(new.x, new.x, point.momentum)
        return OrderedSubsetsState(*new[:3], (k + 1) % self.fidelity.count)


def ordered_subsets(
    f: Any,
    subsets: Subsets | None = None,
    *,
    penalty: Functional | None = None,
    constraint: Functional | None = None,
    curvature: Any = None,
    penalty_curvature: Any = None,
    momentum: bool = True,
    relaxation: Any = 1.0,
) -> OrderedSubsets:
    r"""Separable quadratic surrogates over ordered subsets, with Nesterov's momentum.

    min_x f(x) + r(x) + g(x): f a fidelity of data A x, A with non-negative weights; r a smooth
    penalty; g simple and acting on each pixel alone. With c >= f'' the curvature of f in the data
    and L_r that of r, the diagonal D = A^T diag(c) A 1 + L_r majorises the Hessian of f + r. A step
    uses the rows of one subset of n, k = 0, 1, ..., n - 1, 0, ...:

        x' = prox_g(z - relaxation D^-1 (n A_k^T f_k'(A_k z) + grad r(z)))   (z the last x', or x0)
        z' = x' + (t - 1) / t' (x' - x),  t' = (1 + sqrt(1 + 4 t^2)) / 2     (with momentum).

    One pass, n steps, costs about as much as one step of FISTA: ``solve(method, x0, passes *
    subsets.count)``. With one subset it is FISTA (without momentum: ISTA) with a step size for each
    pixel, needs no operator norm and converges, as F(x_k) - F* <= 2 ||x_0 - x*||_D^2 / (k + 1)^2.
    With n subsets each of the first passes is worth about n of one subset; then they end near the
    minimiser, in a cycle. With momentum and many subsets they may diverge: take fewer, or a smaller
    relaxation, or end with a few steps of one subset.

    Penalised weighted least squares: ``ordered_subsets(LeastSquares(A, p, weights), subsets,
    penalty=beta * HuberTotalVariation(shape, delta), constraint=NonNegative())``. Counts as they
    are: TransmissionPoisson instead of LeastSquares, whose curvature needs images >= 0.

    Args:
        f: fidelity with ``split() -> (data term, A)`` and a term for each datum alone:
            LeastSquares, TransmissionPoisson.
        subsets: the rows of the same A in subsets; None is one subset.
        penalty: r, with a gradient, or None.
        constraint: g, with a prox, or None.
        curvature: c >= 0, like the data; None takes that of the data term, ``curvature()``, or its
            Hessian if it is quadratic.
        penalty_curvature: L_r >= 0, a scalar or an image; None takes penalty.curvature()
            (neighbourhood priors) or penalty.lipschitz().
        momentum: static.
        relaxation: > 0, traced; at most 1 with momentum, below 2 without.

    Raises:
        ValueError: subsets of an operator of other spaces; and, where values are known (outside of
            jit), negative row sums, a relaxation out of its bounds.
        TypeError: a complex operator, an f without split().
        NotImplementedError: neither a curvature of f, nor one of the penalty is known.

    Source: Kim, Ramani and Fessler 2015, doi:10.1109/TMI.2014.2350962; surrogates: Erdogan and
    Fessler 1999, doi:10.1088/0031-9155/44/11/311.
    """
    what = "ordered_subsets"
    data_term, operator = split_fidelity(f, what=what)
    subsets = whole(operator) if subsets is None else subsets
    fidelity, operator = subset_fidelity(f, subsets, what=what), subsets.operator
    check_real_operator(operator, what=what)
    check_relaxation(relaxation, what=what)
    if momentum:
        check_at_most(relaxation, 1.0, what=what, condition="relaxation <= 1 with momentum")
    rows = row_sums(operator)
    check_sums(rows, what=what, of="row sums")
    if curvature is None:
        curvature = data_curvature(data_term, operator)
    domain = operator.domain
    diagonal = column_sums(operator, real_like(curvature, rows) * rows)
    bound = penalty_majoriser(penalty, penalty_curvature, what=what)
    diagonal = diagonal + real_like(bound, diagonal)
    step_size = real_like(relaxation, diagonal) * inverse_sums(diagonal)
    check_space(step_size, struct(domain.shape, domain.dtype), what=what, argument="curvature")
    return OrderedSubsets(fidelity, penalty, constraint, step_size, momentum)
