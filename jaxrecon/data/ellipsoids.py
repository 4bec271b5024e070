"""Phantoms in space made of ellipsoids: the Shepp-Logan head and a ball, drawn as voxels.

Coordinates (x, y, z) in mm from the middle of the volume: x grows along a row, y from the first row
of a slice to the last, z from slice to slice.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_choice, check_positive_int
from jaxrecon.core.products import matmul
from jaxrecon.data.line_integrals import Phantom, sum_over_shapes

# Columns: semi-axes along x, y, z; centre x, y (upwards), z; rotation about z in degrees; values
# of Kak and Slaney and of Yu, Ye and Wang.
_SHEPP_LOGAN = np.array(
    [
        [0.6900, 0.920, 0.900, 0.00, 0.000, 0.000, 0, 2.00, 1.0],
        [0.6624, 0.874, 0.880, 0.00, 0.000, 0.000, 0, -0.98, -0.8],
        [0.4100, 0.160, 0.210, -0.22, 0.000, -0.250, 108, -0.02, -0.2],
        [0.3100, 0.110, 0.220, 0.22, 0.000, -0.250, 72, -0.02, -0.2],
        [0.2100, 0.250, 0.500, 0.00, 0.350, -0.250, 0, 0.02, 0.2],
        [0.0460, 0.046, 0.046, 0.00, 0.100, -0.250, 0, 0.02, 0.2],
        [0.0460, 0.023, 0.020, -0.08, -0.650, -0.250, 0, 0.01, 0.1],
        [0.0460, 0.023, 0.020, 0.06, -0.650, -0.250, 90, 0.01, 0.1],
        [0.0560, 0.040, 0.100, 0.06, -0.105, 0.625, 90, 0.02, 0.2],
        [0.0560, 0.056, 0.100, 0.00, 0.100, 0.625, 0, -0.02, -0.2],
    ]
)


class Ellipsoids(Phantom):
    """A sum of n constant ellipsoids, f(x, y, z) = sum of the values of those that contain it.

    Args:
        value: (n,), e.g. attenuation in 1/mm. All fields have its dtype.
        centre: (n, 3), x, y and z in mm.
        semi_axes: (n, 3) in mm, positive.
        rotation: (n, 3, 3), orthogonal matrices whose columns are the directions of the semi-axes
            in (x, y, z), see :func:`rotations`; None when they are x, y and z.

    Raises:
        ValueError: the number of ellipsoids differs between the fields, or (where values are
            known) a matrix is not orthogonal.
    """

    dimension: ClassVar[int] = 3

    value: Any  # type: ignore[assignment]
    centre: Any  # type: ignore[assignment]
    semi_axes: Any
    rotation: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        value = jnp.asarray(self.value)
        if self.rotation is None:
            eye = jnp.eye(3, dtype=value.dtype)
            self._set("rotation", jnp.broadcast_to(eye, (value.size, 3, 3)))
        shapes = {"value": (), "centre": (3,), "semi_axes": (3,), "rotation": (3, 3)}
        for name, shape in shapes.items():
            field = jnp.asarray(getattr(self, name), value.dtype)
            if field.shape != (value.size, *shape):
                raise ValueError(
                    f"Ellipsoids expected {name} of shape {(value.size, *shape)}, got "
                    f"{field.shape}."
                )
            self._set(name, field)
        if not isinstance(self.rotation, Tracer):
            matrix = np.asarray(self.rotation, np.float64)
            if np.abs(matrix @ matrix.swapaxes(1, 2) - np.eye(3)).max(initial=0) > 1e-3:
                raise ValueError(
                    "Ellipsoids expected orthogonal matrices for rotation; make them from angles "
                    "with rotations."
                )

    def to_unit_ball(self) -> jax.Array:
        return self.rotation.T / self.semi_axes[:, None]


def rotations(angles: Any) -> jax.Array:
    """Matrices R = Z(alpha) X(beta) Z(gamma) from Euler angles (alpha, beta, gamma), in radians.

    Z turns x towards y and X turns y towards z, in the coordinates of :class:`Ellipsoids`; alpha
    alone is a rotation about the z axis.

    Args:
        angles: (..., 3), floating point.

    Returns:
        (..., 3, 3); column k is the direction of semi-axis k.

    Raises:
        ValueError: the last axis has not three entries.
    """
    angles = jnp.asarray(angles)
    if angles.ndim == 0 or angles.shape[-1] != 3:
        raise ValueError(f"rotations expected angles of shape (..., 3), got {angles.shape}.")
    alpha, beta, gamma = (angles[..., i] for i in range(3))
    one, zero = jnp.ones_like(alpha), jnp.zeros_like(alpha)

    def matrix(*rows: tuple[Any, ...]) -> jax.Array:
        return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)

    def about_z(a: jax.Array) -> jax.Array:
        c, s = jnp.cos(a), jnp.sin(a)
        return matrix((c, -s, zero), (s, c, zero), (zero, zero, one))

    c, s = jnp.cos(beta), jnp.sin(beta)
    about_x = matrix((one, zero, zero), (zero, c, -s), (zero, s, c))
    return matmul(matmul(about_z(alpha), about_x), about_z(gamma))


def ball(radius: Any, value: Any = 1.0, centre: Any = 0.0, dtype: Any = None) -> Ellipsoids:
    """One ball. Its line integrals are 2 value sqrt(radius^2 - distance^2).

    Args:
        radius: mm.
        value: e.g. attenuation in 1/mm.
        centre: (x, y, z) in mm.
        dtype: float32 when not given.

    Raises:
        ValueError: a centre that is not three numbers.
    """
    dtype = jnp.float32 if dtype is None else dtype
    return Ellipsoids(
        jnp.asarray(value, dtype).reshape(1),
        jnp.broadcast_to(jnp.asarray(centre, dtype), (1, 3)),
        jnp.broadcast_to(jnp.asarray(radius, dtype), (1, 3)),
    )


def shepp_logan_3d(field_of_view: Any, variant: str = "modified", dtype: Any = None) -> Ellipsoids:
    """The Shepp-Logan head of ten ellipsoids, upright, 0.92 of the field of view high.

    Args:
        field_of_view: side in mm of the cube that is [-1, 1]^3 in the table; for a volume of n^3
            voxels of size d this is n * d.
        variant: "modified" (Yu, Ye, Wang; values from 0 to 1, soft tissue visible) or "original"
            (Kak and Slaney; skull 2, tissue about 1.02, relative to water).
        dtype: float32 when not given.

    Raises:
        ValueError: unknown variant.

    Sources: A. C. Kak and M. Slaney, Principles of Computerized Tomographic Imaging, 1988, section
    3.6, with its errata, doi:10.1137/1.9780898719277; H. Yu, Y. Ye and G. Wang, Katsevich-type
    algorithms for variable radius spiral cone-beam CT, Proc. SPIE 5535:550-557, 2004.
    """
    check_choice(variant, ("modified", "original"), what="shepp_logan_3d", argument="variant")
    dtype = jnp.float32 if dtype is None else dtype
    half = jnp.asarray(field_of_view, dtype) / 2
    upright = np.array([1.0, -1.0, 1.0])  # the table has y upwards
    angles = np.zeros((10, 3))
    angles[:, 0] = -np.deg2rad(_SHEPP_LOGAN[:, 6])
    return Ellipsoids(
        value=jnp.asarray(_SHEPP_LOGAN[:, 7 if variant == "original" else 8], dtype),
        centre=half * jnp.asarray(_SHEPP_LOGAN[:, 3:6] * upright, dtype),
        semi_axes=half * jnp.asarray(_SHEPP_LOGAN[:, 0:3], dtype),
        rotation=rotations(jnp.asarray(angles, dtype)),
    )


def rasterise_volume(
    phantom: Phantom, shape: tuple[int, int, int], voxel_size: Any, supersampling: int = 1
) -> jax.Array:
    """The phantom as a volume (z, y, x): its value at voxel centres, or averaged over each voxel.

    Slices are computed one after the other, so that the finer grid of one slice is in memory.

    Args:
        phantom: :class:`Ellipsoids` or another phantom in space; the volume has its dtype.
        shape: static (slices, rows, columns).
        voxel_size: mm, one number or (dz, dy, dx).
        supersampling: k > 1 averages k x k x k points per voxel.

    Raises:
        ValueError: a phantom in the plane; shape or supersampling not positive whole numbers.
    """
    what = "rasterise_volume"
    if phantom.dimension != 3:
        raise ValueError("rasterise_volume expected a phantom in space; use rasterise.")
    if len(shape) != 3:
        raise ValueError(f"{what} expected shape as (slices, rows, columns), got {shape}.")
    slices, rows, columns = (check_positive_int(n, what=what, argument="shape") for n in shape)
    fine = check_positive_int(supersampling, what=what, argument="supersampling")
    return _rasterise(phantom, voxel_size, (slices, rows, columns), fine)


@partial(jax.jit, static_argnums=(2, 3))
def _rasterise(phantom: Phantom, size: Any, shape: tuple[int, int, int], fine: int) -> jax.Array:
    dtype = phantom.value.dtype
    steps = jnp.broadcast_to(jnp.asarray(size, dtype), (3,)) / fine
    counts = [n * fine for n in shape]
    z, y, x = (
        step * (jnp.arange(n, dtype=dtype) - (n - 1) / 2)
        for step, n in zip(steps, counts, strict=True)
    )

    def one_slice(z: jax.Array) -> jax.Array:  # (fine,)
        def one(ellipsoid: Phantom) -> jax.Array:
            inside = ellipsoid.contains(x, y[:, None], z[:, None, None])
            return jnp.where(inside, ellipsoid.value, 0)

        total = sum_over_shapes(phantom, one, (fine, *counts[1:]))
        return total.reshape(fine, shape[1], fine, shape[2], fine).mean(axis=(0, 2, 4))

    return jax.lax.map(one_slice, z.reshape(shape[0], fine))
