"""Orthogonal wavelet transforms: Haar and Daubechies, periodic, in any number of dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_positive_int
from jaxrecon.linops.coefficients import as_axes, as_shape, inexact_dtype

NAMES = ("haar", *(f"db{n}" for n in range(1, 11)))


@lru_cache
def wavelet_filters(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    r"""Low-pass and high-pass analysis filters of an orthogonal wavelet, in double precision.

    Daubechies' db1 (Haar) to db10: dbN has N vanishing moments and 2N taps, and is the factor of
    minimal phase of 2 cos^{2N}(w/2) sum_{k<N} binom(N-1+k, k) sin^{2k}(w/2). They satisfy
    sum_j h_j h_{j+2m} = (1 if m = 0 else 0), in the order that PyWavelets calls dec_lo, dec_hi.

    Args:
        name: 'haar' or 'db1' to 'db10'.

    Raises:
        ValueError: another name.

    Source: Daubechies 1988, doi:10.1002/cpa.3160410705.
    """
    if name not in NAMES:
        raise ValueError(f"wavelet_filters expected one of {NAMES}, got {name!r}.")
    moments = 1 if name == "haar" else int(name[2:])
    # with y = sin^2(w/2) = (2 - z - 1/z) / 4, each root y gives a pair z, 1/z; take |z| < 1
    half = 1 - 2 * np.roots([math.comb(moments - 1 + k, k) for k in reversed(range(moments))])
    root = np.sqrt(half**2 - 1 + 0j)
    inside = np.where(np.abs(half + root) < 1, half + root, half - root)
    taps = np.real(np.poly(np.concatenate([-np.ones(moments), inside])))
    taps = taps * (math.sqrt(2) / taps.sum())
    low = taps[::-1]
    high = (-1.0) ** np.arange(1, 2 * moments + 1) * taps
    return tuple(map(float, low)), tuple(map(float, high))


@partial(jax.jit, static_argnames=("name", "levels", "axes"))
def wavelet_transform(
    x: Any, name: str, levels: int, axes: tuple[int, ...] | None = None
) -> jax.Array:
    r"""Periodic orthonormal wavelet transform over some axes, all coefficients in one array.

    One step along an axis of length n is a[k] = sum_j h[j] x[2k + N - j], 0 <= k < n/2, indices
    modulo n, and the same with g for the detail d; [a, d] replaces the axis. Each level transforms
    the approximation of the one before, which lies in the corner at the origin (Mallat's layout:
    that of ``pywt.coeffs_to_array`` with mode='periodization').

    Args:
        x: array, real or complex, whose transformed axes are multiples of 2**levels.
        name: wavelet, see :func:`wavelet_filters`.
        levels: number of levels, at least 1.
        axes: axes to transform; all by default.

    Returns:
        Array of the shape and dtype of x.

    Raises:
        ValueError: an unknown wavelet, or a length that is no multiple of 2**levels.

    Source: Mallat 1989, doi:10.1109/34.192463.
    """
    x = jnp.asarray(x)
    axes = as_axes(axes, x.ndim, what="wavelet_transform")
    _check_lengths(x.shape, axes, levels, what="wavelet_transform")
    return _of_real_parts(partial(_forward, name, levels), x, axes)


@partial(jax.jit, static_argnames=("name", "levels", "axes"))
def inverse_wavelet_transform(
    y: Any, name: str, levels: int, axes: tuple[int, ...] | None = None
) -> jax.Array:
    """Inverse, and adjoint, of :func:`wavelet_transform` with the same arguments."""
    y = jnp.asarray(y)
    axes = as_axes(axes, y.ndim, what="inverse_wavelet_transform")
    _check_lengths(y.shape, axes, levels, what="inverse_wavelet_transform")
    return _of_real_parts(partial(_inverse, name, levels), y, axes)


def _of_real_parts(transform: Callable, x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Real and imaginary part side by side: the filters are real."""
    if not jnp.iscomplexobj(x):
        return transform(x, axes)
    real, imaginary = transform(jnp.stack([x.real, x.imag]), tuple(a + 1 for a in axes))
    return jax.lax.complex(real, imaginary)


def _forward(name: str, levels: int, x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    for axis in axes:
        x = _analyse(x, *wavelet_filters(name), axis)
    if levels == 1:
        return x
    return _with_corner(x, _forward(name, levels - 1, _corner(x, axes), axes), axes)


def _inverse(name: str, levels: int, y: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    if levels > 1:
        y = _with_corner(y, _inverse(name, levels - 1, _corner(y, axes), axes), axes)
    for axis in reversed(axes):
        y = _synthesise(y, *wavelet_filters(name), axis)
    return y


def _check_lengths(shape: tuple[int, ...], axes: tuple, levels: int, *, what: str) -> None:
    check_positive_int(levels, what=what, argument="levels")
    if any(shape[a] % 2**levels for a in axes):
        lengths = tuple(shape[a] for a in axes)
        raise ValueError(
            f"{what} expected axes that are multiples of 2**levels = {2**levels}, got {lengths}. "
            "Take fewer levels, or crop or pad the image."
        )


def _corner(y: jax.Array, axes: tuple) -> jax.Array:
    """The approximation, in the corner at the origin."""
    return y[tuple(slice(n // 2 if a in axes else n) for a, n in enumerate(y.shape))]


def _with_corner(y: jax.Array, corner: jax.Array, axes: tuple) -> jax.Array:
    """y with another approximation, put together anew.

    Written with y.at[...].set(...), the CPU compiler may update y in place while it still reads the
    corner from it (openxla/xla issue 49176), which gives wrong values inside lax.scan.
    """
    for axis in axes:
        start = [corner.shape[axis] if a == axis else 0 for a in range(y.ndim)]
        stop = [n if a == axis else corner.shape[a] for a, n in enumerate(y.shape)]
        corner = jnp.concatenate([corner, jax.lax.slice(y, start, stop)], axis)
    return corner


def _analyse(x: jax.Array, low: tuple, high: tuple, axis: int) -> jax.Array:
    """One step of the transform: a sum of strided slices, which XLA fuses into one loop."""
    n, taps = x.shape[axis], len(low)
    centre = taps // 2
    wrapped = _wrap(x, taps - 1 - centre, centre, axis)
    a = d = jnp.zeros((), x.dtype)
    for j in range(taps):
        start = taps - 1 - j
        part = jax.lax.slice_in_dim(wrapped, start, start + n - 1, 2, axis)
        a, d = a + low[j] * part, d + high[j] * part
    return jnp.concatenate([a, d], axis)


def _synthesise(y: jax.Array, low: tuple, high: tuple, axis: int) -> jax.Array:
    """The adjoint of :func:`_analyse`: even and odd samples apart, then interleaved."""
    m, taps = y.shape[axis] // 2, len(low)
    centre, margin = taps // 2, taps // 2
    halves = (y_part for y_part in jnp.split(y, 2, axis))
    a, d = (_wrap(half, margin, margin, axis) for half in halves)
    phases = []
    for parity in (0, 1):
        x = jnp.zeros((), y.dtype)
        for j in range((parity + centre) % 2, taps, 2):
            # x[2k + parity] takes a[i] with 2i + centre - j = 2k + parity
            start = margin + (parity - centre + j) // 2
            x = x + low[j] * jax.lax.slice_in_dim(a, start, start + m, axis=axis)
            x = x + high[j] * jax.lax.slice_in_dim(d, start, start + m, axis=axis)
        phases.append(x)
    return jnp.stack(phases, axis + 1).reshape(y.shape)


def _wrap(x: jax.Array, before: int, after: int, axis: int) -> jax.Array:
    """x continued periodically along an axis; more than once around when it is short.

    It stays an array of its own: inside of the sums over taps each tap would choose between the
    three parts, which takes longer to compile and to run.
    """
    n = x.shape[axis]
    if max(before, after) <= n:
        start = jax.lax.slice_in_dim(x, n - before, n, axis=axis)
        end = jax.lax.slice_in_dim(x, 0, after, axis=axis)
        return jax.lax.optimization_barrier(jnp.concatenate([start, x, end], axis))
    widths = [(before, after) if a == axis else (0, 0) for a in range(x.ndim)]
    return jnp.pad(x, widths, mode="wrap")


class Wavelet(LinearOperator):
    r"""Orthonormal wavelet analysis W of an image, W^H W = W W^H = I; one array of coefficients.

    The coefficients have the shape of the image, so that the l1 norm of W x is that of one array
    and the prox of f(W x) is W^H prox_f(W .), see :func:`jaxrecon.tight`. `W.adjoint` is the
    inverse.

    Args:
        shape: shape of the image.
        name: 'haar' or 'db1' to 'db10'; 'db4' by default.
        levels: number of levels, 3 by default; transformed axes are multiples of 2**levels.
        axes: axes transformed; all by default.
        dtype: dtype of the image, float32 by default.

    Raises:
        ValueError: an unknown wavelet, an axis out of range, or a length that is no multiple of
            2**levels.
    """

    shape: tuple[int, ...] = static()
    name: str = static(default="db4")
    levels: int = static(default=3)
    axes: tuple[int, ...] | None = static(default=None)
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Wavelet"))
        self._set("axes", as_axes(self.axes, len(self.shape), what="Wavelet"))
        self._set("dtype", inexact_dtype(self.dtype, what="Wavelet"))
        wavelet_filters(self.name)
        _check_lengths(self.shape, self.axes or (), self.levels, what="Wavelet")
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return self.domain

    def apply(self, x: Any) -> jax.Array:
        return wavelet_transform(x, self.name, self.levels, self.axes)

    def adjoint(self, y: Any) -> jax.Array:
        return inverse_wavelet_transform(y, self.name, self.levels, self.axes)

    def normal(self, x: Any) -> jax.Array:
        return x

    def details(self) -> np.ndarray:
        """True at detail coefficients, False in the coarsest approximation; the image's shape.

        Weights for an l1 norm that leaves the approximation alone.
        """
        mask = np.ones(self.shape, bool)
        pairs = enumerate(self.shape)
        mask[tuple(slice(n >> self.levels if a in (self.axes or ()) else n) for a, n in pairs)] = (
            False
        )
        return mask
