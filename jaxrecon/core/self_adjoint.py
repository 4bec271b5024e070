"""The base of operators that are their own adjoints."""

from __future__ import annotations

from typing import Any

from jaxrecon.core.checks import Space
from jaxrecon.core.operator import LinearOperator


class SelfAdjoint(LinearOperator):
    """A^H = A, from a space to itself: a subclass defines `domain` and `apply`."""

    @property
    def codomain(self) -> Space:
        return self.domain

    def adjoint(self, y: Any) -> Any:
        return self.apply(y)
