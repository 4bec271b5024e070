"""Image series in a temporal subspace: few coefficient images stand for many frames."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_positive_int, complex_dtype, describe
from jaxrecon.core.products import einsum, tensordot
from jaxrecon.linops.coefficients import as_coefficients, as_shape, element_dtype
from jaxrecon.linops.fourier import fft_centred, ifft_centred


class Subspace(LinearOperator):
    r"""x_t = sum_k Phi_tk c_k: coefficient images (K, *shape) to frames (T, *shape).

    With orthonormal columns, as those of :func:`temporal_basis`, Phi^H Phi = I. Composed with an
    operator on frames it gives a subspace reconstruction, ``encoding @ Subspace(basis, shape)``;
    for Cartesian masks :class:`SubspaceSense` is much cheaper.

    Args:
        basis: Phi, (T, K), real or complex, traced.
        shape: of one image.
        dtype: of the images; that of the basis by default.

    Raises:
        ValueError: a basis without exactly two axes.
        TypeError: an integer basis, or a complex one for a real dtype.

    Source: Tamir et al. 2017, doi:10.1002/mrm.26102; Liang 2007, doi:10.1109/ISBI.2007.357020.
    """

    basis: jax.Array
    shape: tuple[int, ...] = static()
    dtype: Any = static(default=None)

    def __post_init__(self) -> None:
        self._set("basis", as_coefficients(self.basis, what="Subspace", argument="basis"))
        _check_basis(self.basis, what="Subspace")
        self._set("shape", as_shape(self.shape, what="Subspace"))
        dtype = element_dtype(self.dtype, self.basis, what="Subspace", argument="basis")
        self._set("dtype", dtype)
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct((self.basis.shape[1], *self.shape), self.dtype)

    @property
    def codomain(self) -> Space:
        return struct((self.basis.shape[0], *self.shape), self.dtype)

    def apply(self, x: Any) -> jax.Array:
        return tensordot(self.basis.astype(self.dtype), x, 1)

    def adjoint(self, y: Any) -> jax.Array:
        return tensordot(self.basis.conj().T.astype(self.dtype), y, 1)


class SubspaceSense(LinearOperator):
    r"""Coefficient images to undersampled k-space: y_t = P_t F S sum_k Phi_tk c_k.

    P_t is the mask of frame t, S the coil maps, F the centred orthonormal Fourier transform over
    the image axes. The shortcut of A^H A works in the subspace: with the (K, K) matrices
    G = sum_t conj(Phi_tk) P_t Phi_tl of each entry of k-space, A^H A = S^H F^H G F S, which costs
    K transforms of each coil whatever the number of frames.

    Args:
        maps: S, complex, (coil, *image), traced.
        masks: boolean, (T, *image) or broadcasting to it, such as (T, y, 1); traced.
        basis: Phi, (T, K), real or complex, traced.

    Raises:
        ValueError: maps, masks or basis of shapes that do not fit.
        TypeError: masks that are not boolean; maps that are not complex.

    Source: Tamir et al. 2017, doi:10.1002/mrm.26102.
    """

    maps: jax.Array
    masks: jax.Array
    basis: jax.Array

    def __post_init__(self) -> None:
        what = "SubspaceSense"
        self._set("maps", as_coefficients(self.maps, what=what, argument="maps"))
        self._set("basis", as_coefficients(self.basis, what=what, argument="basis"))
        self._set("masks", jnp.asarray(self.masks))
        _check_basis(self.basis, what=what)
        if self.maps.dtype != complex_dtype(self.maps.dtype) or self.maps.ndim < 2:
            raise TypeError(
                f"{what} expected complex maps (coil, *image), got "
                f"{describe(jax.typeof(self.maps))}."
            )
        if self.masks.dtype != bool:
            raise TypeError(
                f"{what} expected boolean masks, got {self.masks.dtype}; pass masks > 0."
            )
        frames = (len(self.basis), *self.maps.shape[1:])
        masks = self.masks.shape
        if len(masks) != len(frames) or any(
            m not in (1, n) for m, n in zip(masks, frames, strict=True)
        ):
            raise ValueError(
                f"{what} expected masks (frame, *image) that broadcast to {frames}, got {masks}."
            )
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct((self.basis.shape[1], *self.maps.shape[1:]), self.maps.dtype)

    @property
    def codomain(self) -> Space:
        return struct((len(self.basis), *self.maps.shape), self.maps.dtype)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-(self.maps.ndim - 1), 0))

    def _spectra(self, x: jax.Array) -> jax.Array:
        """F S c_k: (K, coil, *image)."""
        return fft_centred(x[:, None] * self.maps, self._axes)

    def _images(self, spectra: jax.Array) -> jax.Array:
        """S^H F^H: (K, *image)."""
        return jnp.sum(self.maps.conj() * ifft_centred(spectra, self._axes), axis=1)

    def apply(self, x: Any) -> jax.Array:
        frames = tensordot(self.basis.astype(x.dtype), self._spectra(x), 1)
        return jnp.where(self.masks[:, None], frames, 0)

    def adjoint(self, y: Any) -> jax.Array:
        masked = jnp.where(self.masks[:, None], y, 0)
        return self._images(tensordot(self.basis.conj().T.astype(y.dtype), masked, 1))

    def normal(self, x: Any) -> jax.Array:
        weight = self.masks.astype(jnp.finfo(x.dtype).dtype)
        gram = einsum("tk,tl,t...->kl...", self.basis.conj(), self.basis, weight)
        spectra = self._spectra(x)
        return self._images(jnp.sum(gram[:, :, None] * spectra, axis=1))


def temporal_basis(courses: Any, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The subspace of given rank that is nearest to an ensemble of signal courses.

    Args:
        courses: (course, T), e.g. simulated signals over the range of tissues; real or complex.
        rank: K, at most the smaller of both sizes.

    Returns:
        (Phi, (T, K) with orthonormal columns; share of the energy that is outside of the first
        1 ... K dimensions, (K,)).

    Raises:
        ValueError: courses without exactly two axes, or a rank out of range.

    Source: the singular value decomposition of simulated courses, Tamir et al. 2017,
    doi:10.1002/mrm.26102.
    """
    courses = np.asarray(courses)
    rank = check_positive_int(rank, what="temporal_basis", argument="rank")
    if courses.ndim != 2 or rank > min(courses.shape):
        raise ValueError(
            f"temporal_basis expected courses (course, time) of at least rank {rank} both ways, "
            f"got the shape {courses.shape}."
        )
    _, values, basis = np.linalg.svd(courses, full_matrices=False)
    energy = np.cumsum(values**2)
    return basis[:rank].T, 1 - energy[:rank] / energy[-1]


def _check_basis(basis: jax.Array, *, what: str) -> None:
    if basis.ndim != 2:
        raise ValueError(
            f"{what} expected a basis (frames, coefficients), got {describe(jax.typeof(basis))}."
        )
