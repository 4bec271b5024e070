"""Simultaneous multi-slice imaging: slices excited together, told apart by coils and phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, struct
from jaxrecon.core.checks import (
    Space,
    check_positive_int,
    check_real,
    describe,
    real_dtype,
)
from jaxrecon.linops.coefficients import as_coefficients
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri.operators.sense import as_complex


class MultiSlice(LinearOperator):
    r"""y_c[k] = P[k] sum_s exp(i theta_s[k]) (F s_sc f_s)[k]: the sum of slices that coils measure.

    Gradient blips between the lines give each slice s its own phase theta_s[k], which shifts it
    within the field of view, so that slices overlap where coils can tell them apart (blipped
    CAIPI; :func:`caipi_phases`). F is the centred orthonormal transform; P keeps what was measured.
    Along axes on which the phases do not depend, the sum is transformed once for all slices.
    Images are 2-D and Cartesian, and of one frame: map over more by `jax.vmap`.

    Args:
        maps: s, (slice, coil, y, x), traced and differentiable.
        phases: theta, radians, real; traced and differentiable; broadcasts to (slice, y, x), e.g.
            (slice, y, 1). Its axes of length 1 are those without dependence.
        mask: boolean, traced; broadcasts to (coil, y, x). All is measured when None.

    Domain: (slice, y, x), complex. Codomain: (coil, y, x), k-space with its origin at n // 2.

    Raises:
        ValueError: maps without four axes; phases or a mask that do not broadcast.
        TypeError: complex phases, a mask that is not boolean.

    Source: Setsompop et al. 2012, doi:10.1002/mrm.23097; Breuer et al. 2005,
    doi:10.1002/mrm.20401.
    """

    maps: jax.Array
    phases: Any
    mask: Any = None

    def __post_init__(self) -> None:
        what = "MultiSlice"
        self._set("maps", as_coefficients(self.maps, what=what, argument="maps"))
        if self.maps.ndim != 4:
            raise ValueError(
                f"{what} expected maps (slice, coil, y, x), got {describe(jax.typeof(self.maps))}."
            )
        check_real(self.phases, what=what, argument="phases")
        self._set("phases", jnp.asarray(self.phases, real_dtype(self.maps.dtype)))
        mask = jnp.asarray(True if self.mask is None else self.mask)
        if mask.dtype != bool:
            raise TypeError(f"{what} expected a boolean mask, got {mask.dtype}. Pass mask > 0.")
        self._set("mask", mask)
        for argument, value, full in (
            ("phases", self.phases, self.domain.shape),
            ("a mask", mask, self.codomain.shape),
        ):
            try:
                fits = jnp.broadcast_shapes(value.shape, full) == full
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(
                    f"{what} expected {argument} that broadcasts to {full}, got {value.shape}."
                )
        leading = (1,) * (3 - self.phases.ndim)
        self._set("phases", self.phases.reshape(leading + self.phases.shape))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        slices, _, *image = self.maps.shape
        return struct((slices, *image), as_complex(self.maps.dtype))

    @property
    def codomain(self) -> Space:
        return struct(self.maps.shape[1:], as_complex(self.maps.dtype))

    def apply(self, x: Any) -> jax.Array:
        each, together = self._axes
        y = _along(fft_centred, self.maps * x[:, None], each)
        y = _along(fft_centred, jnp.sum(self._blips * y, axis=0), together)
        return jnp.where(self.mask, y, 0)

    def adjoint(self, y: Any) -> jax.Array:
        each, together = self._axes
        y = _along(ifft_centred, jnp.where(self.mask, y, 0), together)
        x = _along(ifft_centred, self._blips.conj() * y, each)
        return jnp.sum(self.maps.conj() * x, axis=1)

    @property
    def _axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Axes on which the phases depend, transformed for each slice; those of their sum."""
        each = tuple(a for a in (-2, -1) if self.phases.shape[a] > 1)
        return each, tuple(a for a in (-2, -1) if a not in each)

    @property
    def _blips(self) -> jax.Array:
        return jnp.exp(1j * self.phases)[:, None]


def _along(transform: Callable, x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    return transform(x, axes) if axes else x


def caipi_phases(slices: int, lines: int, *, shift: int) -> np.ndarray:
    r"""theta_s[k] = 2 pi s (k - k_0) / shift, modulo 2 pi: blips that move slice s by s/shift of
    the field of view along y.

    Args:
        slices: how many are excited together; s = 0 is not moved.
        lines: of k-space along y, k_0 = lines // 2.
        shift: the field of view is divided by it, e.g. 3 for shifts by thirds.

    Returns:
        (slice, y, 1), float64, for :class:`MultiSlice`. Slice s appears at y - s lines / shift.

    Raises:
        ValueError: arguments that are not positive.

    Source: Setsompop et al. 2012, doi:10.1002/mrm.23097.
    """
    what = "caipi_phases"
    slices = check_positive_int(slices, what=what, argument="slices")
    lines = check_positive_int(lines, what=what, argument="lines")
    shift = check_positive_int(shift, what=what, argument="shift")
    steps = np.arange(slices)[:, None, None] * (np.arange(lines)[:, None] - lines // 2)
    return 2 * np.pi * (steps % shift) / shift
