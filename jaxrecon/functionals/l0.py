"""Counting non-zeros: the l0 penalty, its ball, and the hard threshold."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.functional import Functional, Indicator
from jaxrecon.core.vectors import inner, real_like
from jaxrecon.functionals.indicators import indicator
from jaxrecon.functionals.norm_balls import magnitudes


def hard_threshold(v: jax.Array, threshold: Any) -> jax.Array:
    """v where |v| > threshold, else 0; real and complex. The threshold, >= 0, broadcasts to v."""
    return jnp.where(jnp.abs(v) > real_like(threshold, v), v, 0)


class L0(Functional):
    r"""f(x) = the number of non-zero entries of x, on any array or pytree; not convex.

    prox: the hard threshold at sqrt(2 s). Proximal gradient methods with it (iterative hard
    thresholding) reach a local minimiser. There is no conjugate of use: it is the indicator of 0.

    Source: Blumensath and Davies 2008, doi:10.1007/s00041-008-9035-z.
    """

    def __call__(self, x: Any) -> jax.Array:
        counts = [jnp.sum(a != 0) for a in jax.tree.leaves(x)]
        return real_like(sum(counts), inner(x, x))

    def prox(self, v: Any, step: Any) -> Any:
        threshold = jnp.sqrt(real_like(2 * step, inner(v, v)))
        return jax.tree.map(lambda a: hard_threshold(a, threshold), v)


class L0Ball(Indicator):
    r"""0 where x has at most k non-zero entries, else infinity; any array or pytree; not convex.

    prox: the k entries of largest magnitude are kept, the others set to 0; of equal magnitudes,
    those that come first.

    Args:
        count: k >= 0, a whole number; traced.

    Raises:
        ValueError: k < 0, or not whole (checked when concrete).

    Source: Blumensath and Davies 2009, doi:10.1016/j.acha.2009.04.002.
    """

    count: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.count, Tracer):
            count = np.asarray(self.count)
            if count.ndim != 0 or not (count >= 0 and count == np.floor(count)):
                raise ValueError(
                    f"L0Ball(count) expected a whole number count >= 0, got {self.count}."
                )

    def __call__(self, x: Any) -> jax.Array:
        return indicator(L0()(x) <= self.count, inner(x, x))

    def prox(self, v: Any, step: Any) -> Any:
        leaves, tree = jax.tree.flatten(v)
        order = jnp.argsort(-magnitudes(v), stable=True)
        kept = (jnp.arange(order.size) < self.count)[jnp.argsort(order)]
        masks = jnp.split(kept, np.cumsum([a.size for a in leaves])[:-1])
        parts = zip(leaves, masks, strict=True)
        return tree.unflatten([jnp.where(m.reshape(a.shape), a, 0) for a, m in parts])
