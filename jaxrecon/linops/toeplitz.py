r"""Products with block Toeplitz matrices by FFTs of the image's own size, and circulant ones.

A Toeplitz product T f[m] = sum_n p[m - n] f[n] is a cyclic convolution of twice the length, whose
transform takes zeros in half of its entries. Split into even and odd frequencies it is two
transforms of the single length, of f and of f modulated by half a frequency step:

    T f = 1/2 sum over s = 0, 1 of e_s F^-1(lambda_s F(conj(e_s) f)),  e_s[m] = exp(pi i s m / n),

along each axis. That takes less memory and, on a CPU, half the time of padded transforms.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_real, check_weights, real_dtype
from jaxrecon.core.matched import matched
from jaxrecon.linops.coefficients import as_shape
from jaxrecon.linops.diagonal import check_broadcast
from jaxrecon.linops.kaiser_bessel import fast_length


class Toeplitz(LinearOperator):
    r"""T f[m] = sum over n of p[m - n] f[n] with p[-m] = conj(p[m]): Hermitian, block Toeplitz.

    A^H W A is of this kind for a (non-uniform) Fourier transform A and real weights W of the
    samples; :meth:`NonuniformFourier.toeplitz` makes it. With coils it stands between their maps s:
    the normal operator is f -> sum over coils of conj(s_c) T(s_c f). A product costs two FFTs of
    the image's size for each of the 2^d halves of the frequencies; vmap over coils runs them in
    turn on CPU, where one image fits the cache. Differentiable in f and in the spectrum.

    Args:
        spectrum: (2, ..., 2, *lengths), real, traced: eigenvalues of the cyclic convolution of
            twice the length that contains T, its even and odd frequencies along each axis. The
            lengths are those of the shape where their FFT is fast, or the next that are;
            :meth:`from_kernel` makes it of p.
        shape: shape of f and T f, complex, in the precision of the spectrum.

    Raises:
        ValueError: a spectrum of another shape.
        TypeError: a complex spectrum.

    Source: Fessler, Lee, Olafsson, Shi and Noll, doi:10.1109/TSP.2005.853152.
    """

    spectrum: jax.Array
    shape: tuple[int, ...] = static()

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Toeplitz"))
        check_real(self.spectrum, what="Toeplitz", argument="spectrum")
        self._set("spectrum", jnp.asarray(self.spectrum))
        expected = (2,) * len(self.shape) + lengths_of(self.shape)
        if self.spectrum.shape != expected:
            raise ValueError(
                f"Toeplitz expected a spectrum of shape {expected} for images of {self.shape}, got "
                f"{self.spectrum.shape}. Toeplitz.from_kernel makes it of the kernel."
            )
        super().__post_init__()

    @staticmethod
    def from_kernel(kernel: Any) -> Toeplitz:
        """T from p, (2 n, ...): p[m] at entry n + m along an axis of n pixels, -n <= m < n.

        The entries m = -n take no part. The kernel is taken as Hermitian: what p[-m] differs from
        conj(p[m]) is averaged away.

        Args:
            kernel: p, complex or real, of one to any number of axes; traced and differentiable.

        Returns:
            The operator on complex images (n, ...), in the precision of the kernel: its spectrum is
            float32 for complex64, float64 for complex128.

        Raises:
            ValueError: an axis of odd length.
        """
        kernel = jnp.asarray(kernel)
        if any(n % 2 for n in kernel.shape):
            raise ValueError(
                f"Toeplitz.from_kernel expected axes of even length, got {kernel.shape}."
            )
        shape = tuple(n // 2 for n in kernel.shape)
        lengths, p = lengths_of(shape), kernel
        for axis, (n, length) in enumerate(zip(shape, lengths, strict=True)):
            gap = [(0, 0)] * p.ndim
            gap[axis] = (length - n, length - n)
            p = jnp.pad(p, gap)
        p = jnp.fft.fftn(jnp.fft.ifftshift(p)).real
        split = p.reshape([k for length in lengths for k in (length, 2)])
        axes = len(shape)
        order = (*range(1, 2 * axes, 2), *range(0, 2 * axes, 2))
        return Toeplitz(split.transpose(order), shape)

    @property
    def domain(self) -> Space:
        return struct(self.shape, np.result_type(self.spectrum.dtype, np.complex64))

    @property
    def codomain(self) -> Space:
        return self.domain

    def apply(self, x: Any) -> jax.Array:
        return _multiply(self, x)

    def adjoint(self, y: Any) -> jax.Array:
        return self.apply(y)

    def circulant_eigenvalues(self) -> jax.Array:
        r"""Eigenvalues of the circulant matrix that is nearest to T in the Frobenius norm.

        They are the diagonal of F T F^H, F the orthonormal discrete Fourier transform: real,
        (*shape), in the order of jnp.fft, and not negative where T is positive semidefinite.

        Source: T. Chan, doi:10.1137/0909051.
        """
        axes = len(self.shape)
        order = [k for axis in range(axes) for k in (axes + axis, axis)]
        double = [2 * length for length in self.spectrum.shape[axes:]]
        c = jnp.fft.ifftn(self.spectrum.transpose(order).reshape(double))
        for axis, n in enumerate(self.shape):
            c = jnp.moveaxis(c, axis, -1)
            share = jnp.asarray(np.arange(n) / n, self.spectrum.dtype)
            before = jnp.concatenate([c[..., :1], c[..., c.shape[-1] - n + 1 :]], axis=-1)
            c = jnp.moveaxis((1 - share) * c[..., :n] + share * before, -1, axis)
        return jnp.fft.fftn(c).real


def gram_of(
    transform: LinearOperator, wide: LinearOperator, weights: Any, *, what: str
) -> Toeplitz:
    """A^H W A for a Fourier transform A of any positions; `wide` is A for twice the image."""
    image, samples = transform.domain, transform.codomain.shape
    weights = jnp.ones((), real_dtype(image.dtype)) if weights is None else jnp.asarray(weights)
    check_weights(weights, what=what)
    check_broadcast(weights, samples, what=what, argument="weights")
    # the kernel is type 1 of the weights on twice the image
    kernel = wide.adjoint(jnp.broadcast_to(weights, samples).astype(image.dtype))
    scale = float(np.sqrt(kernel.size) / np.prod(image.shape))
    return Toeplitz.from_kernel(kernel * scale)


def lengths_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths of the transforms of a product: those of the image, where they are fast."""
    return tuple(fast_length(n) for n in shape)


def _half_steps(length: int, dtype: Any) -> np.ndarray:
    """conj(e_s), for s = 0 and 1: (2, length)."""
    return np.exp(-1j * np.pi * np.outer([0, 1], np.arange(length)) / length).astype(dtype)


@jax.jit
def _product(toeplitz: Toeplitz, x: jax.Array) -> jax.Array:
    axes, lengths = len(toeplitz.shape), toeplitz.spectrum.shape[len(toeplitz.shape) :]
    gaps = [(0, length - n) for length, n in zip(lengths, toeplitz.shape, strict=True)]
    padded, total = jnp.pad(x, gaps), jnp.zeros(lengths, x.dtype)
    for halves in product((0, 1), repeat=axes):
        step = np.ones((), x.dtype)
        for half, length in zip(halves, lengths, strict=True):
            step = step[..., None] * _half_steps(length, x.dtype)[half]
        transform = jnp.fft.fftn(step * padded) * toeplitz.spectrum[halves]
        total = total + step.conj() * jnp.fft.ifftn(transform)
    return total[tuple(slice(n) for n in toeplitz.shape)] / 2**axes


_forward, _ = matched(_product, _product, loop_on_cpu=True)


def _multiply(toeplitz: Toeplitz, x: jax.Array) -> jax.Array:
    return _forward(toeplitz, x)


class Circulant(LinearOperator):
    r"""C f = F^-1 (c F f), F the discrete Fourier transform: cyclic convolution, Hermitian.

    Args:
        eigenvalues: c, real, (*shape), in the order of jnp.fft, traced.

    The domain is complex, in the precision of the eigenvalues.

    Raises:
        TypeError: complex eigenvalues.

    Source: R. Chan and Ng, doi:10.1137/S0036144594276474.
    """

    eigenvalues: jax.Array

    def __post_init__(self) -> None:
        check_real(self.eigenvalues, what="Circulant", argument="eigenvalues")
        self._set("eigenvalues", jnp.asarray(self.eigenvalues))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.eigenvalues.shape, np.result_type(self.eigenvalues.dtype, np.complex64))

    @property
    def codomain(self) -> Space:
        return self.domain

    def apply(self, x: Any) -> jax.Array:
        return jnp.fft.ifftn(self.eigenvalues * jnp.fft.fftn(x))

    def adjoint(self, y: Any) -> jax.Array:
        return self.apply(y)


def circulant_preconditioner(
    toeplitz: Toeplitz, *, shift: Any = 0.0, floor: float = 1e-3
) -> Circulant:
    r"""(C + shift)^-1 for the circulant C nearest to T: a preconditioner for T + shift I.

    C weighs each wave that fits the image a whole number of times as T does, and misses only that
    T does not wrap around. It serves where the density of the samples varies and weights do not
    even it out, as these have done the same before. With coils whose maps satisfy
    sum_c |s_c|^2 = 1 it serves the normal operator sum_c conj(s_c) T s_c as well:

        P = circulant_preconditioner(fourier.toeplitz(), shift=damping)
        conjugate_gradient(NonuniformSense(maps, fourier), y, damping=damping, preconditioner=P)

    Args:
        toeplitz: T, positive semidefinite, as A^H W A with W >= 0 is.
        shift: what is added to T, e.g. a Tikhonov weight, >= 0.
        floor: eigenvalues below this part of the largest are raised to it, as an inverse must
            not amplify waves that were not sampled.

    Returns:
        A positive definite :class:`Circulant`.

    Raises:
        ValueError: floor is not positive.

    Source: T. Chan, doi:10.1137/0909051.
    """
    if not floor > 0:
        raise ValueError(f"circulant_preconditioner expected floor > 0, got {floor!r}.")
    values = toeplitz.circulant_eigenvalues() + shift
    return Circulant(1 / jnp.maximum(values, floor * jnp.max(values)))
