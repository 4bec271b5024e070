"""Forward differences without their part along given directions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import Space, check_real
from jaxrecon.core.vectors import real_like
from jaxrecon.linops.finite_difference import FiniteDifference


class DirectionalDifference(LinearOperator):
    r"""x -> (I - xi xi^T) D x in each pixel: D x less its part along xi, the more the longer xi.

    Of unit length xi takes the part along itself away, of length 0 nothing.

    Args:
        difference: D, of codomain (d, \*shape).
        directions: xi, real, of that shape, with \|xi\| <= 1 in each pixel; traced.

    Raises:
        ValueError: directions of another shape, or longer than 1 (checked when concrete).
        TypeError: complex directions.

    Source: Ehrhardt and Betcke 2016, doi:10.1137/15M1047325.
    """

    difference: FiniteDifference
    directions: Any

    def __post_init__(self) -> None:
        check_real(self.directions, what="DirectionalDifference", argument="directions")
        shape = self.difference.codomain.shape
        if np.shape(self.directions) != shape:
            raise ValueError(
                f"DirectionalDifference expected directions of the shape {shape}, one component "
                f"for each axis of the differences, got {np.shape(self.directions)}."
            )
        if not isinstance(self.directions, Tracer):
            largest = np.sqrt(np.max(np.sum(np.asarray(self.directions) ** 2, 0), initial=0))
            if largest > 1 + 1e-4:
                raise ValueError(
                    f"DirectionalDifference expected directions of length <= 1, got {largest:.4g}."
                )
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return self.difference.domain

    @property
    def codomain(self) -> Space:
        return self.difference.codomain

    def _without(self, p: jax.Array) -> jax.Array:
        xi = real_like(self.directions, p)
        along = sum((xi[i] * p[i] for i in range(1, len(xi))), start=xi[0] * p[0])
        return p - xi * along

    def apply(self, x: Any) -> jax.Array:
        return self._without(self.difference.apply(x))

    def adjoint(self, y: Any) -> jax.Array:
        return self.difference.adjoint(self._without(y))

    def norm_bound(self) -> jax.Array:
        r"""That of D, as \|\|I - xi xi^T\|\| <= 1."""
        return self.difference.norm_bound()


def edge_directions(side: jax.Array, difference: FiniteDifference, edge: Any) -> jax.Array:
    r"""xi = D side / sqrt(\|D side\|^2 + edge^2): the normals of the edges of an image."""
    slope = difference.apply(side)
    return slope / jnp.sqrt(jnp.sum(slope**2, 0) + real_like(edge, slope) ** 2)
