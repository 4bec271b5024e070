"""Where the rays run: the parallel-beam geometry as a pytree."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_positive_int, struct
from jaxrecon.core.pytree import Pytree, static


class ParallelGeometry(Pytree):
    r"""Parallel rays x cos(theta) + y sin(theta) = s through an image centred at the origin.

    Pixel (i, j) of the image sits at y = (i - (rows - 1)/2) dy and x = (j - (columns - 1)/2) dx;
    x grows along a row and y from the first row to the last. Bin k of the detector sits at
    s = (k - (bins - 1)/2) pitch + offset.

    Angles, lengths and the offset are traced: changing them compiles nothing anew, and everything
    computed from the geometry can be differentiated in them. Counts are static.

    Args:
        angles: theta of each view, (views,), radians, in any order. Their dtype, float32 or
            float64, is the dtype of images and sinograms; integers become float32.
        image_shape: (rows, columns).
        bins: number of detector bins.
        pixel_size: mm; one number, or (dy, dx).
        pitch: distance of two bins, mm.
        offset: shift of the detector along s, mm.

    Raises:
        ValueError: counts that are no positive whole numbers, arrays of wrong shape, and, where
            values are known (outside of jit), lengths that are not positive or values not finite.
        TypeError: complex values.

    Warns:
        UserWarning: an angle beyond 2 pi, which is probably in degrees.
    """

    angles: Any
    image_shape: tuple[int, int] = static()
    bins: int = static()
    pixel_size: Any = 1.0
    pitch: Any = 1.0
    offset: Any = 0.0

    def __post_init__(self) -> None:
        what = "ParallelGeometry"
        shape = tuple(self.image_shape)
        if len(shape) != 2:
            raise ValueError(f"{what} expected image_shape as (rows, columns), got {shape}.")
        shape = tuple(check_positive_int(n, what=what, argument="image_shape") for n in shape)
        self._set("image_shape", shape)
        self._set("bins", check_positive_int(self.bins, what=what, argument="bins"))
        super().__post_init__()

        angles = jnp.asarray(self.angles)
        if jnp.iscomplexobj(angles):
            raise TypeError(f"{what} expected real angles in radians, got {angles.dtype}.")
        if not jnp.issubdtype(angles.dtype, jnp.floating):
            angles = angles.astype(jnp.float32)
        if angles.ndim != 1 or angles.size == 0:
            raise ValueError(
                f"{what} expected angles of shape (views,), got {angles.shape}. "
                "Map over several geometries with jax.vmap."
            )
        self._set("angles", angles)
        for name, shapes in (("pixel_size", ((), (2,))), ("pitch", ((),)), ("offset", ((),))):
            value = jnp.asarray(getattr(self, name))
            if jnp.iscomplexobj(value) or value.shape not in shapes:
                raise ValueError(
                    f"{what} expected {name} to be a real number"
                    f"{' or a pair (dy, dx)' if name == 'pixel_size' else ''} in mm, "
                    f"got {value.dtype} of shape {value.shape}."
                )
            value = value.astype(angles.dtype)
            self._set(name, jnp.broadcast_to(value, (2,)) if name == "pixel_size" else value)
        self._check_values()

    def _check_values(self) -> None:
        for name in ("angles", "pixel_size", "pitch", "offset"):
            value = getattr(self, name)
            if isinstance(value, Tracer):
                continue
            value = np.asarray(value)
            if not np.all(np.isfinite(value)):
                raise ValueError(f"ParallelGeometry expected finite {name}, got NaN or infinity.")
            if name in ("pixel_size", "pitch") and not np.all(value > 0):
                raise ValueError(f"ParallelGeometry expected {name} > 0 mm, got {value}.")
            if name == "angles" and np.abs(value).max() > 2 * np.pi + 1e-3:
                warnings.warn(
                    f"ParallelGeometry got the angle {value.flat[np.abs(value).argmax()]:g} beyond "
                    "2 pi: angles are in radians; convert degrees with jnp.deg2rad.",
                    stacklevel=4,
                )

    @property
    def views(self) -> int:
        return self.angles.shape[0]

    @property
    def dtype(self) -> Any:
        return self.angles.dtype

    @property
    def positions(self) -> jax.Array:
        """s of each bin, (bins,) in mm."""
        index = jnp.arange(self.bins, dtype=self.dtype) - (self.bins - 1) / 2
        return index * self.pitch + self.offset

    @property
    def image_space(self) -> jax.ShapeDtypeStruct:
        """The images: (rows, columns)."""
        return struct(self.image_shape, self.dtype)

    @property
    def sinogram_space(self) -> jax.ShapeDtypeStruct:
        """The sinograms: (views, bins)."""
        return struct((self.views, self.bins), self.dtype)


def equispaced(
    image_shape: tuple[int, int],
    views: int,
    *,
    arc: float = np.pi,
    bins: int | None = None,
    pixel_size: Any = 1.0,
    pitch: Any = None,
    offset: Any = 0.0,
    dtype: Any = None,
) -> ParallelGeometry:
    """The usual scan: `views` angles 0, arc/views, ... over an arc of pi or 2 pi radians.

    Args:
        image_shape: (rows, columns).
        views: number of views.
        arc: angle that they cover, radians.
        bins: when not given, as many as cover the diagonal of the image.
        pixel_size: mm, one number or (dy, dx), known values.
        pitch: mm; the smaller pixel side when not given.
        offset: shift of the detector, mm.
        dtype: float32 when not given.

    Raises:
        ValueError: as :class:`ParallelGeometry`.
    """
    views = check_positive_int(views, what="equispaced", argument="views")
    sides = np.broadcast_to(np.asarray(pixel_size, np.float64), (2,))
    if not np.all(sides > 0):
        raise ValueError(f"equispaced expected pixel_size > 0 mm, got {pixel_size}.")
    pitch = float(sides.min()) if pitch is None else pitch
    if bins is None:
        diagonal = float(np.hypot(*(np.asarray(image_shape) * sides)))
        bins = int(np.ceil(diagonal / float(pitch))) + 2
    angles = jnp.arange(views, dtype=jnp.float32 if dtype is None else dtype) * (arc / views)
    return ParallelGeometry(angles, image_shape, bins, pixel_size, pitch, offset)
