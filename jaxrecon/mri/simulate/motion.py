"""Rigid motion between shots: of phantoms in closed form, of images by their Fourier transform."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_real
from jaxrecon.core.products import einsum, matmul
from jaxrecon.data.ellipsoids import Ellipsoids
from jaxrecon.data.phantoms import Ellipses
from jaxrecon.mri.simulate.phantom import phantom_kspace
from jaxrecon.mri.simulate.sensitivities import Sensitivities
from jaxrecon.mri.trajectories.delays import phase_offset


def plane_rotation(angle: Any) -> jax.Array:
    """Matrix (..., 2, 2) that turns (y, x) from +x towards +y by an angle in radians."""
    angle = jnp.asarray(angle)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([cos, sin], -1), jnp.stack([-sin, cos], -1)], -2)


def moved(phantom: Any, rotation: Any, translation: Any) -> Any:
    r"""The phantom turned about the middle of the image, then shifted: f(R^T (r - t)).

    Args:
        phantom: :class:`Ellipses` or :class:`Ellipsoids`.
        rotation: (d, d), orthogonal with determinant 1, in the order of the image axes (z, y, x);
            see :func:`plane_rotation`. Traced.
        translation: (d,), mm, in the order of the image axes. Traced.

    Returns:
        A phantom of the same kind.

    Raises:
        TypeError: another phantom. ValueError: another shape.
    """
    if not isinstance(phantom, Ellipses | Ellipsoids):
        raise TypeError(f"moved expected Ellipses or Ellipsoids, got {type(phantom).__name__}.")
    dtype, d = phantom.value.dtype, phantom.dimension
    rotation, translation = jnp.asarray(rotation, dtype), jnp.asarray(translation, dtype)
    if rotation.shape != (d, d) or translation.shape != (d,):
        raise ValueError(
            f"moved expected a rotation of shape ({d}, {d}) and a translation of shape ({d},), got "
            f"{rotation.shape} and {translation.shape}."
        )
    turn, shift = rotation[::-1, ::-1], translation[::-1]  # phantoms have x first
    centre = matmul(phantom.centre, turn.T) + shift
    if isinstance(phantom, Ellipses):
        angle = phantom.angle + jnp.arctan2(turn[1, 0], turn[0, 0])
        return phantom.replace(centre=centre, angle=angle)
    return phantom.replace(centre=centre, rotation=matmul(turn, phantom.rotation))


def moving_phantom_kspace(
    phantom: Ellipses | Ellipsoids,
    positions: Any,
    shape: tuple[int, ...],
    pixel_size: Any,
    rotations: Any,
    translations: Any,
    sensitivities: Sensitivities | None = None,
) -> jax.Array:
    """:func:`phantom_kspace` of an object that lies differently in every shot; coils stand still.

    Args:
        phantom, shape, pixel_size, sensitivities: as for :func:`phantom_kspace`.
        positions: (shots, *samples, d), cycles per pixel.
        rotations: (shots, d, d), as for :func:`moved`.
        translations: (shots, d), mm.

    Returns:
        (coil, shots, *samples), or (shots, *samples) without sensitivities; complex.

    Raises:
        ValueError, TypeError: as :func:`moved` and :func:`phantom_kspace` do; numbers of shots that
            differ.
    """
    positions = jnp.asarray(positions)
    rotations, translations = jnp.asarray(rotations), jnp.asarray(translations)
    shots = {len(a) if a.ndim else 0 for a in (positions, rotations, translations)}
    if len(shots) != 1:
        raise ValueError(
            "moving_phantom_kspace expected positions, rotations and translations of as many "
            f"shots, got {positions.shape}, {rotations.shape} and {translations.shape}."
        )

    def one(k: jax.Array, rotation: jax.Array, translation: jax.Array) -> jax.Array:
        there = moved(phantom, rotation, translation)
        return phantom_kspace(there, k, shape, pixel_size, sensitivities)

    axis = 0 if sensitivities is None else 1
    return jax.vmap(one, out_axes=axis)(positions, rotations, translations)


def motion_terms(positions: Any, rotation: Any, translation: Any) -> tuple[jax.Array, jax.Array]:
    r"""Where to sample an image at rest, and by what to multiply, to see it moved.

    The transform of f(R^T (x - t)) at k is exp(-2 pi i k . t) times that of f at R^T k. With
    ``there, factor = motion_terms(positions, R, t)`` the data of the moved image are
    ``factor * NonuniformFourier(there, shape)(image)``. R turns about the origin of the transform,
    pixel n // 2. With coils that stand still multiply the image by maps turned the other way.

    Args:
        positions: (*samples, d), cycles per pixel, real; of square pixels.
        rotation: (d, d), or (shots, d, d) with the shots along axis 0 of the positions; orthogonal.
        translation: (d,) or (shots, d), pixels.

    Returns:
        (positions of the same shape, complex factors (*samples)); differentiable.

    Raises:
        TypeError: complex positions. ValueError: other shapes.

    Source: Batchelor et al. 2005, doi:10.1002/mrm.20656, of whose general motion these are the
    rigid ones.
    """
    positions = jnp.asarray(positions)
    check_real(positions, what="motion_terms", argument="positions")
    dtype, d = positions.dtype, positions.shape[-1]
    rotation, translation = jnp.asarray(rotation, dtype), jnp.asarray(translation, dtype)
    if rotation.ndim == 3:
        return jax.vmap(motion_terms)(
            positions, rotation, jnp.broadcast_to(translation, (len(rotation), d))
        )
    if rotation.shape != (d, d) or translation.shape != (d,):
        raise ValueError(
            f"motion_terms expected a rotation ({d}, {d}) and a translation ({d},), or such for "
            f"each shot, got {rotation.shape} and {translation.shape}."
        )
    there = einsum("ba,...b->...a", rotation, positions)
    return there, phase_offset(positions, translation)
