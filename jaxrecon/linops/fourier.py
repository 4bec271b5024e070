"""The centred orthonormal Fourier transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, complex_dtype, is_complex, real_dtype
from jaxrecon.linops.coefficients import as_axes, as_shape, inexact_dtype


def fft_centred(x: Any, axes: tuple[int, ...] | None = None) -> jax.Array:
    r"""Centred orthonormal discrete Fourier transform over some axes.

    X[k] = prod_axes n^{-1/2} sum_j x[j] exp(-2 pi i (k - c)(j - c) / n), with c = n // 2: the
    origin of space and of frequency is entry n // 2. Equal to fftshift(fft(ifftshift(x), 'ortho')),
    but along even axes with signs in the place of the shifts, which cost no pass over memory.

    Args:
        x: array, real or complex.
        axes: axes to transform; all by default.

    Returns:
        Complex array of the shape of x.
    """
    return _centred(jnp.fft.fftn, x, axes)


def ifft_centred(y: Any, axes: tuple[int, ...] | None = None) -> jax.Array:
    """Inverse, and adjoint, of :func:`fft_centred`."""
    return _centred(jnp.fft.ifftn, y, axes)


def _centred(transform: Callable, x: Any, axes: tuple[int, ...] | None) -> jax.Array:
    x = jnp.asarray(x)
    axes = as_axes(axes, x.ndim, what="fft_centred")
    even = tuple(a for a in axes if x.shape[a] % 2 == 0)
    odd = tuple(a for a in axes if x.shape[a] % 2 == 1)
    signs = _signs(x.shape, even, x.dtype)
    y = signs * transform(jnp.fft.ifftshift(signs * x, odd), axes=axes, norm="ortho")
    flip = sum(x.shape[a] // 2 for a in even) % 2  # of all signs, exp(-2 pi i c c / n)
    return jnp.fft.fftshift(-y if flip else y, odd)


def _signs(shape: tuple[int, ...], axes: tuple[int, ...], dtype: Any) -> jax.Array:
    """(-1)^(sum of the indices along the axes), which broadcasts to the shape."""
    total = np.zeros((1,) * len(shape), np.int32)
    for axis in axes:
        index = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        total = total + index
    precision = real_dtype(dtype) if jnp.issubdtype(dtype, jnp.inexact) else jnp.float32
    return jnp.asarray(1 - 2 * (total % 2), precision)


class Fourier(LinearOperator):
    """Centred orthonormal Fourier transform, F^H F = I; see :func:`fft_centred` for the formula.

    With a real dtype it takes real images to their full complex spectrum. F^H then is the real
    part of the inverse transform, and F^H F = I still holds.

    Args:
        shape: shape of x and of F x.
        axes: axes transformed; all by default.
        dtype: dtype of x, complex64 by default; the codomain is always complex.

    Raises:
        ValueError: an axis out of range or named twice.
        TypeError: a dtype that is neither real nor complex floating.
    """

    shape: tuple[int, ...] = static()
    axes: tuple[int, ...] | None = static(default=None)
    dtype: Any = static(default=jnp.complex64)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Fourier"))
        self._set("axes", as_axes(self.axes, len(self.shape), what="Fourier"))
        self._set("dtype", inexact_dtype(self.dtype, what="Fourier"))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return struct(self.shape, complex_dtype(self.dtype))

    def apply(self, x: Any) -> jax.Array:
        return fft_centred(x, self.axes)

    def adjoint(self, y: Any) -> jax.Array:
        x = ifft_centred(y, self.axes)
        return x if is_complex(self.dtype) else x.real

    def normal(self, x: Any) -> jax.Array:
        return x
