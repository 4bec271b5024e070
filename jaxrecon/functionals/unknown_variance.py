"""The Gaussian likelihood whose variance is not known."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_no_nan, check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import inner, scaled, subtract
from jaxrecon.functionals.least_squares import LeastSquares


class UnknownVariance(Functional):
    r"""f(x) = n/2 log(||A x - m||^2 / n), n the number of real data (a complex datum counts twice).

    It is the -log-likelihood of Gaussian noise of equal variance, minimised over the variance, up
    to a constant: sigma^2 = ||A x - m||^2 / n, :meth:`variance`. With a penalty r the balance of
    f + r needs no noise level. f is not convex, grad f(x) = A^H (A x - m) / sigma^2, and

        f(z) <= f(x) + (g(z) - g(x)),  g = LeastSquares(A, m, 1 / sigma(x)^2),  for all z,

    :meth:`majoriser`: to minimise g + r and update sigma in turns never increases f + r.
    f is -infinity where A x = m, so it has no prox, and where data can be fitted exactly it needs a
    penalty that forbids it.

    Args:
        operator: A; None is the identity.
        data: m, in the codomain of A.

    Raises:
        ValueError: data of another shape than the codomain of A, NaN (checked when concrete).
        TypeError: data of another dtype than the codomain of A.

    Source: Aravkin and van Leeuwen 2012, doi:10.1088/0266-5611/28/11/115016.
    """

    operator: LinearOperator | None
    data: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "UnknownVariance(operator, data)"
        if self.operator is not None:
            check_space(self.data, self.operator.codomain, what=what, argument="data")
        check_no_nan(self.data, what=what, argument="data")

    def split(self) -> tuple[UnknownVariance, LinearOperator | None]:
        """(g, A) with f = g @ A, for the methods that take them apart."""
        return UnknownVariance(None, self.data), self.operator

    def _count(self) -> int:
        leaves = [jnp.asarray(a) for a in jax.tree.leaves(self.data)]
        return sum(a.size * (2 if jnp.iscomplexobj(a) else 1) for a in leaves)

    def _residual(self, x: Any) -> Any:
        return subtract(x if self.operator is None else self.operator.apply(x), self.data)

    def variance(self, x: Any) -> jax.Array:
        """||A x - m||^2 / n, the likeliest variance of a real datum at x."""
        residual = self._residual(x)
        return inner(residual, residual) / self._count()

    def majoriser(self, x: Any) -> LeastSquares:
        """g, least squares with f(z) <= f(x) + g(z) - g(x) for all z."""
        variance = self.variance(x)
        weights = jax.tree.map(lambda m: (1 / variance).astype(variance.dtype), self.data)
        return LeastSquares(self.operator, self.data, weights)

    def __call__(self, x: Any) -> jax.Array:
        return self._count() / 2 * jnp.log(self.variance(x))

    def grad(self, x: Any) -> Any:
        residual = self._residual(x)
        slope = scaled(self._count() / inner(residual, residual), residual)
        return slope if self.operator is None else self.operator.adjoint(slope)
