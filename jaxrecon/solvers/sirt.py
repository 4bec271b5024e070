"""SIRT, the simultaneous iterative reconstruction technique."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrecon.core.checks import check_data, check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add, scaled, subtract
from jaxrecon.solvers.sums import (
    check_real_operator,
    check_relaxation,
    check_sums,
    column_sums,
    inverse_sums,
    row_sums,
)


class SIRTState(NamedTuple):
    """The iterate."""

    x: Any


class SIRT(Method):
    r"""x <- P(x + relaxation C A^T R (m - A x)). Made by :func:`sirt`."""

    operator: LinearOperator
    data: Any
    inverse_rows: Any
    inverse_columns: Any
    relaxation: Any
    constraint: Functional | None

    def init(self, x0: Any) -> SIRTState:
        check_space(x0, self.operator.domain, what="sirt", argument="x0")
        return SIRTState(x0)

    def step(self, state: SIRTState) -> SIRTState:
        residual = subtract(self.data, self.operator.apply(state.x))
        step_size = scaled(self.relaxation, self.inverse_columns)
        correction = self.operator.adjoint(weigh(self.inverse_rows, residual))
        x = add(state.x, weigh(step_size, correction))
        return SIRTState(x if self.constraint is None else self.constraint.prox(x, step_size))


def sirt(
    operator: LinearOperator,
    data: Any,
    *,
    relaxation: Any = 1.0,
    constraint: Functional | None = None,
) -> SIRT:
    r"""SIRT for min_x 1/2 ||A x - m||_R^2 + g(x), A with non-negative weights.

        x <- prox_g(x + relaxation C A^T R (m - A x)),
        R = diag(1 / A 1),  C = diag(1 / A^T 1),

    with 0 in R for rays that miss the image, and in C for pixels that no ray meets (they keep the
    value of the start). As C A^T R A has no eigenvalue above 1, it converges for
    0 < relaxation < 2, to the weighted least-squares solution that is nearest to x0 in the norm of
    C^-1 if there is no g, and ||A x - m||_R falls in every step; stopping early regularises. Each
    pixel has a step size of its own, relaxation C, and the prox is taken with it: g must act on
    each pixel alone (NonNegative, Box, L1).

    Args:
        operator: A, real; of CT models "shear", "planes" or "joseph".
        data: m, in the codomain of A.
        relaxation: traced.
        constraint: g, or None.

    Raises:
        ValueError: data of another shape; and, where values are known (outside of jit), row or
            column sums that are negative or not finite, a relaxation outside of (0, 2).
        TypeError: a complex operator, or data of another dtype.

    Source: Gilbert 1972, doi:10.1016/0022-5193(72)90180-4; Gregor and Benson 2008,
    doi:10.1109/TMI.2008.923696; convergence: Jiang and Wang 2003, doi:10.1109/TIP.2003.815295.
    """
    what = "sirt"
    check_real_operator(operator, what=what)
    check_data(data, operator.codomain, what=what)
    check_relaxation(relaxation, what=what)
    rows, columns = row_sums(operator), column_sums(operator)
    check_sums(rows, what=what, of="row sums")
    check_sums(columns, what=what, of="column sums")
    inverses = inverse_sums(rows), inverse_sums(columns)
    return SIRT(operator, data, *inverses, relaxation, constraint)
