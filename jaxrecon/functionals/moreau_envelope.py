"""The Moreau envelope: a convex functional made smooth by its prox."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_real
from jaxrecon.core.functional import Functional
from jaxrecon.core.vectors import add_scaled, inner, scaled, subtract
from jaxrecon.solvers.step_sizes import check_positive


class MoreauEnvelope(Functional):
    r"""e(v) = min_x f(x) + ||x - v||^2 / (2 mu), for a convex f with a prox.

    It has the minimisers of f, lies below it, and approaches it for mu -> 0. Its gradient,
    (v - prox_{mu f}(v)) / mu, has the Lipschitz constant 1 / mu. The envelope of the l1 norm is
    the Huber function, that of an indicator half the squared distance to the set, over mu.

    prox_s(v) = v + s / (s + mu) (prox_{(s + mu) f}(v) - v). The conjugate is f* + mu/2 ||y||^2.

    Args:
        functional: f, convex.
        parameter: mu, traced scalar, > 0.

    Raises:
        ValueError: mu <= 0 (checked when concrete).
        TypeError: a complex mu.
        NotImplementedError: when used, an f without a prox.

    Source: Moreau 1965, doi:10.24033/bsmf.1625; Beck, First-Order Methods in Optimization,
    chapter 6, doi:10.1137/1.9781611974997.
    """

    functional: Functional
    parameter: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        check_real(self.parameter, what="MoreauEnvelope", argument="parameter")
        check_positive(self.parameter, what="MoreauEnvelope", argument="parameter")

    def __call__(self, x: Any) -> jax.Array:
        nearest = self.functional.prox(x, self.parameter)
        away = subtract(x, nearest)
        return self.functional(nearest) + inner(away, scaled(1 / (2 * self.parameter), away))

    def grad(self, x: Any) -> Any:
        nearest = self.functional.prox(x, self.parameter)
        return scaled(1 / self.parameter, subtract(x, nearest))

    def lipschitz(self) -> jax.Array:
        return jnp.asarray(1 / self.parameter)

    def prox(self, v: Any, step: Any) -> Any:
        return self._moved(v, step, self.functional.prox(v, step + self.parameter))

    def prox_start(self, v: Any) -> Any:
        return self.functional.prox_start(v)

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        nearest, start = self.functional.prox_from(v, step + self.parameter, start)
        return self._moved(v, step, nearest), start

    def _moved(self, v: Any, step: Any, nearest: Any) -> Any:
        return add_scaled(v, step / (step + self.parameter), subtract(nearest, v))

    def conjugate(self, y: Any) -> jax.Array:
        return self.functional.conjugate(y) + inner(y, scaled(self.parameter, y)) / 2
