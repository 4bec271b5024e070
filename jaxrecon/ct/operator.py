"""The Radon transform as a linear operator."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.operator import LinearOperator
from jaxrecon.ct.geometry import ParallelGeometry
from jaxrecon.ct.projector import backproject, project


class ParallelBeam(LinearOperator):
    """A f = line integrals of f in a parallel geometry, with the exact adjoint.

    Images (rows, columns) in 1/mm, sinograms (views, bins) without unit, in the dtype of the
    geometry. ``jax.vmap(A)`` maps over batches and slices. A is a pytree over its geometry, so it
    can be an argument of jit and be differentiated in angles, pitch and offset.

    Raises:
        TypeError: the geometry is not a :class:`ParallelGeometry`.
    """

    geometry: ParallelGeometry

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.geometry, ParallelGeometry):
            raise TypeError(
                f"ParallelBeam expected a ParallelGeometry, got {type(self.geometry).__name__}; "
                "ct.equispaced(image_shape, views) makes one."
            )

    @property
    def domain(self) -> jax.ShapeDtypeStruct:
        return self.geometry.image_space

    @property
    def codomain(self) -> jax.ShapeDtypeStruct:
        return self.geometry.sinogram_space

    def apply(self, x: Any) -> jax.Array:
        return project(x, self.geometry)

    def adjoint(self, y: Any) -> jax.Array:
        return backproject(y, self.geometry)
