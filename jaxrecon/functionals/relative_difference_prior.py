"""The relative difference prior of emission tomography."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_no_nan, check_nonnegative, check_real
from jaxrecon.functionals.neighbourhood import NeighbourhoodPrior


class RelativeDifferencePrior(NeighbourhoodPrior):
    r"""f(x) = sum over pairs {j, k} of w kappa_j kappa_k phi(x_j, x_k), for images x >= 0, with

        phi(a, b) = (a - b)^2 / (a + b + gamma |a - b| + epsilon).

    The pairs are neighbours in 3 x 3 (x 3) pixels, each counted once. Differences count relative to
    the activity around them; gamma makes edges cheaper (0 is quadratic in relative differences).
    It is convex on x >= 0. There, its gradient has a Lipschitz constant of at most
    4 / epsilon max_j sum_k w kappa_j kappa_k; without epsilon it has none, and the gradient jumps
    at 0. Where x_j + x_k < 0, as in extrapolated iterates, the sum is taken as 0.

    Args:
        shape: static, shape of x.
        weights: w >= 0 of shape (3, ..., 3), symmetric about its centre, which counts nothing;
            traced. None is ``neighbour_weights((1.0, ...))``: 1 over the distance.
        kappa: >= 0, broadcasts to x; spatial weights, see :class:`QuadraticPrior`. None is 1.
        gamma: >= 0, traced scalar; 2 is usual.
        epsilon: >= 0, traced scalar in the unit of x, small against activities of interest.

    Raises:
        ValueError: weights of another shape, negative or not symmetric, a negative gamma or
            epsilon, NaN (checked when concrete); when used, an x of another shape.
        TypeError: complex weights or x.

    Source: Nuyts, Beque, Dupont and Mortelmans 2002, doi:10.1109/TNS.2002.998681.
    """

    gamma: Any = 2.0
    epsilon: Any = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("gamma", "epsilon"):
            value = getattr(self, name)
            check_real(value, what="RelativeDifferencePrior", argument=name)
            check_no_nan(value, what="RelativeDifferencePrior", argument=name)
            check_nonnegative(value, what="RelativeDifferencePrior", argument=name)

    def check(self, x: Any) -> None:
        super().check(x)
        check_real(x, what="RelativeDifferencePrior", argument="x")

    def _scale(self, a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The denominator (1 where it vanishes), and where it does not."""
        gamma, epsilon = (jnp.asarray(c, a.dtype) for c in (self.gamma, self.epsilon))
        total = jnp.maximum(a + b, 0) + gamma * jnp.abs(a - b) + epsilon
        return jnp.where(total > 0, total, 1), total > 0

    def __call__(self, x: Any) -> jax.Array:
        def potential(a: jax.Array, b: jax.Array) -> jax.Array:
            scale, positive = self._scale(a, b)
            return jnp.where(positive, (a - b) ** 2 / scale, 0)

        self.check(x)
        return self.total(x, potential)

    def grad(self, x: Any) -> Any:
        def slopes(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
            scale, positive = self._scale(a, b)
            ratio = jnp.where(positive, (a - b) / scale, 0)
            gamma = jnp.asarray(self.gamma, a.dtype)
            odd = ratio * (2 - gamma * jnp.abs(ratio))
            even = jnp.where(a + b > 0, ratio**2, 0)
            return odd - even, -odd - even

        self.check(x)
        return self.gather(x, slopes)

    def hessian_diagonal(self, x: Any) -> jax.Array:
        """d^2 f / d x_j^2 in each pixel at x >= 0: a preconditioner (0 for 2/0, pairs of zeros)."""

        def second(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
            scale, positive = self._scale(a, b)
            epsilon = jnp.asarray(self.epsilon, a.dtype)
            cube = jnp.where(positive, 2 / scale**3, 0)
            return cube * (2 * b + epsilon) ** 2, cube * (2 * a + epsilon) ** 2

        self.check(x)
        return self.gather(x, second)

    def curvature(self) -> jax.Array:
        """c, an image, such that diag(c) majorises the Hessian at all x >= 0, for epsilon > 0."""
        degree = self.degree(self.weights)
        return 4 / jnp.asarray(self.epsilon, degree.dtype) * degree

    def lipschitz(self) -> jax.Array:
        """max(curvature), on images x >= 0; infinite for epsilon = 0."""
        return jnp.max(self.curvature())
