"""The Kullback-Leibler divergence, the fidelity of Poisson noise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import (
    check_inexact,
    check_no_nan,
    check_nonnegative,
    check_real,
    check_space,
)
from jaxrecon.core.functional import Functional
from jaxrecon.core.operator import Identity, LinearOperator
from jaxrecon.core.vectors import real_like
from jaxrecon.linops.diagonal import check_broadcast


class KullbackLeibler(Functional):
    r"""f(x) = sum A x + b - y + y log(y / (A x + b)).

    It is the -log-likelihood of counts y ~ Poisson(A x + b), with constants that make it
    non-negative, and zero where A x + b = y; 0 log 0 = 0. It is infinite where A x + b < 0, or = 0
    with y > 0. grad f(x) = A^H (1 - y / (A x + b)) has no global Lipschitz constant unless b > 0.
    For A = I the prox is closed,

        x + b = (c + sqrt(c^2 + 4 s y)) / 2  with  c = v + b - s,

    and so are its conjugate, sum -y log(1 - p) - b p for p < 1, and conj_prox; for another A give
    primal-dual methods the two parts, from :meth:`split`.

    Args:
        operator: A, real; None is the identity.
        counts: y >= 0, an array in the codomain of A.
        background: b >= 0, expected counts (scatter, randoms, dark counts); scalar or like y.

    Raises:
        ValueError: NaN, negative counts or background (checked when concrete), shapes that
            disagree.
        TypeError: complex counts, or a dtype that is not that of the codomain of A.

    Source: Chambolle and Pock 2016, section 2, doi:10.1017/S096249291600009X.
    """

    operator: LinearOperator | None
    counts: Any
    background: Any = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "KullbackLeibler(operator, counts)"
        cause = "Were they corrected for their background, or are they differences of counts?"
        counts = check_counts(self.counts, self.operator, what=what, cause=cause)
        check_nonnegative(self.background, what=what, argument="background")
        self._set("background", real_like(self.background, counts))
        check_broadcast(self.background, counts.shape, what=what, argument="a background")

    def split(self) -> tuple[KullbackLeibler, LinearOperator | None]:
        """(g, A) with f = g @ A, for the methods that take them apart."""
        return KullbackLeibler(None, self.counts, self.background), self.operator

    def _direct(self) -> bool:
        return self.operator is None or isinstance(self.operator, Identity)

    def _expected(self, x: Any) -> jax.Array:
        return (x if self.operator is None else self.operator.apply(x)) + self.background

    def __call__(self, x: Any) -> jax.Array:
        expected = self._expected(x)
        inside = expected > 0
        finite = divergence(self.counts, expected, jnp.log(jnp.where(inside, expected, 1)))
        outside = (expected < 0) | ((self.counts > 0) & ~inside)
        return jnp.sum(jnp.where(outside, jnp.inf, finite))

    def grad(self, x: Any) -> Any:
        expected = self._expected(x)
        counted = self.counts > 0
        ratio = jnp.where(counted, self.counts / jnp.where(counted, expected, 1), 0)
        slope = 1 - ratio
        return slope if self.operator is None else self.operator.adjoint(slope)

    def prox(self, v: Any, step: Any) -> Any:
        if not self._direct():
            return super().prox(v, step)
        step = real_like(step, v)
        return _larger_root(v + self.background - step, step * self.counts) - self.background

    def conj_prox(self, v: Any, step: Any) -> Any:
        """1 - (sqrt(c^2 + 4 s y) - c) / 2 with c = v - 1 + s b, mirrored: see the class."""
        if not self._direct():
            return super().conj_prox(v, step)
        step = real_like(step, v)
        return 1 - _larger_root(1 - v - step * self.background, step * self.counts)

    def conjugate(self, y: Any) -> jax.Array:
        if not self._direct():
            return super().conjugate(y)
        counted, inside = self.counts > 0, y < 1
        log = jnp.where(counted, self.counts * jnp.log1p(-jnp.where(inside, y, 0)), 0)
        outside = (y > 1) | (counted & ~inside)
        return jnp.sum(jnp.where(outside, jnp.inf, -log - self.background * y))


def check_counts(counts: Any, operator: Any, *, what: str, cause: str) -> jax.Array:
    """Counts as an array, or the error that says why they are no data of A.

    Args:
        cause: what may have made some of them negative.
    """
    check_real(counts, what=what, argument="counts")
    if operator is not None:
        check_space(counts, operator.codomain, what=what, argument="counts")
    check_no_nan(counts, what=what, argument="counts")
    check_nonnegative(counts, what=what, argument="counts", cause=cause)
    check_inexact(counts, what=what, argument="counts")
    return jnp.asarray(counts)


def divergence(counts: jax.Array, mean: jax.Array, log_mean: jax.Array) -> jax.Array:
    """M - N + N log(N / M) = N (d - log(1 + d)) with d = M / N - 1, which loses no large terms.

    log M is apart, as it is finite where M rounds to 0. It counts where M < N / 2.
    """
    counted = counts > 0
    n = jnp.where(counted, counts, 1)
    d = (mean - n) / n
    near = d > -0.5
    relative = jnp.where(near, _minus_log1p(jnp.where(near, d, 0)), d + jnp.log(n) - log_mean)
    return jnp.where(counted, n * relative, mean)


def _minus_log1p(d: jax.Array) -> jax.Array:
    """d - log(1 + d), by its series where the difference would cancel."""
    small = jnp.abs(d) < (3 * jnp.finfo(d.dtype).eps) ** 0.2
    near, far = jnp.where(small, d, 0), jnp.where(small, 1, d)
    series = near**2 * (1 / 2 - near * (1 / 3 - near * (1 / 4 - near / 5)))
    return jnp.where(small, series, far - jnp.log1p(far))


def _larger_root(c: jax.Array, product: jax.Array) -> jax.Array:
    """(c + sqrt(c^2 + 4 product)) / 2, product >= 0, without cancellation for negative c."""
    square = c**2 + 4 * product
    positive = square > 0
    root = jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)
    gap = jnp.where(c < 0, root - c, 1)
    return jnp.where(c < 0, 2 * product / gap, (c + root) / 2)
