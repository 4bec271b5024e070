"""The X-ray transform as a linear operator."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.ct.geometry import Geometry
from jaxrecon.ct.projectors import backproject, check_model, project


class XRayTransform(LinearOperator):
    """A f = line integrals of f along the rays of a geometry, with the exact adjoint.

    Images in 1/mm, sinograms without unit, in the dtype of the geometry. ``jax.vmap(A)`` maps over
    batches and slices. A is a pytree over its geometry, so it can be an argument of jit and be
    differentiated in angles, offsets and distances.

    Args:
        geometry: where the rays run.
        model: how they are computed, as in :func:`jaxrecon.ct.project`; None takes the fastest
            that serves the geometry.

    Raises:
        TypeError: the geometry is none.
        ValueError: a model that is unknown, or does not serve this geometry.
    """

    geometry: Geometry
    model: str | None = static(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("model", check_model(self.model, self.geometry))

    @property
    def domain(self) -> jax.ShapeDtypeStruct:
        return self.geometry.image_space

    @property
    def codomain(self) -> jax.ShapeDtypeStruct:
        return self.geometry.sinogram_space

    def apply(self, x: Any) -> jax.Array:
        return project(x, self.geometry, self.model)

    def adjoint(self, y: Any) -> jax.Array:
        return backproject(y, self.geometry, self.model)
