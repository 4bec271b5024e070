"""Conjugate gradients on the normal equations of linear least squares."""

from __future__ import annotations

from typing import Any

from jaxrecon.core.checks import check_data, check_nonnegative, check_weights
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import (
    ConjugateGradientState,
    Normal,
    conjugate_gradient_start,
    conjugate_gradient_step,
    solve_normal,
    solve_positive_definite,
    weigh,
)
from jaxrecon.core.operator import LinearOperator
from jaxrecon.solvers.preconditioner import checked_preconditioner, precondition

__all__ = [
    "ConjugateGradient",
    "ConjugateGradientState",
    "conjugate_gradient",
    "solve_normal",
    "solve_positive_definite",
]


class ConjugateGradient(Method):
    r"""Conjugate gradients for M x = b. Made by :func:`conjugate_gradient`."""

    system: LinearOperator
    rhs: Any
    preconditioner: Any

    def init(self, x0: Any) -> ConjugateGradientState:
        return conjugate_gradient_start(self.system, self.rhs, x0, self._precondition)

    def step(self, state: ConjugateGradientState) -> ConjugateGradientState:
        return conjugate_gradient_step(self.system.apply, state, self._precondition)

    def _precondition(self, residual: Any) -> Any:
        return precondition(self.preconditioner, residual)


def conjugate_gradient(
    operator: LinearOperator,
    data: Any,
    *,
    weights: Any = None,
    damping: Any = 0.0,
    preconditioner: Any = None,
) -> ConjugateGradient:
    r"""Conjugate gradients for min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2.

    They solve (A^H W A + damping I) x = A^H W m. No step size: the energy error falls at least like
    2 ((sqrt(c) - 1) / (sqrt(c) + 1))^k, c the condition number of the system, and a converged
    iterate stays as it is. Stopped early it regularises. This method is differentiated through its
    steps; :func:`solve_normal` runs to a tolerance and is differentiated at the solution.

    A preconditioner P, near the inverse of the system, makes c the condition number of P times it:

    - a diagonal, ``1 / column_sums``, of rows and columns of very different sizes;
    - for CT a ramp filter, as A^H A of parallel beams blurs with 1 / |xi|: with F = Fourier(shape)
      on complex images, ``F.H @ Diagonal(ramp) @ F``, ramp the frequency |xi| with a positive value
      at 0; for real images a function that takes the real part of the filtered image;
    - for MRI the density compensation, or the inverse of a circulant approximation.

    Args:
        operator: A, real or complex.
        data: m, in the codomain of A.
        weights: W = diag(weights) >= 0, broadcasting to the codomain; None is W = I.
        damping: real scalar >= 0, traced.
        preconditioner: P, Hermitian and positive definite: a real diagonal (an array or pytree that
            broadcasts to the image), a LinearOperator, or a pytree whose class defines
            ``__call__``; a plain function is static and compared by identity. None is P = I.

    Raises:
        ValueError, TypeError: data is not in the codomain of A, P does not map images to images, or
            is a concrete diagonal that is not positive; at the first use, x0 is not in the domain
            of A.

    Source: Hestenes and Stiefel 1952, doi:10.6028/jres.049.044; a ramp filter for CT: Clinthorne,
    Pan, Chiao, Rogers and Stamos 1993, doi:10.1109/42.222670.
    """
    check_data(data, operator.codomain, what="conjugate_gradient")
    check_weights(weights, what="conjugate_gradient")
    check_nonnegative(damping, what="conjugate_gradient", argument="damping")
    system = Normal(operator, weights, damping)
    what = "conjugate_gradient"
    preconditioner = checked_preconditioner(preconditioner, operator.domain, what=what)
    return ConjugateGradient(system, operator.adjoint(weigh(weights, data)), preconditioner)
