"""LSQR: linear least squares by Golub-Kahan bidiagonalisation."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_data, check_nonnegative, check_weights
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import ratio, weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add_scaled, inner, norm, scaled, subtract


class LSQRState(NamedTuple):
    """The iterate, its search direction, and the bidiagonalisation.

    `residual_norm` is sqrt(||A x - m||_W^2 + damping ||x||^2), the square root of twice the cost.
    """

    x: Any
    direction: Any
    left: Any
    """u, a pair of data and image: rows of A, and of sqrt(damping) I"""
    right: Any
    """v, an image"""
    alpha: jax.Array
    diagonal: jax.Array
    residual_norm: jax.Array


class LSQR(Method):
    r"""min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2. Made by :func:`lsqr`.

    The bidiagonalisation is that of x -> (A x, x), with the inner product <a, W b> + damping <p, q>
    on pairs, which is the stacked system without a square root of its weights.
    """

    operator: LinearOperator
    data: Any
    weights: Any
    damping: Any

    def _length(self, left: Any) -> jax.Array:
        data, image = left
        square = inner(data, weigh(self.weights, data))
        square = square + (self.damping * inner(image, image)).astype(square.dtype)
        return _root(square)

    def _adjoint(self, left: Any) -> Any:
        data, image = left
        return add_scaled(self.operator.adjoint(weigh(self.weights, data)), self.damping, image)

    def init(self, x0: Any) -> LSQRState:
        left = subtract(self.data, self.operator(x0)), scaled(-1, x0)
        left, beta = _unit(left, self._length(left))
        right = self._adjoint(left)
        right, alpha = _unit(right, norm(right))
        return LSQRState(x0, right, left, right, alpha, alpha, beta.astype(alpha.dtype))

    def step(self, state: LSQRState) -> LSQRState:
        x, direction, left, right, alpha, diagonal, residual = state
        left = add_scaled((self.operator.apply(right), right), -alpha, left)
        left, beta = _unit(left, self._length(left))
        right = add_scaled(self._adjoint(left), -beta, right)
        right, alpha = _unit(right, norm(right))
        beta = beta.astype(alpha.dtype)
        rho = _root(diagonal**2 + beta**2)
        cosine, sine = ratio(diagonal, rho), ratio(beta, rho)
        x = add_scaled(x, ratio(cosine * residual, rho), direction)
        direction = add_scaled(right, -ratio(sine * alpha, rho), direction)
        return LSQRState(x, direction, left, right, alpha, -cosine * alpha, sine * residual)


def _unit(x: Any, length: jax.Array) -> tuple[Any, jax.Array]:
    return scaled(ratio(jnp.ones_like(length), length), x), length


def _root(square: jax.Array) -> jax.Array:
    """The square root, with the derivative 0 at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def lsqr(operator: LinearOperator, data: Any, *, weights: Any = None, damping: Any = 0.0) -> LSQR:
    r"""LSQR for min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2.

    In exact arithmetic the iterates are those of :func:`jaxrecon.solvers.cgls` and of conjugate
    gradients. It bidiagonalises A with orthonormal vectors and never squares A in rounding, which
    makes it the most reliable of the three for ill-conditioned A. `residual_norm` in the state, by
    which to stop, falls in every step. One application of A and of A^H in each, and no step size.
    Stopped early it regularises; a converged iterate stays as it is.

    Args:
        operator: A, real or complex.
        data: m, in the codomain of A.
        weights: W = diag(weights) >= 0, broadcasting to the codomain; None is W = I.
        damping: real scalar >= 0, traced.

    Raises:
        ValueError, TypeError: data is not in the codomain of A, a negative concrete damping; at
            the first use, x0 is not in the domain of A.

    Source: Paige and Saunders 1982, doi:10.1145/355984.355989.
    """
    check_data(data, operator.codomain, what="lsqr")
    check_weights(weights, what="lsqr")
    check_nonnegative(damping, what="lsqr", argument="damping")
    return LSQR(operator, data, weights, damping)
