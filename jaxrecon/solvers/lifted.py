"""Methods for pairs of an image and a field, as methods for the image."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.checks import Space
from jaxrecon.core.iterate import Method
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import zeros_like


class Lifted(Method):
    r"""A method for pairs (x, w), that starts from an image and whose solution is one.

    Args:
        method: for pairs.
        penalty: what has ``start(x0)`` -> (x0, w), such as a TotalGeneralisedVariation.
    """

    method: Method
    penalty: Any

    def init(self, x0: Any) -> Any:
        return self.method.init(self.penalty.start(x0))

    def step(self, state: Any) -> Any:
        return self.method.step(state)

    def solution(self, state: Any) -> Any:
        return self.method.solution(state)[0]

    def under_way(self, state: Any) -> Any:
        return self.method.under_way(state)

    def stalled(self, state: Any) -> Any:
        return self.method.stalled(state)


class OfImage(LinearOperator):
    """(x, w) -> A x."""

    operator: LinearOperator
    field: Space = static()

    @property
    def domain(self) -> Space:
        return self.operator.domain, self.field

    @property
    def codomain(self) -> Space:
        return self.operator.codomain

    def apply(self, x: Any) -> jax.Array:
        return self.operator.apply(x[0])

    def adjoint(self, y: Any) -> Any:
        return self.operator.adjoint(y), zeros_like(self.field)
