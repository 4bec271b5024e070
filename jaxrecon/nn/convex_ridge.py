"""Convex ridge regulariser: learned filters and learned convex potentials of their responses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import Functional
from jaxrecon.core.checks import check_positive_int
from jaxrecon.nn.fields_of_experts import random_filters
from jaxrecon.nn.filter_bank import filter_bank_bound, filter_responses, zero_mean
from jaxrecon.solvers.step_sizes import check_positive


class ConvexRidge(Functional):
    r"""R(x) = sum_c sum_i psi_c(|(w_c * x)_i|), psi_c convex with a piecewise linear derivative.

    psi_c'(t) = sum_j s_cj clip(t - j h, 0, h), s_cj = softplus(theta_cj) > 0: a non-decreasing
    linear spline with knots at 0, h, ..., J h that is constant from there on, so that psi_c is
    quadratic near 0 and linear far out, as a Huber function. Filters have zero mean. R is convex
    for whatever is learned, its gradient is Lipschitz, and gradient methods for data fidelity plus
    R converge to a global minimiser. Parameters may be `nnx.Param`s, made by :func:`convex_ridge`,
    and are then trained by :func:`jaxrecon.train.fit`.

    Args:
        kernels: (rows, columns, C), or (planes, rows, columns, C); their means are taken off.
        slopes: (C, J), theta.
        spacing: h > 0, traced, in the unit of the responses.

    `x` is real or complex (..., y, x) or (..., z, y, x); leading axes are summed over.

    Raises:
        ValueError: h <= 0 (checked when concrete).

    Source: Goujon et al., doi:10.1109/TCI.2023.3306100.
    """

    kernels: Any
    slopes: Any
    spacing: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self.spacing, what="ConvexRidge", argument="spacing")

    def _slopes(self) -> jax.Array:
        return jax.nn.softplus(self.slopes[...])

    def __call__(self, x: Any) -> jax.Array:
        t = jnp.abs(filter_responses(zero_mean(self.kernels[...]), x))
        h = jnp.asarray(self.spacing, t.dtype)
        slopes = self._slopes().astype(t.dtype)
        total = jnp.zeros((), t.dtype)
        for j in range(slopes.shape[1]):
            beyond = t - j * h
            inside = jnp.clip(beyond, 0, h)  # psi_j = inside^2 / 2 + h max(beyond - h, 0)
            total += jnp.sum(slopes[:, j] * inside * (jnp.maximum(beyond, inside) - inside / 2))
        return total

    def lipschitz(self) -> jax.Array:
        """Upper bound, for images of any size: that of filters weighted by their largest slopes."""
        return filter_bank_bound(zero_mean(self.kernels[...]), self._slopes().max(axis=1))


def convex_ridge(
    count: int = 32,
    size: int = 7,
    knots: int = 10,
    *,
    reach: float = 0.1,
    dims: int = 2,
    rngs: nnx.Rngs,
) -> ConvexRidge:
    """Trainable :class:`ConvexRidge` with random filters and Huber functions as potentials.

    Args:
        count: filters.
        size: side of a filter, odd.
        knots: J, knots of each spline.
        reach: J h, response from which a potential is linear, in the unit of the image.
        dims: axes of an image, 2 or 3.
        rngs: random streams of Flax.

    Raises:
        ValueError: no filters, an even size, no knots, a reach that is not positive, or other than
            2 or 3 axes.
    """
    what = "convex_ridge"
    check_positive_int(knots, what=what, argument="knots")
    check_positive(reach, what=what, argument="reach")
    kernels = random_filters(count, size, dims, rngs, what=what)
    slopes = jnp.full((count, knots), jnp.log(jnp.expm1(1 / count)))
    return ConvexRidge(nnx.Param(kernels), nnx.Param(slopes), jnp.asarray(reach / knots))
