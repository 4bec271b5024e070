"""Douglas-Rachford splitting: two terms with proxes."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import add, add_scaled, subtract
from jaxrecon.solvers.step_conditions import check_relaxation_below
from jaxrecon.solvers.step_sizes import check_positive


class DouglasRachfordState(NamedTuple):
    """The image prox_f(z), the point z that converges to a fixed point, and what the proxes start
    from."""

    x: Any
    z: Any
    starts: Any


class DouglasRachford(Method):
    r"""min_x f(x) + g(x). Made by :func:`douglas_rachford`."""

    first: Functional
    second: Functional
    step_size: Any
    relaxation: Any

    def init(self, x0: Any) -> DouglasRachfordState:
        return DouglasRachfordState(x0, x0, (self.first.prox_start(x0), self.second.prox_start(x0)))

    def step(self, state: DouglasRachfordState) -> DouglasRachfordState:
        z, (first, second) = state.z, state.starts
        x, first = self.first.prox_from(z, self.step_size, first)
        reflected = add(x, subtract(x, z))
        other, second = self.second.prox_from(reflected, self.step_size, second)
        z = add_scaled(z, self.relaxation, subtract(other, x))
        return DouglasRachfordState(x, z, (first, second))


def douglas_rachford(
    f: Functional, g: Functional, step_size: Any, *, relaxation: Any = 1.0
) -> DouglasRachford:
    r"""Douglas-Rachford splitting for min_x f(x) + g(x), both convex with proxes.

        x  = prox_{s f}(z)
        z <- z + rho (prox_{s g}(2 x - z) - x)

    It converges for every s > 0 and 0 < rho < 2; s decides the speed, in the scale of the change
    of x over the size of a subgradient. Neither term need be smooth, and constraints may be either
    of them. Several terms: f the indicator of a linear relation, g separable. A prox that iterates
    starts where it ended in the step before.

    Args:
        f: first term; the image is its prox, so that it keeps a constraint f.
        g: second term.
        step_size: s, traced.
        relaxation: rho, traced.

    Raises:
        ValueError: s <= 0 or rho outside of (0, 2), where the values are known.
        NotImplementedError: a term without a prox.

    Source: Lions and Mercier 1979, doi:10.1137/0716071; Eckstein and Bertsekas 1992,
    doi:10.1007/BF01581204.
    """
    check_positive(step_size, what="douglas_rachford", argument="step_size")
    check_relaxation_below(relaxation, 2, what="douglas_rachford")
    return DouglasRachford(f, g, step_size, relaxation)
