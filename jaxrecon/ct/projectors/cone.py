r"""The model "planes": Joseph's method for a cone beam, separated into a lateral and an axial step.

The detector of a :class:`ConeGeometry` without tilt stands parallel to z, so all rays of a detector
column k lie in one vertical plane. With the source at s, the ray of row i is s + lambda (r_k, v_i).
It crosses the plane j of its dominant in-plane axis a at lambda_kj = (j - s_a) / r_ka, where

- the lateral coordinate s_o + lambda_kj r_ko is the same for all rows: the image is interpolated
  there once, for all z;
- the height z = s_z + lambda_kj v_i is linear in the rows.

The weights are those of the model "joseph" wherever a ray advances less in z than along a, in
voxels; steeper rays (large cone angles, thin slices) are summed over the same in-plane planes. All
weights are non-negative. A weight of linear interpolation is a hat function of coordinates that
both directions take from the same expressions, so that the adjoint is exact.

Both steps are gathers of contiguous vectors. In the lateral step these run along z; in the axial
step along `LANES` neighbouring columns, for which the height hardly differs: they share the first
of `TAPS` taps, and where the heights of some lanes are further apart a loop adds more taps. The
adjoint visits, for each voxel, the columns and rows within one pixel, in the same manner.

Temporaries are a few arrays of at most `CHUNK` samples (column, plane, slice), but of at least one
plane (forward) or `LANES` slices (adjoint), and a copy of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxrecon.core.matched import matched
from jaxrecon.ct.geometry import ConeGeometry
from jaxrecon.ct.projectors.cone_views import (
    LANES,
    column_range,
    heights,
    plane_count,
    row_range,
    view_of,
)
from jaxrecon.ct.projectors.joseph import joseph_pair, linear_weights

CHUNK = 2**19
"""Samples (column, plane, slice) that are handled at once."""
TAPS = 4
"""Taps that are summed in one go."""
PLANES = 4
"""Planes that are summed in one go."""


def _hat(x: jax.Array) -> jax.Array:
    return jnp.maximum(1 - jnp.abs(x), 0)


def _hat_sum(
    total: jax.Array, low: jax.Array, high: jax.Array, size: int, tap: Callable
) -> jax.Array:
    """`total` plus tap(n) for all whole numbers low <= n <= high in [0, size).

    Some other n, of weight zero, are asked for as well, up to size + TAPS - 1.
    """
    first = jnp.clip(jnp.ceil(low), 0, size).astype(jnp.int32)
    last = jnp.clip(jnp.floor(high), -1, size - 1).astype(jnp.int32)
    taps = jnp.clip(jnp.max(last - first) + 1, 0, size)

    def add(p: jax.Array, total: jax.Array) -> jax.Array:
        start = jnp.minimum(first + p * TAPS, size)
        for t in range(TAPS):
            total += tap(start + t)
        return total

    return jax.lax.fori_loop(0, -(-taps // TAPS), add, total)


def _lanes(a: jax.Array) -> jax.Array:
    """(..., slots) as (..., blocks, LANES)."""
    return a.reshape(*a.shape[:-1], -1, LANES)


def _range(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.minimum(a, b), jnp.maximum(a, b)


def _chunks(n: int, samples: int, least: int = 1, multiple: int = 1) -> jax.Array:
    """The numbers from 0 to n - 1, and some more, (chunks, numbers)."""
    chunks = -(-n // max(least, min(n, CHUNK // samples)))
    size = -(-n // (chunks * multiple)) * multiple
    return jnp.arange(-(-n // size) * size).reshape(-1, size)


def _forward(geometry: ConeGeometry, image: jax.Array) -> jax.Array:
    nz, ny, nx = image.shape
    vectors = jnp.pad(image.transpose(1, 2, 0), ((1, 1), (1, 1), (0, 0))).reshape(-1, nz)

    def view(item: Any) -> jax.Array:
        v = view_of(geometry, item)
        blocks = jnp.arange(v.column.size // LANES)
        rise = v.rise[:, None]
        n_along, along = (jnp.where(v.along_x, *a) for a in ((nx, ny), (1, nx + 2)))
        n_across, across = (jnp.where(v.along_x, *a) for a in ((ny, nx), (nx + 2, 1)))

        def chunk(total: jax.Array, planes: jax.Array) -> tuple[jax.Array, None]:
            depth = v.depth.at[planes].get(mode="clip")
            lower, w = linear_weights(v.lateral.at[planes].get(mode="clip"), n_across)
            index = (jnp.minimum(planes[:, None], n_along) + 1) * along + (lower + 1) * across
            lateral = _rows(vectors, index) * (1 - w)[..., None]
            lateral += _rows(vectors, index + across) * w[..., None]
            lateral = jnp.pad(lateral.swapaxes(1, 2), ((0, 0), (0, TAPS), (0, 0)))
            lateral = lateral.reshape(-1, LANES)

            def group(total: jax.Array, item: tuple) -> tuple[jax.Array, None]:
                numbers, depth = item[0], _lanes(item[1])[:, None]
                low, high = (heights(v, d, rise) for d in (depth.min(-1), depth.max(-1)))
                low, high = _range(low, high)

                def tap(n: jax.Array) -> jax.Array:
                    sums = jnp.zeros_like(total)
                    for j in range(PLANES):
                        z = heights(v, depth[j], rise[..., None])
                        start = (numbers[j] * (nz + TAPS) + n[j]) * blocks.size
                        sums += _hat(z - n[j][..., None]) * _rows(lateral, start + blocks)
                    return sums

                return _hat_sum(total, low - 1, high + 1, nz, tap), None

            numbers, depth = (
                a.reshape(-1, PLANES, *a.shape[1:]) for a in (jnp.arange(planes.size), depth)
            )
            return jax.lax.scan(group, total, (numbers, depth))[0], None

        total = jnp.zeros((rise.size, blocks.size, LANES), image.dtype)
        chunks = _chunks(plane_count(geometry), v.column.size * nz, multiple=PLANES)
        total, _ = jax.lax.scan(chunk, total, chunks)
        return v.length * total.reshape(rise.size, -1)[:, v.slot]

    return jax.lax.map(view, geometry.view_parameters())


def _adjoint(geometry: ConeGeometry, sinogram: jax.Array) -> jax.Array:
    nz, ny, nx = geometry.image_shape
    rows, columns = geometry.detector_shape
    ys, xs = jnp.arange(ny)[:, None], jnp.arange(nx)

    def slab(slices: jax.Array) -> jax.Array:
        z = slices[:, None].astype(geometry.dtype)

        def view(total: jax.Array, item: tuple) -> tuple[jax.Array, None]:
            parameters, values = item
            v = view_of(geometry, parameters)
            slots = v.column.size
            blocks = jnp.arange(slots // LANES)
            values = jnp.where(v.spare, 0, (v.length * values)[:, v.column])
            values = jnp.pad(values, ((0, TAPS), (0, 0))).reshape(-1, LANES)
            rise = jnp.pad(v.rise, (0, TAPS))
            depth = _lanes(v.depth)[:, None]
            low, high = row_range(geometry, v, depth, z)

            def row(i: jax.Array) -> jax.Array:
                hat = _hat(heights(v, depth, rise[i][..., None]) - z[..., None])
                return hat * _rows(values, i * blocks.size + blocks)

            lateral = jnp.zeros((*low.shape, LANES), values.dtype)
            lateral = _hat_sum(lateral, low, high, rows, row)
            lateral = lateral.reshape(-1, z.size, slots).swapaxes(1, 2).reshape(-1, z.size)
            slot = jnp.pad(v.slot, (0, TAPS))

            def column(k: jax.Array) -> jax.Array:
                s = slot[k]
                x = v.along_x[s]
                index = jnp.where(x, xs, ys) * slots + s
                weight = _hat(v.lateral.ravel()[index] - jnp.where(x, ys, xs))
                weight = jnp.where(k < columns, weight, 0)
                return weight[..., None] * _rows(lateral, index)

            low, high = column_range(geometry, parameters)
            return _hat_sum(total, low, high, columns, column), None

        total = jnp.zeros((ny, nx, slices.size), sinogram.dtype)
        return jax.lax.scan(view, total, (geometry.view_parameters(), sinogram))[0]

    slots = LANES * (-(-columns // LANES) + 1)
    slabs = jax.lax.map(slab, _chunks(nz, plane_count(geometry) * slots, LANES))
    return slabs.transpose(0, 3, 1, 2).reshape(-1, ny, nx)[:nz]


def _rows(table: jax.Array, index: jax.Array) -> jax.Array:
    return table.at[index].get(mode="promise_in_bounds")


def _with_derivatives_of(plain: Callable, fast: Callable) -> Callable:
    """`fast`, with the derivatives of `plain`, which has the same values and a simpler program."""

    @jax.custom_jvp
    def function(geometry: ConeGeometry, x: jax.Array) -> jax.Array:
        return fast(geometry, x)

    def rule(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
        def is_zero(t: Any) -> bool:
            return isinstance(t, SymbolicZero)

        leaves, tree = jax.tree.flatten(primals)
        changes = jax.tree.leaves(tangents, is_leaf=is_zero)
        moving = [i for i, t in enumerate(changes) if not is_zero(t)]

        def of_moving(*some: jax.Array) -> jax.Array:
            filled = dict(zip(moving, some, strict=True))
            every = [filled.get(i, leaf) for i, leaf in enumerate(leaves)]
            return plain(*jax.tree.unflatten(tree, every))

        points, directions = ([a[i] for i in moving] for a in (leaves, changes))
        return function(*primals), jax.jvp(of_moving, points, directions)[1]

    function.defjvp(rule, symbolic_zeros=True)
    return function


_raw_forward, _raw_adjoint = joseph_pair(axes=(1, 2))
project_planes, backproject_planes = matched(
    _with_derivatives_of(_raw_forward, _forward),
    _with_derivatives_of(_raw_adjoint, _adjoint),
    loop_on_cpu=True,
)
