"""Convolution with a kernel, by shifted sums when it is small and by FFT otherwise."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_choice, is_complex
from jaxrecon.linops.coefficients import as_coefficients, as_shape, element_dtype

Boundary = Literal["periodic", "zero", "full", "valid"]
BOUNDARIES = ("periodic", "zero", "full", "valid")

FEW_ENTRIES = 32
"""Kernels up to this size are applied as a sum of shifted images, which XLA fuses into one loop."""


def convolve(x: Any, kernel: Any, boundary: Boundary = "periodic") -> jax.Array:
    r"""(k * x)[n] = sum_m k[m] x[n - m + c], over all axes, with the centre c = kernel.shape // 2.

    A kernel that is 1 at its entry `kernel.shape // 2` and 0 elsewhere gives x itself; c is also
    where a centred FFT has its origin.

    Args:
        x: image with as many axes as the kernel.
        kernel: point spread function, real or complex.
        boundary: 'periodic' (x repeats), 'zero' (x is 0 outside; the result has the shape of x),
            'full' (c = 0, all n where the sum is not empty: shape + kernel.shape - 1) or 'valid'
            (only n where x is known for every m: shape - kernel.shape + 1; entry n of it is entry
            n + kernel.shape - 1 of 'full').

    Returns:
        Array in the common dtype of x and kernel.
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    if boundary == "periodic" and kernel.size > FEW_ENTRIES:
        return _filter(x, transfer_function(kernel, x.shape, half=_both_real(x, kernel)))
    before, after = _margins(kernel.shape, boundary)
    return _valid(_pad(x, before, after, boundary), kernel)


def convolve_adjoint(y: Any, kernel: Any, boundary: Boundary = "periodic") -> jax.Array:
    """The adjoint of x -> convolve(x, kernel, boundary): correlation with the kernel."""
    y, kernel = jnp.asarray(y), jnp.asarray(kernel)
    if boundary == "periodic" and kernel.size > FEW_ENTRIES:
        transfer = transfer_function(kernel, y.shape, half=_both_real(y, kernel))
        return _filter(y, jnp.conj(transfer))
    before, after = _margins(kernel.shape, boundary)
    before = tuple(n - 1 - b for n, b in zip(kernel.shape, before, strict=True))
    after = tuple(n - 1 - a for n, a in zip(kernel.shape, after, strict=True))
    return _valid(_pad(y, before, after, boundary), jnp.conj(jnp.flip(kernel)))


def transfer_function(kernel: Any, shape: tuple[int, ...], *, half: bool = False) -> jax.Array:
    """Discrete Fourier transform of the kernel with its centre moved to entry 0: the eigenvalues
    of periodic convolution on images of `shape`, in the order of ``jnp.fft.fftn`` (with `half`,
    of ``jnp.fft.rfftn``)."""
    kernel = jnp.asarray(kernel)
    widths = [(0, n - k) for n, k in zip(shape, kernel.shape, strict=True)]
    placed = jnp.roll(
        jnp.pad(kernel, widths), [-(k // 2) for k in kernel.shape], axis=tuple(range(kernel.ndim))
    )
    return jnp.fft.rfftn(placed) if half else jnp.fft.fftn(placed)


def _both_real(x: jax.Array, kernel: jax.Array) -> bool:
    return not (is_complex(x.dtype) or is_complex(kernel.dtype))


def _filter(x: jax.Array, transfer: jax.Array) -> jax.Array:
    """The periodic convolution with a given transfer function, of rfftn where its shape says so."""
    if is_complex(x.dtype) or transfer.shape != (*x.shape[:-1], x.shape[-1] // 2 + 1):
        return jnp.fft.ifftn(transfer * jnp.fft.fftn(x))
    return jnp.fft.irfftn(transfer * jnp.fft.rfftn(x), x.shape)


def _margins(kernel: tuple[int, ...], boundary: Boundary) -> tuple[tuple, tuple]:
    """Entries to add before and after x, so that the 'valid' convolution is the one wanted."""
    if boundary == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if boundary == "full":
        return tuple(n - 1 for n in kernel), tuple(n - 1 for n in kernel)
    return tuple(n - 1 - n // 2 for n in kernel), tuple(n // 2 for n in kernel)


def _pad(x: jax.Array, before: tuple, after: tuple, boundary: Boundary) -> jax.Array:
    widths = tuple(zip(before, after, strict=True))
    return jnp.pad(x, widths, mode="wrap" if boundary == "periodic" else "constant")


def _valid(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """sum_m k[m] x[n + K - 1 - m] for 0 <= n <= N - K."""
    shape = tuple(n - k + 1 for n, k in zip(x.shape, kernel.shape, strict=True))
    if kernel.size <= FEW_ENTRIES:
        total = jnp.zeros(shape, jnp.result_type(x, kernel))
        for m in itertools.product(*map(range, kernel.shape)):
            start = tuple(k - 1 - i for k, i in zip(kernel.shape, m, strict=True))
            limit = tuple(s + n for s, n in zip(start, shape, strict=True))
            total = total + kernel[m] * jax.lax.slice(x, start, limit)
        return total
    size = tuple(_fast_length(n) for n in x.shape)
    if _both_real(x, kernel):
        y = jnp.fft.irfftn(jnp.fft.rfftn(x, size) * jnp.fft.rfftn(kernel, size), size)
    else:
        y = jnp.fft.ifftn(jnp.fft.fftn(x, size) * jnp.fft.fftn(kernel, size))
    start = tuple(k - 1 for k in kernel.shape)
    return jax.lax.slice(y, start, tuple(s + n for s, n in zip(start, shape, strict=True)))


def _fast_length(n: int) -> int:
    """The smallest even number >= n with no prime factor above 5 (1 stays 1)."""
    if n == 1:
        return 1
    while n % 2 or _without_small_factors(n) > 1:
        n += 1
    return n


def _without_small_factors(n: int) -> int:
    for p in (2, 3, 5):
        while n % p == 0:
            n //= p
    return n


class Convolution(LinearOperator):
    r"""A x = k * x over all axes; the formula and the centre are those of :func:`convolve`.

    Blur by a traced point spread function, which may be fitted. The adjoint is exact at every
    boundary. For boundaries that replicate or reflect, compose the 'valid' convolution with
    :class:`Pad`. In a loop over a jitted step XLA transforms a kernel that does not change once.

    Args:
        kernel: point spread function, traced, with as many axes as `shape`, real or complex.
        shape: shape of x.
        boundary: 'periodic' (default), 'zero', 'full' or 'valid'.
        dtype: dtype of x; that of the kernel by default. Complex x with a real kernel is allowed.

    Raises:
        ValueError: a kernel with other than len(shape) axes, an unknown boundary, or a kernel
            larger than the image where that has no meaning ('periodic', 'valid').
        TypeError: a kernel of integers, or a complex (or more precise) one for a real dtype.
    """

    kernel: jax.Array
    shape: tuple[int, ...] = static()
    boundary: Boundary = static(default="periodic")
    dtype: Any = static(default=None)

    def __post_init__(self) -> None:
        self._set("kernel", as_coefficients(self.kernel, what="Convolution", argument="kernel"))
        self._set("shape", as_shape(self.shape, what="Convolution"))
        dtype = element_dtype(self.dtype, self.kernel, what="Convolution", argument="kernel")
        self._set("dtype", dtype)
        check_choice(self.boundary, BOUNDARIES, what="Convolution", argument="boundary")
        if self.kernel.ndim != len(self.shape) or 0 in self.kernel.shape:
            raise ValueError(
                f"Convolution expected a kernel with {len(self.shape)} axes, as the image has the "
                f"shape {self.shape}, got a kernel of the shape {self.kernel.shape}. Channels and "
                "batches come from jax.vmap."
            )
        larger = any(k > n for k, n in zip(self.kernel.shape, self.shape, strict=True))
        if larger and self.boundary in ("periodic", "valid"):
            raise ValueError(
                f"Convolution expected a kernel within the image {self.shape} for the boundary "
                f"'{self.boundary}', got {self.kernel.shape}. Crop the kernel, or use 'zero'."
            )
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        change = {"full": 1, "valid": -1}.get(self.boundary, 0)
        pairs = zip(self.shape, self.kernel.shape, strict=True)
        return struct(tuple(n + change * (k - 1) for n, k in pairs), self.dtype)

    def apply(self, x: Any) -> jax.Array:
        return convolve(x, self.kernel, self.boundary)

    def adjoint(self, y: Any) -> jax.Array:
        return convolve_adjoint(y, self.kernel, self.boundary)

    def normal(self, x: Any) -> jax.Array:
        if self.boundary != "periodic" or self.kernel.size <= FEW_ENTRIES:
            return super().normal(x)
        transfer = transfer_function(self.kernel, self.shape, half=_both_real(x, self.kernel))
        return _filter(x, (jnp.conj(transfer) * transfer).real)
