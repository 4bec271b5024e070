"""How much an estimate follows its data: the trace of its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.tangents import from_parts, real_parts
from jaxrecon.core.vectors import inner


class Directions(NamedTuple):
    """An estimate f(y) and its derivatives along several directions b, stacked along axis 0."""

    value: Any
    """f(y)"""
    probes: Any
    """b, in the space of y"""
    changes: Any
    """f'(y) b"""
    share: float
    """by which a sum over the probes is to be multiplied"""

    def total(self, function: Callable) -> jax.Array:
        """share * sum over the probes of function(b, f'(y) b)."""
        return self.share * jnp.sum(jax.vmap(function)(self.probes, self.changes))


def degrees_of_freedom(
    estimate: Callable, data: Any, key: jax.Array | None, *, probes: int = 1, weights: Any = None
) -> tuple[Any, jax.Array]:
    r"""(f(y), sum_i w_i df_i/dy_i), the estimate and its degrees of freedom, by random directions.

    trace(W f') = E Re <b, W f'(y) b> for b with independent entries +-1 (of a complex y in its real
    and in its imaginary part, each a datum of its own). f'(y) b is an exact directional derivative,
    by forward-mode differentiation of f through its iterations or, where f has rules of its own
    (TotalVariation.prox, fixed_point, solve_normal), at its solution. One probe costs about as much
    as f itself and has the standard deviation sqrt(2) ||(S - diag S)||_F, S the symmetric part of
    W f': for n data, small against n.

    Args:
        estimate: f, data -> array or pytree like the data, pure.
        data: y, real or complex.
        key: of the random directions; one key for all weights makes smooth curves. None takes each
            unit vector in turn: exact, for small problems, as many derivatives as there are data.
        probes: static; number of random directions, whose mean is taken.
        weights: w, real, like y or broadcasting to it; None is 1.

    Raises:
        ValueError: probes is no positive whole number; f(y) is no array like y.

    Source: Ye 1998, doi:10.1080/01621459.1998.10474094; Girard 1989, doi:10.1007/BF01395775;
    Hutchinson 1990, doi:10.1080/03610919008812866.
    """

    def checked(y: Any) -> tuple[Any, None]:
        value = estimate(y)
        check_like(value, y, what="degrees_of_freedom", argument="estimate(data)")
        return value, None

    directions, _ = directional_derivatives(checked, data, key, probes)
    return directions.value, directions.total(lambda b, change: inner(weigh(weights, b), change))


def directional_derivatives(
    function: Callable, data: Any, key: jax.Array | None, probes: int
) -> tuple[Directions, Any]:
    """For function: data -> (f(y), other results): (the :class:`Directions` of f, the others)."""
    probes = check_positive_int(probes, what="degrees_of_freedom", argument="probes")
    data = jax.tree.map(jnp.asarray, data)
    parts = real_parts(data)
    count = number_of_reals(data)
    if key is None:
        rows = jnp.eye(count, dtype=jnp.result_type(*jax.tree.leaves(parts)))
    else:
        rows = jax.random.rademacher(key, (probes, count), parts[0][0].dtype)

    def as_data(row: jax.Array) -> Any:
        leaves, start = [], 0
        for a in jax.tree.leaves(parts):
            leaves.append(row[start : start + a.size].reshape(a.shape).astype(a.dtype))
            start += a.size
        return from_parts(jax.tree.unflatten(jax.tree.structure(parts), leaves), data)

    def along(row: jax.Array) -> tuple[Any, Any, Any, Any]:
        b = as_data(row)
        value, change, others = jax.jvp(function, (data,), (b,), has_aux=True)
        return b, change, value, others

    b, changes, values, others = jax.vmap(along)(rows)
    value, others = jax.tree.map(lambda a: a[0], (values, others))  # they are all the same
    return Directions(value, b, changes, 1.0 if key is None else 1 / probes), others


def number_of_reals(x: Any) -> int:
    """Real numbers in x: a complex entry is two."""
    return sum(math.prod(a.shape) for a in jax.tree.leaves(real_parts(x)))


def check_like(value: Any, data: Any, *, what: str, argument: str) -> None:
    """Raise ValueError unless the leaves of `value` have the shapes of those of the data."""
    got, expected = ([jnp.shape(a) for a in jax.tree.leaves(tree)] for tree in (value, data))
    if got != expected:
        raise ValueError(
            f"{what} expected {argument} in the space of the data, with the shapes {expected}, got "
            f"{got}. Is the operator missing, that predicts data from the image?"
        )
