"""The non-uniform Fourier transform by FINUFFT, an optional backend with the same interface."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from jaxrecon.core import LinearOperator, matched, static, struct
from jaxrecon.core.checks import Space, check_real, is_complex, real_dtype
from jaxrecon.core.pytree import Pytree
from jaxrecon.linops.coefficients import as_shape, inexact_dtype
from jaxrecon.linops.nonuniform_fourier.transform import pixels, with_moving_positions
from jaxrecon.linops.toeplitz import Toeplitz, gram_of


class FinufftFourier(LinearOperator):
    r"""y_j = (prod n)^(-1/2) sum_x f[x] exp(-2 pi i k_j . (x - n // 2)), computed by FINUFFT.

    The same operator as :class:`jaxrecon.linops.NonuniformFourier`, by the compiled library behind
    jax-finufft: a choice for large 3-D scans on CPUs, and on CUDA where that package was built with
    it. Of the interface only `planned` is absent, as FINUFFT plans by itself. It runs neither on
    TPUs nor in exported programs, and its two types are adjoint to the requested accuracy only.
    Coils under vmap go to it together, frames with positions of their own in turn. Differentiable
    in f and in the positions.

    Args:
        positions: k in cycles per pixel, (*samples, d), in the order of the image axes; traced.
        shape: n, static, one to three axes.
        accuracy: static; relative error, from 1e-6 in float32 and 1e-14 in float64.
        dtype: complex64 or complex128.
        normal_by_toeplitz: `normal`, A^H A, goes through :meth:`toeplitz`, made at construction of
            the positions it then has.

    Raises:
        ImportError: jax-finufft is missing; names the extra.
        ValueError: positions that do not fit the shape, more than three axes, an accuracy out of
            reach.
        TypeError: complex positions, a dtype that is not complex.

    Source: Barnett, Magland and af Klinteberg 2019, doi:10.1137/18M120885X.
    """

    positions: jax.Array
    shape: tuple[int, ...] = static()
    accuracy: float = static(default=1e-4, kw_only=True)
    dtype: Any = static(default=jnp.complex64, kw_only=True)
    normal_by_toeplitz: bool = static(default=False, kw_only=True)
    gram: Toeplitz | None = dataclasses.field(default=None, init=False)

    def __post_init__(self) -> None:
        _finufft()
        what = "FinufftFourier"
        self._set("shape", as_shape(self.shape, what=what))
        self._set("dtype", inexact_dtype(self.dtype, what=what))
        if not is_complex(self.dtype):
            raise TypeError(f"{what} expected a complex dtype, got {self.dtype}.")
        check_real(self.positions, what=what, argument="positions")
        self._set("positions", jnp.asarray(self.positions, real_dtype(self.dtype)))
        axes = len(self.shape)
        if axes > 3 or self.positions.ndim < 2 or self.positions.shape[-1] != axes:
            raise ValueError(
                f"{what} expected a shape of 1 to 3 axes and positions (*samples, axes), got "
                f"{self.shape} and {self.positions.shape}."
            )
        least = 1e-6 if real_dtype(self.dtype) == jnp.float32 else 1e-14
        if not least <= self.accuracy < 1:
            raise ValueError(
                f"{what} expected {least:.0e} <= accuracy < 1 in {self.dtype}, got "
                f"{self.accuracy!r}."
            )
        self._set("gram", self.toeplitz() if self.normal_by_toeplitz else None)
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return struct(self.positions.shape[:-1], self.dtype)

    @property
    def _points(self) -> Points:
        rows = self.positions.reshape(-1, len(self.shape))
        return Points(rows, self.shape, float(self.accuracy))

    def apply(self, x: Any) -> jax.Array:
        return _sums(self._points, x).reshape(self.codomain.shape)

    def adjoint(self, y: Any) -> jax.Array:
        return _adjoint_sums(self._points, y.ravel(), struct(self.shape, y.dtype))

    def normal(self, x: Any) -> jax.Array:
        return super().normal(x) if self.gram is None else self.gram.apply(x)

    def toeplitz(self, weights: Any = None) -> Toeplitz:
        r"""A^H W A as a product of FFTs, as :meth:`jaxrecon.linops.NonuniformFourier.toeplitz`."""
        wide = self.replace(shape=tuple(2 * n for n in self.shape), normal_by_toeplitz=False)
        return gram_of(self, wide, weights, what="FinufftFourier.toeplitz")


class Points(Pytree):
    """Positions, (samples, axes), the shape of the image and the accuracy."""

    positions: jax.Array
    shape: tuple[int, ...] = static()
    accuracy: float = static()

    @property
    def angles(self) -> list[jax.Array]:
        """Radians per pixel along each axis."""
        return [2 * np.pi * self.positions[:, axis] for axis in range(len(self.shape))]

    @property
    def scale(self) -> float:
        return float(np.prod(self.shape)) ** -0.5


def _type2(points: Points, images: jax.Array) -> jax.Array:
    """(batch, *shape) to (batch, samples)."""
    options = {"iflag": -1, "eps": points.accuracy}
    return points.scale * _finufft().nufft2(images, *points.angles, **options)


def _type1(points: Points, values: jax.Array) -> jax.Array:
    """(batch, samples) to (batch, *shape)."""
    options = {"iflag": 1, "eps": points.accuracy}
    return points.scale * _finufft().nufft1(points.shape, values, *points.angles, **options)


def _batched(together: Callable) -> Callable:
    """f(points, x) of one x; vmap over x hands the batch to the library, over points it loops."""

    @custom_vmap
    def many(points: Points, xs: jax.Array) -> jax.Array:
        return together(points, xs)

    @many.def_vmap
    def rule(size: int, mapped: Any, points: Points, xs: jax.Array) -> tuple[jax.Array, bool]:
        mapped_points, mapped_xs = mapped
        if not mapped_xs:
            xs = jnp.broadcast_to(xs, (size, *xs.shape))
        if not any(jax.tree.leaves(mapped_points)):
            flat = many(points, xs.reshape(-1, *xs.shape[2:]))
            return flat.reshape(*xs.shape[:2], *flat.shape[1:]), True
        return jax.lax.map(lambda item: many(*item), (points, xs)), True

    return lambda points, x: many(points, x[None])[0]


def _slope_of_sums(points: Points, change: jax.Array, image: jax.Array) -> jax.Array:
    images = -1j * pixels(points.shape, change.dtype) * image
    return jnp.sum(change.T * jax.vmap(lambda f: _sums(points, f))(images), axis=0)


def _slope_of_adjoint(points: Points, change: jax.Array, values: jax.Array) -> jax.Array:
    like = struct(points.shape, values.dtype)
    images = jax.vmap(lambda y: _adjoint_sums(points, y, like))(change.T * values)
    return jnp.sum(1j * pixels(points.shape, change.dtype) * images, axis=0)


_sums, _adjoint_sums = matched(
    with_moving_positions(_batched(_type2), _slope_of_sums),
    with_moving_positions(_batched(_type1), _slope_of_adjoint),
)


def _finufft() -> Any:
    try:
        import jax_finufft  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            'FinufftFourier needs jax-finufft: pip install "jaxrecon[finufft]". NonuniformFourier '
            "is the same operator and needs nothing."
        ) from error
    return jax_finufft
