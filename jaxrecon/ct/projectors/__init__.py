"""Line integrals and their exact adjoints: three models behind one interface."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_space, complex_dtype, struct
from jaxrecon.ct.geometry import Geometry
from jaxrecon.ct.projectors.shear import backproject_shear, project_shear

__all__ = ["MODELS", "backproject", "check_model", "project"]

MODELS = ("shear",)


def check_model(model: str | None, geometry: Geometry) -> str:
    """The model to use for a geometry.

    Raises:
        ValueError: unknown model, or one that does not serve this geometry.
        TypeError: not a geometry.
    """
    if not isinstance(geometry, Geometry):
        raise TypeError(
            f"expected a CT geometry, got {type(geometry).__name__}; "
            "ct.parallel_beam(image_shape, views) makes one."
        )
    return "shear"


def project(image: Any, geometry: Geometry, model: str | None = None) -> jax.Array:
    r"""Line integrals p(theta, s) = integral of f along x cos(theta) + y sin(theta) = s."""
    image = jnp.asarray(image)
    model = check_model(model, geometry)
    space = _like(geometry.image_space, image)
    check_space(image, space, what="ct.project(image)", argument="image")
    return project_shear(geometry, image)


def backproject(sinogram: Any, geometry: Geometry, model: str | None = None) -> jax.Array:
    """The adjoint of :func:`project` in the plain inner product: <A f, p> = <f, A^H p>."""
    sinogram = jnp.asarray(sinogram)
    model = check_model(model, geometry)
    space = _like(geometry.sinogram_space, sinogram)
    check_space(sinogram, space, what="ct.backproject(sinogram)", argument="sinogram")
    return backproject_shear(geometry, sinogram, _like(geometry.image_space, sinogram))


def _like(space: jax.ShapeDtypeStruct, x: jax.Array) -> jax.ShapeDtypeStruct:
    return struct(space.shape, complex_dtype(space.dtype)) if jnp.iscomplexobj(x) else space
