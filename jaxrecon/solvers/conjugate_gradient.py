"""Conjugate gradients on the normal equations of linear least squares."""

from __future__ import annotations

from typing import Any

from jaxrecon.core.checks import check_space
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

    def init(self, x0: Any) -> ConjugateGradientState:
        return conjugate_gradient_start(self.system.apply, self.rhs, x0)

    def step(self, state: ConjugateGradientState) -> ConjugateGradientState:
        return conjugate_gradient_step(self.system.apply, state)


def conjugate_gradient(
    operator: LinearOperator, data: Any, *, weights: Any = None, damping: Any = 0.0
) -> ConjugateGradient:
    r"""Conjugate gradients for min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2.

    They solve (A^H W A + damping I) x = A^H W m. No step size: the energy error falls at least like
    2 ((sqrt(c) - 1) / (sqrt(c) + 1))^k, c the condition number of the system, and a converged
    iterate stays as it is. Stopped early it regularises. This method is differentiated through its
    steps; :func:`solve_normal` runs to a tolerance and is differentiated at the solution.

    Args:
        operator: A, real or complex.
        data: m, in the codomain of A.
        weights: W = diag(weights) >= 0, broadcasting to the codomain; None is W = I.
        damping: real scalar >= 0, traced.

    Raises:
        ValueError, TypeError: data is not in the codomain of A.

    Source: Hestenes and Stiefel 1952, doi:10.6028/jres.049.044.
    """
    check_space(data, operator.codomain, what="conjugate_gradient", argument="data")
    system = Normal(operator, weights, damping)
    return ConjugateGradient(system, operator.adjoint(weigh(weights, data)))
