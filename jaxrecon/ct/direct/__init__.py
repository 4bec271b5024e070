"""Analytic reconstruction: filtered backprojection of every beam, its filters and weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_choice, check_space
from jaxrecon.ct.direct.cone import backproject_cone
from jaxrecon.ct.direct.extrapolate import extrapolate
from jaxrecon.ct.direct.fan import backproject_fan, row_coordinate
from jaxrecon.ct.direct.filters import WINDOWS, filter_sinogram, ramp_response
from jaxrecon.ct.direct.gridding import fourier_slice_gridding
from jaxrecon.ct.direct.parallel import backproject_filtered, backproject_pixels
from jaxrecon.ct.direct.redundancy import (
    SCANS,
    angular_weights,
    check_scan,
    redundancy_weights,
    view_step,
    widened,
)
from jaxrecon.ct.geometry import ConeGeometry, FanGeometry, ParallelGeometry

__all__ = [
    "WINDOWS",
    "angular_weights",
    "backproject_pixels",
    "extrapolate",
    "filter_sinogram",
    "filtered_backprojection",
    "fourier_slice_gridding",
    "ramp_response",
    "redundancy_weights",
]

_WHAT = "filtered_backprojection"


def filtered_backprojection(
    sinogram: Any,
    geometry: ParallelGeometry | FanGeometry | ConeGeometry,
    window: str | Callable = "ram-lak",
    cutoff: Any = 1.0,
    *,
    weights: Any = None,
    scan: str = "full",
    response: Any = None,
) -> jax.Array:
    r"""The analytic inverse of the X-ray transform, in correct units: 1/mm from line integrals.

    Parallel beams: f(x, y) = sum over views of w (h * p_theta)(x cos(theta) + y sin(theta)), h the
    ramp filter, computed by FFTs. Fan beams: rows weighted by the Jacobian of fan to parallel rays,
    filtered, backprojected with 1 / distance^2. Cone beams: the same with the cosine of the cone
    angle, as Feldkamp, Davis and Kress; on a helix with weights by detector row (approximate).

    Quantitative: a disc or ball of attenuation mu comes back as mu, for any pixel size, pitch,
    offset and number of views. The object must lie inside the field of view of all views; for
    truncated data see :func:`extrapolate`.

    Args:
        sinogram: line integrals of geometry.sinogram_space.
        geometry: a parallel, fan or untilted cone geometry, its angles equally spaced (a parallel
            one with given weights: any angles). Part of the object is reconstructed by a geometry
            whose `centre`, `pixel_size` and `image_shape` cover that part.
        window: one of :data:`WINDOWS`, or a function v -> W(v) of the fraction of the cutoff.
        cutoff: fraction of the Nyquist frequency of the detector, in (0, 1].
        weights: parallel: (views,), radians, the share of each view in the integral over pi;
            pi / views when not given, which is right for a half turn or full turns;
            :func:`angular_weights` finds those of irregular angles. Fan and cone: (views,
            columns), radians: the share of each view in the integral over its angles times what
            its ray counts for its line; in place of those of `scan`.
        scan: of a fan or cone: "full", "short" or "offset", see :func:`redundancy_weights`, or
            "helix" (of a cone).
        response: (n/2 + 1,), in place of :func:`ramp_response` with `window` and `cutoff`, e.g. a
            learned one; the result is linear in it. For scan = "offset", of three times the
            columns.

    Returns:
        image of geometry.image_space, in 1/mm.

    Raises:
        ValueError, TypeError: sinogram not of geometry.sinogram_space, weights or response of wrong
            shape, unknown window or scan, a geometry without analytic inverse here (tilted cone,
            vectors, laminography). Outside of jit: NaN in the data, a cutoff out of (0, 1], and
            angles that do not fit the scan: not equally spaced, too short an arc, no whole turns.

    Warns:
        UserWarning: the field of view is smaller than the circle inscribed in the image (outside
            of jit).

    Sources: Kak and Slaney 1988, chapter 3, doi:10.1137/1.9780898719277; Feldkamp, Davis and Kress,
    doi:10.1364/JOSAA.1.000612; helix: Wang et al., IEEE Trans. Med. Imaging
    12 (1993) 486.
    """
    sinogram = jnp.asarray(sinogram)
    if not isinstance(geometry, ParallelGeometry | FanGeometry | ConeGeometry):
        raise TypeError(
            f"{_WHAT} expected a parallel, fan or cone geometry, got {type(geometry).__name__}; "
            "others have no analytic inverse here: solve least squares, e.g. with SIRT."
        )
    check_space(sinogram, geometry.sinogram_space, what=_WHAT, argument="sinogram")
    _check_values(sinogram, geometry)
    if isinstance(geometry, ParallelGeometry):
        if weights is None:
            weights = jnp.full(geometry.views, np.pi / geometry.views, geometry.dtype)
        weights = _checked(weights, (geometry.views,), geometry)
        if response is None:
            response = ramp_response(geometry.bins, geometry.pitch, window, cutoff, geometry.dtype)
        return backproject_filtered(weights[:, None] * sinogram, response, geometry)

    curved = geometry.detector == "curved"
    if geometry.tilt is not None and (curved or isinstance(geometry, ConeGeometry)):
        raise ValueError(
            f"{_WHAT} expected an untilted detector (tilt None); resample the data, or solve "
            "least squares with the tilted geometry."
        )
    helix = scan == "helix" and isinstance(geometry, ConeGeometry)
    shape = (geometry.views, geometry.detector_shape[-1])
    if weights is None:
        _check_scan(geometry, scan)
        w = jnp.ones(shape) if helix else redundancy_weights(geometry, scan)
        weights = w * view_step(geometry, scan)
    weights = _checked(weights, shape, geometry)
    beam: Any = geometry
    if scan == "offset":
        beam, sinogram, weights = widened(geometry, sinogram, weights)
    if isinstance(beam, FanGeometry):
        pitch = row_coordinate(beam)[1]
    else:
        pitch = beam.pitch[1] / (beam.source_distance + beam.detector_distance)
    if response is None:
        bins = beam.detector_shape[-1]
        response = ramp_response(bins, pitch, window, cutoff, beam.dtype, equiangular=curved)
    if isinstance(beam, FanGeometry):
        return backproject_fan(sinogram, response, weights, beam)
    return backproject_cone(sinogram, response, weights, beam, helix=helix)


def _checked(weights: Any, shape: tuple[int, ...], geometry: Any) -> jax.Array:
    weights = jnp.asarray(weights, geometry.dtype)
    if weights.shape != shape:
        wanted = f"({shape[0]},)" if len(shape) == 1 else str(shape)
        raise ValueError(f"{_WHAT} expected weights of shape {wanted}, got {weights.shape}.")
    return weights


def _is_traced(*values: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


def _check_scan(geometry: FanGeometry | ConeGeometry, scan: str) -> None:
    scans = (*SCANS, "helix") if isinstance(geometry, ConeGeometry) else SCANS
    check_choice(scan, scans, what=_WHAT, argument="scan")
    if not _is_traced(geometry):
        check_scan(geometry, scan, _WHAT)


def _check_values(sinogram: Any, geometry: Any) -> None:
    """Outside of jit: NaN, and a field of view that is too small."""
    if _is_traced(sinogram, geometry):
        return
    if not np.all(np.isfinite(np.asarray(sinogram))):
        bad = np.unique(np.nonzero(~np.isfinite(np.asarray(sinogram)))[0])
        raise ValueError(
            f"{_WHAT} expected finite line integrals, got NaN or infinity in {bad.size} views, the "
            f"first of them view {bad[0]}. Were counts of zero passed through a logarithm? "
            "ct.log_transform treats them."
        )
    size, shape = np.asarray(geometry.pixel_size)[-2:], np.asarray(geometry.image_shape[-2:])
    inscribed = float(np.min(size * shape)) / 2
    volume = isinstance(geometry, ConeGeometry)
    columns = geometry.detector_positions()[1] if volume else geometry.positions
    reach = np.abs(np.asarray(columns)[[0, -1]]).max()
    if not isinstance(geometry, ParallelGeometry):
        distance = float(geometry.source_distance)
        total = distance + float(geometry.detector_distance)
        angle = reach / total if geometry.detector == "curved" else np.arctan2(reach, total)
        reach = distance * np.sin(angle)
    if reach < 0.97 * inscribed and not np.any(np.asarray(geometry.centre)):
        warnings.warn(
            f"{_WHAT}: the field of view has a radius of {reach:.4g} mm, the image reaches "
            f"{inscribed:.4g} mm from its middle. If the object does too, the data are truncated: "
            "see ct.extrapolate. Are pitch and pixel_size both in mm?",
            stacklevel=3,
        )
