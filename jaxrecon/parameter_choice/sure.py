"""Stein's unbiased estimate of the error, with exact directional derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_nonnegative, check_real
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import inner, subtract
from jaxrecon.linops.diagonal import check_broadcast
from jaxrecon.parameter_choice.degrees_of_freedom import (
    Directions,
    check_like,
    directional_derivatives,
    number_of_reals,
)


class Risk(NamedTuple):
    """What :func:`sure`, :func:`pure`, :func:`gcv` and :func:`projected_sure` return."""

    value: jax.Array
    """The criterion; the weight of the least value is chosen."""
    x: Any
    """The reconstruction."""
    residual: jax.Array
    """||A x - m||^2 / n"""
    freedom: jax.Array
    """Degrees of freedom of A x over the number of data, of those in `value`."""


def sure(
    reconstruct: Callable,
    data: Any,
    variance: Any,
    key: jax.Array | None,
    *,
    operator: LinearOperator | None = None,
    probes: int = 1,
) -> Risk:
    r"""Stein's unbiased risk estimate, for Gaussian noise of known variances v_i.

        SURE = (1/n) (||A x(m) - m||^2 + 2 sum_i v_i d(A x(m))_i / dm_i - sum_i v_i)

    has the expectation (1/n) E ||A x(m) - A x_true||^2, of whichever reconstruction x(m), linear or
    not. For denoising (A = I) this is the mean square error itself. The divergence is estimated
    with random directions, see :func:`degrees_of_freedom`: for an image of 10^4 pixels one is
    enough. Choose the weight with one key for all::

        risks = path(lambda w: sure(lambda m: denoise(m, w), data, sigma**2, key), weights).x
        best = best_on_path(weights, risks.value)

    What to expect: in denoising, a weight near the best one, within its statistical error (one of
    order v sqrt(2/n) in SURE). For an ill-posed A it is the error of the *predicted data*, to which
    what A suppresses contributes little: the weight tends to be too small; see also
    :func:`projected_sure`. An error in the variance biases it, correlated noise misleads it. x(m)
    must be continuous (a hard threshold is not), and its derivative must be that of the solution:
    with few iterations it is that of the iterate, and then so is the estimate.

    Args:
        reconstruct: data -> x at one weight, pure and differentiable in forward mode.
        data: m, real or complex, in the codomain of A.
        variance: v, real, >= 0; a scalar or an array that broadcasts to m. For complex m it is that
            of the real and of the imaginary part each.
        key: of the random directions; None for the exact divergence of small problems.
        operator: A; None is the identity.
        probes: static; number of random directions.

    Returns:
        :class:`Risk` (value, x, residual, freedom).

    Raises:
        ValueError: a negative variance (where concrete), one that does not broadcast, A x that is
            not like the data, a number of probes that is not a positive whole number.
        TypeError: a complex variance.

    Source: Stein 1981, doi:10.1214/aos/1176345632; Ramani, Blu and Unser 2008,
    doi:10.1109/TIP.2008.2001404, there with finite differences.
    """
    variance = checked_variance(variance, data, what="sure")
    directions, x = predicted(reconstruct, data, key, operator, probes, what="sure")
    n = number_of_reals(data)
    ones = jax.tree.map(lambda a: jnp.ones_like(a) * (1 + 1j if jnp.iscomplexobj(a) else 1), data)
    misfit = subtract(directions.value, data)
    residual = inner(misfit, misfit) / n
    trace = directions.total(lambda b, change: inner(weigh(variance, b), change)) / n
    expected = inner(weigh(variance, ones), ones) / n
    freedom = directions.total(inner) / n
    return Risk(residual + 2 * trace - expected, x, residual, freedom)


def pure(
    reconstruct: Callable,
    counts: Any,
    key: jax.Array | None,
    *,
    operator: LinearOperator | None = None,
    background: Any = 0.0,
    probes: int = 1,
) -> Risk:
    r"""Unbiased estimate of the risk for counts y ~ Poisson(A x + b), to first order.

        PURE = (1/n) (||p(y) - y||^2 + 2 sum_i y_i dp_i/dy_i - sum_i y_i),  p(y) = A x(y) + b.

    It is the exact (1/n) (||p||^2 - 2 sum_i y_i p_i(y - e_i) + ||y||^2 - sum_i y_i), the
    expectation of which is (1/n) E ||p - A x_true - b||^2, with p_i(y - e_i) replaced by
    p_i(y) - dp_i/dy_i: :func:`sure` with the counts for their variances. So it is exact where each
    p_i is linear in its own count, and good where one count more or less changes little. In low
    counts it has a large variance, and the first order a bias; and it is the error of the expected
    counts, in which bright bins weigh most.

    Args:
        reconstruct: counts -> x at one weight, pure and differentiable in forward mode.
        counts: y >= 0, real.
        key: of the random directions; None for the exact divergence of small problems.
        operator: A; None is the identity.
        background: b, a scalar or an array that broadcasts to the counts.
        probes: static; number of random directions.

    Returns:
        :class:`Risk` (value, x, residual, freedom).

    Raises:
        ValueError: negative counts (where concrete); as :func:`sure`.
        TypeError: complex counts.

    Source: Luisier, Vonesch, Blu and Unser 2010, doi:10.1016/j.sigpro.2009.07.009.
    """
    check_real(counts, what="pure", argument="counts")
    cause = "Were they corrected for their background?"
    check_nonnegative(counts, what="pure", argument="counts", cause=cause)

    def expected(y: jax.Array) -> tuple[jax.Array, Any]:
        x = reconstruct(y)
        p = (x if operator is None else operator.apply(x)) + jnp.asarray(background, y.dtype)
        check_like(p, y, what="pure", argument="A reconstruct(counts)")
        return p, x

    counts = jnp.asarray(counts)
    directions, x = directional_derivatives(expected, counts, key, probes)
    residual = jnp.mean((directions.value - counts) ** 2)
    trace = directions.total(lambda b, change: jnp.mean(counts * b * change))
    freedom = directions.total(lambda b, change: jnp.mean(b * change))
    return Risk(residual + 2 * trace - jnp.mean(counts), x, residual, freedom)


def predicted(
    reconstruct: Callable,
    data: Any,
    key: jax.Array | None,
    operator: LinearOperator | None,
    probes: int,
    *,
    what: str,
) -> tuple[Directions, Any]:
    """(derivatives of m -> A x(m), x)."""

    def predict(m: Any) -> tuple[Any, Any]:
        x = reconstruct(m)
        y = x if operator is None else operator.apply(x)
        check_like(y, m, what=what, argument="A reconstruct(data)")
        return y, x

    return directional_derivatives(predict, data, key, probes)


def checked_variance(variance: Any, data: Any, *, what: str) -> Any:
    """The variance as arrays, or the error that says why it is none of the data."""
    variance = jax.tree.map(jnp.asarray, variance)
    same = jax.tree.structure(variance) == jax.tree.structure(data)
    values = variance if same else jax.tree.map(lambda _: variance, data)
    for v, m in zip(jax.tree.leaves(values), jax.tree.leaves(data), strict=True):
        check_real(v, what=what, argument="variance")
        check_nonnegative(v, what=what, argument="variance")
        check_broadcast(v, jnp.shape(m), what=what, argument="a variance")
    return variance
