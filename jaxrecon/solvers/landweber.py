"""The Landweber iteration: gradient descent for linear least squares."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax

from jaxrecon.core.checks import check_data, check_space, check_weights
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import Normal, weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add_scaled, subtract
from jaxrecon.solvers.preconditioner import checked_preconditioner, precondition
from jaxrecon.solvers.step_sizes import largest_eigenvalue
from jaxrecon.solvers.sums import check_relaxation


class LandweberState(NamedTuple):
    """The iterate."""

    x: Any


class Landweber(Method):
    r"""x <- x + step_size P A^H W (m - A x). Made by :func:`landweber`."""

    operator: LinearOperator
    data: Any
    weights: Any
    preconditioner: Any
    step_size: Any

    def init(self, x0: Any) -> LandweberState:
        check_space(x0, self.operator.domain, what="landweber", argument="x0")
        return LandweberState(x0)

    def step(self, state: LandweberState) -> LandweberState:
        residual = subtract(self.data, self.operator.apply(state.x))
        descent = self.operator.adjoint(weigh(self.weights, residual))
        descent = precondition(self.preconditioner, descent)
        return LandweberState(add_scaled(state.x, self.step_size, descent))


def landweber(
    operator: LinearOperator,
    data: Any,
    *,
    weights: Any = None,
    preconditioner: Any = None,
    relaxation: Any = 1.0,
) -> Landweber:
    r"""The Landweber iteration for min_x 1/2 ||A x - m||_W^2.

        x <- x + relaxation / lambda P A^H W (m - A x),  lambda the largest eigenvalue of P A^H W A.

    It is gradient descent on least squares, with the step size relaxation / L where P = I. From
    x0 = 0 the error along a singular vector of A (P = W = I) falls like
    (1 - relaxation sigma^2 / ||A||^2)^k, large singular values first, so that stopping early
    regularises. It converges for 0 < relaxation < 2.

    lambda is found by 32 steps of the power method, an estimate from below by a few per cent at
    worst, so that a relaxation above 1.9 is at risk. For CT, P may be the
    diagonal 1 / (A^T 1) (the columns of :func:`jaxrecon.solvers.sirt`), or a ramp filter
    F^H diag(|xi|) F, with a positive value at xi = 0, which takes the place of most iterations.

    Args:
        operator: A, real or complex.
        data: m, in the codomain of A.
        weights: W = diag(weights) >= 0, broadcasting to the codomain; None is W = I.
        preconditioner: P, Hermitian and positive definite: a real diagonal (array or pytree), a
            LinearOperator, or a callable pytree; a plain function is static. None is P = I.
        relaxation: traced.

    Raises:
        ValueError: data or x0 of another shape, P that does not map images to images, a concrete
            diagonal that is not positive, a concrete relaxation outside of (0, 2).
        TypeError: another dtype.

    Source: Landweber 1951, doi:10.2307/2372313; Piana and Bertero 1997,
    doi:10.1088/0266-5611/13/2/016.
    """
    what = "landweber"
    check_data(data, operator.codomain, what=what)
    check_weights(weights, what=what)
    check_relaxation(relaxation, what=what)
    preconditioner = checked_preconditioner(preconditioner, operator.domain, what=what)
    largest = _largest(Normal(operator, weights), preconditioner, 32)
    return Landweber(operator, data, weights, preconditioner, relaxation / largest)


@partial(jax.jit, static_argnums=2)
def _largest(system: LinearOperator, preconditioner: Any, iterations: int) -> jax.Array:
    return largest_eigenvalue(
        system.apply, partial(precondition, preconditioner), system.domain, iterations
    )
