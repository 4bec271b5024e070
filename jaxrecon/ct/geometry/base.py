"""What every CT geometry is: per-view numbers, the spaces of image and data, and its rays."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_positive_int, struct
from jaxrecon.core.pytree import Pytree, static

_ENTRIES: dict[tuple, str] = {
    ("pixel_size", 2): "a pair (dy, dx)",
    ("pixel_size", 3): "three numbers (dz, dy, dx)",
    ("centre", 2): "a pair (x, y)",
    ("centre", 3): "three numbers (x, y, z)",
    ("pitch", 2): "a pair (dv, du)",
    ("offset", 2): "a pair (v, u)",
    ("tilt", 3): "three numbers (roll, pitch, yaw)",
}


class Geometry(Pytree):
    r"""Base of the scan geometries. Lengths in mm, angles in radians, coordinates (x, y[, z]).

    The image is a grid of pixels around `centre` in the fixed frame of the object: pixel
    (k, i, j) sits at z = (k - (slices - 1)/2) dz, y = (i - (rows - 1)/2) dy,
    x = (j - (columns - 1)/2) dx, plus the centre. x grows along a row, y from the first row (at
    the top of a plot) to the last, z from slice to slice; z is the axis of rotation.

    At the angle theta the central ray runs along d = (-sin theta, cos theta) and the detector
    columns along u = (cos theta, sin theta); detector rows run along v = z. At theta = 0 the
    source is above the image (y < 0).

    A geometry is a pytree. Angles, distances, offsets, tilts, sizes are traced: they can change
    without compiling again, and be differentiated. Counts and the kind of detector are static.

    A subclass lists its fields (among them `pixel_size`, in the order of the image axes, and
    `centre`, in the order x, y[, z]), names those with one entry per view in `_per_view`, and
    defines :meth:`view_rays`.
    """

    _per_view: ClassVar[tuple[str, ...]] = ("angles",)

    image_shape: tuple[int, ...] = static()

    @property
    def views(self) -> int:
        """Number of views."""
        return getattr(self, self._per_view[0]).shape[0]

    @property
    def dtype(self) -> Any:
        """Of images and data, float32 or float64: the dtype of the per-view fields."""
        return getattr(self, self._per_view[0]).dtype

    if TYPE_CHECKING:  # a field here and a property there

        @property
        def detector_shape(self) -> tuple[int, ...]:
            """(bins,) or (rows, columns)."""
            ...

    @property
    def image_space(self) -> jax.ShapeDtypeStruct:
        """The images: (rows, columns), or (slices, rows, columns)."""
        return struct(self.image_shape, self.dtype)

    @property
    def sinogram_space(self) -> jax.ShapeDtypeStruct:
        """The data: (views, bins), or (views, detector rows, detector columns)."""
        return struct((self.views, *self.detector_shape), self.dtype)

    def pixel_positions(self) -> tuple[jax.Array, ...]:
        """Coordinates of the pixel centres in mm, one array for each axis: (y, x) or (z, y, x)."""
        size: Any = self.pixel_size  # type: ignore[attr-defined]
        centre: Any = self.centre  # type: ignore[attr-defined]
        return tuple(
            (jnp.arange(n, dtype=self.dtype) - (n - 1) / 2) * size[axis] + centre[-1 - axis]
            for axis, n in enumerate(self.image_shape)
        )

    def take(self, index: Any) -> Self:
        """The geometry of some of the views; `index` may be traced, and scanned over.

        ``lax.scan`` over an array of indices (subsets, views / subsets) runs ordered subsets
        without compiling again: ``geometry.take(index)`` and ``sinogram[index]`` go together.

        Args:
            index: (n,) whole numbers from -views to views - 1, or a mask (views,).

        Raises:
            ValueError: an index that is a single number, has several axes or chooses no view.
            IndexError: beyond the views, where its values are known; traced ones are clamped.
        """
        self._check_index(index)
        index = jnp.asarray(index)
        fields = {name: getattr(self, name) for name in self._per_view}
        return self._with(**{name: a[index] for name, a in fields.items() if a is not None})

    def _check_index(self, index: Any) -> None:
        what = f"{type(self).__name__}.take"
        if np.ndim(index) != 1:
            raise ValueError(
                f"{what} expected an index of shape (n,), got {np.shape(index)}. For a single "
                "view give [view]."
            )
        if isinstance(index, Tracer):
            return
        index = np.asarray(index)
        if index.dtype == bool and index.shape != (self.views,):
            raise IndexError(f"{what} expected a mask of ({self.views},), got {index.shape}.")
        if not (index.any() if index.dtype == bool else index.size):
            raise ValueError(f"{what} expected at least one view, got none.")
        if index.dtype != bool and not (-self.views <= index.min() <= index.max() < self.views):
            raise IndexError(
                f"{what} expected indices from {-self.views} to {self.views - 1}, got "
                f"{index.min()} to {index.max()}. Is it the geometry of a subset already?"
            )

    def _with(self, **changes: Any) -> Self:
        """A copy with some leaves replaced, without running the validation again."""
        new = object.__new__(type(self))
        for name in self.__dataclass_fields__:  # type: ignore[attr-defined]
            object.__setattr__(new, name, changes.get(name, getattr(self, name)))
        return new

    def view_parameters(self) -> Any:
        """What :meth:`view_rays` needs of each view: a pytree with the views along axis 0."""
        return {name: getattr(self, name) for name in self._per_view}

    def view_rays(self, view: Any) -> tuple[jax.Array, jax.Array]:
        """The rays of one view: a point on each and its direction, any length, in (x, y[, z]).

        Args:
            view: one entry of :meth:`view_parameters`.

        Returns:
            two arrays that broadcast to (*detector_shape, dimension), mm.
        """
        raise NotImplementedError(f"{type(self).__name__} must define view_rays")

    def rays(self) -> tuple[jax.Array, jax.Array]:
        """A point on every ray and its unit direction: (views, *detector_shape, dimension), mm."""
        point, direction = self.all_view_rays()
        return point, direction / jnp.linalg.norm(direction, axis=-1, keepdims=True)

    def all_view_rays(self) -> tuple[jax.Array, jax.Array]:
        """:meth:`view_rays` of all views at once: (views, *detector_shape, dimension), mm."""
        shape = (*self.detector_shape, len(self.image_shape))

        def one(view: Any) -> tuple[jax.Array, jax.Array]:
            point, direction = self.view_rays(view)
            return jnp.broadcast_to(point, shape), jnp.broadcast_to(direction, shape)

        return jax.vmap(one)(self.view_parameters())

    def detector_positions(self) -> tuple[jax.Array, jax.Array]:
        """Of an area detector with `pitch` and `offset`: s_v of each row and s_u of each column."""
        pitch: Any = self.pitch  # type: ignore[attr-defined]
        offset: Any = self.offset  # type: ignore[attr-defined]
        rows, columns = (
            (jnp.arange(n, dtype=self.dtype) - (n - 1) / 2) * pitch[i] + offset[i]
            for i, n in enumerate(self.detector_shape)
        )
        return rows, columns

    # Normalisation of the fields, called by the constructors of the subclasses.

    def _set_image_shape(self, dimensions: tuple[int, ...]) -> None:
        what, shape = type(self).__name__, self.image_shape
        shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        if len(shape) not in dimensions:
            axes = {2: "(rows, columns)", 3: "(slices, rows, columns)"}
            wanted = " or ".join(axes[d] for d in dimensions)
            raise ValueError(f"{what} expected image_shape as {wanted}, got {shape}.")
        shape = tuple(check_positive_int(n, what=what, argument="image_shape") for n in shape)
        self._set("image_shape", shape)

    def _set_detector_shape(self) -> None:
        what, shape = type(self).__name__, self.detector_shape
        shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        if len(shape) != len(self.image_shape) - 1:
            wanted = "(bins,)" if len(self.image_shape) == 2 else "(rows, columns)"
            raise ValueError(f"{what} expected detector_shape as {wanted}, got {shape}.")
        counts = (check_positive_int(n, what=what, argument="detector_shape") for n in shape)
        self._set("detector_shape", tuple(counts))

    def _check_source_outside(self) -> None:
        """The source must not be inside the image, or rays would start within the object."""
        names = ("source_distance", "axis_shift", "angles", "pixel_size", "centre")
        fields: Any = [getattr(self, name) for name in names]
        height: Any = getattr(self, "source_z", None)
        if any(isinstance(field, Tracer) for field in (*fields, height)):
            return
        distance, shift, angles, size, centre = (np.asarray(field) for field in fields)
        cos, sin = np.cos(angles), np.sin(angles)
        source = [distance * sin + shift * cos, -distance * cos + shift * sin]
        source = np.stack(source if height is None else [*source, np.asarray(height)], axis=-1)
        half = (size * self.image_shape)[::-1] / 2
        inside = np.all(np.abs(source - centre) < half, axis=-1)
        if inside.any():
            view = int(inside.argmax())
            raise ValueError(
                f"{type(self).__name__} expected the source outside of the image, got "
                f"source_distance = {float(distance):g} mm for an image of {2 * half[0]:g} x "
                f"{2 * half[1]:g} mm (view {view}). Are all lengths in mm?"
            )

    def _set_views(self, name: str, trailing: tuple[int, ...] = ()) -> None:
        """A per-view field as a floating-point array (views, *trailing)."""
        what = type(self).__name__
        value = jnp.asarray(getattr(self, name))
        if jnp.iscomplexobj(value):
            raise TypeError(f"{what} expected real {name}, got {value.dtype}.")
        if not jnp.issubdtype(value.dtype, jnp.floating):
            value = value.astype(jnp.float32)
        if value.ndim != 1 + len(trailing) or value.shape[1:] != trailing or value.shape[0] == 0:
            wanted = ", ".join(map(str, ("views", *trailing)))
            raise ValueError(
                f"{what} expected {name} of shape ({wanted}{',' if not trailing else ''}), got "
                f"{value.shape}. Map over several geometries with jax.vmap."
            )
        self._set(name, value)

    def _set_numbers(self, name: str, shape: tuple[int, ...] = (), *, positive: bool) -> None:
        """A traced field of a fixed shape; a single number is repeated."""
        what = type(self).__name__
        value = jnp.asarray(getattr(self, name))
        if jnp.iscomplexobj(value) or value.shape not in ((), shape):
            wanted = f" or {_ENTRIES.get((name, *shape), shape)}" if shape else ""
            raise ValueError(
                f"{what} expected {name} to be a real number{wanted}, got {value.dtype} of shape "
                f"{value.shape}."
            )
        value = jnp.broadcast_to(value.astype(self.dtype), shape)
        self._check_values(name, value, positive=positive)
        self._set(name, value)

    def _check_values(self, name: str, value: Any, *, positive: bool) -> None:
        what = type(self).__name__
        if isinstance(value, Tracer):
            return
        value = np.asarray(value)
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{what} expected finite {name}, got NaN or infinity.")
        if positive and not np.all(value > 0):
            raise ValueError(f"{what} expected {name} > 0 mm, got {value}.")
        angular = name == "tilt" or (name == "angles" and not _turns(value))
        if angular and np.abs(value).max() > 2 * np.pi * (1 + 1e-6) and not self._many_turns:
            warnings.warn(
                f"{what} got {name} of {value.flat[np.abs(value).argmax()]:g}, beyond 2 pi: angles "
                "are in radians; convert degrees with jnp.deg2rad.",
                stacklevel=5,
            )

    @property
    def _many_turns(self) -> bool:
        """Whether angles beyond 2 pi are usual (a helix)."""
        return False


def _turns(angles: np.ndarray) -> bool:
    """Whether angles look like radians of several turns: equal steps below 0.5, up to ten turns.

    Half a turn and more in degrees goes beyond.
    """
    largest, steps = np.abs(angles).max(), np.diff(angles)
    if steps.size == 0 or largest > 20 * np.pi:
        return False
    rounding = 4 * np.finfo(angles.dtype).eps * largest
    return bool(
        0 < abs(steps.mean()) < 0.5 and np.ptp(steps) <= 1e-3 * abs(steps.mean()) + rounding
    )


def unit_vectors(angle: Any) -> tuple[jax.Array, jax.Array]:
    """u = (cos, sin) along the detector and d = (-sin, cos) along the central ray."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos, sin]), jnp.stack([-sin, cos])
