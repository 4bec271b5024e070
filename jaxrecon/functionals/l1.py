"""The l1 norm, and the soft threshold."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_nonnegative, check_real
from jaxrecon.core.functional import Functional
from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.vectors import real_like


def soft_threshold(v: jax.Array, threshold: Any) -> jax.Array:
    r"""max(|v| - threshold, 0) v / |v|: shrink magnitudes, keep signs and phases.

    Real and complex; the threshold, >= 0, broadcasts to v. Its derivative at v = 0 is 0.
    """
    threshold = real_like(threshold, v)
    if not jnp.iscomplexobj(v):
        return jnp.sign(v) * jnp.maximum(jnp.abs(v) - threshold, 0)
    kept = jnp.abs(v) > threshold
    magnitude = jnp.abs(jnp.where(kept, v, 1))
    return jnp.where(kept, (1 - threshold / magnitude) * v, 0)


class L1(Functional):
    r"""f(x) = sum_i w_i |x_i|, on any array or pytree; |.| is the modulus for complex x.

    prox: the soft threshold at s w. The conjugate is 0 where |y_i| <= w_i (to ten roundings) and
    infinite elsewhere; conj_prox projects onto these discs. The fidelity ||A x - m||_1, for data
    with outliers, is ``L1().translate(m) @ A``; its `split()` gives the parts for primal-dual
    methods.

    Args:
        weights: real and >= 0, traced: a scalar, an array that broadcasts to x, or a pytree like
            x; None is 1.

    Raises:
        ValueError: negative weights (checked when concrete).
        TypeError: complex weights.

    Source: Donoho 1995, doi:10.1109/18.382009; Parikh and Boyd 2014, section 6.5,
    doi:10.1561/2400000003.
    """

    weights: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for w in jax.tree.leaves(self.weights):
            check_real(w, what="L1(weights)", argument="weights")
            check_nonnegative(w, what="L1(weights)", argument="weights")

    def _limits(self, x: Any) -> Any:
        """The weights, as a pytree like x."""
        ones = jax.tree.map(lambda a: jnp.ones((), real_like(0, a).dtype), x)
        return weigh(self.weights, ones)

    def __call__(self, x: Any) -> jax.Array:
        parts = jax.tree.map(lambda a, w: jnp.sum(w * jnp.abs(a)), x, self._limits(x))
        return _total(parts)

    def prox(self, v: Any, step: Any) -> Any:
        limits = self._limits(v)
        return jax.tree.map(lambda a, w: soft_threshold(a, real_like(step, a) * w), v, limits)

    def conj_prox(self, v: Any, step: Any) -> Any:
        return jax.tree.map(_onto_disc, v, self._limits(v))

    def conjugate(self, y: Any) -> jax.Array:
        return _total(jax.tree.map(_outside_disc, y, self._limits(y)))


def _total(parts: Any) -> jax.Array:
    leaves = jax.tree.leaves(parts)
    return sum(leaves[1:], start=jnp.asarray(leaves[0]))


def _onto_disc(v: jax.Array, radius: jax.Array) -> jax.Array:
    outside = jnp.abs(v) > radius
    return jnp.where(outside, v * (radius / jnp.abs(jnp.where(outside, v, 1))), v)


def _outside_disc(y: jax.Array, radius: jax.Array) -> jax.Array:
    allowed = radius * (1 + 10 * jnp.finfo(y.dtype).eps)
    return jnp.where(jnp.all(jnp.abs(y) <= allowed), jnp.zeros_like(allowed.max()), jnp.inf)
