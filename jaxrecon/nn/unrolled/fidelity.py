"""The data fidelities of a batch: one functional for each item, all of one operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxrecon.core import LinearOperator, keep


class BatchedFidelity(NamedTuple):
    """f_i = make(A, m_i, w_i) for each item i of a batch: its gradients and its proxes.

    Each item is computed as it would be alone: nothing, not even the count of an inner solver,
    couples the items of a batch. What they give is kept (:func:`jaxrecon.keep`).
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

        return keep(jax.vmap(one)(self.measurements, self.extra, x))
