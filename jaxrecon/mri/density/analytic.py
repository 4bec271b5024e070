"""Density weights in closed form: the ramp of radial scans and the Jacobian of spirals."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_positive_int, check_real


def radial_density(angles: Any, samples: int, shape: tuple[int, int]) -> jax.Array:
    r"""Weights of spokes in the plane: share of the angle times the ramp of the radius.

        W = N (angle share) (1 / samples) R_j,   N = rows * columns,

    R_j = |r_j| up to the correction that makes it exact for objects within `samples` / 2 pixels:
    the transform of the ramp's kernel, cut off at that distance, as in filtered backprojection.
    (The ramp itself, 0 at the centre, would lower the mean of the image.) The share of a spoke is
    half the distance of its two neighbours in angle modulo pi, so that uniform, golden and any
    other angles are treated alike, and equal angles share. See :mod:`jaxrecon.mri.density` for the
    scale.

    Args:
        angles: (spokes,), radians, traced; those given to :func:`radial`.
        samples: static number of samples on a spoke.
        shape: static (rows, columns) of the image.

    Returns:
        (spokes, samples), real, in the dtype of the angles.

    Raises:
        TypeError: complex angles. ValueError: angles or shape of other dimension.
    """
    angles = jnp.asarray(angles)
    check_real(angles, what="radial_density", argument="angles")
    if angles.ndim != 1 or len(shape) != 2:
        raise ValueError(
            f"radial_density expected angles of shape (spokes,) and a shape (rows, columns), got "
            f"{angles.shape} and {shape}."
        )
    if not jnp.issubdtype(angles.dtype, jnp.inexact):
        angles = angles.astype(jnp.float32)
    samples = check_positive_int(samples, what="radial_density", argument="samples")
    ramp = jnp.asarray(_ramp(samples) * (np.prod(shape) / samples), angles.dtype)
    return _angle_shares(angles)[:, None] * ramp


def _ramp(samples: int) -> np.ndarray:
    """|r| at (j - samples // 2) / samples, of the kernel cut off at samples / 2 pixels."""
    x = np.arange(samples) - samples // 2
    kernel = np.where(x % 2 == 1, -1 / (np.pi * np.where(x == 0, 1, x)) ** 2, 0)
    kernel[samples // 2] = 0.25
    return np.real(np.fft.fftshift(np.fft.fft(np.fft.ifftshift(kernel))))


def _angle_shares(angles: jax.Array) -> jax.Array:
    """Radians of each line through the origin; they sum to pi."""
    turned = jnp.mod(angles, np.pi)
    order = jnp.argsort(turned)
    ascending = turned[order]
    gap = jnp.roll(ascending, -1) - ascending
    gap = gap.at[-1].add(np.pi)
    share = (gap + jnp.roll(gap, 1)) / 2
    return jnp.zeros_like(share).at[order].set(share)


def kooshball_density(
    spokes: int, samples: int, shape: tuple[int, int, int], *, dtype: Any = jnp.float32
) -> jax.Array:
    r"""Weights of spokes evenly spread over the sphere: N (2 pi / spokes) (1 / samples) r^2.

    The filter r^2 acts locally, as a second derivative, so that the samples need no correction and
    that of the centre counts nothing.

    Args:
        spokes, samples: static; as for :func:`radial_along`.
        shape: static (slices, rows, columns) of the volume.
        dtype: real.

    Returns:
        (spokes, samples), real.

    Raises:
        ValueError: counts that are no positive whole numbers, a shape of another dimension.
    """
    what = "kooshball_density"
    spokes = check_positive_int(spokes, what=what, argument="spokes")
    samples = check_positive_int(samples, what=what, argument="samples")
    if len(shape) != 3:
        raise ValueError(f"{what} expected a shape (slices, rows, columns), got {shape}.")
    radius = (np.arange(samples) - samples // 2) / samples
    weights = np.prod(shape) * 2 * np.pi / (spokes * samples) * radius**2
    return jnp.broadcast_to(jnp.asarray(weights, dtype), (spokes, samples))


def spiral_density(positions: Any, shape: tuple[int, int]) -> jax.Array:
    r"""Weights of interleaves that go outwards and are rotated evenly: the rings between samples.

        W_j = N (pi / interleaves) (r_{j+1/2}^2 - r_{j-1/2}^2),

    the Jacobian r dr/dj 2 pi / interleaves of radius and rotation, integrated from the middle of
    one sample interval to that of the next. Any timing and any variable density; spirals, and half
    spokes that start in the centre. See :mod:`jaxrecon.mri.density` for the scale.

    Args:
        positions: (interleaves, samples, 2), cycles per pixel; traced.
        shape: static (rows, columns) of the image.

    Returns:
        (interleaves, samples), real.

    Raises:
        TypeError: complex positions. ValueError: other shapes; a radius that falls along known
            samples.

    Source: Hoge, Kwan and Pike 1997, doi:10.1002/mrm.1910380117.
    """
    positions = jnp.asarray(positions)
    check_real(positions, what="spiral_density", argument="positions")
    if positions.ndim != 3 or positions.shape[-1] != 2 or len(shape) != 2:
        raise ValueError(
            "spiral_density expected positions of shape (interleaves, samples, 2) and a shape "
            f"(rows, columns), got {positions.shape} and {shape}."
        )
    square = jnp.sum(positions**2, axis=-1)
    if not isinstance(square, Tracer) and np.any(np.diff(np.sqrt(square)) < -1e-6):
        raise ValueError(
            "spiral_density expected radii that grow along the samples. For spokes through the "
            "centre use radial_density, for anything else voronoi or pipe_menon."
        )
    radius = jnp.sqrt(jnp.where(square > 0, square, 1)) * (square > 0)
    middle = (radius[:, 1:] + radius[:, :-1]) / 2
    first, last = radius[:, :1], radius[:, -1:]
    inner, outer = jnp.maximum(first - (middle[:, :1] - first), 0), 2 * last - middle[:, -1:]
    edges = jnp.concatenate([inner, middle, outer], axis=-1)
    return np.pi * int(np.prod(shape)) / len(positions) * jnp.diff(edges**2, axis=-1)
