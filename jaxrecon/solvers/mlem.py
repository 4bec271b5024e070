"""Maximum-likelihood expectation maximisation for counts of emission."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.operator import LinearOperator
from jaxrecon.solvers.emission import (
    check_start,
    data_ratio,
    em_step,
    emission_parts,
    sensitivity_of,
)
from jaxrecon.solvers.sums import inverse_sums


class MLEMState(NamedTuple):
    """The iterate."""

    x: jax.Array


class MLEM(Method):
    r"""x <- x / s A^T (y / (A x + b)). Made by :func:`mlem`."""

    term: Functional
    operator: LinearOperator
    inverse_sensitivity: jax.Array

    def init(self, x0: Any) -> MLEMState:
        check_start(x0, self.operator, what="mlem")
        return MLEMState(x0)

    def step(self, state: MLEMState) -> MLEMState:
        x = state.x
        ratio = data_ratio(self.term, self.operator.apply(x))
        return MLEMState(em_step(x, self.inverse_sensitivity, self.operator.adjoint(ratio)))


def mlem(f: Any) -> MLEM:
    r"""Expectation maximisation for counts y ~ Poisson(A x + b), A with non-negative weights.

        x <- x / s A^T (y / (A x + b)),   s = A^T 1 (the sensitivity).

    It minimises f(x) = KullbackLeibler(A, y, b) over x >= 0: f falls in every step (the likelihood
    rises), the iterates stay >= 0 and converge to a minimiser from any x0 > 0, and without
    background every step keeps the counts, sum s x = sum y. There is no step size. It is slow, and
    for noisy data the first steps, or a penalty (:func:`map_em`), give the better image.

    Pixels that no ray meets (s = 0) keep the value of the start, and pixels that start at 0 stay at
    0: x0 = 1 on a mask and 0 outside of it confines the image to the mask. Dead bins are masked in
    the operator, A = Diagonal(alive) @ A, with counts and background of 0. Attenuation and
    normalisation belong to A; scatter and randoms to b.

    Args:
        f: KullbackLeibler(A, counts, background).

    Raises:
        TypeError: another fidelity, a complex operator.
        ValueError: where values are known (outside of jit): negative row or column sums, counts in
            bins that A does not reach and that have no background; at the start, an x0 of another
            shape, negative, NaN or all 0.

    Source: Shepp and Vardi 1982, doi:10.1109/TMI.1982.4307558; convergence: Vardi, Shepp and
    Kaufman 1985, doi:10.1080/01621459.1985.10477119.
    """
    term, operator = emission_parts(f, what="mlem")
    return MLEM(term, operator, inverse_sums(sensitivity_of(operator, what="mlem")))
