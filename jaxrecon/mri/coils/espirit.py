"""ESPIRiT: coil sensitivities as eigenvectors of an operator made from the centre of k-space."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.products import matmul, tensordot
from jaxrecon.core.vectors import real_like
from jaxrecon.linops.coefficients import as_shape
from jaxrecon.mri.coils.calibration import complex_coils, patches, per_axis
from jaxrecon.mri.coils.eigenvectors import leading_eigenvectors
from jaxrecon.mri.coils.phase import align_phase, reference_coil


class EspiritMaps(NamedTuple):
    """Coil maps and the eigenvalue that belongs to each pixel.

    `maps` is (coil, *image), unit vectors over the coils where the eigenvalue exceeds the crop
    threshold and 0 elsewhere; `eigenvalues` is (*image), real, between 0 and 1. With several sets
    both have a leading axis of sets.
    """

    maps: jax.Array
    eigenvalues: jax.Array


def espirit(
    calibration: Any,
    shape: int | tuple[int, ...],
    *,
    kernel: int | tuple[int, ...] = 6,
    threshold: Any = 0.02,
    crop: Any = 0.9,
    sets: int | None = None,
    iterations: int = 30,
    reference: int | None = None,
    rows: int = 1,
) -> EspiritMaps:
    r"""Coil maps from the fully sampled centre of k-space, s(r) with G(r) s(r) = s(r).

    Every window of the calibration data, all coils, lies in the span of a few singular vectors of
    the matrix of all windows. W projects onto those with singular values above `threshold` times
    the largest. Projecting each window and averaging over the windows that a sample is in is a
    convolution of the coils' k-spaces, so in the image a matrix of coils G(r) at each pixel, with
    eigenvalues in [0, 1]. Where there is an object its coil sensitivities are the eigenvector of
    the eigenvalue 1; where there is none, all eigenvalues are below. Where several parts of the
    object fold onto a pixel, as when the field of view is too small, as many eigenvalues are 1:
    more sets of maps describe them all (SoftSENSE, with an image for each set, m = sum_j s_j m_j).

    G is band-limited, and its (2 kernel - 1)^d coefficients are all that is kept; it is evaluated a
    few rows of the image at a time, and its eigenvectors found by orthogonal iteration. With C
    coils, d axes, M windows and N = C kernel^d, memory is that of the windows (N M), at most three
    matrices of N x N, and C^2 (2 kernel - 1)^d + C^2 rows n beside the result, n the length of the
    last axis: never kernels x coils x pixels.

    Choices: the defaults suit 24 calibration lines of a body or head (SigPy's threshold is 0.02 and
    its crop 0.95). A larger threshold takes less of the noise into the span and of the object's
    edges too. Eigenvalues in the object rise towards 1 with the signal: where the maps have holes
    lower `crop`, where they cover the background raise it; for several sets 0.5 keeps the places
    where the folded parts end. Whiten the data first (:func:`prewhiten`) if coils differ in noise;
    compress many coils first (:func:`svd_compression`), as the cost grows with N^3.

    Args:
        calibration: (coil, *region), complex; the centre of k-space, fully sampled, with its origin
            at entry m // 2; see :func:`calibration_region`.
        shape: of the image, (y, x) or (z, y, x); as many axes as the region.
        kernel: static; window size along each axis, or for all.
        threshold: of the singular values, relative to the largest; traced. The windows are
            analysed by their Gram matrix: in complex64 not below 1e-3.
        crop: maps are 0 where the eigenvalue is at most that; traced. 0 keeps all. Pixels without
            maps are not in the data: least squares leave them at their start, a penalty fills them
            from their neighbours, across the edge of the object. There take 0.
        sets: static; number of sets of maps, with a leading axis of that length in the result; None
            is one set without the axis.
        iterations: static; of the orthogonal iteration. It converges like the ratio of an
            eigenvalue to the next lower one; where an object is, the others are well below 1.
        reference: the coil whose map is made real and non-negative (0 is SigPy's convention). None
            takes instead the first virtual coil, the principal component of the calibration data
            (BART's convention), which vanishes in fewer places.
        rows: static; rows of the image worked on at a time. 1 suits the cache of a CPU; on a GPU
            take as many as memory allows.

    Returns:
        :class:`EspiritMaps`, in the dtype of the calibration data. Differentiable in the data where
        the number of singular vectors does not change. For slices use jax.vmap or jax.lax.map.

    Raises:
        ValueError: a region that does not fit the shape, or is smaller than the kernel.
        TypeError: calibration data that are not complex.

    Source: Uecker, Lai, Murphy, Virtue, Elad, Pauly, Vasanawala and Lustig 2014,
    doi:10.1002/mrm.24751.
    """
    what = "espirit"
    shape = as_shape(shape, what=what)
    calibration = complex_coils(
        calibration, what=what, argument="calibration", axes="(coil, *region)"
    )
    coils, region = calibration.shape[0], calibration.shape[1:]
    kernel = per_axis(kernel, len(shape), what=what, argument="kernel")
    count = 1 if sets is None else check_positive_int(sets, what=what, argument="sets")
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    rows = check_positive_int(rows, what=what, argument="rows")
    if len(region) != len(shape):
        raise ValueError(
            f"{what} expected calibration data with one axis of coils and {len(shape)} of k-space "
            f"for the image {shape}, got {calibration.shape}. Use jax.vmap for slices."
        )
    if any(k > m for k, m in zip(kernel, region, strict=True)):
        raise ValueError(f"{what} expected a region of at least {kernel} samples, got {region}.")
    if any(m > n for m, n in zip(region, shape, strict=True)):
        raise ValueError(f"{what} expected a region of at most {shape} samples, got {region}.")
    if count > coils:
        raise ValueError(f"{what} expected at most {coils} sets, one for each coil, got {count}.")
    weights = reference_coil(calibration, reference, what=what)
    coefficients = _coefficients(
        _signal_projection(patches(calibration, kernel), real_like(threshold, calibration)),
        coils,
        kernel,
    )
    maps, values = _eigenmaps(coefficients, shape, count, iterations, rows)
    maps = align_phase(maps, weights)
    maps = jnp.where((values > crop)[:, None], maps, 0)
    return EspiritMaps(maps[0], values[0]) if sets is None else EspiritMaps(maps, values)


def _signal_projection(windows: jax.Array, threshold: jax.Array) -> jax.Array:
    """The projection onto the left singular vectors of X with s > threshold max(s)."""
    entries, count = windows.shape
    if entries <= count:
        return _of_large_eigenvalues(matmul(windows, windows.conj().T), threshold, False)
    inner = _of_large_eigenvalues(matmul(windows.conj().T, windows), threshold, True)
    return matmul(matmul(windows, inner), windows.conj().T)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _of_large_eigenvalues(gram: jax.Array, threshold: jax.Array, inverse: bool) -> jax.Array:
    """h(G), where h(t) is 1 (or 1 / t) above threshold^2 max(t), and 0 below."""
    values, vectors, kept = _spectrum(gram, threshold)
    return matmul(vectors * _heights(values, kept, inverse), vectors.conj().T)


@_of_large_eigenvalues.defjvp
def _of_large_eigenvalues_jvp(inverse: bool, primals: tuple, tangents: tuple) -> tuple:
    """dH = U (D * (U^H dG U)) U^H with D_ij = (h_i - h_j) / (t_i - t_j), no quotient in a group."""
    gram, threshold = primals
    values, vectors, kept = _spectrum(gram, threshold)
    heights = _heights(values, kept, inverse)
    apart = kept[:, None] ^ kept
    gap = jnp.where(apart, values[:, None] - values, 1)
    both = -heights[:, None] * heights if inverse else 0.0
    rates = jnp.where(apart, (heights[:, None] - heights) / gap, both)
    moved = rates * matmul(matmul(vectors.conj().T, tangents[0]), vectors)
    change = matmul(matmul(vectors, moved), vectors.conj().T)
    return matmul(vectors * heights, vectors.conj().T), change


def _spectrum(gram: jax.Array, threshold: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Eigenvalues, eigenvectors, and which are above the threshold."""
    values, vectors = jnp.linalg.eigh(gram)
    return values, vectors, (values > threshold**2 * values[-1]) & (values > 0)


def _heights(values: jax.Array, kept: jax.Array, inverse: bool) -> jax.Array:
    return (
        jnp.where(kept, 1 / jnp.where(kept, values, 1), 0) if inverse else kept.astype(values.dtype)
    )


def _coefficients(projection: jax.Array, coils: int, kernel: tuple[int, ...]) -> jax.Array:
    """g_cc'(l) = mean over a of W[(c, a), (c', a + l)], as (coil, coil, lag, lag, ...).

    The convolution is y_c(k) = sum_{c', l} g_cc'(l) x_c'(k + l), lags l from 1 - kernel on.
    """
    d = len(kernel)
    pairs = projection.reshape(coils, *kernel, coils, *kernel)
    pairs = jnp.moveaxis(pairs, d + 1, 1)
    for axis in range(d):
        # of axes: coil, coil, lags so far, first entries left, second entries left
        pairs = _sum_of_diagonals(pairs, 2 + axis, 2 + d)
        pairs = jnp.moveaxis(pairs, -1, 2 + axis)
    return pairs / prod(kernel)


def _sum_of_diagonals(x: jax.Array, first: int, second: int) -> jax.Array:
    """y[..., l] = sum_a x[a, a + l] over two axes of length k, l from 1 - k to k - 1."""
    x = jnp.moveaxis(x, (first, second), (-2, -1))
    k = x.shape[-1]
    x = jnp.pad(x[..., ::-1, :], [(0, 0)] * (x.ndim - 1) + [(0, k)])  # row k - 1 - a, column a + l
    sheared = x.reshape(*x.shape[:-2], 2 * k * k)[..., : k * (2 * k - 1)]
    return sheared.reshape(*x.shape[:-2], k, 2 * k - 1).sum(-2)  # column k - 1 + l


def _eigenmaps(
    coefficients: jax.Array, shape: tuple[int, ...], sets: int, iterations: int, rows: int
) -> tuple[jax.Array, jax.Array]:
    """Eigenvectors (set, coil, *shape) and eigenvalues (set, *shape) of G at every pixel."""
    waves = [
        _waves(n, lags).astype(coefficients.dtype)
        for n, lags in zip(shape, coefficients.shape[2:], strict=True)
    ]

    def evaluate(g: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        if axis == len(shape) - 1:
            matrices = tensordot(g, waves[axis], ((2,), (1,)))
            return leading_eigenvectors(matrices, sets, iterations)
        batch = rows if axis == len(shape) - 2 and rows > 1 else None
        return jax.lax.map(
            lambda wave: evaluate(tensordot(g, wave, ((2,), (0,))), axis + 1),
            waves[axis],
            batch_size=batch,
        )

    maps, values = evaluate(coefficients, 0)
    outer = len(shape) - 1
    return (
        jnp.moveaxis(maps, (outer, outer + 1), (0, 1)),
        jnp.moveaxis(values, outer, 0),
    )


def _waves(n: int, lags: int) -> jax.Array:
    """exp(-2 pi i l r / n) as (pixel, lag), with pixel and lag counted from their centres."""
    turns = np.outer(np.arange(n) - n // 2, np.arange(lags) - lags // 2) / n
    return jnp.asarray(np.exp(-2j * np.pi * turns))
