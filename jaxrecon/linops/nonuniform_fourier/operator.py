"""The non-uniform Fourier transform as a linear operator."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_real, is_complex, real_dtype
from jaxrecon.linops.coefficients import as_shape, inexact_dtype
from jaxrecon.linops.nonuniform_fourier.grid import Grid, choose_grid, least_accuracy
from jaxrecon.linops.nonuniform_fourier.plan import Plan, plan_of
from jaxrecon.linops.nonuniform_fourier.transform import Samples, adjoint_sums, nonuniform_sums
from jaxrecon.linops.toeplitz import Toeplitz, gram_of


class NonuniformFourier(LinearOperator):
    r"""Fourier transform of an image at arbitrary frequencies (type 2), and its adjoint (type 1).

        y_j = (prod n)^{-1/2} sum_x f[x] exp(-2 pi i k_j . (x - n // 2)),

    x over the pixels of the image and k_j in cycles per pixel, whose origin is pixel n // 2. At the
    frequencies (m - n // 2) / n it equals :func:`fft_centred`. k has period 1: the Nyquist
    frequency is 1/2. The image is divided by the transform of a Kaiser-Bessel window, transformed
    by a FFT on a longer grid, and each y_j is a sum over the few points of the grid around k_j.

    Accuracy: the error relative to the exact sum, |y - y_exact| / |y_exact|, as root mean square
    over images (of white noise) and positions; an image whose energy lies at its edges alone has
    two to four times as much. It is met for 1e-2 to 1e-6 in single precision and to 1e-12 in double
    precision. Positions are those that the precision holds: in single precision rounding moves a
    sample by up to 3e-8 cycles per pixel, a phase of 1e-7 n at the edge of n pixels. The adjoint is
    that of the approximate map, exact up to rounding at any accuracy.

    Planning: where positions are known (not traced) the constructor sorts them and tabulates, for
    each point of the grid, its samples and their weights: 16 bytes a tap of a sample while it runs,
    8 afterwards; with more than 2^25 taps no plan is made. Type 1 then gathers in parallel instead
    of adding sample by sample. Type 2 has nothing to plan: it evaluates the window of each sample
    where it reads the grid, at every application. The operator is a pytree: build it once, pass it
    into jitted functions. The shapes of a plan depend on the positions, so that jitted functions
    compile again for another trajectory; not so with planned=False, or where the constructor runs
    within jit.
    A plan knows its positions: where they have been replaced since, e.g. by an optimiser that
    updates this pytree, samples are added one by one, with the same result.

    Transformations: jit, vmap over images (which share the work on indices and weights), vmap over
    positions (build the operator inside), forward and reverse mode in the image and in the
    positions, to any order. The derivative in k is the transform of -2 pi i (x - n // 2) f, so that
    one in positions costs as much as the transform of as many images as there are axes.
    Weights of a density compensation are factors of y. Positions that are not finite give NaN.

    Step sizes: of m samples and n pixels in all, max(1, sqrt(m / n)) <= ||A|| <= sqrt(m). On the
    grid of frequencies, each once, ||A|| is 1; where a trajectory is dense, as radial ones are in
    the middle, it is far above sqrt(m / n). Take :func:`jaxrecon.solvers.operator_norm`.

    Args:
        positions: k, (*samples, d), real, traced: cycles per pixel along each axis of the image, in
            the order of its axes.
        shape: (*pixels,), 1 to 3 axes.
        accuracy: relative error allowed; the cheapest grid and window that meet it are chosen.
        dtype: complex64 or complex128, of image and data.
        planned: False makes no plan.
        normal_by_toeplitz: `normal`, A^H A, goes through :meth:`toeplitz`, made at construction: as
            accurate, and cheaper for many samples. Its positions are then those of the
            construction, and the derivative of `normal` in them comes through the constructor only.

    Raises:
        ValueError: positions of another shape, more than 3 axes, an accuracy out of reach.
        TypeError: complex positions, a real dtype.

    Source: Fessler and Sutton, doi:10.1109/TSP.2002.807005; window: Beatty, Nishimura and Pauly,
    doi:10.1109/TMI.2005.848376; other windows: Greengard and Lee, doi:10.1137/S003614450343200X,
    Barnett, Magland and af Klinteberg, doi:10.1137/18M120885X.
    """

    positions: jax.Array
    shape: tuple[int, ...] = static()
    accuracy: float = static(default=1e-4, kw_only=True)
    dtype: Any = static(default=jnp.complex64, kw_only=True)
    planned: bool = static(default=True, kw_only=True)
    normal_by_toeplitz: bool = static(default=False, kw_only=True)
    plan: Plan | None = dataclasses.field(default=None, init=False)
    gram: Toeplitz | None = dataclasses.field(default=None, init=False)

    def __post_init__(self) -> None:
        what = "NonuniformFourier"
        self._set("shape", as_shape(self.shape, what=what))
        self._set("dtype", inexact_dtype(self.dtype, what=what))
        if not is_complex(self.dtype):
            raise TypeError(
                f"{what} expected a complex dtype, got {self.dtype}; convert real images with "
                "x.astype(jnp.complex64)."
            )
        check_real(self.positions, what=what, argument="positions")
        self._set("positions", jnp.asarray(self.positions, real_dtype(self.dtype)))
        axes = len(self.shape)
        if axes > 3:
            raise ValueError(f"{what} expected a shape of 1 to 3 axes, got {self.shape}.")
        if self.positions.ndim < 2 or self.positions.shape[-1] != axes:
            raise ValueError(
                f"{what} expected positions of shape (*samples, {axes}), one number for each axis "
                f"of the shape {self.shape}, got {self.positions.shape}. Along one axis positions "
                "need a last axis of length 1."
            )
        least = least_accuracy(str(real_dtype(self.dtype)))
        if not least <= self.accuracy < 1:
            raise ValueError(
                f"{what} expected {least:.0e} <= accuracy < 1 in {self.dtype}, got "
                f"{self.accuracy!r}; smaller errors need complex128."
            )
        concrete = self.planned and not isinstance(self.positions, Tracer)
        self._set("plan", plan_of(self._rows, self.grid) if concrete else None)
        self._set("gram", self.toeplitz() if self.normal_by_toeplitz else None)
        super().__post_init__()

    @property
    def samples(self) -> tuple[int, ...]:
        """Shape of the data."""
        return self.positions.shape[:-1]

    @property
    def grid(self) -> Grid:
        """The oversampled grid and its windows."""
        count, precision = int(np.prod(self.samples)), str(real_dtype(self.dtype))
        return choose_grid(self.shape, count, float(self.accuracy), precision)

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return struct(self.samples, self.dtype)

    @property
    def _rows(self) -> jax.Array:
        return self.positions.reshape(-1, len(self.shape))

    @property
    def _samples(self) -> Samples:
        return Samples(self._rows, self.plan, self.grid)

    def apply(self, x: Any) -> jax.Array:
        return nonuniform_sums(self._samples, x).reshape(self.samples)

    def adjoint(self, y: Any) -> jax.Array:
        return adjoint_sums(self._samples, y.ravel())

    def normal(self, x: Any) -> jax.Array:
        return super().normal(x) if self.gram is None else self.gram.apply(x)

    def toeplitz(self, weights: Any = None) -> Toeplitz:
        r"""A^H W A as a product of FFTs without samples, as accurate as A itself.

        Args:
            weights: diagonal of W, real, broadcasts to the samples; 1 when not given. Traced and
                differentiable, as the positions are.

        Returns:
            The operator; with coils apply it between their maps, see :class:`Toeplitz`.

        Raises:
            ValueError: negative or NaN weights, or of another shape.
            TypeError: complex weights.
        """
        wide = self.replace(
            shape=tuple(2 * n for n in self.shape), planned=False, normal_by_toeplitz=False
        )
        return gram_of(self, wide, weights, what="NonuniformFourier.toeplitz")
