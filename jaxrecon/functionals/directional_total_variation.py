"""Directional total variation: edges where another image of the same object has them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_real, real_dtype
from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.functionals.difference_penalty import DifferencePenalty
from jaxrecon.functionals.group_l21 import GroupL21
from jaxrecon.functionals.huber import Huber, check_delta
from jaxrecon.linops.directional_difference import DirectionalDifference, edge_directions
from jaxrecon.linops.finite_difference import Boundary, FiniteDifference


class DirectionalTotalVariation(DifferencePenalty):
    r"""f(x) = sum over pixels of ||(I - xi xi^T) D x||_2, xi = D u / sqrt(||D u||^2 + edge^2).

    u is the side image: another contrast, or modality, of the same object. Where it has an edge xi
    is nearly its unit normal, and a jump of x across it costs next to nothing, whatever its size
    and sign; where u is flat f is total variation.

    The prox is found as for :class:`TotalVariation`. f is differentiable in the side image.

    Args:
        side: u, real, of the shape of x; traced.
        edge: > 0, traced: what counts as an edge of u, in units of D u.
        boundary: static, 'replicate', 'periodic' or 'zero'.
        axes: static; axes along which x varies; all by default.
        spacing: sample distance, a scalar or one for each axis (mm, say), traced.
        delta: rounds the norm below delta, as in :class:`Huber`; > 0, traced. None does not.
        tolerance: relative duality gap of the prox, >= 0, traced.
        iterations: static; at most so many steps of the prox.

    Raises:
        ValueError: edge <= 0 or delta <= 0 (checked when concrete), an unknown boundary, an axis
            out of range, iterations < 1, tolerance < 0, a spacing that is not positive; when used,
            an x of another shape.
        TypeError: a complex side image; pass its magnitude.

    Source: Ehrhardt and Betcke 2016, doi:10.1137/15M1047325.
    """

    side: Any
    edge: Any
    boundary: Boundary = static(default="replicate")
    axes: tuple[int, ...] | None = static(default=None)
    spacing: Any = 1.0
    delta: Any = None

    def __post_init__(self) -> None:
        name = "DirectionalTotalVariation"
        check_real(self.side, what=name, argument="side")
        check_real(self.edge, what=name, argument="edge")
        if not isinstance(self.edge, Tracer) and not np.all(np.asarray(self.edge) > 0):
            raise ValueError(f"{name} expected edge > 0, got {self.edge}.")
        if self.delta is not None:
            check_delta(self.delta, what=name)
        self._set("side", jnp.asarray(self.side))
        self._set("spacing", jnp.asarray(self.spacing, float))
        self._set("axes", self._plain(jnp.float32).axes)
        super().__post_init__()

    def _plain(self, dtype: Any) -> FiniteDifference:
        return FiniteDifference(self.side.shape, self.axes, self.boundary, self.spacing, dtype)

    def difference(self, dtype: Any = None) -> DirectionalDifference:
        """(I - xi xi^T) D on images of `dtype` (float32 unless given)."""
        dtype = jnp.float32 if dtype is None else dtype
        side = self.side.astype(real_dtype(dtype))
        xi = edge_directions(side, self._plain(side.dtype), self.edge)
        return DirectionalDifference(self._plain(dtype), xi)

    def split(self, dtype: Any = None) -> tuple[Functional, DirectionalDifference]:
        g = GroupL21(axis=0) if self.delta is None else Huber(self.delta, 0)
        return g, self.difference(dtype)
