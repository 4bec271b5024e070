"""LSQR: linear least squares by Golub-Kahan bidiagonalisation."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_data, check_nonnegative, check_weights
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import ratio, weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add_scaled, inner, scaled, subtract
from jaxrecon.solvers.preconditioner import checked_preconditioner, precondition


class LSQRState(NamedTuple):
    """The iterate, its search direction, and the bidiagonalisation.

    `residual_norm` is sqrt(||A x - m||_W^2 + damping ||x||^2), the square root of twice the cost.
    """

    x: Any
    direction: Any
    left: Any
    """u, a pair of data and image: rows of A, and of sqrt(damping) I"""
    dual: Any
    """v, an image, with <v, P v> = 1"""
    right: Any
    """P v"""
    alpha: jax.Array
    diagonal: jax.Array
    residual_norm: jax.Array


class LSQR(Method):
    r"""min_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2. Made by :func:`lsqr`.

    The bidiagonalisation is that of x -> (A x, x), with the inner product <a, W b> + damping <p, q>
    on pairs, which is the stacked system without a square root of its weights; of images the inner
    product is <p, P q>, which is the preconditioned system without a root of P.
    """

    operator: LinearOperator
    data: Any
    weights: Any
    damping: Any
    preconditioner: Any

    def _length(self, left: Any) -> jax.Array:
        data, image = left
        square = inner(data, weigh(self.weights, data))
        square = square + (self.damping * inner(image, image)).astype(square.dtype)
        return _root(square)

    def _adjoint(self, left: Any) -> Any:
        data, image = left
        return add_scaled(self.operator.adjoint(weigh(self.weights, data)), self.damping, image)

    def _right(self, dual: Any) -> tuple[Any, Any, jax.Array]:
        """(v, P v, the length that v had)."""
        right = precondition(self.preconditioner, dual)
        length = _root(inner(dual, right))
        return _unit(dual, length), _unit(right, length), length

    def init(self, x0: Any) -> LSQRState:
        left = subtract(self.data, self.operator(x0)), scaled(-1, x0)
        beta = self._length(left)
        left = _unit(left, beta)
        dual, right, alpha = self._right(self._adjoint(left))
        return LSQRState(x0, right, left, dual, right, alpha, alpha, beta.astype(alpha.dtype))

    def step(self, state: LSQRState) -> LSQRState:
        x, direction, left, dual, right, alpha, diagonal, residual = state
        left = add_scaled((self.operator.apply(right), right), -alpha, left)
        beta = self._length(left)
        left = _unit(left, beta)
        dual, right, alpha = self._right(add_scaled(self._adjoint(left), -beta, dual))
        beta = beta.astype(alpha.dtype)
        rho = _root(diagonal**2 + beta**2)
        cosine, sine = ratio(diagonal, rho), ratio(beta, rho)
        x = add_scaled(x, ratio(cosine * residual, rho), direction)
        direction = add_scaled(right, -ratio(sine * alpha, rho), direction)
        return LSQRState(x, direction, left, dual, right, alpha, -cosine * alpha, sine * residual)


def _unit(x: Any, length: jax.Array) -> Any:
    return scaled(ratio(jnp.ones_like(length), length), x)


def _root(square: jax.Array) -> jax.Array:
    """The square root, with the derivative 0 at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def lsqr(
    operator: LinearOperator,
    data: Any,
    *,
    weights: Any = None,
    damping: Any = 0.0,
    preconditioner: Any = None,
) -> LSQR:
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
        preconditioner: P, as in :func:`jaxrecon.solvers.conjugate_gradient`.

    Raises:
        ValueError, TypeError: data is not in the codomain of A, a negative concrete damping, P does
            not map images to images, or is a concrete diagonal that is not positive; at the first
            use, x0 is not in the domain of A.

    Source: Paige and Saunders 1982, doi:10.1145/355984.355989; with P and no root of it: Arridge,
    Betcke and Harhanen 2014, doi:10.1088/0266-5611/30/7/075009.
    """
    check_data(data, operator.codomain, what="lsqr")
    check_weights(weights, what="lsqr")
    check_nonnegative(damping, what="lsqr", argument="damping")
    preconditioner = checked_preconditioner(preconditioner, operator.domain, what="lsqr")
    return LSQR(operator, data, weights, damping, preconditioner)
