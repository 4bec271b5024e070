"""The discrepancy principle: the residual is as large as the noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_nonnegative, check_positive_int
from jaxrecon.parameter_choice.root import find_root
from jaxrecon.parameter_choice.weights import as_bracket
from jaxrecon.solvers.step_sizes import check_positive


class Discrepancy(NamedTuple):
    """What :func:`discrepancy_principle` returns; under vmap, a batch of them."""

    weight: jax.Array
    """lambda"""
    x: Any
    """The image x_lambda."""
    excess: jax.Array
    """sqrt(2 f(x_lambda) / count) / tau - 1, which is 0 where the principle holds."""
    evaluations: jax.Array
    """Number of reconstructions."""
    found: jax.Array
    """False where low and high do not enclose a solution; then the nearer end is given."""


def discrepancy_principle(
    reconstruct: Callable,
    fidelity: Callable[[Any], Any],
    count: Any,
    *,
    low: Any,
    high: Any,
    tau: Any = 1.0,
    start: Any = None,
    tolerance: Any = 1e-3,
    evaluations: int = 30,
) -> Discrepancy:
    r"""The weight lambda of the penalty with 2 f(x_lambda) = tau^2 count.

    f is the negative log-likelihood, zero for data without noise, and `count` the number of data:

    - Gaussian noise of standard deviation sigma: ``LeastSquares(A, m, 1 / sigma**2)``, for which
      ||A x_lambda - m|| = tau sigma sqrt(count);
    - counts: ``KullbackLeibler(A, y, background)``, for which 2 KL = count up to 1/(6 y), so that
      it is for more than about 10 counts in most bins.

    The residual grows with lambda, and a safeguarded interpolation in log lambda (Chandrupatla)
    finds the root, in 6 to 12 reconstructions as a rule. It works under jit and vmap, where each
    item stops on its own. lambda has no derivative.

    What to expect: for tau = 1 somewhat too large a weight, as the residual of the best image is
    smaller than the noise (the image fits part of it; :func:`sure` counts how much). It needs the
    noise level: an error of 5 % in sigma moves lambda far where the residual is flat. Not found, it
    has found that the noise level, or the model, is wrong: with excess > 0 even the weight `low`
    leaves a residual larger than the noise; with excess < 0 even `high` fits the data too well.

    Args:
        reconstruct: weight -> x; with a start, (weight, start) -> (x, start of the next), as in
            :func:`path`.
        fidelity: f, x -> real scalar >= 0.
        count: number of real data (a complex datum is two), less those of weight 0.
        low: smallest weight, > 0.
        high: largest weight.
        tau: traced; 1 to 1.1 as a rule.
        start: None, or a warm start, that of the first reconstruction (with the weight `low`).
        tolerance: on abs(excess), traced. The noise itself varies by 1 / sqrt(2 count).
        evaluations: static, at least 2; at most so many reconstructions.

    Returns:
        :class:`Discrepancy` (weight, x, excess, evaluations, found).

    Raises:
        ValueError: not 0 < low < high, a count or tau that is not positive, a negative tolerance
            (where concrete), evaluations < 2.

    Source: Morozov; Engl, Hanke and Neubauer 1996, section 4.3, doi:10.1007/978-94-009-1740-8; for
    counts: Bertero, Boccacci, Talenti, Zanella and Zanni 2010, doi:10.1088/0266-5611/26/10/105004.
    """
    what = "discrepancy_principle"
    check_positive(count, what=what, argument="count")
    check_positive(tau, what=what, argument="tau")
    check_nonnegative(tolerance, what=what, argument="tolerance")
    evaluations = check_positive_int(evaluations, what=what, argument="evaluations")
    if evaluations < 2:
        raise ValueError(f"{what} expected evaluations >= 2, the two ends, got {evaluations}.")
    log_low, log_high = as_bracket(low, high, what=what)

    def excess(t: jax.Array, start: Any) -> tuple[jax.Array, Any, Any]:
        weight = jnp.exp(t)
        x, following = (reconstruct(weight), start) if start is None else reconstruct(weight, start)
        value = jnp.sqrt(2 * fidelity(x) / count) / tau - 1
        return jax.lax.stop_gradient((value.astype(t.dtype), x, following))

    options = {"evaluations": evaluations, "tolerance": tolerance}
    search, found = find_root(excess, log_low, log_high, start, **options)
    best = search.best
    return Discrepancy(jnp.exp(best.t), search.found, best.value, search.evaluations, found)
