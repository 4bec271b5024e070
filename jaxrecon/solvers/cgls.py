"""CGLS: conjugate gradients for least squares that keep the residual of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxrecon.core.checks import check_data, check_nonnegative, check_weights
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import ratio, weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add_scaled, inner, subtract
from jaxrecon.solvers.preconditioner import checked_preconditioner, precondition


class CGLSState(NamedTuple):
    """Iterate, residual m - A x, search direction p, <s, P s> and -<s, p>, s the gradient."""

    x: Any
    residual: Any
    direction: Any
    square: jax.Array
    slope: jax.Array


class CGLS(Method):
    r"""min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2. Made by :func:`cgls`."""

    operator: LinearOperator
    data: Any
    weights: Any
    damping: Any
    preconditioner: Any

    def _descent(self, x: Any, residual: Any) -> Any:
        """A^H W (m - A x) - damping x, less the gradient."""
        slope = self.operator.adjoint(weigh(self.weights, residual))
        return add_scaled(slope, -self.damping, x)

    def init(self, x0: Any) -> CGLSState:
        residual = subtract(self.data, self.operator(x0))
        descent = self._descent(x0, residual)
        direction = precondition(self.preconditioner, descent)
        square = inner(descent, direction)
        return CGLSState(x0, residual, direction, square, square)

    def step(self, state: CGLSState) -> CGLSState:
        x, residual, direction, square, slope = state
        product = self.operator.apply(direction)
        curvature = inner(product, weigh(self.weights, product))
        curvature = curvature + self.damping * inner(direction, direction)
        # slope = square but for rounding, which would drive x away once s is nothing but rounding
        alpha = ratio(slope, curvature.astype(slope.dtype))
        x = add_scaled(x, alpha, direction)
        residual = add_scaled(residual, -alpha, product)
        descent = self._descent(x, residual)
        steered = precondition(self.preconditioner, descent)
        following = inner(descent, steered)
        direction = add_scaled(steered, ratio(following, square), direction)
        return CGLSState(x, residual, direction, following, inner(descent, direction))


def cgls(
    operator: LinearOperator,
    data: Any,
    *,
    weights: Any = None,
    damping: Any = 0.0,
    preconditioner: Any = None,
) -> CGLS:
    r"""CGLS for min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2.

    In exact arithmetic the iterates are those of :func:`jaxrecon.solvers.conjugate_gradient`. It
    updates the residual r = m - A x in the space of the data, and the gradient from it, so that the
    condition number is not squared in rounding: with ill-conditioned A, above all in float32, it
    gets closer to the solution. The state shows the residual, by which to stop: for noise of
    standard deviation sigma in n data,
    ``solve_until(..., residual=lambda s: norm(s.residual), tolerance=sigma * sqrt(n))`` is the
    discrepancy principle.

    One application of A and of A^H in each step, and no step size. Stopped early it regularises.

    Args:
        operator: A, real or complex.
        data: m, in the codomain of A.
        weights: W = diag(weights) >= 0, broadcasting to the codomain; None is W = I.
        damping: real scalar >= 0, traced.
        preconditioner: P, as in :func:`jaxrecon.solvers.conjugate_gradient`.

    Raises:
        ValueError, TypeError: data is not in the codomain of A, P does not map images to images, or
            is a concrete diagonal that is not positive; at the first use, x0 is not in the
            domain of A.

    Source: Hestenes and Stiefel 1952, section 10, doi:10.6028/jres.049.044; Paige and Saunders
    1982, section 7, doi:10.1145/355984.355989.
    """
    check_data(data, operator.codomain, what="cgls")
    check_weights(weights, what="cgls")
    check_nonnegative(damping, what="cgls", argument="damping")
    preconditioner = checked_preconditioner(preconditioner, operator.domain, what="cgls")
    return CGLS(operator, data, weights, damping, preconditioner)
