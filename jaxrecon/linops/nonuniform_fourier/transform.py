"""Types 2 and 1 of the non-uniform Fourier transform as one matched pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero

from jaxrecon.core.checks import struct
from jaxrecon.core.matched import matched
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.linops.nonuniform_fourier.grid import Grid, from_grid, to_grid, unwrap, wrap
from jaxrecon.linops.nonuniform_fourier.plan import Plan, spread_by_plan
from jaxrecon.linops.nonuniform_fourier.taps import interpolate, spread, taps_of

# items of a batch that share the taps: few on CPU, whose cache they must fit; more, in turn
_TOGETHER, _TOGETHER_ON_ACCELERATORS = 4, 64


class Samples(Pytree):
    """Positions of samples, (samples, axes), cycles per pixel, and the grid of their image."""

    positions: jax.Array
    plan: Plan | None
    grid: Grid = static()


@jax.jit
def _interpolated(samples: Samples, images: jax.Array) -> jax.Array:
    """(batch, *shape) to (batch, samples)."""
    grid, taps = samples.grid, taps_of(samples.positions, samples.grid)
    beside = wrap(_side_by_side(to_grid(images, grid).reshape(len(images), -1)), grid)

    def nowhere(values: jax.Array) -> jax.Array:
        return jnp.full((len(samples.positions), *values.shape[1:]), jnp.nan, values.dtype)

    # a branch keeps XLA from fusing what comes before and after it into the sums over taps, and
    # doing it again for each tap; an optimization_barrier is gone when the CPU backend fuses
    known = jnp.all(jnp.isfinite(samples.positions))
    return _complex(
        jax.lax.cond(known, lambda values: interpolate(values, taps, grid), nowhere, beside)
    )


@jax.jit
def _spread(samples: Samples, values: jax.Array) -> jax.Array:
    """(batch, samples) to (batch, *shape)."""
    grid, plan = samples.grid, samples.plan

    def one_by_one(values: jax.Array) -> jax.Array:
        return spread(values, taps_of(samples.positions, grid), grid)

    beside = _side_by_side(values)
    if plan is None:
        spectra = one_by_one(beside)
    else:
        spectra = jax.lax.cond(
            plan.holds(samples.positions),
            lambda values: spread_by_plan(values, plan, grid),
            one_by_one,
            beside,
        )
    lengths = [grid.lengths[axis] for axis in grid.order]
    return from_grid(_complex(unwrap(spectra, grid)).reshape(len(values), *lengths), grid)


def _side_by_side(values: jax.Array) -> jax.Array:
    """(batch, n) complex to (n, 2 batch) real: one index serves all the values of a point."""
    if len(values) == 1:
        return values[0]
    return jnp.concatenate([values.real.T, values.imag.T], axis=1)


def _complex(values: jax.Array) -> jax.Array:
    """The inverse of :func:`_side_by_side`."""
    if values.ndim == 1:
        return values[None]
    half = values.shape[1] // 2
    return jax.lax.complex(values[:, :half].T, values[:, half:].T)


def _batched(together: Callable) -> Callable:
    """f(samples, x) of one x, from f(samples, xs) of a batch: vmap over x goes through the latter.

    Where the samples differ too, one item follows the other on CPU.
    """

    @custom_vmap
    def many(samples: Samples, xs: jax.Array) -> jax.Array:
        if len(xs) <= _TOGETHER:
            return together(samples, xs)

        def in_parts(samples: Samples, xs: jax.Array) -> jax.Array:
            return jax.lax.map(lambda x: many(samples, x[None])[0], xs, batch_size=_TOGETHER)

        def in_large_parts(samples: Samples, xs: jax.Array) -> jax.Array:
            size = _TOGETHER_ON_ACCELERATORS
            parts = [together(samples, xs[i : i + size]) for i in range(0, len(xs), size)]
            return jnp.concatenate(parts)

        return jax.lax.platform_dependent(samples, xs, cpu=in_parts, default=in_large_parts)

    @many.def_vmap
    def rule(size: int, mapped: Any, samples: Samples, xs: jax.Array) -> tuple[jax.Array, bool]:
        mapped_samples, mapped_xs = mapped
        if not mapped_xs:
            xs = jnp.broadcast_to(xs, (size, *xs.shape))
        if not any(jax.tree.leaves(mapped_samples)):
            flat = many(samples, xs.reshape(-1, *xs.shape[2:]))
            return flat.reshape(*xs.shape[:2], *flat.shape[1:]), True

        # a plan belongs to one set of positions; without it the result is the same
        positions = samples.positions
        if not mapped_samples.positions:
            positions = jnp.broadcast_to(positions, (size, *positions.shape))
        samples = Samples(positions, None, samples.grid)

        def in_turn(samples: Samples, xs: jax.Array) -> jax.Array:
            return jax.lax.map(lambda item: many(*item), (samples, xs))

        return jax.lax.platform_dependent(
            samples, xs, cpu=in_turn, default=jax.vmap(together)
        ), True

    return lambda samples, x: many(samples, x[None])[0]


def with_moving_positions(function: Callable, slope: Callable) -> Callable:
    """`function` with its derivative in the positions: slope(samples, change, x)."""
    moving = jax.custom_jvp(function)

    def rule(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
        samples, x = primals
        change, dx = tangents[0].positions, tangents[1]
        out = moving(samples, x)
        total = jnp.zeros_like(out)
        if type(change) is not SymbolicZero:
            total = total + slope(samples, change, x)
        if type(dx) is not SymbolicZero:
            total = total + moving(samples, dx)
        return out, total

    moving.defjvp(rule, symbolic_zeros=True)
    return moving


def pixels(shape: tuple[int, ...], precision: Any) -> np.ndarray:
    """2 pi times the pixels from the origin along each axis: (axes, *shape)."""
    along = [2 * np.pi * (np.arange(n) - n // 2) for n in shape]
    return np.stack(np.meshgrid(*along, indexing="ij")).astype(precision)


def _slope_of_sums(samples: Samples, change: jax.Array, image: jax.Array) -> jax.Array:
    """sum over axes of change_a A(-2 pi i x_a f)."""
    images = -1j * pixels(samples.grid.shape, change.dtype) * image
    values = jax.vmap(lambda f: nonuniform_sums(samples, f))(images)
    return jnp.sum(change.T * values, axis=0)


def _slope_of_adjoint(samples: Samples, change: jax.Array, values: jax.Array) -> jax.Array:
    """sum over axes of 2 pi i x_a A^H(change_a y)."""
    images = jax.vmap(lambda y: adjoint_sums(samples, y))(change.T * values)
    return jnp.sum(1j * pixels(samples.grid.shape, change.dtype) * images, axis=0)


_sums, _adjoint_sums = matched(
    with_moving_positions(_batched(_interpolated), _slope_of_sums),
    with_moving_positions(_batched(_spread), _slope_of_adjoint),
)


def nonuniform_sums(samples: Samples, image: jax.Array) -> jax.Array:
    """Type 2: the image, (*shape), at the samples, (samples,)."""
    return _sums(samples, image)


def adjoint_sums(samples: Samples, values: jax.Array) -> jax.Array:
    """Type 1, the exact adjoint of :func:`nonuniform_sums`."""
    return _adjoint_sums(samples, values, struct(samples.grid.shape, values.dtype))
