"""Quadratic terms that the Fourier transform diagonalises: exact proxes and x-updates by FFT."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import Space, describe, is_complex
from jaxrecon.core.functional import Functional
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import norm, real_like, zeros_like
from jaxrecon.solvers.step_sizes import is_concrete, is_quadratic
from jaxrecon.solvers.x_update import XUpdate


class FourierQuadratic(Functional):
    r"""A quadratic f whose Hessian is a periodic convolution. Made by :func:`fourier_quadratic`."""

    functional: Functional
    eigenvalues: jax.Array
    slope: jax.Array
    """the spectrum of grad f(0)"""
    space: Space = static()

    def __call__(self, x: Any) -> jax.Array:
        return self.functional(x)

    def grad(self, x: Any) -> jax.Array:
        return from_spectrum(self.eigenvalues * spectrum(x) + self.slope, self.space)

    def hessian(self, x: Any) -> jax.Array:
        return from_spectrum(self.eigenvalues * spectrum(x), self.space)

    def prox(self, v: Any, step: Any) -> jax.Array:
        step = real_like(step, v)
        moved = spectrum(v) - step * self.slope
        return from_spectrum(moved / (1 + step * self.eigenvalues), self.space)

    def lipschitz(self) -> jax.Array:
        return jnp.max(self.eigenvalues)


class FourierUpdate(XUpdate):
    r"""argmin_x f(x) + penalty/2 ||A x - v||^2 by one FFT and its inverse.

    Made by :func:`fourier_update`.
    """

    quadratic: FourierQuadratic
    operator: LinearOperator
    eigenvalues: jax.Array

    def __call__(self, v: Any, penalty: Any, x: Any) -> jax.Array:
        penalty = real_like(penalty, self.eigenvalues)
        rhs = penalty * spectrum(self.operator.adjoint(v)) - self.quadratic.slope
        system = self.quadratic.eigenvalues + penalty * self.eigenvalues
        largest = jnp.max(self.quadratic.eigenvalues) + penalty * jnp.max(self.eigenvalues)
        least = jnp.finfo(system.dtype).eps * largest
        solvable = system > least
        solution = jnp.where(solvable, rhs / jnp.where(solvable, system, 1), 0)
        return from_spectrum(solution, self.quadratic.space)


def fourier_quadratic(f: Functional, space: Space) -> FourierQuadratic:
    r"""A quadratic f with a Hessian that commutes with shifts, diagonal in Fourier space.

    grad f(x) = F^-1 (q F x + c) and prox_{s f}(v) = F^-1 ((F v - s c) / (1 + s q)): one FFT and its
    inverse each, the real FFT for real images; its Lipschitz constant max q is exact. For least
    squares with periodic convolutions, periodic differences, Fourier samples, their sums and
    multiples. q is the spectrum of the response to a point, so that any such operator will do.

    Args:
        f: a functional with a `hessian`, in one array.
        space: that of x, a ShapeDtypeStruct.

    Raises:
        NotImplementedError: f is not quadratic.
        TypeError: x is not one array.
        ValueError: where values are known (outside of jit): the Hessian does not commute with
            shifts (weights, a boundary other than 'periodic').
    """
    if not is_quadratic(f, space):
        raise NotImplementedError(
            f"fourier_quadratic expected a quadratic functional, got {type(f).__name__}."
        )
    eigenvalues = _eigenvalues(f.hessian, space, "the Hessian of f")
    return FourierQuadratic(f, eigenvalues, spectrum(f.grad(zeros_like(space))), space)


def fourier_update(f: Functional, operator: LinearOperator) -> FourierUpdate:
    r"""The exact x-update of :func:`admm` and :func:`half_quadratic_splitting` by FFT.

        x = F^-1 ((penalty F A^H v - c) / (q + penalty a)),

    q and a the spectra of the Hessian of f and of A^H A, c that of grad f(0). Total variation
    deblurring: f = LeastSquares(Convolution(kernel, shape), m) and A = FiniteDifference(shape,
    boundary='periodic'). The penalty may change from step to step. At frequencies that neither
    term sees, x is 0.

    Args:
        f: quadratic, with a Hessian that commutes with shifts; Zero() too.
        operator: A, with A^H A that commutes with shifts; stacks too.

    Raises: as :func:`fourier_quadratic`.

    Source: Wang, Yang, Yin and Zhang 2008, doi:10.1137/080724265.
    """
    quadratic = fourier_quadratic(f, operator.domain)
    return FourierUpdate(quadratic, operator, _eigenvalues(operator.normal, operator.domain, "A"))


def spectrum(x: Any) -> jax.Array:
    """The FFT of x; for real x the half of it that ``jnp.fft.rfftn`` keeps."""
    return jnp.fft.fftn(x) if is_complex(x.dtype) else jnp.fft.rfftn(x)


def from_spectrum(values: jax.Array, space: Space) -> jax.Array:
    """The array of `space` with the spectrum `values`."""
    if is_complex(space.dtype):
        return jnp.fft.ifftn(values)
    return jnp.fft.irfftn(values, space.shape)


def _eigenvalues(apply: Any, space: Space, name: str) -> jax.Array:
    """The spectrum of the response to a point at the origin, non-negative."""
    if not hasattr(space, "shape"):
        raise TypeError(f"Fourier updates are for images of one array, got {describe(space)}.")
    point = jnp.zeros(space.shape, space.dtype).at[(0,) * len(space.shape)].set(1)
    eigenvalues = jnp.maximum(spectrum(apply(point)).real, 0)
    if is_concrete(eigenvalues):
        probe = jnp.asarray(np.random.default_rng(0).standard_normal(space.shape), space.dtype)
        expected = apply(probe)
        error = norm(from_spectrum(eigenvalues * spectrum(probe), space) - expected)
        rounding = 1000 * jnp.finfo(expected.dtype).eps
        if not error <= rounding * norm(expected):
            raise ValueError(
                f"Fourier updates expected {name} to commute with shifts, but at a random image "
                f"its Fourier form is off by {float(error / norm(expected)):.1e}. Weights, masks "
                "of pixels and boundaries other than 'periodic' do not commute; leave x_update "
                "out to solve by conjugate gradients."
            )
    return eigenvalues
