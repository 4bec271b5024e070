"""What methods for counts of emission share: sensitivities, the ratio of the data, the EM step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_no_nan, check_nonnegative, check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import Pytree
from jaxrecon.core.vectors import real_like
from jaxrecon.solvers.majoriser import penalty_majoriser
from jaxrecon.solvers.step_sizes import check_positive
from jaxrecon.solvers.subset_fidelity import check_subsets, split_fidelity
from jaxrecon.solvers.subsets import Subsets
from jaxrecon.solvers.sums import (
    check_real_operator,
    check_sums,
    column_sums,
    inverse_sums,
    largest_column_sums,
    row_sums,
)


def is_emission(term: Any) -> bool:
    """Whether a data term is that of counts ~ Poisson(A x + background)."""
    return hasattr(term, "counts") and hasattr(term, "background") and not hasattr(term, "photons")


def emission_parts(f: Any, *, what: str) -> tuple[Any, LinearOperator]:
    """(data term, A) of a KullbackLeibler fidelity, A with non-negative weights.

    Raises:
        TypeError: another fidelity, or a complex operator.
        ValueError: where values are known: negative row sums, or counts in bins that A does not
            reach and that have no background, for which the likelihood is infinite.
    """
    term, operator = split_fidelity(f, what=what)
    if not is_emission(term):
        raise TypeError(
            f"{what} expected KullbackLeibler(A, counts, background) as f, got "
            f"{type(f).__name__}. For other fidelities take ordered_subsets, saga or svrg."
        )
    check_real_operator(operator, what=what)
    rows = row_sums(operator)
    check_sums(rows, what=what, of="row sums")
    if not any(isinstance(a, Tracer) for a in (rows, term.counts, term.background)):
        empty = np.asarray(rows) + np.asarray(term.background) <= 0
        lost = np.sum(empty & (np.asarray(term.counts) > 0))
        if lost:
            raise ValueError(
                f"{what} expected counts only in bins with A x + background > 0 for some x, got "
                f"counts in {lost} bins that A does not reach and that have no background. Set "
                "these counts to 0, or give the background."
            )
    return term, operator


def sensitivity_of(
    operator: LinearOperator, subsets: Subsets | None = None, *, what: str
) -> jax.Array:
    """A^T 1, or n max_k A_k^T 1 of n subsets; 0 in pixels where it is 0 but for rounding."""
    if subsets is None:
        sums = column_sums(operator)
    else:
        sums = subsets.count * largest_column_sums(subsets)
    check_sums(sums, what=what, of="column sums")
    return jnp.where(inverse_sums(sums) > 0, sums, 0)


def check_start(x0: Any, operator: LinearOperator, *, what: str) -> None:
    """Raise unless x0 is an image, and (where concrete) >= 0 and not all 0."""
    check_space(x0, operator.domain, what=what, argument="x0")
    check_no_nan(x0, what=what, argument="x0")
    check_nonnegative(x0, what=what, argument="x0")
    if not isinstance(x0, Tracer) and not np.any(np.asarray(x0) > 0):
        raise ValueError(
            f"{what} expected x0 > 0 where the image may be, got zeros: pixels that start at 0 "
            "stay at 0. Start from ones."
        )


def data_ratio(term: Any, expected: jax.Array) -> jax.Array:
    """counts / (A x + b), and 0 where that is 0."""
    mean = expected + real_like(term.background, expected)
    positive = mean > 0
    return jnp.where(positive, term.counts / jnp.where(positive, mean, 1), 0)


def em_step(x: jax.Array, inverse_sensitivity: jax.Array, backprojected: jax.Array) -> jax.Array:
    """x B / s with B = A^T (counts / (A x + b)); pixels with s = 0 stay as they are."""
    moved = x * backprojected * inverse_sensitivity
    return jnp.where(inverse_sensitivity > 0, moved, x)


class EmissionStep(Pytree):
    r"""x -> relaxation (x + floor) / (s + c (x + floor)), a step size for each pixel, 0 where
    neither the data nor the penalty see it. Made by :func:`emission_step`."""

    sensitivity: jax.Array
    penalty_curvature: Any
    floor: Any
    relaxation: Any

    def __call__(self, x: jax.Array) -> jax.Array:
        raised = jnp.maximum(x, 0) + real_like(self.floor, x)
        load = self.sensitivity + real_like(self.penalty_curvature, x) * raised
        seen = load > 0
        relaxed = real_like(self.relaxation, x) * raised
        return jnp.where(seen, relaxed / jnp.where(seen, load, 1), 0)


def emission_step(
    f: Any,
    subsets: Subsets,
    *,
    penalty: Functional | None = None,
    penalty_curvature: Any = None,
    floor: Any = None,
    relaxation: Any = 1 / 3,
) -> EmissionStep:
    r"""The step size of expectation maximisation as a preconditioner that follows the image.

        S(x) = relaxation (x + floor) / (s + c (x + floor)),  s = n max_k A_k^T 1,

    one for each pixel, for `saga`, `svrg` and `stochastic_gradient` on counts. Where subsets are
    balanced s is the sensitivity, and gradient descent with relaxation 1, x >> floor and c = 0 is
    MLEM. Where the counts are near their expectation, s / x bounds the second derivatives of every
    n f_k, and c those of the penalty: S is the relaxation over a local Lipschitz constant.

    Args:
        f: KullbackLeibler(A, counts, background), A with non-negative weights.
        subsets: the rows of the same A.
        penalty: r, or None.
        penalty_curvature: c >= 0, a scalar or an image; None takes penalty.curvature() or
            penalty.lipschitz(). Where these bounds are far too large, as those of a
            RelativeDifferencePrior with a small epsilon: beta * prior.hessian_diagonal(x) at an
            image x near the solution, such as one of OSEM.
        floor: > 0, traced, in the unit of x: pixels at 0 can leave it. None is 1e-3 of the mean
            activity, sum(counts) / sum(s).
        relaxation: > 0, traced; 1 / 3 is what SAGA is proved for, up to 1 is usual.

    Raises:
        ValueError: subsets of an operator of other spaces; and, where values are known, a floor or
            relaxation that is not positive, negative weights.
        TypeError: another fidelity.
        NotImplementedError: no bound of the penalty is known.

    Source: Twyman et al. 2023, doi:10.1109/TMI.2022.3203237; with the penalty: Ehrhardt, Kereta and
    Schramm 2025, doi:10.3389/fnume.2025.1641215.
    """
    what = "emission_step"
    term, operator = emission_parts(f, what=what)
    check_subsets(operator, subsets, what=what)
    sensitivity = sensitivity_of(operator, subsets, what=what)
    curvature = penalty_majoriser(penalty, penalty_curvature, what=what)
    floor = 1e-3 * mean_activity(term, sensitivity) if floor is None else floor
    check_positive((floor, relaxation), what=what, argument="floor and relaxation")
    return EmissionStep(sensitivity, curvature, floor, relaxation)


def mean_activity(term: Any, sensitivity: jax.Array) -> jax.Array:
    """sum(counts) / sum(s): the level of a flat image with as many counts; 1 without any."""
    total, seen = jnp.sum(term.counts), jnp.sum(sensitivity)
    known = (total > 0) & (seen > 0)
    return jnp.where(known, total / jnp.where(known, seen, 1), 1)
