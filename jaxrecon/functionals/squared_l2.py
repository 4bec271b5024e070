"""The squared Euclidean norm: Tikhonov regularisation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.vectors import inner, scaled


class SquaredL2(Functional):
    r"""f(x) = 1/2 ||x||^2, on any array or pytree, real or complex.

    prox: v / (1 + s). It is its own conjugate, and its gradient has the Lipschitz constant 1.
    Generalised Tikhonov regularisation is ``weight * SquaredL2() @ L``; about a prior mean it is
    ``SquaredL2().translate(mean)``. The prox of SquaredL2() @ L solves (I + s L^H L) x = v by
    conjugate gradients; it is exact by FFT with ``fourier_quadratic`` where L commutes with shifts,
    and with ``tight(SquaredL2(), L)`` where L L^H = I.

    Source: Tikhonov and Arsenin, Solutions of Ill-posed Problems, 1977; Parikh and Boyd 2014,
    section 6.1, doi:10.1561/2400000003.
    """

    def __call__(self, x: Any) -> jax.Array:
        return inner(x, x) / 2

    def grad(self, x: Any) -> Any:
        return x

    def hessian(self, x: Any) -> Any:
        return x

    def prox(self, v: Any, step: Any) -> Any:
        return scaled(1 / (1 + step), v)

    def conjugate(self, y: Any) -> jax.Array:
        return inner(y, y) / 2

    def lipschitz(self) -> jax.Array:
        return jnp.ones(())
