"""Total variation with the Huber function: a smooth penalty that keeps edges."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.pytree import static
from jaxrecon.functionals.difference_penalty import DifferencePenalty
from jaxrecon.functionals.huber import Huber, check_delta
from jaxrecon.linops.finite_difference import Boundary, FiniteDifference


class HuberTotalVariation(DifferencePenalty):
    r"""f(x) = sum over pixels of h(||(D x)[pixel]||_2), h the :class:`Huber` function.

    D x are forward differences along `axes`, real or complex. Differences well below delta are
    smoothed as by a quadratic penalty, and those above kept as by total variation, which it
    approaches for delta -> 0. It is smooth: gradient, FISTA and ordered-subset methods take it as
    it is. The Lipschitz constant of its gradient is at most norm_bound(D)^2 / delta, that is
    8 / (delta h^2) in the plane. It also has a prox, found as for :class:`TotalVariation`.

    Args:
        shape: static, shape of x.
        delta: > 0, in units of D x (that of x over that of the spacing); traced.
        isotropic: static; one gradient length in a pixel, or h of each of its components.
        boundary: static, 'replicate', 'periodic' or 'zero', as in
            :func:`jaxrecon.linops.finite_difference.gradient`.
        axes: static; axes along which x varies; all by default.
        spacing: sample distance, a scalar or one for each axis (mm, say), traced.
        tolerance: relative duality gap of the prox, >= 0, traced.
        iterations: static; at most so many steps of the prox.

    Raises:
        ValueError: delta <= 0 (checked when concrete), an unknown boundary, an axis out of range,
            iterations < 1, tolerance < 0, a spacing that is not positive; when used, an x of
            another shape.

    Source: Huber 1964, doi:10.1214/aoms/1177703732; in images: Chambolle and Pock 2011, section
    6.2.3, doi:10.1007/s10851-010-0251-1.
    """

    shape: tuple[int, ...] = static()
    delta: Any
    isotropic: bool = static(default=True)
    boundary: Boundary = static(default="replicate")
    axes: tuple[int, ...] | None = static(default=None)
    spacing: Any = 1.0

    def __post_init__(self) -> None:
        check_delta(self.delta, what="HuberTotalVariation")
        self._set("spacing", jnp.asarray(self.spacing, float))
        difference = self.difference()
        self._set("shape", difference.shape)
        self._set("axes", difference.axes)
        super().__post_init__()

    def difference(self, dtype: Any = None) -> FiniteDifference:
        """D on images of `dtype` (float32 unless given)."""
        dtype = jnp.float32 if dtype is None else dtype
        return FiniteDifference(self.shape, self.axes, self.boundary, self.spacing, dtype)

    def split(self, dtype: Any = None) -> tuple[Huber, FiniteDifference]:
        return Huber(self.delta, 0 if self.isotropic else None), self.difference(dtype)

    def grad(self, x: Any) -> Any:
        g, difference = self._parts(x)
        return difference.adjoint(g.grad(difference.apply(x)))

    def lipschitz(self) -> jax.Array:
        """norm_bound(D)^2 / delta, a bound."""
        return self.difference(self.spacing.dtype).norm_bound() ** 2 / self.delta
