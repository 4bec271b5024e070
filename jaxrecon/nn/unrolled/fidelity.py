"""The data fidelities of a batch: one functional for each item, all of one operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.ad_checkpoint import checkpoint_name

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import is_complex

FIDELITY = "jaxrecon: gradient or prox of a data fidelity"
"""Name of these for policies of `jax.checkpoint`: they take operators, a prox an inner solver."""


class BatchedFidelity(NamedTuple):
    """f_i = make(A, m_i, w_i) for each item i of a batch: its gradients and its proxes.

    Each item is computed as it would be alone: nothing, not even the count of an inner solver,
    couples the items of a batch.
    """

    make: Callable
    """(operator, measurements, extra) -> Functional, the last one left out where it is None"""
    operator: LinearOperator
    measurements: Any
    """batch of m"""
    extra: Any = None
    """batch of what the functional takes besides, such as weights"""

    def grad(self, x: Any) -> Any:
        """grad f_i(x_i)."""
        return self._each(lambda f, a: f.grad(a), x)

    def prox(self, v: Any, step: Any) -> Any:
        """prox_{step f_i}(v_i), with one step for all."""
        return self._each(lambda f, a: f.prox(a, step), v)

    def _each(self, apply: Callable, x: Any) -> Any:
        def one(m: Any, extra: Any, a: Any) -> Any:
            more = () if extra is None else (extra,)
            return apply(self.make(self.operator, m, *more), a)

        return jax.tree.map(_named, jax.vmap(one)(self.measurements, self.extra, x))


def _named(x: jax.Array) -> jax.Array:
    """x under the name FIDELITY, by its parts, as `jax.checkpoint` fails to keep complex arrays."""
    if is_complex(x.dtype):
        return jax.lax.complex(_named(x.real), _named(x.imag))
    return checkpoint_name(x, FIDELITY)
