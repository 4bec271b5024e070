"""GRAPPA: missing lines of k-space as linear combinations of measured ones near to them."""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve

from jaxrecon.core.checks import complex_dtype
from jaxrecon.core.products import matmul, tensordot
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.core.vectors import real_like
from jaxrecon.mri.coils.calibration import complex_coils, per_axis
from jaxrecon.mri.direct.lattice import Lattice, as_lattice, concrete_mask, find_lattice


class GrappaWeights(Pytree):
    r"""Kernels of GRAPPA, made by :func:`grappa_weights`.

    Args:
        weights: (coset, coil, coil, line, x): for each place that a missing sample has between
            measured ones, the weights of all coils at the measured samples near to it.
        lattice: static; the pattern of measured samples.
        kernel: static; number of measured samples along each axis.
    """

    weights: jax.Array
    lattice: Lattice = static()
    kernel: tuple[int, ...] = static()


def grappa(
    kspace: Any,
    mask: Any,
    calibration: Any,
    *,
    kernel: int | tuple[int, ...] | None = None,
    damping: Any = 1e-3,
) -> jax.Array:
    r"""k-space of all coils, its missing samples filled in by GRAPPA; measured ones are kept.

    The pattern is read from the mask: the densest regular undersampling that lies in it, with an
    offset, in 3-D along y and z with a shift between planes (CAIPIRINHA), too. What the mask has
    besides, as a calibration region, is kept but not used as a source. See :func:`grappa_weights`
    for the kernels; those two steps may be done apart, to use weights again.

    Args:
        kspace: (coil, y, x) or (coil, z, y, x), complex, its origin at entry n // 2; what the mask
            leaves out is not looked at.
        mask: (y, 1) or (y, x), in 3-D (z, y, 1) or (z, y, x), boolean, not traced: a NumPy array.
            All samples along x are measured.
        calibration: (coil, *region), the fully sampled centre, or that of another scan with the
            same coils; see :func:`jaxrecon.mri.coils.calibration_region`.
        kernel, damping: see :func:`grappa_weights`.

    Returns:
        (coil, *image), the filled k-space: :func:`zero_filled` makes an image of it.

    Raises:
        ValueError: a mask without a regular pattern of acceleration 16 or less, or that does not
            fit; a calibration region too small for the kernel.
        TypeError: a traced mask, one that is not boolean, real k-space.

    Source: Griswold, Jakob, Heidemann, Nittka, Jellus, Wang, Kiefer and Haase 2002,
    doi:10.1002/mrm.10171; along two axes with a shift: Breuer et al. 2006, doi:10.1002/mrm.20787.
    """
    what = "grappa"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *image)")
    lattice, offset = find_lattice(_lines_of(mask, kspace, what), what=what)
    weights = grappa_weights(
        calibration, lattice.acceleration, shift=lattice.shift, kernel=kernel, damping=damping
    )
    return grappa_fill(kspace, weights, offset=offset, mask=mask)


def grappa_weights(
    calibration: Any,
    acceleration: int | tuple[int, ...],
    *,
    shift: int = 0,
    kernel: int | tuple[int, ...] | None = None,
    damping: Any = 1e-3,
) -> GrappaWeights:
    r"""Weights w of y_c(k) = sum_{c', d} w_{c, c', d} y_c'(k + d), fitted to calibration data.

    k is a missing sample, k + d run over the measured samples nearest to it. For each of the R - 1
    places of k between measured samples, T and S the targets and sources of all windows of the
    calibration region as columns,

        w = T S^H (S S^H + damping t I)^-1,   t = trace(S S^H) / rows of S,

    which minimises ||T - w S||^2 + damping t ||w||^2.

    Choices: more damping lowers noise and raises residual folding; a larger kernel the other way
    about, and it needs more calibration data. In complex64 keep the damping above 1e-5.

    Args:
        calibration: (coil, *region), complex, fully sampled.
        acceleration: static; along y, or for each axis, (R_y, 1) or (R_z, R_y, 1).
        shift: static; samples by which the pattern along y moves on from one measured z to the
            next, 0 to R_y - 1.
        kernel: static; measured samples used along each axis: (2, 5) by default, (3, 2, 5) in 3-D.
        damping: >= 0, traced.

    Returns:
        :class:`GrappaWeights`, differentiable in the calibration data and damping.

    Raises:
        ValueError: a region smaller than the kernel's reach; undersampling along x.
        TypeError: calibration data that are not complex.

    Source: Griswold et al. 2002, doi:10.1002/mrm.10171.
    """
    what = "grappa"
    calibration = complex_coils(
        calibration, what=what, argument="calibration", axes="(coil, *region)"
    )
    region = calibration.shape[1:]
    lattice = as_lattice(acceleration, shift, len(region), what=what)
    kernel = _kernel(kernel, len(region), what)
    if lattice.acceleration[-1] != 1:
        raise ValueError(
            f"{what} expected all samples along the last axis, got an acceleration of "
            f"{lattice.acceleration}. Move the readout there."
        )
    targets, sources = _windows(lattice, kernel, region, what)
    coils = calibration.shape[0]
    fitted = _fit(calibration, targets, sources, real_like(damping, calibration))
    shape = (lattice.total - 1, coils, coils, prod(kernel[:-1]), kernel[-1])
    return GrappaWeights(fitted.reshape(shape), lattice, kernel)


def grappa_fill(
    kspace: Any,
    weights: GrappaWeights,
    *,
    offset: int | tuple[int, ...] = 0,
    mask: Any = None,
) -> jax.Array:
    r"""k-space with its missing samples filled in with the weights; linear in k-space.

    k-space is taken as periodic, which it is for an image of pixels. Where the pattern does not
    continue across an edge (n not a multiple of R) what is missing there counts as 0.

    Args:
        kspace: (coil, *image), complex.
        weights: of :func:`grappa_weights`.
        offset: static; index of the first measured line along y, or of a measured sample along each
            axis.
        mask: measured samples that are kept besides those of the pattern, as :func:`grappa` has it;
            None for no others.

    Returns:
        (coil, *image). Where the mask leaves out samples of the pattern (partial Fourier, corners),
        k-space must be 0 there.

    Raises:
        ValueError: shapes that do not match.
        TypeError: k-space that is not complex, a traced mask.
    """
    what = "grappa"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *image)")
    lattice, kernel = weights.lattice, weights.kernel
    shape, coils = kspace.shape[1:], weights.weights.shape[1]
    if len(shape) != len(kernel) or kspace.shape[0] != coils:
        raise ValueError(
            f"{what} expected kspace of {coils} coils and {len(kernel)} axes, as the weights have, "
            f"got {kspace.shape}. For slices use jax.vmap."
        )
    start = _offset(offset, len(shape), what)
    kept = lattice.mask(shape, start)[..., 0]
    if mask is not None:
        kept = kept | _lines_of(mask, kspace, what)
    sources, order = _tables(lattice, kernel, shape, start, kept)
    return _apply(kspace, weights.weights.astype(kspace.dtype), sources, order)


def grappa_image_weights(weights: GrappaWeights, shape: tuple[int, ...]) -> jax.Array:
    r"""W(r) = I + sum_d w_d exp(-2 pi i d . (r - n // 2) / n): GRAPPA as a product at each pixel.

    Images of filled k-space are W(r) times the coil images of the measured samples alone, zeros
    elsewhere, if the pattern continues across the edges of k-space.

    Args:
        weights: of :func:`grappa_weights`.
        shape: static, of the image.

    Returns:
        (coil, coil, *image): of each coil from each coil.

    Source: Breuer, Kannengiesser, Blaimer, Seiberlich, Jakob and Griswold 2009,
    doi:10.1002/mrm.22066.
    """
    lattice, kernel = weights.lattice, weights.kernel
    if len(shape) != len(kernel):
        raise ValueError(f"grappa expected a shape of {len(kernel)} axes, got {shape}.")
    coils = weights.weights.shape[1]
    steps = np.concatenate(
        [np.zeros((1, len(shape)), int), *(lattice.sources(c, kernel) for c in lattice.missing())]
    )
    flat = jnp.moveaxis(weights.weights, 0, 2).reshape(coils, coils, -1)
    flat = jnp.concatenate([jnp.eye(coils, dtype=flat.dtype)[..., None], flat], axis=2)
    low, high = steps.min(0), steps.max(0)
    box = jnp.zeros((coils, coils, *(high - low + 1)), flat.dtype)
    box = box.at[(slice(None), slice(None), *(steps - low).T)].set(flat)
    return box_waves(box, low, shape)


def box_waves(box: jax.Array, low: Any, shape: tuple[int, ...]) -> jax.Array:
    """sum_d b_d exp(-2 pi i d . (r - n // 2) / n), d from `low` on, of (coil, coil, *box)."""
    for axis, n in enumerate(shape):
        steps = int(low[axis]) + np.arange(box.shape[2])
        turns = np.outer(steps, np.arange(n) - n // 2) % n / n
        waves = jnp.asarray(np.exp(-2j * np.pi * turns), complex_dtype(box.dtype))
        box = tensordot(box, waves, ((2,), (0,)))
    return box


def _kernel(kernel: Any, ndim: int, what: str) -> tuple[int, ...]:
    if kernel is None:
        kernel = (3,) * (ndim - 2) + (2, 5)
    return per_axis(kernel, ndim, what=what, argument="kernel")


def _offset(offset: Any, ndim: int, what: str) -> tuple[int, ...]:
    if not isinstance(offset, tuple | list):
        start = [0] * ndim
        start[-2 if ndim > 1 else 0] = int(offset)
        return tuple(start)
    if len(offset) != ndim:
        raise ValueError(f"{what} expected an offset along each of {ndim} axes, got {offset}.")
    return tuple(int(o) for o in offset)


def _lines_of(mask: Any, kspace: jax.Array, what: str) -> np.ndarray:
    """Which lines along the last axis are measured, (*outer axes)."""
    shape = kspace.shape[1:]
    mask = concrete_mask(mask, what=what)
    if mask.ndim != len(shape) or mask.shape[-1] not in (1, shape[-1]):
        raise ValueError(
            f"{what} expected a mask of shape {(*shape[:-1], 1)} or {shape}, got {mask.shape}. "
            "A mask of lines needs an axis for x: mask[:, None]."
        )
    if mask.shape[:-1] != shape[:-1]:
        raise ValueError(f"{what} expected a mask for k-space {shape}, got {mask.shape}.")
    if not np.array_equal(mask.all(axis=-1), mask.any(axis=-1)):
        raise ValueError(f"{what} expected a mask that does not change along the last axis.")
    return mask[..., 0]


def _windows(
    lattice: Lattice, kernel: tuple[int, ...], region: tuple[int, ...], what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Indices into the flat region: targets (coset, window), sources (coset, source, window)."""
    steps = np.stack(
        [lattice.sources(c, kernel) for c in lattice.missing()] or [np.zeros((1, len(region)), int)]
    )
    low, high = np.minimum(steps.min(1), 0), np.maximum(steps.max(1), 0)
    reach = (high - low).max(0) + 1
    if any(m < k for m, k in zip(region, reach, strict=True)):
        raise ValueError(
            f"{what} expected a calibration region of at least {tuple(reach.tolist())} samples "
            f"for a kernel of {kernel} at acceleration {lattice.acceleration}, got {region}."
        )
    counts = [m - k + 1 for m, k in zip(region, reach, strict=True)]
    grid = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1)
    targets = grid.reshape(-1, len(region)) - low[:, None]  # coset, window, axis
    sources = targets[:, None] + steps[:, :, None]

    def flat(index: np.ndarray) -> np.ndarray:
        index = index[: lattice.total - 1]
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(index, -1, 0)), region), np.int32)

    return flat(targets), flat(sources)


@jax.jit
def _fit(calibration: jax.Array, targets: Any, sources: Any, damping: jax.Array) -> jax.Array:
    """(coset, coil, coil * source)."""
    flat = calibration.reshape(calibration.shape[0], -1)

    def one(indices: tuple[jax.Array, jax.Array]) -> jax.Array:
        target, source = indices
        t = jnp.take(flat, target, axis=1)
        s = jnp.take(flat, source, axis=1).reshape(-1, target.shape[0])
        gram = matmul(s, s.conj().T)
        level = damping * jnp.trace(gram).real / len(gram)
        factor = cho_factor(gram + level * jnp.eye(len(gram), dtype=gram.dtype), lower=True)
        return cho_solve(factor, matmul(s, t.conj().T)).conj().T

    return jax.lax.map(one, (targets, sources))


def _tables(
    lattice: Lattice,
    kernel: tuple[int, ...],
    shape: tuple[int, ...],
    offset: tuple[int, ...],
    kept: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Lines, counted over the outer axes, that the lines to be made of each coset are made from,
    (coset, source line, line), beyond the last for none; and where all lines then are among those
    given and those made."""
    outer = shape[:-1]
    lines = prod(outer)
    place = np.stack(np.unravel_index(np.arange(lines), outer), axis=-1)
    place = np.concatenate([place, np.zeros((lines, 1), int)], axis=1)
    coset = lattice.coset(place - np.array(offset))
    on_lattice = np.all(coset == 0, axis=1)
    groups = [np.flatnonzero((coset == c).all(1) & ~kept.ravel()) for c in lattice.missing()]
    longest = max((len(g) for g in groups), default=0)
    order = np.arange(lines)
    sources = np.full((len(groups), prod(kernel[:-1]), longest), lines)
    for i, (c, group) in enumerate(zip(lattice.missing(), groups, strict=True)):
        steps = lattice.sources(c, kernel)[:: kernel[-1], :-1]
        near = (place[group, :-1] + steps[:, None]) % np.array(outer)
        near = np.ravel_multi_index(tuple(np.moveaxis(near, -1, 0)), outer)
        sources[i, :, : len(group)] = np.where(on_lattice[near], near, lines)
        order[group] = lines + i * longest + np.arange(len(group))
    return sources.astype(np.int32), order.astype(np.int32)


@jax.jit
def _apply(kspace: jax.Array, weights: jax.Array, sources: Any, order: Any) -> jax.Array:
    coils, n = kspace.shape[0], kspace.shape[-1]
    given = kspace.reshape(coils, -1, n)
    taps = weights.shape[-1]
    before = taps // 2
    around = (np.arange(n + taps - 1) - before) % n
    wide = jnp.take(given, around, axis=2)

    def one(item: tuple[jax.Array, jax.Array]) -> jax.Array:
        w, lines = item
        near = jnp.take(wide, lines, axis=1, mode="fill", fill_value=0)
        made = jnp.zeros((coils, lines.shape[-1], n), kspace.dtype)
        for k in range(taps):
            made += tensordot(w[..., k], near[..., k : k + n], 2)
        return made

    made = jax.lax.map(one, (weights, sources))  # coset, coil, line, x
    made = jnp.moveaxis(made, 1, 0).reshape(coils, -1, n)
    return jnp.take(jnp.concatenate([given, made], axis=1), order, axis=1).reshape(kspace.shape)
