"""k-space of phantoms in closed form, seen by coils, at any positions: no inverse crime."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_real, complex_dtype
from jaxrecon.core.products import einsum, matmul
from jaxrecon.data.ellipsoids import Ellipsoids
from jaxrecon.data.phantoms import Ellipses
from jaxrecon.mri.simulate.ball_transform import (
    ball_transforms,
    monomial_exponents,
    monomial_transforms,
)
from jaxrecon.mri.simulate.sensitivities import (
    Exponentials,
    Polynomials,
    Sensitivities,
    monomials_at,
)


def cartesian_positions(shape: tuple[int, ...], *, dtype: Any = jnp.float32) -> jax.Array:
    """Positions (i - n // 2) / n of the centred discrete Fourier transform: (*shape, d)."""
    axes = [jnp.asarray((np.arange(n) - n // 2) / n, dtype) for n in shape]
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)


def phantom_kspace(
    phantom: Ellipses | Ellipsoids,
    positions: Any,
    shape: tuple[int, ...],
    pixel_size: Any,
    sensitivities: Sensitivities | None = None,
) -> jax.Array:
    r"""Samples of the continuous Fourier transform of a phantom times coil sensitivities.

        y_c(k) = (prod shape)^(-1/2) / (prod pixel_size) int f(r) S_c(r) exp(-2 pi i k . x(r)) dr,

    x(r) the pixel coordinate of r, counted from pixel n // 2. This is the limit, for ever finer
    pixels, of the orthonormal transform that `NonuniformFourier(positions, shape)` takes of the
    rasterised phantom times the maps, and at :func:`cartesian_positions` of `fft_centred`: data
    and images of one scale, without pixels in the data. What a pixel grid cannot show, it does not
    hide: images made of the data ring at edges.

    A shape with the map B to the unit ball and centre c has the transform
    T(2 pi |B^-T k|) exp(-2 pi i k . c) / |det B|, T = 2 pi J_1(s) / s in the plane, and
    4 pi (sin s - s cos s) / s^3 in space. Exponentials move k; polynomials become derivatives.

    Args:
        phantom: :class:`Ellipses` in the plane or :class:`Ellipsoids` in space; the result has the
            complex dtype of its values. Traced and differentiable.
        positions: (*samples, d), cycles per pixel, in the order (z, y, x) of the image axes.
        shape: static shape of the image that the scale refers to.
        pixel_size: mm, one number or one for each image axis.
        sensitivities: :class:`Exponentials` or :class:`Polynomials`; None for one coil of 1.

    Returns:
        (coil, *samples), or (*samples) without sensitivities; complex.

    Raises:
        TypeError: another phantom, complex positions. ValueError: dimensions that differ.

    Source: Guerquin-Kern, Lejeune, Pruessmann and Unser 2012,
    doi:10.1109/TMI.2011.2174158.
    """
    what = "phantom_kspace"
    if not isinstance(phantom, Ellipses | Ellipsoids):
        raise TypeError(
            f"{what} expected Ellipses or Ellipsoids, got {type(phantom).__name__}, whose "
            "transform is not known in closed form."
        )
    positions = jnp.asarray(positions)
    check_real(positions, what=what, argument="positions")
    d = phantom.dimension
    if positions.ndim == 0 or positions.shape[-1] != d or len(shape) != d:
        raise ValueError(
            f"{what} expected positions (*samples, {d}) and a shape of {d} axes for "
            f"{type(phantom).__name__}, got {positions.shape} and {shape}."
        )
    if sensitivities is not None and sensitivities.dimension != d:
        raise ValueError(
            f"{what} expected sensitivities of dimension {d}, got {sensitivities.dimension}."
        )
    dtype = phantom.value.dtype
    positions = positions.astype(dtype)
    sizes = jnp.broadcast_to(jnp.asarray(pixel_size, dtype), (d,))
    middle = jnp.asarray([0.5 * (n % 2 == 0) for n in shape], dtype)  # of pixel n // 2
    k = positions / sizes
    if sensitivities is None:
        values = _transform(phantom, k)
    elif isinstance(sensitivities, Exponentials):
        values = _shifted(phantom, k, sensitivities)
    else:
        values = _with_polynomials(phantom, k, sensitivities)
    scale = np.prod(shape) ** -0.5 / jnp.prod(sizes)
    return values * (scale * _wave(-einsum("...a,a->...", positions, middle)))


def _wave(turns: jax.Array) -> jax.Array:
    """exp(-2 pi i turns), the whole turns taken off first."""
    angle = 2 * np.pi * (turns - jnp.round(turns))
    return jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))


def _geometry(phantom: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of all shapes, in the order of the image axes: inverse maps, centres, value / |det B|."""
    maps = jax.vmap(lambda one: one.to_unit_ball())(phantom)
    inverse = jnp.linalg.inv(maps)[:, ::-1, :]  # rows are image axes
    mass = phantom.value * jnp.abs(jnp.linalg.det(inverse))
    return inverse, phantom.centre[:, ::-1], mass


@jax.jit
def _transform(phantom: Any, k: jax.Array) -> jax.Array:
    """int f exp(-2 pi i k . r) dr at k in cycles per mm."""

    def add(total: jax.Array, shape: Any) -> tuple[jax.Array, None]:
        inverse, centre, mass = shape
        kappa = 2 * np.pi * matmul(k, inverse)
        square = jnp.sum(kappa**2, axis=-1)
        length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
        (ball,) = ball_transforms(length, k.shape[-1])
        return total + mass * ball * _wave(matmul(k, centre)), None

    zero = jnp.zeros(k.shape[:-1], complex_dtype(k.dtype))
    return jax.lax.scan(jax.checkpoint(add), zero, _geometry(phantom))[0]


@jax.jit
def _shifted(phantom: Any, k: jax.Array, sensitivities: Exponentials) -> jax.Array:
    coefficients = sensitivities.coefficients.astype(complex_dtype(k.dtype))
    frequencies = sensitivities.frequencies.astype(k.dtype)

    def add(total: jax.Array, term: Any) -> tuple[jax.Array, None]:
        a, w = term
        values = _transform(phantom, k - w)
        return total + a.reshape(-1, *[1] * values.ndim) * values, None

    zero = jnp.zeros((len(coefficients), *k.shape[:-1]), coefficients.dtype)
    return jax.lax.scan(jax.checkpoint(add), zero, (coefficients.T, frequencies))[0]


@jax.jit
def _with_polynomials(phantom: Any, k: jax.Array, sensitivities: Polynomials) -> jax.Array:
    d, degree = k.shape[-1], sensitivities.degree
    exponents = monomial_exponents(d, degree)
    # a polynomial in r is one in u = B (r - c), found from its values at enough points
    one_axis = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    nodes = np.stack(np.meshgrid(*[one_axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    table = np.stack([np.prod(nodes ** np.array(e), axis=1) for e in exponents], axis=1)
    from_values = jnp.asarray(np.linalg.pinv(table).T, k.dtype)
    nodes = jnp.asarray(nodes, k.dtype)
    coefficients = sensitivities.coefficients.astype(complex_dtype(k.dtype))

    def add(total: jax.Array, shape: Any) -> tuple[jax.Array, None]:
        inverse, centre, mass = shape
        points = (centre + matmul(nodes, inverse.T)) / sensitivities.scale
        at_nodes = monomials_at(points, sensitivities.exponents).astype(coefficients.dtype)
        values = matmul(coefficients, at_nodes.T)
        in_u = matmul(values, from_values.astype(coefficients.dtype))
        transforms = monomial_transforms(2 * np.pi * matmul(k, inverse), exponents)
        seen = einsum("cl,l...->c...", in_u, transforms)
        return total + mass * _wave(matmul(k, centre)) * seen, None

    zero = jnp.zeros((len(coefficients), *k.shape[:-1]), coefficients.dtype)
    return jax.lax.scan(jax.checkpoint(add), zero, _geometry(phantom))[0]
