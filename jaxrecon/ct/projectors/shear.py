r"""The model "shear": parallel-beam line integrals by shearing the image, and the exact adjoint.

Views are shears of the image, see `sheared_views`; f_y is interpolated linearly between pixels.
For one row and view all samples of q share one shift, so the sum is a product of a small matrix of
weights with contiguous slices of rows. q is tabulated at every half pixel (two phases) and
interpolated linearly at the X of the bins; pitch, offset and angles are arbitrary there. All
weights are non-negative.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.matched import matched
from jaxrecon.core.products import matmul
from jaxrecon.ct.geometry import ParallelGeometry
from jaxrecon.ct.projectors.sheared_views import (
    embed,
    extract,
    middle_in_square,
    sheared_views,
    side_of,
)

_PHASES = 2  # samples of the sheared sum q per pixel


class _Shear(NamedTuple):
    """One view (or all, stacked): what both directions compute their weights from."""

    steep: Any
    slope: Any
    row_centre: Any
    column_centre: Any
    samples: Any
    """(bins,) positions of the bins on the grid of q, in samples of it."""
    length: Any


def _shears(geometry: ParallelGeometry) -> _Shear:
    views = sheared_views(geometry)
    (row, column), (row_steep, column_steep) = middle_in_square(geometry)
    half, _ = _grid(geometry)
    pixels = (geometry.positions - views.middle[:, None]) / views.unit[:, None]
    return _Shear(
        steep=views.steep,
        slope=views.slope,
        row_centre=jnp.where(views.steep, row_steep, row).astype(geometry.dtype),
        column_centre=jnp.where(views.steep, column_steep, column).astype(geometry.dtype),
        samples=(pixels + half) * _PHASES,
        length=views.length,
    )


def _grid(geometry: ParallelGeometry) -> tuple[int, int]:
    """q is tabulated for X = -half, ..., length - 1 - half pixels: all that a ray can meet."""
    half = side_of(geometry) + 2
    return half, 2 * half + 1


def _row_taps(shear: _Shear, geometry: ParallelGeometry) -> tuple[jax.Array, jax.Array]:
    """Weights from rows to q: n of shape (rows,) and w of shape (2, 3, rows), so that

    q[phase, k] = sum over rows and taps of w[phase, tap, row] f[row, k + n[row] + tap].
    """
    half, _ = _grid(geometry)
    row = jnp.arange(side_of(geometry), dtype=geometry.dtype) - shear.row_centre
    shift = shear.column_centre - half - row * shear.slope
    whole = jnp.floor(shift)
    a = shift - whole  # sample k lies between the pixels k + n and k + n + 1, at the fraction a
    late = a >= 0.5  # then half a pixel later is between the next two
    b = jnp.where(late, a - 0.5, a + 0.5)
    none = jnp.zeros_like(a)
    on_pixel = jnp.stack([1 - a, a, none])
    half_later = jnp.where(late, jnp.stack([none, 1 - b, b]), jnp.stack([1 - b, b, none]))
    return whole.astype(jnp.int32), jnp.stack([on_pixel, half_later])


def _bin_weights(
    shear: _Shear, geometry: ParallelGeometry
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Of each bin: its two samples of q, flattened as (phase, pixel), and their weights."""
    _, length = _grid(geometry)
    last = _PHASES * length - 2
    first = jnp.clip(jnp.floor(shear.samples), 0, last)
    fraction = shear.samples - first
    inside = (fraction >= 0) & (fraction <= 1)
    k = first.astype(jnp.int32)

    def flat(index: jax.Array) -> jax.Array:
        return (index % _PHASES) * length + index // _PHASES

    weight = shear.length
    lower = jnp.where(inside, (1 - fraction) * weight, 0)
    upper = jnp.where(inside, fraction * weight, 0)
    return flat(k), flat(k + 1), lower, upper


def _project(geometry: ParallelGeometry, image: jax.Array) -> jax.Array:
    side = side_of(geometry)
    _, length = _grid(geometry)
    margin = side + 4  # at least the largest shift to the left
    images = jnp.pad(embed(image, geometry), ((0, 0), (0, 0), (margin, length + 2 - side)))

    @partial(jax.checkpoint, prevent_cse=False)
    def view(shear: _Shear) -> jax.Array:
        n, taps = _row_taps(shear, geometry)
        rows = images[shear.steep]

        def pixels(row: jax.Array, start: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice_in_dim(row, start, length + 2)

        moved = jax.vmap(pixels)(rows, n + margin)
        sums = matmul(taps.reshape(_PHASES * 3, side), moved)
        sums = sums.reshape(_PHASES, 3, length + 2)
        q = sums[:, 0, :length] + sums[:, 1, 1 : length + 1] + sums[:, 2, 2:]
        q = q.ravel()
        lower, upper, lower_weight, upper_weight = _bin_weights(shear, geometry)
        return lower_weight * q[lower] + upper_weight * q[upper]

    return jax.lax.map(view, _shears(geometry))


def _backproject(geometry: ParallelGeometry, sinogram: jax.Array) -> jax.Array:
    side = side_of(geometry)
    _, length = _grid(geometry)

    @partial(jax.checkpoint, prevent_cse=False)
    def view(images: jax.Array, item: tuple[_Shear, jax.Array]) -> tuple[jax.Array, None]:
        shear, values = item
        lower, upper, lower_weight, upper_weight = _bin_weights(shear, geometry)
        q = jnp.zeros(_PHASES * length, values.dtype)
        q = q.at[lower].add(lower_weight * values).at[upper].add(upper_weight * values)
        q = jnp.pad(q.reshape(_PHASES, length), ((0, 0), (2, 2)))
        n, taps = _row_taps(shear, geometry)

        def row(start: jax.Array, weights: jax.Array) -> jax.Array:
            moved = jax.lax.dynamic_slice_in_dim(q, start, side + 2, axis=1)
            total = jnp.zeros(side, q.dtype)  # term by term, so that the slices are never stored
            for phase in range(_PHASES):
                for tap in range(3):
                    total += weights[phase, tap] * moved[phase, 2 - tap : 2 - tap + side]
            return total

        return images.at[shear.steep].add(jax.vmap(row, (0, 2))(-n, taps)), None

    images = jnp.zeros((2, side, side), sinogram.dtype)
    images, _ = jax.lax.scan(view, images, (_shears(geometry), sinogram))
    return extract(images, geometry)


project_shear, backproject_shear = matched(_project, _backproject, loop_on_cpu=True)
