"""Functionals of a tight frame: f(A x) has a prox where A A^H is a multiple of the identity."""

from __future__ import annotations

from typing import Any

from jaxrecon.core.functional import Functional, Precomposed
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add, scaled, subtract


class TightPrecomposed(Precomposed):
    r"""f(A x) with A A^H = bound I. Made by :func:`tight`."""

    bound: Any

    def prox(self, v: Any, step: Any) -> Any:
        analysis = self.operator(v)
        return self._moved(v, analysis, self.functional.prox(analysis, step * self.bound))

    def prox_start(self, v: Any) -> Any:
        return self.functional.prox_start(self.operator(v))

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        analysis = self.operator(v)
        nearest, start = self.functional.prox_from(analysis, step * self.bound, start)
        return self._moved(v, analysis, nearest), start

    def _moved(self, v: Any, analysis: Any, nearest: Any) -> Any:
        """v + A^H (nearest - A v) / bound."""
        change = scaled(1 / self.bound, subtract(nearest, analysis))
        return add(v, self.operator.adjoint(change))


def tight(functional: Functional, operator: LinearOperator, bound: Any = 1.0) -> Functional:
    r"""x -> f(A x) with a prox, for A A^H = bound * I (the caller's promise), bound > 0.

    prox_{s f(A .)}(v) = v + A^H (prox_{s bound f}(A v) - A v) / bound.

    Source: Combettes and Pesquet, Proximal splitting methods in signal processing, table 10.1(x),
    doi:10.1007/978-1-4419-9569-8_10.
    """
    return TightPrecomposed(functional, operator, bound)
