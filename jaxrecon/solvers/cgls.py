"""CGLS: conjugate gradients for least squares that keep the residual of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxrecon.core.checks import check_space
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import ratio, weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add_scaled, inner, subtract


class CGLSState(NamedTuple):
    """Iterate, residual m - A x, search direction, and the squared norm of the gradient."""

    x: Any
    residual: Any
    direction: Any
    square: jax.Array


class CGLS(Method):
    r"""min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2. Made by :func:`cgls`."""

    operator: LinearOperator
    data: Any
    weights: Any
    damping: Any

    def _descent(self, x: Any, residual: Any) -> Any:
        """A^H W (m - A x) - damping x, less the gradient."""
        slope = self.operator.adjoint(weigh(self.weights, residual))
        return add_scaled(slope, -self.damping, x)

    def init(self, x0: Any) -> CGLSState:
        residual = subtract(self.data, self.operator(x0))
        direction = self._descent(x0, residual)
        return CGLSState(x0, residual, direction, inner(direction, direction))

    def step(self, state: CGLSState) -> CGLSState:
        x, residual, direction, square = state
        product = self.operator.apply(direction)
        curvature = inner(product, weigh(self.weights, product))
        curvature = curvature + self.damping * inner(direction, direction)
        alpha = ratio(square, curvature.astype(square.dtype))
        x = add_scaled(x, alpha, direction)
        residual = add_scaled(residual, -alpha, product)
        descent = self._descent(x, residual)
        following = inner(descent, descent)
        direction = add_scaled(descent, ratio(following, square), direction)
        return CGLSState(x, residual, direction, following)


def cgls(operator: LinearOperator, data: Any, *, weights: Any = None, damping: Any = 0.0) -> CGLS:
    r"""CGLS for min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2.

    In exact arithmetic the iterates are those of :func:`jaxrecon.solvers.conjugate_gradient`. It
    updates the residual r = m - A x in the space of the data, and the gradient from it, so that the
    condition number is not squared in rounding: with ill-conditioned A, above all in float32, it
    gets closer to the solution. The state shows the residual, by which to stop: for noise of
    standard deviation sigma in n data,
    ``until=lambda s: inner(s.residual, s.residual) <= n * sigma**2`` is the discrepancy principle.

    One application of A and of A^H in each step, and no step size. Stopped early it regularises.

    Args:
        operator: A, real or complex.
        data: m, in the codomain of A.
        weights: W = diag(weights) >= 0, broadcasting to the codomain; None is W = I.
        damping: real scalar >= 0, traced.

    Raises:
        ValueError, TypeError: data is not in the codomain of A; at the first use, x0 is not in the
            domain of A.

    Source: Hestenes and Stiefel 1952, section 10, doi:10.6028/jres.049.044; Paige and Saunders
    1982, section 7, doi:10.1145/355984.355989.
    """
    check_space(data, operator.codomain, what="cgls", argument="data")
    return CGLS(operator, data, weights, damping)
