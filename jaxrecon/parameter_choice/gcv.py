"""Generalised cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import inner, subtract
from jaxrecon.parameter_choice.degrees_of_freedom import number_of_reals
from jaxrecon.parameter_choice.sure import Risk, predicted


def gcv(
    reconstruct: Callable,
    data: Any,
    key: jax.Array | None,
    *,
    operator: LinearOperator | None = None,
    probes: int = 1,
) -> Risk:
    r"""Generalised cross-validation, which needs no noise level.

        GCV = (||A x(m) - m||^2 / n) / (1 - t)^2,  t = (1/n) sum_i d(A x(m))_i / dm_i,

    for white noise; its minimiser over the weight approaches that of the error of the predicted
    data. For linear reconstructions t is the trace of the influence matrix over n; others, as total
    variation, put the trace of their derivative in its place (their degrees of freedom). The trace
    is estimated with random directions, see :func:`degrees_of_freedom`. :class:`TikhonovSpectrum`
    has it exactly. :func:`sure` returns the same residual and freedom, so that one path serves both
    rules, with GCV = residual / (1 - freedom)^2.

    What to expect: near the best prediction for thousands of data. The minimum can be flat, and
    for correlated noise the weight is far too small, as the noise is taken for structure. Where
    t -> 1 (no regularisation of as many unknowns as data) it is 0/0: keep away from that end. As
    the error is that of the data, an ill-posed A suffers as with :func:`sure`. With
    penalties that are not quadratic it is a rule of thumb.

    Args:
        reconstruct: data -> x at one weight, pure and differentiable in forward mode.
        data: m, real or complex.
        key: of the random directions, the same for all weights; None for the exact trace of small
            problems.
        operator: A; None is the identity.
        probes: static; number of random directions.

    Returns:
        :class:`Risk` (value, x, residual, freedom); value is infinite where freedom >= 1.

    Raises:
        ValueError: A x that is not like the data, a number of probes that is not a positive whole
            number.

    Source: Golub, Heath and Wahba 1979, doi:10.1080/00401706.1979.10489751; Girard 1989,
    doi:10.1007/BF01395775.
    """
    directions, x = predicted(reconstruct, data, key, operator, probes, what="gcv")
    n = number_of_reals(data)
    misfit = subtract(directions.value, data)
    residual = inner(misfit, misfit) / n
    freedom = directions.total(inner) / n
    return Risk(cross_validation(residual, freedom), x, residual, freedom)


def cross_validation(residual: jax.Array, freedom: jax.Array) -> jax.Array:
    """residual / (1 - freedom)^2, infinite where nothing is left to validate with."""
    left = freedom < 1
    return jnp.where(left, residual / jnp.where(left, 1 - freedom, 1) ** 2, jnp.inf)
