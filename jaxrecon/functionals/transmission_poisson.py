"""The Poisson likelihood of transmission: counts behind an object that attenuates."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_nonnegative
from jaxrecon.core.functional import Functional
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import real_like
from jaxrecon.functionals.kullback_leibler import check_counts, divergence
from jaxrecon.linops.diagonal import check_broadcast


class TransmissionPoisson(Functional):
    r"""f(x) = sum M - N + N log(N / M),  M = I0 exp(-A x) + b.

    It is the -log-likelihood of counts N ~ Poisson(I0 exp(-A x) + b), sum M - N log M, with
    constants that make it non-negative, and zero where M = N; 0 log 0 = 0. With p = A x and
    y = I0 exp(-p), its derivatives in each datum are

        h'(p) = y (N / M - 1),    h''(p) = y (1 - N b / M^2),

    and grad f(x) = A^H h'(A x). It is convex for b = 0, and else where N b <= M^2 in every datum.
    On A x >= 0 (images and weights that are not negative) h'' is bounded, by :meth:`curvature`,
    and the Lipschitz constant of the gradient is max(curvature) ||A||^2, by the power method.
    Counts of 0 and of a few need no logarithm of data here, and rays on which exp(-p) rounds to 0
    have log M = log I0 - p (for b = 0) and h'(p) = N - y. No prox.

    Args:
        operator: A, real; None is the identity.
        counts: N >= 0, an array in the codomain of A.
        photons: I0 > 0, expected counts without object, less the background; scalar or like N.
        background: b >= 0, expected counts (scatter, dark counts); scalar or like N.

    Raises:
        ValueError: NaN, negative counts or background, photons that are not positive (checked when
            concrete), shapes that disagree.
        TypeError: complex counts, or a dtype that is not that of the codomain of A.

    Source: Erdogan and Fessler 1999, doi:10.1109/42.802758.
    """

    operator: LinearOperator | None
    counts: Any
    photons: Any
    background: Any = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "TransmissionPoisson(operator, counts, photons)"
        cause = "Are they line integrals, or corrected for their background? Pass it instead."
        counts = check_counts(self.counts, self.operator, what=what, cause=cause)
        check_nonnegative(self.background, what=what, argument="background")
        if not isinstance(self.photons, Tracer) and not np.all(np.asarray(self.photons) > 0):
            raise ValueError(f"{what} expected photons > 0. Are there dead or blocked bins?")
        for name in ("photons", "background"):
            self._set(name, real_like(getattr(self, name), counts))
            check_broadcast(getattr(self, name), counts.shape, what=what, argument=name)

    def split(self) -> tuple[TransmissionPoisson, LinearOperator | None]:
        """(g, A) with f = g @ A, for the methods that take them apart."""
        return (
            TransmissionPoisson(None, self.counts, self.photons, self.background),
            self.operator,
        )

    def _line_integrals(self, x: Any) -> Any:
        return x if self.operator is None else self.operator.apply(x)

    def _mean(self, transmitted: jax.Array) -> tuple[jax.Array, jax.Array]:
        """M, and where it is too small to divide by: y = M there, for there is no background."""
        mean = transmitted + self.background
        return mean, (self.background == 0) & (mean < jnp.finfo(mean.dtype).tiny ** 0.5)

    def __call__(self, x: Any) -> jax.Array:
        p = self._line_integrals(x)
        mean, dark = self._mean(self.photons * jnp.exp(-p))
        log_mean = jnp.where(dark, jnp.log(self.photons) - p, jnp.log(jnp.where(dark, 1, mean)))
        return jnp.sum(divergence(self.counts, mean, log_mean))

    def grad(self, x: Any) -> Any:
        slope = self._slope(self.photons * jnp.exp(-self._line_integrals(x)))
        return slope if self.operator is None else self.operator.adjoint(slope)

    def _slope(self, y: jax.Array) -> jax.Array:
        """h'(p) of each datum."""
        mean, dark = self._mean(y)
        ratio = self.counts / jnp.where(dark, 1, mean)
        return jnp.where(dark, self.counts - y, y * (ratio - 1))

    def curvature(self, x: Any = None) -> jax.Array:
        r"""c with h(q) <= h(p) + h'(p) (q - p) + c/2 (q - p)^2 for all q >= 0, like the counts.

        Without x it holds for every p >= 0: the largest second derivative, max(h''(0), 0). At x,
        p = A x >= 0, it is the least one, max(2 (h(0) - h(p) + p h'(p)) / p^2, 0); where p is so
        small that this cancels, it is max(h''(0), 0) again. A^H diag(c) A 1 then majorises the
        Hessian of f in every pixel, for weights that are not negative.
        """
        photons, counts, b = self.photons, self.counts, self.background
        largest = jnp.maximum(photons * (1 - _over(counts * b, (photons + b) ** 2)), 0)
        if x is None:
            return jnp.broadcast_to(largest, counts.shape)
        p = self._line_integrals(x)
        apart = p > jnp.finfo(p.dtype).eps ** 0.25
        q = jnp.where(apart, p, 1)
        y = photons * jnp.exp(-q)
        removed = -photons * jnp.expm1(-q)  # I0 - y
        mean, dark = self._mean(y)
        fall = counts * jnp.log1p(removed / jnp.where(dark, 1, mean)) - q * self._slope(y)
        rise = removed - jnp.where(b > 0, fall, q * y)
        least = jnp.clip(2 * rise / q**2, 0, largest)
        return jnp.where(apart, least, largest)

    def lipschitz(self) -> jax.Array:
        """max(curvature) ||A||^2, on images with A x >= 0."""
        top = jnp.max(self.curvature())
        return top if self.operator is None else top * operator_norm(self.operator) ** 2


def _over(a: jax.Array, b: jax.Array) -> jax.Array:
    return a / jnp.where(b > 0, b, 1)
