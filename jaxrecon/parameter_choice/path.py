"""One reconstruction for each of many weights, in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxrecon.core.checks import check_positive_int
from jaxrecon.parameter_choice.weights import as_weights


class Path(NamedTuple):
    """What :func:`path` returns; everything stacked along axis 0."""

    weights: jax.Array
    """(n,)"""
    x: Any
    """The reconstructions, (n, ...)."""
    records: Any
    """What was recorded of each, (n, ...), or None."""


def path(
    reconstruct: Callable,
    weights: Any,
    *,
    record: Callable[[Any], Any] | None = None,
    start: Any = None,
    batch: int | None = None,
) -> Path:
    r"""x_i = reconstruct(weights_i) for i = 1, ..., n.

    Without a start the weights are a batch: all at once by :func:`jax.vmap`, or `batch` at a time
    where memory is short. Solvers that stop by a tolerance (:func:`jaxrecon.solve_until`) stop each
    on its own, and the batch ends with its last::

        path(lambda w: solve(fista(f, w * g), x0, 200)[0], jnp.geomspace(1e-3, 1, 20),
             record=lambda x: (norm(A(x) - m), g(x)))

    With a start they come one after another, each from where the one before has ended
    (continuation): ``reconstruct(weight, start)`` returns (x, start of the next), the start any
    pytree, say the state of a primal-dual method. Then with solvers that stop by a tolerance a path
    from large to small weights costs little more than its last image; a batch computes faster.

    Args:
        reconstruct: pure function. The operator and data that it closes over are best arguments of
            the jitted function that calls `path`.
        weights: (n,), > 0, in the order in which a continuation takes them.
        record: x -> pytree, of each reconstruction; None records nothing.
        start: None, or that of the first weight.
        batch: static; so many weights at a time (1: one after another), None all at once.

    Returns:
        :class:`Path` (weights, x, records).

    Raises:
        ValueError: weights that are not one axis of positive numbers, a batch that is no positive
            whole number, or together with a start.

    Source: continuation: Hale, Yin and Zhang 2008, doi:10.1137/070698920.
    """
    weights = as_weights(weights, least=1, what="path")

    def measured(x: Any) -> tuple[Any, Any]:
        return x, None if record is None else record(x)

    if start is None:
        if batch is None:
            x, records = jax.vmap(lambda w: measured(reconstruct(w)))(weights)
        else:
            batch = check_positive_int(batch, what="path", argument="batch")
            size = None if batch == 1 else batch
            x, records = jax.lax.map(lambda w: measured(reconstruct(w)), weights, batch_size=size)
        return Path(weights, x, records)
    if batch is not None:
        raise ValueError("path takes a batch, or a start for weights one after another, not both.")

    def advance(start: Any, weight: jax.Array) -> tuple[Any, tuple]:
        x, following = reconstruct(weight, start)
        return following, measured(x)

    _, (x, records) = jax.lax.scan(advance, start, weights)
    return Path(weights, x, records)
