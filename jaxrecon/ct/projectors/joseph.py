r"""The model "joseph": rays of any geometry, sampled where they cross the planes of pixel centres.

A ray with direction r (in pixels) crosses the planes x_a = 0, 1, ... of its dominant axis a, the
one with the largest |r_a|, at the points q. Its integral is (Joseph 1982,
doi:10.1109/TMI.1982.4307572)

    p = (mm between two planes) sum over planes of f(q),

with f interpolated linearly across the plane in 2-D and bilinearly in 3-D, and zero outside of the
image. All weights are non-negative. Rays of one view may have different dominant axes: the image is
addressed through one flat index, with the strides that each ray needs. The adjoint scatters with
the same indices and weights, so it is the exact transpose.

One plane is handled at a time, for the rays of as many views as make up `CHUNK` rays, but of at
least one view: temporaries are some 20 arrays of that size, and the image with its border.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.matched import matched
from jaxrecon.ct.geometry import Geometry

CHUNK = 2**14
"""Rays that are handled at once."""


class _Rays(NamedTuple):
    """Some rays in pixels: what both directions compute their weights from."""

    planes: Any
    """(rays,) number of planes of the dominant axis."""
    stride: Any
    """(rays,) of the padded image, along the dominant axis."""
    start: Any
    """(rays, d - 1) position on plane 0, along the other axes."""
    slope: Any
    """(rays, d - 1) from plane to plane."""
    counts: Any
    """(rays, d - 1) pixels along the other axes."""
    strides: Any
    """(rays, d - 1) of the padded image, along the other axes."""
    length: Any
    """(rays,) mm between two planes."""


def _rays(geometry: Geometry, view: Any, axes: tuple[int, ...] | None) -> _Rays:
    shape = geometry.image_shape
    d = len(shape)
    size: Any = geometry.pixel_size  # type: ignore[attr-defined]
    centre: Any = geometry.centre  # type: ignore[attr-defined]
    full = (*geometry.detector_shape, d)
    point, direction = (
        jnp.broadcast_to(a, full).reshape(-1, d)[:, ::-1] for a in geometry.view_rays(view)
    )
    place = (point - centre[::-1]) / size + (np.asarray(shape, geometry.dtype) - 1) / 2
    r = direction / size
    allowed = np.isin(np.arange(d), range(d) if axes is None else axes)
    axis = jnp.argmax(jnp.where(allowed, jnp.abs(r), -1), axis=-1)[:, None]
    others = jnp.asarray([[b for b in range(d) if b != a] for a in range(d)])[axis[:, 0]]

    def along(a: Any) -> jax.Array:
        return jnp.take_along_axis(jnp.broadcast_to(a, r.shape), axis, axis=-1)

    def across(a: Any) -> jax.Array:
        return jnp.take_along_axis(jnp.broadcast_to(a, r.shape), others, axis=-1)

    counts = jnp.asarray(shape, jnp.int32)
    strides = jnp.asarray([int(np.prod([n + 2 for n in shape[b + 1 :]])) for b in range(d)])
    slope = across(r) / along(r)
    return _Rays(
        planes=along(counts)[:, 0],
        stride=along(strides)[:, 0],
        start=across(place) - along(place) * slope,
        slope=slope,
        counts=across(counts),
        strides=across(strides),
        length=jnp.linalg.norm(direction, axis=-1) / jnp.abs(along(r)[:, 0]),
    )


def linear_weights(place: jax.Array, n: Any) -> tuple[jax.Array, jax.Array]:
    """The pixel below each place and the weight of the one above.

    Places outside of the pixels -1, ..., n are moved onto -1 and n, where the image is zero.
    """
    place = jnp.clip(place, -1, n)
    lower = jnp.minimum(jnp.floor(place), n - 1)
    return lower.astype(jnp.int32), place - lower


def _taps(rays: _Rays, plane: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """Index into the padded image and weight of every tap on one plane, each (rays,).

    The image has a border of one zero on each side. Planes and positions beyond it are moved onto
    it, so what lies outside of the image counts as zero.
    """
    taps = [((jnp.minimum(plane, rays.planes) + 1) * rays.stride, jnp.ones_like(rays.length))]
    for b in range(rays.start.shape[-1]):
        n, step = rays.counts[:, b], rays.strides[:, b]
        lower, w = linear_weights(rays.start[:, b] + plane * rays.slope[:, b], n)
        offset = (lower + 1) * step
        taps = [
            (index + offset + move, weight * part)
            for index, weight in taps
            for move, part in ((0, 1 - w), (step, w))
        ]
    return taps


def _view_chunks(geometry: Geometry) -> jax.Array:
    """Numbers of the views, (chunks, views); those beyond the last one are none."""
    at_once = max(1, min(geometry.views, CHUNK // int(np.prod(geometry.detector_shape))))
    chunks = -(-geometry.views // at_once)
    at_once = -(-geometry.views // chunks)
    return jnp.arange(chunks * at_once).reshape(chunks, at_once)


def _chunk_rays(geometry: Geometry, views: jax.Array, axes: tuple[int, ...] | None) -> _Rays:
    some = geometry.take(jnp.minimum(views, geometry.views - 1)).view_parameters()
    rays = jax.vmap(lambda view: _rays(geometry, view, axes))(some)
    return _Rays(*(a.reshape(-1, *a.shape[2:]) for a in rays))


def joseph_pair(axes: tuple[int, ...] | None = None) -> tuple[Any, Any]:
    """The raw functions (geometry, image) and (geometry, sinogram), without derivative rules.

    Args:
        axes: the axes among which the dominant one is sought; all when None.
    """

    def forward(geometry: Geometry, image: jax.Array) -> jax.Array:
        padded = jnp.pad(image, 1).ravel()
        planes = jnp.arange(max(geometry.image_shape))

        @partial(jax.checkpoint, prevent_cse=False)
        def chunk(views: jax.Array) -> jax.Array:
            rays = _chunk_rays(geometry, views, axes)

            @partial(jax.checkpoint, prevent_cse=False)
            def add(total: jax.Array, plane: jax.Array) -> tuple[jax.Array, None]:
                for index, weight in _taps(rays, plane):
                    total += weight * padded.at[index].get(mode="promise_in_bounds")
                return total, None

            total, _ = jax.lax.scan(add, jnp.zeros(rays.length.shape, image.dtype), planes)
            return rays.length * total

        sinogram = jax.lax.map(chunk, _view_chunks(geometry))
        return sinogram.reshape(-1, *geometry.detector_shape)[: geometry.views]

    def adjoint(geometry: Geometry, sinogram: jax.Array) -> jax.Array:
        shape = tuple(n + 2 for n in geometry.image_shape)
        planes = jnp.arange(max(geometry.image_shape))

        @partial(jax.checkpoint, prevent_cse=False)
        def chunk(padded: jax.Array, item: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            views, values = item
            rays = _chunk_rays(geometry, views, axes)
            values = rays.length * values.ravel()

            @partial(jax.checkpoint, prevent_cse=False)
            def add(padded: jax.Array, plane: jax.Array) -> tuple[jax.Array, None]:
                for index, weight in _taps(rays, plane):
                    padded = padded.at[index].add(weight * values, mode="promise_in_bounds")
                return padded, None

            return jax.lax.scan(add, padded, planes)[0], None

        views = _view_chunks(geometry)
        sinogram = jnp.pad(
            sinogram, ((0, views.size - len(sinogram)), *((0, 0),) * (len(shape) - 1))
        )
        padded = jnp.zeros(int(np.prod(shape)), sinogram.dtype)
        padded, _ = jax.lax.scan(chunk, padded, (views, sinogram.reshape(*views.shape, -1)))
        return padded.reshape(shape)[tuple(slice(1, -1) for _ in shape)]

    return forward, adjoint


project_joseph, backproject_joseph = matched(*joseph_pair(), loop_on_cpu=True)
