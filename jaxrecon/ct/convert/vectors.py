"""The common ground of all conversions: vectors of every view in double precision."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.ct.geometry import (
    ConeGeometry,
    FanGeometry,
    Geometry,
    ParallelGeometry,
    ParallelGeometry3D,
    VectorGeometry,
    as_vectors,
)

TOLERANCE = 1e-6  # of the largest coordinate: well above float32 rounding of the vectors


class RayVectors(NamedTuple):
    """What a :class:`jaxrecon.ct.VectorGeometry` holds, as float64 NumPy arrays."""

    image_shape: Any
    source: np.ndarray
    detector: np.ndarray
    column_axis: np.ndarray
    row_axis: Any
    detector_shape: Any
    pixel_size: np.ndarray
    centre: np.ndarray
    beam: str


def double(geometry: Geometry) -> Any:
    """The geometry with its leaves as float64 NumPy arrays: to be read, not to be called."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), geometry)


def vectors_of(geometry: Geometry) -> RayVectors:
    """The vectors of a geometry with a flat detector, without the rounding of its dtype."""
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), double(geometry))
        vectors = double(as_vectors(exact))
    return RayVectors(*(getattr(vectors, name) for name in RayVectors._fields))


def frame(angles: np.ndarray, dimension: int) -> Any:
    """u along the detector, d along the central ray, z along the axis, each (views, dimension)."""
    cos, sin, zero = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    u, d, z = [cos, sin, zero], [-sin, cos, zero], [zero, zero, zero + 1]
    return tuple(np.stack(axis[:dimension], axis=-1) for axis in (u, d, z))


def in_dtype(geometry: Any, dtype: Any) -> Any:
    """The geometry with its leaves as JAX arrays of a dtype (float32 when None)."""
    dtype = jnp.float32 if dtype is None else dtype
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype), geometry)


def lifted(v: RayVectors) -> RayVectors:
    """The plane as the slice z = 0 of a volume, with one row on the detector, of the pixel size."""
    source, detector, column = (
        np.pad(a, ((0, 0), (0, 1))) for a in (v.source, v.detector, v.column_axis)
    )
    size = v.pixel_size.min()
    return RayVectors(
        image_shape=(1, *v.image_shape),
        source=source,
        detector=detector,
        column_axis=column,
        row_axis=np.tile([0.0, 0.0, size], (len(source), 1)),
        detector_shape=(1, *v.detector_shape),
        pixel_size=np.append(size, v.pixel_size),
        centre=np.append(v.centre, 0),
        beam=v.beam,
    )


def flattened(v: RayVectors) -> RayVectors:
    """The plane z = 0 of a volume of one slice, seen by one row."""
    return RayVectors(
        image_shape=v.image_shape[1:],
        source=v.source[:, :2],
        detector=v.detector[:, :2],
        column_axis=v.column_axis[:, :2],
        row_axis=None,
        detector_shape=v.detector_shape[1:],
        pixel_size=v.pixel_size[1:],
        centre=v.centre[:2],
        beam=v.beam,
    )


def simplest(vectors: RayVectors, dtype: Any = None, angles: Any = None) -> Any:
    """The parallel, fan or cone geometry that these vectors belong to, or a vector geometry.

    Args:
        vectors: of all views.
        dtype: of the result, float32 when None.
        angles: theta of every view where it is known; found from the columns otherwise.
    """
    with jax.enable_x64(True):
        for candidate in _candidates(vectors, angles):
            if _same_rays(vectors_of(candidate), vectors):
                return in_dtype(double(candidate), dtype)
        return in_dtype(double(VectorGeometry(**vectors._asdict())), dtype)


def _candidates(v: RayVectors, angles: Any) -> list[Any]:
    """At most one geometry, of the kind that the dimension and the beam ask for."""
    dimension = len(v.image_shape)
    if angles is None:
        angles = np.unwrap(np.arctan2(v.column_axis[:, 1], v.column_axis[:, 0]))
    u, d, z = frame(np.asarray(angles, np.float64), dimension)

    def along(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
        return np.sum(vector * axis, axis=-1)

    pitch: Any = np.linalg.norm(v.column_axis, axis=-1).mean()
    if dimension == 3:
        pitch = np.array([np.linalg.norm(v.row_axis, axis=-1).mean(), pitch])
    kinds: Any = {"pixel_size": v.pixel_size, "centre": v.centre, "pitch": pitch}
    if v.beam == "parallel":
        if dimension == 2:
            offset = along(v.detector, u).mean()
            return [
                ParallelGeometry(v.image_shape, angles, v.detector_shape[0], offset=offset, **kinds)
            ]
        tilt = np.arctan2(-along(v.row_axis, d), along(v.row_axis, z)).mean()
        row = np.cos(tilt) * z - np.sin(tilt) * d
        offset = np.array([along(v.detector, row).mean(), along(v.detector, u).mean()])
        return [
            ParallelGeometry3D(
                v.image_shape, angles, v.detector_shape, offset=offset, tilt=tilt, **kinds
            )
        ]
    source, detector = -along(v.source, d).mean(), along(v.detector, d).mean()
    if min(source, detector) <= 0:
        return []
    shift = along(v.source, u).mean()
    offset: Any = along(v.detector, u).mean() - shift
    try:  # a source inside of the image is no error of a vector geometry
        if dimension == 2:
            return [
                FanGeometry(
                    v.image_shape, angles, v.detector_shape[0], source, detector,
                    offset=offset, axis_shift=shift, **kinds,
                )
            ]  # fmt: skip
        height = along(v.source, z)
        offset = np.array([(along(v.detector, z) - height).mean(), offset])
        return [
            ConeGeometry(
                v.image_shape, angles, v.detector_shape, source, detector,
                offset=offset, axis_shift=shift, source_z=height, **kinds,
            )
        ]  # fmt: skip
    except ValueError:
        return []


def _same_rays(a: RayVectors, b: RayVectors) -> bool:
    """Whether every ray is the same line, and for a divergent beam has the same detector."""
    pairs = [(a.column_axis, b.column_axis), (a.row_axis, b.row_axis)]
    if a.beam == "parallel":  # the detector may slide along the rays, which may run backwards
        along = b.source / np.linalg.norm(b.source, axis=-1, keepdims=True)
        back = a.source / np.linalg.norm(a.source, axis=-1, keepdims=True)
        sign = np.sign(np.sum(along * back, axis=-1, keepdims=True))
        gap = a.detector - b.detector
        gap -= np.sum(gap * along, axis=-1, keepdims=True) * along
        pairs += [(along, sign * back), (gap, np.zeros_like(gap))]
    else:
        pairs += [(a.source, b.source), (a.detector, b.detector)]
    scale = max(
        np.abs(x).max() for x in (b.detector, b.source * (b.beam == "divergent"), b.pixel_size)
    )
    return all(x is None or np.abs(x - y).max() <= TOLERANCE * scale for x, y in pairs)
