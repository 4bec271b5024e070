"""The quadratic prior of emission tomography: weighted differences of neighbours."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.functionals.neighbourhood import NeighbourhoodPrior


class QuadraticPrior(NeighbourhoodPrior):
    r"""f(x) = 1/2 sum over pairs {j, k} of w_{k-j} kappa_j kappa_k |x_j - x_k|^2.

    The pairs are neighbours in 3 x 3 (x 3) pixels, each counted once; neighbours outside of the
    image count nothing. Real or complex. It is quadratic: it has a Hessian, and a prox by conjugate
    gradients. The Lipschitz constant of its gradient is at most max_j 2 sum_k w kappa_j kappa_k.

    For ordered subsets, ``penalty_curvature=beta * prior.curvature()`` is finer than that constant.

    Args:
        shape: static, shape of x.
        weights: w >= 0 of shape (3, ..., 3), symmetric about its centre, which counts nothing;
            traced. None is ``neighbour_weights((1.0, ...))``: 1 over the distance.
        kappa: >= 0, broadcasts to x; spatial weights, often sqrt(diag) of the data's Fisher
            information, for uniform resolution. None is 1.

    Raises:
        ValueError: weights of another shape, negative or not symmetric, NaN (checked when
            concrete); when used, an x of another shape.
        TypeError: complex weights.

    Source: Fessler 1994, doi:10.1109/42.293921; kappa: Fessler and Rogers 1996,
    doi:10.1109/83.535846.
    """

    def __call__(self, x: Any) -> jax.Array:
        self.check(x)
        return self.total(x, lambda a, b: jnp.abs(a - b) ** 2) / 2

    def grad(self, x: Any) -> Any:
        self.check(x)
        return self.gather(x, lambda a, b: (a - b, b - a))

    def hessian(self, x: Any) -> Any:
        return self.grad(x)

    def hessian_diagonal(self, x: Any = None) -> jax.Array:
        """sum_k w kappa_j kappa_k in each pixel j; x is not looked at."""
        return self.degree(self.weights)

    def curvature(self) -> jax.Array:
        """c, an image, such that diag(c) majorises the Hessian: twice its diagonal."""
        return 2 * self.degree(self.weights)

    def lipschitz(self) -> jax.Array:
        return jnp.max(self.curvature())
