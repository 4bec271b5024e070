"""Off-resonance in Hz: smooth fields that a shim leaves, and the dipoles of air and metal."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.mri.simulate.ball_transform import monomial_exponents
from jaxrecon.mri.simulate.sensitivities import monomials_at, pixel_centres
from jaxrecon.mri.trajectories.gradients import GAMMA


def sphere_field(
    shape: tuple[int, ...],
    pixel_size: Any,
    centre: Any,
    radius: Any,
    *,
    susceptibility: Any,
    field_strength: Any,
    direction: Any = None,
    gamma: Any = GAMMA,
    dtype: Any = jnp.float32,
) -> jax.Array:
    r"""Off-resonance of a sphere whose susceptibility differs from that of its surroundings, Hz.

        f(r) = gamma B_0 (chi / 3) (a / |r|)^3 (3 cos^2 theta - 1)   outside,   0 inside,

    theta the angle between r and the main field, a the radius; inside the sphere the field of the
    uniform magnetisation and the Lorentz correction cancel. Air in tissue has chi = 9.4 ppm: the
    field beside a sinus reaches 800 Hz at 3 T.

    Args:
        shape: static, (y, x) for the slice at z = 0 or (z, y, x).
        pixel_size: mm, one number or one for each axis.
        centre: mm from the middle of the image, in the order of its axes, and with z first also
            where the image has none: (y, x), (z, y, x).
        radius: mm.
        susceptibility: chi, difference in ppm.
        field_strength: B_0 in T.
        direction: of the main field, unit vector (z, y, x); (1, 0, 0) when not given.
        gamma: Hz/T.
        dtype: real.

    Returns:
        (*shape), Hz. Differentiable away from the surface.

    Raises:
        ValueError: a shape of other than two or three axes, a centre of another length.
    """
    if len(shape) not in (2, 3):
        raise ValueError(f"sphere_field expected a shape (y, x) or (z, y, x), got {shape}.")
    centre = jnp.asarray(centre, dtype)
    if centre.shape not in ((len(shape),), (3,)):
        raise ValueError(
            f"sphere_field expected a centre of shape ({len(shape)},) or (3,), got {centre.shape}."
        )
    if centre.shape == (2,):
        centre = jnp.concatenate([jnp.zeros(1, dtype), centre])
    unit = jnp.asarray((1.0, 0.0, 0.0) if direction is None else direction, dtype)
    strength = gamma * 1e-6 * jnp.asarray(field_strength, dtype) * susceptibility / 3
    return _dipole(pixel_size, centre, radius, strength, unit, tuple(shape))


@partial(jax.jit, static_argnums=5)
def _dipole(
    pixel_size: Any,
    centre: jax.Array,
    radius: Any,
    strength: jax.Array,
    unit: jax.Array,
    shape: tuple[int, ...],
) -> jax.Array:
    dtype = centre.dtype
    points = pixel_centres(shape, pixel_size, dtype)
    if len(shape) == 2:
        points = jnp.concatenate([jnp.zeros((*shape, 1), dtype), points], axis=-1)
    offset = points - centre
    square = jnp.sum(offset**2, axis=-1)
    outside = square > radius**2
    square = jnp.where(outside, square, 1)
    cosine2 = jnp.sum(offset * unit, axis=-1) ** 2 / square
    field = strength * radius**3 * square**-1.5 * (3 * cosine2 - 1)
    return jnp.where(outside, field, 0).astype(dtype)


def polynomial_field(
    shape: tuple[int, ...], coefficients: Any, *, dtype: Any = jnp.float32
) -> jax.Array:
    r"""sum_e c_e prod_i u_i^(e_i), u_i from -1 to 1 across the image: what a shim leaves, Hz.

    Args:
        shape: static shape of the image.
        coefficients: mapping of tuples of exponents, in the order of the image axes, to Hz, e.g.
            {(0, 0): 10.0, (1, 0): 25.0, (2, 0): -40.0} for (y, x); values traced.
        dtype: real.

    Returns:
        (*shape), Hz.

    Raises:
        ValueError: exponents of another length.
    """
    exponents = tuple(coefficients)
    if not exponents or any(len(e) != len(shape) for e in exponents):
        raise ValueError(
            f"polynomial_field expected tuples of {len(shape)} exponents for the shape {shape}, "
            f"got {exponents}."
        )
    values = jnp.stack([jnp.asarray(coefficients[e], dtype) for e in exponents])
    return jnp.sum(monomials_at(_unit(shape, dtype), exponents) * values, axis=-1)


def random_field(
    key: jax.Array,
    shape: tuple[int, ...],
    *,
    degree: int = 2,
    blobs: int = 2,
    peak: Any = 100.0,
    dtype: Any = jnp.float32,
) -> jax.Array:
    r"""A random smooth field map whose largest magnitude is `peak` Hz; a pure function of the key.

    A polynomial with normal coefficients plus Gaussian blobs, which rise and fall like the field
    above the sinuses, of widths 0.15 to 0.4 in units of half the image.

    Args:
        key: JAX random key; map over keys with `jax.vmap`.
        shape: static shape of the image.
        degree: static total degree of the polynomial, without a constant; 0 for none.
        blobs: static number of blobs.
        peak: Hz.
        dtype: real.

    Returns:
        (*shape), Hz.

    Raises:
        ValueError: neither polynomial nor blobs.
    """
    if degree < 1 and blobs < 1:
        raise ValueError(f"random_field expected a degree or blobs, got {degree} and {blobs}.")
    return _random_field(key, peak, tuple(shape), degree, blobs, dtype)


@partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _random_field(
    key: jax.Array, peak: Any, shape: tuple[int, ...], degree: int, blobs: int, dtype: Any
) -> jax.Array:
    u = _unit(shape, dtype)
    smooth, places, widths, signs = jax.random.split(key, 4)
    field = jnp.zeros(shape, dtype)
    exponents = monomial_exponents(len(shape), degree)[1:]
    if exponents:
        values = jax.random.normal(smooth, (len(exponents),), dtype) / len(exponents)
        field = jnp.sum(monomials_at(u, exponents) * values, axis=-1)
    centres = jax.random.uniform(places, (blobs, len(shape)), dtype, -0.7, 0.7)
    width = jax.random.uniform(widths, (blobs,), dtype, 0.15, 0.4)
    sign = jax.random.rademacher(signs, (blobs,), dtype)
    for i in range(blobs):
        square = jnp.sum((u - centres[i]) ** 2, axis=-1)
        field = field + sign[i] * jnp.exp(-square / (2 * width[i] ** 2))
    return jnp.asarray(peak, dtype) * field / jnp.max(jnp.abs(field))


def _unit(shape: tuple[int, ...], dtype: Any) -> jax.Array:
    sizes = np.array([2 / max(n - 1, 1) for n in shape])
    return pixel_centres(shape, sizes, dtype)
