"""A plan of type 1: each point of the grid gathers its samples, which beats adding them one by one.

Additions into a grid (scatters) run on one core, gathers on all. So the plan turns the taps round:
which samples reach a point, and with which weights. The points' lists are cut into pieces of at
most 16, and pieces of one length are summed together, padded to a few different lengths.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.pytree import Pytree
from jaxrecon.linops.nonuniform_fourier.grid import Grid
from jaxrecon.linops.nonuniform_fourier.taps import offsets_of_taps, taps_of

_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16)
_MOST = 2**25  # taps in all that are worth a plan, of 8 bytes each in single precision


class Plan(Pytree):
    """Made on the host for positions that are known; for no others.

    `samples` and `weights` hold, for each length, an array (length, pieces): which of the sorted
    samples a piece sums, with which weights. `points` is where the pieces, one after the other, are
    added to the flattened, wrapped grid.
    """

    positions: jax.Array
    order: jax.Array
    samples: tuple[jax.Array, ...]
    weights: tuple[jax.Array, ...]
    points: jax.Array

    def holds(self, positions: jax.Array) -> jax.Array:
        """Whether these are the positions it was made for."""
        return jnp.all(self.positions == positions)


@partial(jax.jit, static_argnames="grid")
def _taps(positions: jax.Array, grid: Grid) -> tuple:
    return taps_of(positions, grid)


def plan_of(positions: jax.Array, grid: Grid) -> Plan | None:
    """The plan for positions, (samples, axes); None where it would be too large."""
    if len(positions) * grid.taps ** len(grid.shape) > _MOST or len(positions) == 0:
        return None
    with jax.ensure_compile_time_eval():
        start, along = map(np.asarray, _taps(positions, grid))
    order = np.argsort(start, kind="stable")
    start, along = start[order], along[:, :, order]
    sample, weight, first, degree = _lists(start, along, grid)
    samples, weights, points = [], [], []
    # pieces of each point: full ones, and one with the rest
    full, rest = np.divmod(degree, _LENGTHS[-1])
    for low, length in zip((0, *_LENGTHS), _LENGTHS, strict=False):
        (point,) = np.nonzero((rest > low) & (rest <= length))
        begin, size = (first + degree - rest)[point], rest[point]
        if length == _LENGTHS[-1]:
            whole = np.repeat(np.arange(len(full)), full)
            nth = np.arange(len(whole)) - np.repeat(np.cumsum(full) - full, full)
            begin = np.concatenate([begin, first[whole] + nth * length])
            size = np.concatenate([size, np.full(len(whole), length)])
            point = np.concatenate([point, whole])
        if len(point):
            entry = np.minimum(begin + np.arange(length)[:, None], len(sample) - 1)
            inside = np.arange(length)[:, None] < size
            samples.append(np.where(inside, sample[entry], 0).astype(np.int32))
            weights.append(np.where(inside, weight[entry], 0).astype(along.dtype))
            points.append(point.astype(np.int32))
    tables = (order.astype(np.int32), tuple(samples), tuple(weights), np.concatenate(points))
    with jax.ensure_compile_time_eval():
        # put, as jnp.asarray would compile a program for each shape
        return Plan(positions, *jax.device_put(tables))


def _lists(start: np.ndarray, along: np.ndarray, grid: Grid) -> tuple[np.ndarray, ...]:
    """Samples and weights point by point, where each point's list begins, and how long it is.

    The samples are sorted by `start`, so that for one tap they reach the points in order.
    """
    size, offsets = int(np.prod(grid.wrapped)), offsets_of_taps(grid)
    cell = np.bincount(start, minlength=size)
    degree = np.zeros(size, np.int64)
    for offset in offsets:
        degree[offset:] += cell[: size - offset]
    first = np.cumsum(degree) - degree
    within = np.arange(len(start)) - (np.cumsum(cell) - cell)[start]
    sample = np.empty(len(start) * len(offsets), np.int32)
    weight = np.empty(len(sample), along.dtype)
    filled = first.copy()
    for taps, offset in zip(np.ndindex((grid.taps,) * len(grid.shape)), offsets, strict=True):
        entry = filled[start + offset] + within
        sample[entry] = np.arange(len(start))
        weight[entry] = np.prod([along[axis, tap] for axis, tap in enumerate(taps)], axis=0)
        filled[offset:] += cell[: size - offset]
    return sample, weight, first, degree


def spread_by_plan(values: jax.Array, plan: Plan, grid: Grid) -> jax.Array:
    """(samples, *rest) to (points of the wrapped grid, *rest), as :func:`spread`."""
    values = values.at[plan.order].get(mode="promise_in_bounds")
    sums = []
    for samples, weights in zip(plan.samples, plan.weights, strict=True):
        total = None
        for sample, weight in zip(samples, weights, strict=True):
            weight = weight.reshape(-1, *(1,) * (values.ndim - 1))
            part = weight * values.at[sample].get(mode="promise_in_bounds")
            total = part if total is None else total + part
        sums.append(total)
    zeros = jnp.zeros((int(np.prod(grid.wrapped)), *values.shape[1:]), values.dtype)
    return zeros.at[plan.points].add(jnp.concatenate(sums), mode="promise_in_bounds")
