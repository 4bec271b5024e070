"""Davis-Yin splitting: two terms with proxes and a smooth one."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.vectors import add, add_scaled, subtract
from jaxrecon.solvers.step_conditions import (
    check_at_most,
    check_relaxation_below,
    lipschitz_or_none,
)
from jaxrecon.solvers.step_sizes import check_positive


class DavisYinState(NamedTuple):
    """The image prox_f(z), the point z that converges to a fixed point, and what the proxes start
    from."""

    x: Any
    z: Any
    starts: Any


class DavisYin(Method):
    r"""min_x f(x) + g(x) + h(x). Made by :func:`davis_yin`."""

    first: Functional
    second: Functional
    smooth: Functional
    step_size: Any
    relaxation: Any

    def init(self, x0: Any) -> DavisYinState:
        return DavisYinState(x0, x0, (self.first.prox_start(x0), self.second.prox_start(x0)))

    def step(self, state: DavisYinState) -> DavisYinState:
        z, (first, second) = state.z, state.starts
        x, first = self.first.prox_from(z, self.step_size, first)
        reflected = add(x, subtract(x, z))
        reflected = add_scaled(reflected, -self.step_size, self.smooth.grad(x))
        other, second = self.second.prox_from(reflected, self.step_size, second)
        z = add_scaled(z, self.relaxation, subtract(other, x))
        return DavisYinState(x, z, (first, second))


def davis_yin(
    f: Functional,
    g: Functional,
    smooth: Functional,
    step_size: Any = None,
    *,
    relaxation: Any = 1.0,
) -> DavisYin:
    r"""Davis-Yin splitting for min_x f(x) + g(x) + h(x), f and g with proxes, h smooth, all convex.

        x  = prox_{s f}(z)
        z <- z + rho (prox_{s g}(2 x - z - s grad h(x)) - x)

    It converges for s < 2 / L and 0 < rho < 2 - s L / 2, L the Lipschitz constant of grad h. With
    h = 0 it is :func:`douglas_rachford`, with f = 0 proximal gradient. A prox that iterates starts
    where it ended in the step before.

    Args:
        f: first term; the image is its prox, so that it keeps a constraint f.
        g: second term.
        smooth: h.
        step_size: s, traced; 1 / L unless given.
        relaxation: rho, traced.

    Raises:
        ValueError: s or rho outside of its bounds by more than 1 %, where the values are known. To
            check a given step costs the Lipschitz constant of h, once.
        NotImplementedError: a term without a prox; no step is given and h knows no Lipschitz
            constant.

    Source: Davis and Yin 2017, doi:10.1007/s11228-017-0421-z.
    """
    what = "davis_yin"
    lipschitz = smooth.lipschitz() if step_size is None else lipschitz_or_none(smooth)
    step_size = 1 / lipschitz if step_size is None else step_size
    check_positive(step_size, what=what, argument="step_size")
    bound = 2.0
    if lipschitz is not None:
        check_at_most(step_size * lipschitz, 2.0, what=what, condition="step_size * L < 2")
        bound = 2 - step_size * lipschitz / 2
    check_relaxation_below(relaxation, bound, what=what)
    return DavisYin(f, g, smooth, step_size, relaxation)
