"""SART and ordered-subset SART: SIRT steps with one subset of the rows after the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_data, check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import scaled
from jaxrecon.solvers.subsets import Subsets
from jaxrecon.solvers.sums import (
    check_real_operator,
    check_relaxation,
    check_sums,
    inverse_sums,
    largest_column_sums,
    row_sums,
)


class SARTState(NamedTuple):
    """The iterate, and the number of the subset that is next."""

    x: jax.Array
    subset: jax.Array


class SART(Method):
    r"""x <- P(x + relaxation C A_k^T R_k (m_k - A_k x)), k cycling. Made by :func:`sart`."""

    subsets: Subsets
    data: jax.Array
    inverse_rows: jax.Array
    inverse_columns: jax.Array
    relaxation: Any
    constraint: Functional | None

    def init(self, x0: Any) -> SARTState:
        check_space(x0, self.subsets.operator.domain, what="sart", argument="x0")
        return SARTState(x0, jnp.zeros((), jnp.int32))

    def step(self, state: SARTState) -> SARTState:
        x, k = state
        operator = self.subsets.operator_of(k)
        step_size = scaled(self.relaxation, self.inverse_columns)
        residual = self.data[k] - operator.apply(x)
        x = x + step_size * operator.adjoint(self.inverse_rows[k] * residual)
        if self.constraint is not None:
            x = self.constraint.prox(x, step_size)
        return SARTState(x, (k + 1) % self.subsets.count)


def sart(
    subsets: Subsets,
    data: Any,
    *,
    relaxation: Any = 1.0,
    constraint: Functional | None = None,
) -> SART:
    r"""SART: SIRT steps, each with the rows of one subset.

        x <- P(x + relaxation C A_k^T R_k (m_k - A_k x)),  k = 0, 1, ..., n - 1, 0, ...
        R_k = diag(1 / A_k 1),  C = diag(1 / max_k A_k^T 1),

    zero sums treated as in :func:`jaxrecon.solvers.sirt`. One step uses one subset, so n steps, a
    pass through the data, cost as much as one step of SIRT and take the image about n times as far:
    ``solve(method, x0, passes * subsets.count)``. One view in each subset is SART, several are
    OS-SART, and one subset is SIRT.

    Every step is a contraction in the norm of C^-1 for 0 < relaxation < 2, so that for consistent
    data it converges to a solution (in x >= 0, with that constraint). For noisy data the passes end
    in a cycle around the weighted least-squares solution, the tighter the smaller the relaxation.
    The column sums are the largest of all subsets: those of the subset itself, as SART is often
    written, are nearly the same where each subset sees the object from all sides, but make steps in
    different norms, which can diverge.

    Args:
        subsets: the rows of A in subsets; for CT :func:`jaxrecon.ct.view_subsets`.
        data: m, in the codomain of A.
        relaxation: traced.
        constraint: g with a prox that acts on each pixel alone (NonNegative, Box), or None.

    Raises: as :func:`jaxrecon.solvers.sirt`.

    Source: Andersen and Kak 1984, doi:10.1016/0161-7346(84)90008-7; subsets and convergence: Censor
    and Elfving 2002, doi:10.1137/S089547980138705X.
    """
    what, operator = "sart", subsets.operator
    check_real_operator(operator, what=what)
    check_data(data, operator.codomain, what=what)
    check_relaxation(relaxation, what=what)
    rows, columns = row_sums(operator), largest_column_sums(subsets)
    check_sums(rows, what=what, of="row sums")
    check_sums(columns, what=what, of="column sums")
    inverse_rows = subsets.split(inverse_sums(rows))
    return SART(
        subsets, subsets.split(data), inverse_rows, inverse_sums(columns), relaxation, constraint
    )
