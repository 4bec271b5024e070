"""The l-infinity norm: the largest magnitude."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.vectors import subtract
from jaxrecon.functionals.norm_balls import L1Ball, magnitudes


class LInfinity(Functional):
    r"""f(x) = max_i |x_i|, on any array or pytree, real or complex.

    prox: magnitudes are cut at a level, so that what is cut off sums to s; v less its projection
    onto the l1 ball of radius s, exact, by sorting. The conjugate is 0 where ||y||_1 <= 1 (to 10 n
    roundings) and infinite elsewhere; conj_prox projects onto that ball.

    Source: Parikh and Boyd 2014, section 6.5.2, doi:10.1561/2400000003.
    """

    def __call__(self, x: Any) -> jax.Array:
        return jnp.max(magnitudes(x))

    def prox(self, v: Any, step: Any) -> Any:
        return subtract(v, L1Ball(step).prox(v, step))

    def conj_prox(self, v: Any, step: Any) -> Any:
        return L1Ball().prox(v, step)

    def conjugate(self, y: Any) -> jax.Array:
        return L1Ball()(y)
