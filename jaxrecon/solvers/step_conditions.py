"""Conditions on step sizes, checked once when a method is made, where the values are known."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxrecon.core.checks import Space
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.solvers.step_sizes import TOLERANCE, check_positive, is_concrete

CHECK_ITERATIONS = 10
"""Applications of A^H A that a check may cost; a method's own default steps take more."""


def check_at_most(value: Any, bound: Any, *, what: str, condition: str) -> None:
    """Raise ValueError where concrete numbers do not keep value <= bound, to 1 %."""
    if is_concrete(value, bound) and not np.all(np.asarray(value) <= TOLERANCE * np.asarray(bound)):
        raise ValueError(
            f"{what} expected {condition}, got {float(np.max(value)):.4g} on the left. With larger "
            "steps it may diverge; leave a step size out to have it chosen."
        )


class Preconditioned(LinearOperator):
    r"""S^(1/2) A T^(1/2) with positive diagonal S and T, given by their roots."""

    operator: LinearOperator
    primal_root: Any
    dual_root: Any

    @property
    def domain(self) -> Space:
        return self.operator.domain

    @property
    def codomain(self) -> Space:
        return self.operator.codomain

    def apply(self, x: Any) -> Any:
        return weigh(self.dual_root, self.operator.apply(weigh(self.primal_root, x)))

    def adjoint(self, y: Any) -> Any:
        return weigh(self.primal_root, self.operator.adjoint(weigh(self.dual_root, y)))


def check_primal_dual_steps(
    operator: LinearOperator, primal_step: Any, dual_step: Any, half: Any, *, what: str
) -> None:
    """tau half + ||S^(1/2) A T^(1/2)||^2 <= 1, T and S the primal and dual steps (scalars, arrays
    or pytrees of them). The norm takes `CHECK_ITERATIONS` applications of A^H A."""
    check_positive(primal_step, what=what, argument="primal_step")
    check_positive(dual_step, what=what, argument="dual_step")
    if not is_concrete(operator, primal_step, dual_step, half):
        return
    roots = (jax.tree.map(np.sqrt, step) for step in (primal_step, dual_step))
    norm = operator_norm(Preconditioned(operator, *roots), CHECK_ITERATIONS)
    if not is_concrete(norm):  # within jit
        return
    largest = max(float(np.max(leaf)) for leaf in jax.tree.leaves(primal_step))
    condition = (
        "primal_step (L/2 / (2 - relaxation) + dual_step ||A||^2) <= 1 "
        "(L = 0 without a smooth term)"
    )
    check_at_most(largest * float(half) + float(norm) ** 2, 1.0, what=what, condition=condition)


def check_relaxation_below(relaxation: Any, bound: Any, *, what: str) -> None:
    """0 < relaxation < bound; to 1 % where the bound comes from an estimated norm, not from 2."""
    check_positive(relaxation, what=what, argument="relaxation")
    if isinstance(bound, int | float):
        if is_concrete(relaxation) and not np.all(np.asarray(relaxation) < bound):
            raise ValueError(f"{what} expected relaxation < {bound}, got {relaxation}.")
        return
    check_at_most(relaxation, bound, what=what, condition=f"relaxation < {bound}")


def lipschitz_or_none(smooth: Any) -> Any:
    """The Lipschitz constant of a gradient, or None where it is unknown."""
    try:
        return smooth.lipschitz()
    except NotImplementedError:
        return None
