"""Coil compression: fewer virtual coils that keep nearly all of the signal."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.products import einsum, matmul, tensordot
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri.coils.calibration import complex_coils


def svd_compression(calibration: Any, coils: int) -> jax.Array:
    r"""A = U_v^H, the v leading left singular vectors of the data (coil, samples) as rows.

    Of all A with orthonormal rows it keeps the most energy, ||A y||^2, at every count.

    Args:
        calibration: (coil, ...), complex: the centre of k-space, or all of it. Whiten it first
            (:func:`prewhiten`), so that the noise of the virtual coils is white as well.
        coils: static; number of virtual coils, v.

    Returns:
        (v, coil), for :func:`compress_coils`; rows in the order of their energy, orthonormal.

    Raises:
        ValueError: more virtual coils than coils.
        TypeError: data that are not complex.

    Source: Huang, Vijayakumar, Li, Hertel and Duensing 2008, doi:10.1016/j.mri.2007.04.010.
    """
    what = "svd_compression"
    calibration = complex_coils(calibration, what=what, argument="calibration", axes="(coil, ...)")
    coils = _count(coils, calibration.shape[0], what)
    return _principal(calibration.reshape(calibration.shape[0], -1), coils)


def geometric_compression(
    calibration: Any, coils: int, length: int, *, axis: int = -1, window: int = 1
) -> jax.Array:
    r"""A(x), a compression of its own at each position x along the fully sampled readout.

    The data are transformed along the readout; at each x the leading singular vectors of (coil,
    other samples) are rows of A_0(x). A local compression needs fewer virtual coils, as few coils
    see each position. Singular vectors are free up to a unitary matrix, so that neighbouring ones
    would jump: from the centre outwards A(x) = V U^H A_0(x) with A_0(x) A(x')^H = U S V^H, the
    rotation that brings it closest to its neighbour x'. Virtual coil maps are then smooth, as
    methods in k-space and ESPIRiT need.

    Args:
        calibration: (coil, *region), complex: fully sampled, with its origin at entry m // 2. Along
            the readout it is best as long as the data.
        coils: static; number of virtual coils, v.
        length: static; samples n of the data along the readout.
        axis: static; of the readout, among all axes of the calibration data.
        window: static, odd; positions along x that are taken together at each x.

    Returns:
        (n, v, coil), for :func:`compress_coils` with the same axis; each with orthonormal rows.

    Raises:
        ValueError: more virtual coils than coils, an axis that is none, a region longer than the
            data, an even window.
        TypeError: data that are not complex.

    Source: Zhang, Pauly, Vasanawala and Lustig 2013, doi:10.1002/mrm.24267.
    """
    what = "geometric_compression"
    x = complex_coils(calibration, what=what, argument="calibration", axes="(coil, *region)")
    coils = _count(coils, x.shape[0], what)
    length = check_positive_int(length, what=what, argument="length")
    window = check_positive_int(window, what=what, argument="window")
    axis = _readout(axis, x.ndim, what)
    m = x.shape[axis]
    if m > length:
        raise ValueError(f"{what} expected at most {length} samples along the readout, got {m}.")
    if window % 2 == 0 or window > length:
        raise ValueError(f"{what} expected an odd window up to {length}, got {window}.")
    before = length // 2 - m // 2
    x = jnp.moveaxis(x, axis, 0)
    x = jnp.pad(x, [(before, length - m - before), *[(0, 0)] * (x.ndim - 1)])
    x = ifft_centred(x, (0,)).reshape(length, x.shape[1], -1)
    grams = matmul(x, jnp.conj(jnp.matrix_transpose(x)))
    half = window // 2
    wide = jnp.pad(grams, [(half, half), (0, 0), (0, 0)])
    grams = sum((wide[k : k + length] for k in range(1, window)), start=wide[:length])
    matrices = _leading(grams, coils)
    centre = length // 2

    def align(last: jax.Array, matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
        u, _, vh = jnp.linalg.svd(matmul(matrix, last.conj().T))
        matrix = matmul(matmul(u, vh).conj().T, matrix)
        return matrix, matrix

    middle = matrices[centre]
    after = jax.lax.scan(align, middle, matrices[centre + 1 :])[1]
    earlier = jax.lax.scan(align, middle, matrices[:centre], reverse=True)[1]
    return jnp.concatenate([earlier, middle[None], after])


def compress_coils(kspace: Any, matrices: Any, *, axis: int = -1) -> jax.Array:
    r"""A y over the axis of coils; with a matrix at each position of the readout, F A(x) F^-1 y.

    Args:
        kspace: (coil, ...), complex. Maps and images are compressed by a single matrix, too.
        matrices: (v, coil) from :func:`svd_compression`, or (n, v, coil) from
            :func:`geometric_compression`.
        axis: static; of the readout, among all axes of kspace; for several matrices only.

    Returns:
        (v, ...), in the dtype of kspace.

    Raises:
        ValueError: matrices that do not fit the coils or the length of the readout.
        TypeError: k-space that is not complex.
    """
    what = "compress_coils"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, ...)")
    matrices = jnp.asarray(matrices).astype(kspace.dtype)
    if matrices.ndim not in (2, 3) or matrices.shape[-1] != kspace.shape[0]:
        raise ValueError(
            f"{what} expected matrices of shape (virtual coil, {kspace.shape[0]}) or (readout, "
            f"virtual coil, {kspace.shape[0]}), got {matrices.shape}."
        )
    if matrices.ndim == 2:
        return tensordot(matrices, kspace, 1)
    axis = _readout(axis, kspace.ndim, what)
    if kspace.shape[axis] != matrices.shape[0]:
        raise ValueError(
            f"{what} expected {matrices.shape[0]} samples along the readout, axis {axis}, got the "
            f"shape {kspace.shape}."
        )
    hybrid = jnp.moveaxis(ifft_centred(kspace, (axis,)), axis, -1)
    hybrid = einsum("xvc,c...x->v...x", matrices, hybrid)
    return fft_centred(jnp.moveaxis(hybrid, -1, axis), (axis,))


def _principal(columns: jax.Array, count: int) -> jax.Array:
    return _leading(matmul(columns, columns.conj().T), count)


def _leading(grams: jax.Array, count: int) -> jax.Array:
    """Leading eigenvectors, conjugated, as rows: (..., count, coil)."""
    vectors = jnp.linalg.eigh(grams)[1][..., ::-1][..., :count]
    return jnp.conj(jnp.matrix_transpose(vectors))


def _count(virtual: Any, coils: int, what: str) -> int:
    virtual = check_positive_int(virtual, what=what, argument="coils")
    if virtual > coils:
        raise ValueError(f"{what} expected at most {coils} virtual coils, got {virtual}.")
    return virtual


def _readout(axis: int, ndim: int, what: str) -> int:
    if not -ndim < axis < ndim or axis % ndim == 0:
        raise ValueError(
            f"{what} expected a readout axis after that of the coils, of {ndim} in all, got {axis}."
        )
    return axis % ndim
