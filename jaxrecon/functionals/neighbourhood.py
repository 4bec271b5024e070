"""Priors over pairs of neighbouring pixels: what the quadratic and others have in common."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_no_nan, check_nonnegative, check_real, check_space, struct
from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import real_like
from jaxrecon.linops.coefficients import as_shape
from jaxrecon.linops.diagonal import check_broadcast

Offset = tuple[int, ...]


def neighbour_weights(spacing: Any) -> jax.Array:
    """Weights of the 3 x ... x 3 neighbours, the least spacing over their distance; centre 0.

    Args:
        spacing: sample distances, one for each axis (mm, say); (1.0, 1.0) gives 1 and 1/sqrt(2).
    """
    h = jnp.asarray(spacing, float)
    index = np.stack(np.meshgrid(*[np.arange(-1, 2)] * h.size, indexing="ij"), -1)
    square = jnp.sum((index * h) ** 2, -1)
    centre = np.all(index == 0, -1)
    return jnp.where(centre, 0, jnp.min(h) / jnp.sqrt(jnp.where(centre, 1, square)))


class NeighbourhoodPrior(Functional):
    r"""f(x) = sum over pairs {j, k} of neighbours of w_{k-j} kappa_j kappa_k phi(x_j, x_k)."""

    shape: tuple[int, ...] = static()
    weights: Any = None
    kappa: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        what = type(self).__name__
        self._set("shape", as_shape(self.shape, what=what))
        n = len(self.shape)
        weights = neighbour_weights((1.0,) * n) if self.weights is None else self.weights
        for name, value in (("weights", weights), ("kappa", self.kappa)):
            for a in jax.tree.leaves(value):
                check_real(a, what=what, argument=name)
                check_no_nan(a, what=what, argument=name)
                check_nonnegative(a, what=what, argument=name)
        if np.shape(weights) != (3,) * n:
            raise ValueError(
                f"{what} expected weights of the shape {(3,) * n}, one for each neighbour, got "
                f"{np.shape(weights)}. neighbour_weights(spacing) makes them."
            )
        if not isinstance(weights, Tracer):
            w = np.asarray(weights)
            if not np.allclose(w, np.flip(w)):
                raise ValueError(f"{what} expected weights that are symmetric about the centre.")
        self._set("weights", jnp.asarray(weights))
        if self.kappa is not None:
            self._set("kappa", jnp.asarray(self.kappa))
            check_broadcast(self.kappa, self.shape, what=what, argument="kappa")

    def check(self, x: Any) -> None:
        """Raise unless x is an image of this prior."""
        check_space(x, struct(self.shape, x.dtype), what=type(self).__name__)

    def over_pairs(self, x: Any, term: Callable) -> Any:
        """The sum of term(x_j, x_k, w kappa_j kappa_k, offset) over one half of the offsets."""
        kappa = None if self.kappa is None else jnp.broadcast_to(self.kappa, self.shape)
        results = []
        for offset in _offsets(len(self.shape)):
            factor = self.weights[tuple(o + 1 for o in offset)]
            if kappa is not None:
                here, there = _pair(kappa, offset)
                factor = factor * here * there
            results.append(term(*_pair(x, offset), real_like(factor, x), offset))
        return sum(results)

    def total(self, x: Any, potential: Callable) -> jax.Array:
        """sum w kappa kappa phi(x_j, x_k)."""
        return self.over_pairs(x, lambda a, b, w, _: jnp.sum(w * potential(a, b)))

    def gather(self, x: Any, slopes: Callable) -> jax.Array:
        """The image of sums of w kappa kappa (g_j, g_k), with (g_j, g_k) = slopes(x_j, x_k)."""

        def term(a: Any, b: Any, w: Any, offset: Offset) -> jax.Array:
            here, there = slopes(a, b)
            return _spread(w * here, offset, -1) + _spread(w * there, offset, 1)

        return self.over_pairs(x, term)

    def degree(self, like: Any) -> jax.Array:
        """sum over the neighbours k of w kappa_j kappa_k, in each pixel j."""
        ones = jnp.ones(self.shape, real_like(0, like).dtype)
        return self.gather(ones, lambda a, b: (a, b))


def _offsets(n: int) -> list[Offset]:
    """One of each pair of opposite neighbours: the first step that is not 0 is forward."""
    return [o for o in itertools.product((-1, 0, 1), repeat=n) if o > (0,) * n]


def _pair(x: jax.Array, offset: Offset) -> tuple[jax.Array, jax.Array]:
    """x_j and x_{j + offset} for all j where both lie in the image."""
    here = tuple(slice(max(-o, 0), n - max(o, 0)) for o, n in zip(offset, x.shape, strict=True))
    there = tuple(slice(max(o, 0), n - max(-o, 0)) for o, n in zip(offset, x.shape, strict=True))
    return x[here], x[there]


def _spread(values: jax.Array, offset: Offset, side: int) -> jax.Array:
    """Values of pairs back at their first (side -1) or second pixel (side 1), in an image."""
    steps = [o * side for o in offset]
    return jnp.pad(values, [(max(s, 0), max(-s, 0)) for s in steps])
