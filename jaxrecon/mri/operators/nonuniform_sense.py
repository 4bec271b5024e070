"""SENSE along any trajectory: coil maps, then the non-uniform Fourier transform."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, struct
from jaxrecon.core.checks import Space, describe, is_complex
from jaxrecon.linops.coefficients import as_coefficients


class NonuniformSense(LinearOperator):
    r"""y_c = F (s_c f): the image seen by each coil, at the samples of a trajectory.

    With several sets of maps (SoftSENSE) y_c = F sum_k s_kc f_k. F is a
    :class:`jaxrecon.linops.NonuniformFourier`, or any operator from images to samples. The adjoint
    is exact; A^H A takes F^H F as F offers it: with ``normal_by_toeplitz=True`` by FFTs alone,
    which in iterations is several times faster than F and F^H in turn.

    Args:
        maps: s, complex, (coil, *image) or (set, coil, *image), traced and differentiable.
        fourier: F, from complex images to samples.

    Domain: (*image) or (set, *image). Codomain: (coil, *samples).

    ||A|| is not 1, even with maps whose squares sum to 1: it is at most ||F|| times the largest
    root of sum_c |s_c|^2, and ||F|| grows where samples lie densely, up to the root of their
    number, see :class:`jaxrecon.linops.NonuniformFourier`. Step sizes are 1 / ||A||^2 with
    ``norm = jaxrecon.solvers.operator_norm(A)``; or take (1 / norm) * A and data / norm, and 1.

    Weights, such as density compensation, are those of the solver or of the data term. For a series
    of frames use :class:`jaxrecon.linops.Frames` with
    ``{"fourier": jax.vmap(lambda k: NonuniformFourier(k, shape))(positions)}``.

    Raises:
        ValueError: maps whose last axes are not those of F's images.
        TypeError: maps that are not complex, or of another precision than F.

    Source: Pruessmann, Weiger, Boernert and Boesiger 2001, doi:10.1002/mrm.1241; SoftSENSE, Uecker
    et al. 2014, doi:10.1002/mrm.24751.
    """

    maps: jax.Array
    fourier: LinearOperator

    def __post_init__(self) -> None:
        what = "NonuniformSense"
        self._set("maps", as_coefficients(self.maps, what=what, argument="maps"))
        image = self.fourier.domain
        axes = len(image.shape)
        if not is_complex(self.maps.dtype) or self.maps.dtype != image.dtype:
            raise TypeError(
                f"{what} expected maps of the dtype {image.dtype} of the transform, got "
                f"{self.maps.dtype}."
            )
        if self.maps.ndim - axes not in (1, 2) or self.maps.shape[-axes:] != image.shape:
            raise ValueError(
                f"{what} expected maps (coil, *image) or (set, coil, *image) for images "
                f"{image.shape}, got {describe(jax.typeof(self.maps))}."
            )
        super().__post_init__()

    @property
    def _sets(self) -> bool:
        return self.maps.ndim == len(self.fourier.domain.shape) + 2

    @property
    def domain(self) -> Space:
        image = self.fourier.domain
        sets = self.maps.shape[:1] if self._sets else ()
        return struct((*sets, *image.shape), image.dtype)

    @property
    def codomain(self) -> Space:
        samples = self.fourier.codomain
        coils = self.maps.shape[1 if self._sets else 0]
        return struct((coils, *samples.shape), samples.dtype)

    def _coil_images(self, x: jax.Array) -> jax.Array:
        return jnp.sum(self.maps * x[:, None], axis=0) if self._sets else self.maps * x

    def _combined(self, images: jax.Array) -> jax.Array:
        return jnp.sum(self.maps.conj() * images, axis=1 if self._sets else 0)

    def apply(self, x: Any) -> jax.Array:
        return jax.vmap(self.fourier.apply)(self._coil_images(x))

    def adjoint(self, y: Any) -> jax.Array:
        return self._combined(jax.vmap(self.fourier.adjoint)(y))

    def normal(self, x: Any) -> jax.Array:
        return self._combined(jax.vmap(self.fourier.normal)(self._coil_images(x)))
