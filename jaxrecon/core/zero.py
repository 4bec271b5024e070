"""The functional that is zero everywhere: no term at all."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.vectors import inner, zeros_like


class Zero(Functional):
    """f(x) = 0, with the prox v and the gradient 0. Its conjugate is infinite except at 0."""

    def __call__(self, x: Any) -> jax.Array:
        return jnp.zeros_like(inner(x, x))

    def grad(self, x: Any) -> Any:
        return zeros_like(x)

    def hessian(self, x: Any) -> Any:
        return zeros_like(x)

    def prox(self, v: Any, step: Any) -> Any:
        return v

    def conj_prox(self, v: Any, step: Any) -> Any:
        return zeros_like(v)

    def conjugate(self, y: Any) -> jax.Array:
        square = inner(y, y)
        return jnp.where(square > 0, jnp.inf, jnp.zeros_like(square))

    def lipschitz(self) -> jax.Array:
        return jnp.zeros(())
