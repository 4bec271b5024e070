"""Total variation, isotropic and anisotropic, in space or space-time."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.functionals.difference_penalty import DifferencePenalty
from jaxrecon.functionals.group_l21 import GroupL21
from jaxrecon.functionals.l1 import L1
from jaxrecon.linops.finite_difference import Boundary, FiniteDifference


class TotalVariation(DifferencePenalty):
    r"""f(x) = sum over pixels of ||(D x)[pixel]||_2, or of ||.||_1 where not isotropic.

    D x are forward differences along `axes`, real or complex, in any number of dimensions. In an
    algorithm of its own, take the norm and D apart:
    ``primal_dual_hybrid_gradient(f, *tv.split(), ...)`` or ``admm``.

    Space-time: differences in time with the weight w against those in space are a spacing of 1/w
    along the axis of time, (1/w, 1, 1), either as one length in a pixel or as a sum.

    The prox (Rudin-Osher-Fatemi denoising) is x = v - s D^H p with |p| <= 1, found by an
    accelerated dual method until the duality gap is at most `tolerance` of the objective, and
    differentiated at the solution; see :class:`DifferencePenalty`. The larger s, the more steps.

    Args:
        shape: static, shape of x.
        isotropic: static; one gradient length in a pixel, or the sum over its components.
        boundary: static, 'replicate', 'periodic' or 'zero', as in
            :func:`jaxrecon.linops.finite_difference.gradient`.
        axes: static; axes along which x varies; all by default.
        spacing: sample distance, a scalar or one for each axis (mm, say), traced.
        tolerance: relative duality gap of the prox, >= 0, traced.
        iterations: static; at most so many steps of the prox.

    Raises:
        ValueError: an unknown boundary, an axis out of range, iterations < 1, tolerance < 0, a
            spacing that is not positive; when used, an x of another shape.

    Source: Rudin, Osher and Fatemi 1992, doi:10.1016/0167-2789(92)90242-F; dual method: Beck and
    Teboulle 2009, doi:10.1109/TIP.2009.2028250, with the steps of Kim and Fessler 2018,
    doi:10.1007/s10957-018-1287-4.
    """

    shape: tuple[int, ...] = static()
    isotropic: bool = static(default=True)
    boundary: Boundary = static(default="replicate")
    axes: tuple[int, ...] | None = static(default=None)
    spacing: Any = 1.0

    def __post_init__(self) -> None:
        self._set("spacing", jnp.asarray(self.spacing, float))
        difference = self.difference()
        self._set("shape", difference.shape)
        self._set("axes", difference.axes)
        super().__post_init__()

    def difference(self, dtype: Any = None) -> FiniteDifference:
        """D on images of `dtype` (float32 unless given)."""
        dtype = jnp.float32 if dtype is None else dtype
        return FiniteDifference(self.shape, self.axes, self.boundary, self.spacing, dtype)

    def split(self, dtype: Any = None) -> tuple[Functional, FiniteDifference]:
        return (GroupL21(axis=0) if self.isotropic else L1()), self.difference(dtype)
