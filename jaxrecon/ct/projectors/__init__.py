"""Line integrals and their exact adjoints: several models behind one interface."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_choice, check_space, complex_dtype, struct
from jaxrecon.ct.geometry import ConeGeometry, Geometry, ParallelGeometry
from jaxrecon.ct.projectors.cone import backproject_planes, project_planes
from jaxrecon.ct.projectors.fourier import (
    backproject_fourier,
    backproject_strip,
    project_fourier,
    project_strip,
)
from jaxrecon.ct.projectors.joseph import backproject_joseph, project_joseph
from jaxrecon.ct.projectors.rebinned import backproject_rebinned, project_rebinned
from jaxrecon.ct.projectors.shear import backproject_shear, project_shear

__all__ = ["MODELS", "backproject", "check_model", "project"]

MODELS = ("fourier", "strip", "shear", "planes", "joseph")
"""The models of :func:`project`."""


def check_model(model: str | None, geometry: Geometry) -> str:
    """The model to use for a geometry, where None is the fastest that serves it.

    Raises:
        ValueError: unknown model, or one that does not serve this geometry.
        TypeError: not a geometry.
    """
    if not isinstance(geometry, Geometry):
        raise TypeError(
            f"expected a CT geometry, got {type(geometry).__name__}; "
            "ct.parallel_beam(image_shape, views) makes one."
        )
    planar, kind = len(geometry.image_shape) == 2, type(geometry).__name__
    upright = isinstance(geometry, ConeGeometry) and geometry.tilt is None
    if model is None:
        return "fourier" if planar else "planes" if upright else "joseph"
    check_choice(model, MODELS, what="ct.project", argument="model")
    serves = {
        "fourier": planar,
        "strip": isinstance(geometry, ParallelGeometry),
        "shear": isinstance(geometry, ParallelGeometry),
        "planes": upright,
        "joseph": True,
    }
    if not serves[model]:
        possible = tuple(name for name, able in serves.items() if able)
        tilted = " with a tilt" if isinstance(geometry, ConeGeometry) and not upright else ""
        raise ValueError(
            f"the model {model!r} does not serve a {kind} of the image shape "
            f"{geometry.image_shape}{tilted}; {possible} do."
        )
    if model == "joseph" and math.prod(n + 2 for n in geometry.image_shape) >= 2**31:
        raise ValueError(
            f"the model 'joseph' addresses at most 2^31 voxels, got {geometry.image_shape}; "
            "split the volume along z into geometries of their own centre, or use 'planes'."
        )
    return model


def _pair(model: str, geometry: Geometry) -> tuple[Callable, Callable]:
    if model == "fourier" and not isinstance(geometry, ParallelGeometry):
        return project_rebinned, backproject_rebinned
    return {
        "fourier": (project_fourier, backproject_fourier),
        "strip": (project_strip, backproject_strip),
        "shear": (project_shear, backproject_shear),
        "planes": (project_planes, backproject_planes),
        "joseph": (project_joseph, backproject_joseph),
    }[model]


def project(image: Any, geometry: Geometry, model: str | None = None) -> jax.Array:
    r"""Line integrals p(view, bin) = integral of f along the ray of each bin, in mm.

    The models, all with exact adjoints and derivatives in the geometry:

    - "fourier": any rays in the plane. The image is band-limited, its views are shears computed
      by FFTs; fan beams and vectors are interpolated between the shears of a linogram. By far the
      fastest and the most accurate, N^2 log N. Its weights are not local and may be negative.
    - "strip": the same for parallel beams, with square pixels and bins that integrate over their
      width.
    - "shear": parallel beams; rows sheared with linear interpolation. Weights are non-negative
      and local: for MLEM, SIRT, SART.
    - "planes": cone beams with tilt=None, on a circle or a helix. The weights of "joseph" with
      planes across x or y only, but faster (the adjoint most): all rays of a column share the
      interpolation in the plane. Non-negative weights.
    - "joseph": any geometry in the plane and in space: linear interpolation in the planes across
      the main direction of each ray, non-negative weights.

    Args:
        image: of geometry.image_space, e.g. attenuation in 1/mm; or complex.
        geometry: the rays.
        model: None takes the fastest that serves the geometry: "fourier" in the plane, "planes"
            for a cone beam without tilt, else "joseph".

    Returns:
        the data, of geometry.sinogram_space (complex for a complex image): the unit of the image
        times mm.

    Raises:
        ValueError, TypeError: the image is not of geometry.image_space; a model that is unknown or
            does not serve this geometry; not a geometry.

    Sources: the file of each model names its own.
    """
    image = jnp.asarray(image)
    model = check_model(model, geometry)
    space = _like(geometry.image_space, image)
    check_space(image, space, what="ct.project(image)", argument="image")
    return _pair(model, geometry)[0](geometry, image)


def backproject(sinogram: Any, geometry: Geometry, model: str | None = None) -> jax.Array:
    """The adjoint of :func:`project` in the plain inner product: <A f, p> = <f, A^H p>.

    It smears each value along its ray with the weights of the forward model. It is no inverse; see
    :func:`jaxrecon.ct.filtered_backprojection`.

    Args:
        sinogram: of geometry.sinogram_space; or complex.
        geometry: the rays.
        model: as in :func:`project`.

    Returns:
        an image of geometry.image_space (complex for complex data).

    Raises:
        ValueError, TypeError: as :func:`project`, of the sinogram.
    """
    sinogram = jnp.asarray(sinogram)
    model = check_model(model, geometry)
    space = _like(geometry.sinogram_space, sinogram)
    check_space(sinogram, space, what="ct.backproject(sinogram)", argument="sinogram")
    return _pair(model, geometry)[1](geometry, sinogram, _like(geometry.image_space, sinogram))


def _like(space: jax.ShapeDtypeStruct, x: jax.Array) -> jax.ShapeDtypeStruct:
    return struct(space.shape, complex_dtype(space.dtype)) if jnp.iscomplexobj(x) else space
