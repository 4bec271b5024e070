"""Total variation of images with several channels, whose edges are coupled."""

from __future__ import annotations

from typing import Any, Literal

import jax.numpy as jnp

from jaxrecon.core.checks import check_choice
from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.functionals.difference_penalty import DifferencePenalty
from jaxrecon.functionals.group_l21 import GroupL21
from jaxrecon.functionals.group_nuclear import GroupNuclear
from jaxrecon.functionals.huber import Huber, check_delta
from jaxrecon.linops.coefficients import as_axes
from jaxrecon.linops.finite_difference import Boundary, FiniteDifference

Coupling = Literal["frobenius", "nuclear"]


class VectorialTotalVariation(DifferencePenalty):
    r"""f(x) = sum over pixels of the norm of the Jacobian (D x)[direction, channel, pixel].

    x has channels along one axis (colours, energies, contrasts, time frames), real or complex. The
    Frobenius norm couples the places of their edges, the nuclear norm (total nuclear variation)
    also the directions: it is smallest where all gradients of a pixel are parallel. One channel
    alone is :class:`TotalVariation`.

    The prox is found as for :class:`TotalVariation`.

    Args:
        shape: static, shape of x.
        channel_axis: static; the axis along which x has its channels.
        coupling: static, 'frobenius' or 'nuclear'.
        boundary: static, 'replicate', 'periodic' or 'zero'.
        spacing: sample distance, a scalar or one for each axis but that of the channels, traced.
        delta: rounds the Frobenius norm below delta, as in :class:`Huber`; > 0, traced. None does
            not.
        tolerance: relative duality gap of the prox, >= 0, traced.
        iterations: static; at most so many steps of the prox.

    Raises:
        ValueError: an unknown coupling or boundary, a channel axis out of range, delta <= 0 or
            with the nuclear norm, iterations < 1, tolerance < 0, a spacing that is not positive;
            when used, an x of another shape.

    Source: Bresson and Chan 2008, doi:10.3934/ipi.2008.2.455; nuclear: Holt 2014,
    doi:10.1109/TIP.2014.2332397; the family: Duran, Moeller, Sbert and Cremers 2016,
    doi:10.1137/15M102873X.
    """

    shape: tuple[int, ...] = static()
    channel_axis: int = static(default=0)
    coupling: Coupling = static(default="frobenius")
    boundary: Boundary = static(default="replicate")
    spacing: Any = 1.0
    delta: Any = None

    def __post_init__(self) -> None:
        name = "VectorialTotalVariation"
        check_choice(self.coupling, ("frobenius", "nuclear"), what=name, argument="coupling")
        self._set("shape", tuple(int(n) for n in self.shape))
        (channel,) = as_axes((self.channel_axis,), len(self.shape), what=name)
        self._set("channel_axis", channel)
        if self.delta is not None:
            check_delta(self.delta, what=name)
            if self.coupling == "nuclear":
                raise ValueError(f"{name} rounds the Frobenius norm only: leave delta out.")
        self._set("spacing", jnp.asarray(self.spacing, float))
        self.difference()
        super().__post_init__()

    def difference(self, dtype: Any = None) -> FiniteDifference:
        """D on images of `dtype` (float32 unless given)."""
        axes = tuple(a for a in range(len(self.shape)) if a != self.channel_axis)
        dtype = jnp.float32 if dtype is None else dtype
        return FiniteDifference(self.shape, axes, self.boundary, self.spacing, dtype)

    def split(self, dtype: Any = None) -> tuple[Functional, FiniteDifference]:
        axes = (0, self.channel_axis + 1)
        if self.coupling == "nuclear":
            return GroupNuclear(axes), self.difference(dtype)
        g = GroupL21(axes) if self.delta is None else Huber(self.delta, axes)
        return g, self.difference(dtype)
