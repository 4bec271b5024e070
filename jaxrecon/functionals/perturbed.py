"""A functional plus a linear and a quadratic term: its prox is a rescaled prox."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.checks import check_no_nan, check_real
from jaxrecon.core.functional import Functional
from jaxrecon.core.vectors import add_scaled, inner, scaled, subtract
from jaxrecon.solvers.step_sizes import check_positive


class Perturbed(Functional):
    r"""x -> f(x) + Re <a, x> + b/2 ||x||^2. Made by :func:`perturbed`."""

    functional: Functional
    slope: Any = None
    curvature: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "perturbed(f, slope, curvature)"
        check_no_nan(self.slope, what=what, argument="slope")
        if self.curvature is not None:
            check_real(self.curvature, what=what, argument="curvature")
            check_positive(self.curvature, what=what, argument="curvature")

    def __call__(self, x: Any) -> jax.Array:
        value = self.functional(x)
        if self.slope is not None:
            value = value + inner(self.slope, x)
        return value if self.curvature is None else value + inner(x, scaled(self.curvature, x)) / 2

    def grad(self, x: Any) -> Any:
        slope = self._curved(self.functional.grad(x), x)
        return slope if self.slope is None else add_scaled(slope, 1, self.slope)

    def hessian(self, x: Any) -> Any:
        return self._curved(self.functional.hessian(x), x)

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        return self.functional.constraints(x)

    def _curved(self, slope: Any, x: Any) -> Any:
        return slope if self.curvature is None else add_scaled(slope, self.curvature, x)

    def lipschitz(self) -> jax.Array:
        constant = self.functional.lipschitz()
        return constant if self.curvature is None else constant + self.curvature

    def _moved(self, v: Any, step: Any) -> tuple[Any, Any]:
        """Where f takes its prox instead, and with which step."""
        v = v if self.slope is None else add_scaled(v, -step, self.slope)
        if self.curvature is None:
            return v, step
        shrink = 1 / (1 + step * self.curvature)
        return scaled(shrink, v), step * shrink

    def prox(self, v: Any, step: Any) -> Any:
        return self.functional.prox(*self._moved(v, step))

    def prox_start(self, v: Any) -> Any:
        return self.functional.prox_start(v)

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        return self.functional.prox_from(*self._moved(v, step), start)

    def conjugate(self, y: Any) -> jax.Array:
        """f*(y - a), or its Moreau envelope of parameter b."""
        y = y if self.slope is None else subtract(y, self.slope)
        if self.curvature is None:
            return self.functional.conjugate(y)
        nearest = self.functional.conj_prox(y, self.curvature)
        away = subtract(y, nearest)
        return self.functional.conjugate(nearest) + inner(away, away) / (2 * self.curvature)


def perturbed(f: Functional, *, slope: Any = None, curvature: Any = None) -> Functional:
    r"""x -> f(x) + Re <a, x> + b/2 ||x||^2, with all that f has.

    prox_s(v) = prox_{t f}((v - s a) / (1 + s b)) with t = s / (1 + s b). For convex f the conjugate
    is f*(y - a) for b = 0, and for b > 0 the Moreau envelope of f* at y - a, of parameter b.
    Bregman iterations take a as the last subgradient, with its sign changed; b makes f strongly
    convex.

    Args:
        f: any functional.
        slope: a, in the space of x; None is 0.
        curvature: b, traced scalar, > 0; None is 0.

    Raises:
        ValueError: NaN, or a curvature that is not positive (checked when concrete).
        TypeError: a complex curvature.

    Source: Combettes and Pesquet, Proximal splitting methods in signal processing, table
    10.1(iv), doi:10.1007/978-1-4419-9569-8_10.
    """
    return Perturbed(f, slope, curvature)
