"""Weighted least squares, the fidelity of Gaussian noise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_no_nan, check_nonnegative, check_real, check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.normal_equations import Normal, solve_normal, weigh
from jaxrecon.core.operator import Identity, LinearOperator
from jaxrecon.core.vectors import add, add_scaled, inner, real_like, scaled, subtract
from jaxrecon.linops.diagonal import check_broadcast


class LeastSquares(Functional):
    r"""f(x) = 1/2 ||A x - m||_W^2 with W = diag(weights); -log-likelihood of Gaussian noise.

    grad f(x) = A^H W (A x - m), for real and complex data. The prox is closed where A is the
    identity; else it solves (A^H W A + I/s) x = A^H W m + v/s by conjugate gradients from v, in 100
    steps at most. The Lipschitz constant of the gradient is ||A^H W A||, by the power method.

    Args:
        operator: A; None is the identity.
        data: m, in the codomain of A.
        weights: inverse variances, real and >= 0: an array that broadcasts to m, or a pytree like
            it; None is 1.

    Raises:
        ValueError: the shape of data is not that of the codomain of A, data hold NaN or weights
            are negative (checked when concrete) or do not broadcast to the data.
        TypeError: data of another dtype than the codomain of A, or complex weights.

    Source: Fessler 1994, doi:10.1109/42.293921; prox: Parikh and Boyd 2014, section 6.1,
    doi:10.1561/2400000003.
    """

    operator: LinearOperator | None
    data: Any
    weights: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.operator is not None:
            what = "LeastSquares(operator, data)"
            check_space(self.data, self.operator.codomain, what=what, argument="data")
        check_no_nan(self.data, what="LeastSquares(operator, data)", argument="data")
        if self.weights is not None:
            weights = self.weights
            if jax.tree.structure(weights) != jax.tree.structure(self.data):
                weights = jax.tree.map(lambda m: self.weights, self.data)
            self._set("weights", jax.tree.map(_checked_weights, weights, self.data))

    def split(self) -> tuple[LeastSquares, LinearOperator | None]:
        """(g, A) with f = g @ A, for the methods that take them apart."""
        return LeastSquares(None, self.data, self.weights), self.operator

    def _direct(self) -> bool:
        return self.operator is None or isinstance(self.operator, Identity)

    def _forward(self, x: Any) -> Any:
        return x if self.operator is None else self.operator.apply(x)

    def _adjoint(self, y: Any) -> Any:
        return y if self.operator is None else self.operator.adjoint(y)

    def __call__(self, x: Any) -> jax.Array:
        residual = subtract(self._forward(x), self.data)
        return inner(residual, weigh(self.weights, residual)) / 2

    def grad(self, x: Any) -> Any:
        return self._adjoint(weigh(self.weights, subtract(self._forward(x), self.data)))

    def hessian(self, x: Any) -> Any:
        if self.operator is not None and self.weights is None:
            return self.operator.normal(x)
        return self._adjoint(weigh(self.weights, self._forward(x)))

    def lipschitz(self) -> jax.Array:
        if self.operator is None:
            largest = [jnp.max(w) for w in jax.tree.leaves(self.weights)]
            return (
                jnp.max(jnp.stack(largest))
                if largest
                else jnp.ones_like(inner(self.data, self.data))
            )
        if self.weights is None:
            return operator_norm(self.operator) ** 2
        return operator_norm(Normal(self.operator, self.weights), 16)  # each step applies it twice

    def prox(self, v: Any, step: Any) -> Any:
        weighted = weigh(self.weights, self.data)
        if self._direct():
            moved = add_scaled(v, step, weighted)
            if self.weights is None:
                return scaled(1 / (1 + step), moved)
            return jax.tree.map(lambda a, w: a / (1 + real_like(step, a) * w), moved, self.weights)
        rhs = add(self._adjoint(weighted), scaled(1 / step, v))
        return solve_normal(self.operator, rhs, v, weights=self.weights, damping=1 / step)  # type: ignore[arg-type]

    def conjugate(self, y: Any) -> jax.Array:
        """<y, W^-1 y> / 2 + Re <m, y>, for A = I; infinite where W = 0 and y is not."""
        if not self._direct():
            return super().conjugate(y)
        if self.weights is None:
            return inner(y, y) / 2 + inner(self.data, y)
        parts = jax.tree.leaves(jax.tree.map(_over_weights, y, self.weights))
        return sum(parts, inner(self.data, y))


def _over_weights(y: jax.Array, weights: jax.Array) -> jax.Array:
    square = jnp.abs(y) ** 2 / 2
    inside = weights > 0
    ratio = square / jnp.where(inside, weights, 1)
    return jnp.sum(jnp.where(inside, ratio, jnp.where(square > 0, jnp.inf, 0)))


def _checked_weights(weights: Any, data: Any) -> jax.Array:
    what = "LeastSquares(operator, data, weights)"
    check_real(weights, what=what, argument="weights")
    check_nonnegative(weights, what=what, argument="weights", cause="They are inverse variances.")
    weights = real_like(weights, data)
    check_broadcast(weights, data.shape, what=what, argument="weights")
    return weights
