"""The half-space on one side of a hyperplane."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_no_nan, check_real
from jaxrecon.core.functional import Indicator
from jaxrecon.core.vectors import add_scaled, inner, norm, real_like, scaled, subtract
from jaxrecon.functionals.indicators import indicator


class HalfSpace(Indicator):
    r"""0 where Re <a, x> <= b, else infinity; any array or pytree, real or complex.

    A bound on a total, a dose or a mean. prox: v - max(Re <a, v> - b, 0) / ||a||^2 a. The conjugate
    is b t where y = t a with t >= 0 (to 100 roundings), else infinity. Re <a, x> counts as equal to
    b up to 100 roundings of ||a|| ||x|| + |b|.

    Args:
        normal: a, in the space of x, not 0; traced.
        bound: b, real scalar; traced.

    Raises:
        ValueError: a = 0, NaN (checked when concrete).
        TypeError: a complex bound.

    Source: Parikh and Boyd 2014, section 6.2, doi:10.1561/2400000003.
    """

    normal: Any
    bound: Any = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "HalfSpace(normal, bound)"
        check_real(self.bound, what=what, argument="bound")
        check_no_nan(self.normal, what=what, argument="normal")
        check_no_nan(self.bound, what=what, argument="bound")
        leaves = jax.tree.leaves(self.normal)
        known = not any(isinstance(a, Tracer) for a in leaves)
        if known and not any(np.any(np.asarray(a)) for a in leaves):
            raise ValueError(f"{what} expected a normal that is not 0: it gives the direction.")

    def __call__(self, x: Any) -> jax.Array:
        height = inner(self.normal, x)
        bound = real_like(self.bound, height)
        size = norm(self.normal) * norm(x) + jnp.abs(bound)
        return indicator(height - bound <= 100 * jnp.finfo(height.dtype).eps * size, height)

    def prox(self, v: Any, step: Any) -> Any:
        height = inner(self.normal, v)
        excess = jnp.maximum(height - real_like(self.bound, height), 0)
        return add_scaled(v, -excess / inner(self.normal, self.normal), self.normal)

    def conjugate(self, y: Any) -> jax.Array:
        t = inner(self.normal, y) / inner(self.normal, self.normal)
        off = norm(subtract(y, scaled(t, self.normal)))
        allowed = 100 * jnp.finfo(t.dtype).eps * norm(y)
        inside = (off <= allowed) & (t * norm(self.normal) >= -allowed)
        return jnp.where(inside, real_like(self.bound, t) * t, jnp.inf)
