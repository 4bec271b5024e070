"""Mean and deviation of samples as they come, in the memory of two images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core import Method, iterate
from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.vectors import add_scaled, subtract


class Moments(NamedTuple):
    """Count, mean, and sum of the squared distances to the mean, of images of any pytree."""

    count: jax.Array
    mean: Any
    squares: Any

    def variance(self) -> Any:
        """The unbiased estimate, real, of each pixel; NaN of one sample. Of complex images it is
        E |x - mean|^2."""
        below = jnp.where(self.count > 1, self.count - 1, jnp.nan)
        return jax.tree.map(lambda a: a / below.astype(a.dtype), self.squares)

    def deviation(self) -> Any:
        """The root of the variance."""
        return jax.tree.map(jnp.sqrt, self.variance())


def no_samples(like: Any) -> Moments:
    """The moments before the first sample."""
    zeros = jax.tree.map(jnp.zeros_like, like)
    return Moments(jnp.zeros((), jnp.int32), zeros, jax.tree.map(lambda a: a.real, zeros))


def with_sample(moments: Moments, x: Any) -> Moments:
    r"""mean' = mean + (x - mean) / n, squares' = squares + Re conj(x - mean) (x - mean').

    Source: Welford 1962, doi:10.1080/00401706.1962.10490022.
    """
    count = moments.count + 1
    away = subtract(x, moments.mean)
    mean = add_scaled(moments.mean, 1 / count, away)
    squares = jax.tree.map(
        lambda s, a, b: s + (a.conj() * b).real, moments.squares, away, subtract(x, mean)
    )
    return Moments(count, mean, squares)


def pooled(chains: Moments) -> Moments:
    """The moments of all samples together, from those of chains stacked along axis 0.

    Source: Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115.
    """
    count = chains.count

    def along(a: jax.Array) -> jax.Array:
        shape = count.reshape(-1, *[1] * (a.ndim - 1))
        return shape.astype(a.real.dtype)

    total = jnp.sum(count)
    mean = jax.tree.map(
        lambda m: jnp.sum(along(m) * m, 0) / total.astype(m.real.dtype), chains.mean
    )
    squares = jax.tree.map(
        lambda s, m, c: jnp.sum(s + along(m) * jnp.abs(m - c) ** 2, 0),
        chains.squares,
        chains.mean,
        mean,
    )
    return Moments(total, mean, squares)


class Chain(NamedTuple):
    """What :func:`posterior_moments` returns."""

    moments: Moments
    state: Any
    """the sampler's, to go on from"""
    history: Any
    """trace(x) of each kept sample, stacked along axis 0, or None"""


def posterior_moments(
    method: Method,
    x0: Any,
    samples: int,
    *,
    burn_in: int = 0,
    thinning: int = 1,
    trace: Callable[[Any], Any] | None = None,
    state: Any = None,
    moments: Moments | None = None,
) -> Chain:
    """Run a sampler and gather mean and deviation of its samples in the same scan.

    Long chains go in pieces, each from the state and the moments of the one before::

        chain = posterior_moments(method, x0, 500, burn_in=1000, thinning=10)
        chain = posterior_moments(method, x0, 500, thinning=10, state=chain.state,
                                  moments=chain.moments)

    Chains side by side: `jax.vmap` over keys, then :func:`pooled` of their moments.

    Args:
        method: of :func:`unadjusted_langevin` and its kind, or any Method.
        x0: start.
        samples: static; how many are kept.
        burn_in: static; steps before the first, left out.
        thinning: static; steps from one to the next.
        trace: image -> what to record of each sample (a pixel, the log-density), for
            :func:`effective_sample_size`.
        state, moments: of an earlier piece; then x0 gives the form only.

    Returns:
        Chain(moments, state, history).

    Raises:
        ValueError: numbers of steps that are not whole or not positive.
    """
    what = "posterior_moments"
    samples = check_positive_int(samples, what=what, argument="samples")
    thinning = check_positive_int(thinning, what=what, argument="thinning")
    state = method.init(x0) if state is None else state
    if burn_in:
        burn_in = check_positive_int(burn_in, what=what, argument="burn_in")
        state, _ = iterate(method.step, state, burn_in)
    known = no_samples(method.solution(state)) if moments is None else moments

    def keep(pair: tuple) -> tuple:
        state, _ = iterate(method.step, pair[0], thinning)
        return state, with_sample(pair[1], method.solution(state))

    record = None if trace is None else lambda pair: trace(method.solution(pair[0]))
    (state, known), history = iterate(keep, (state, known), samples, trace=record)
    return Chain(known, state, history)
