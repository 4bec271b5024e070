"""Metal artefacts: the trace of metal in the data, replaced by interpolation or given no weight."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxrecon.core.checks import check_inexact, check_nonnegative, check_real, describe, struct_of
from jaxrecon.ct.geometry import Geometry
from jaxrecon.ct.projectors import project


def metal_trace(
    mask: Any, geometry: Geometry, threshold: Any = 0.0, margin: int = 0, model: str = "joseph"
) -> jax.Array:
    r"""The rays that meet metal: P m > threshold, with P the projector and m the metal image.

    Joseph's projector interpolates, so its trace is up to a pixel wider than the mask on either
    side, and covers metal that fills a pixel in part.

    Args:
        mask: the metal in the image, of the shape geometry.image_shape: boolean, or its fraction in
            each pixel. ``image > c`` makes one from a first reconstruction.
        geometry: the rays.
        threshold: length of metal in mm up to which a ray counts as free of it, >= 0.
        margin: static number of detector columns by which the trace grows to either side.
        model: of the projector; one with weights that are not negative.

    Returns:
        boolean, of the shape of the sinogram.

    Raises:
        ValueError: a mask of another shape, a negative threshold or margin.
        TypeError: complex mask, not a geometry.
    """
    mask = jnp.asarray(mask)
    check_real(mask, what="metal_trace", argument="mask")
    check_nonnegative(threshold, what="metal_trace", argument="threshold")
    if isinstance(margin, bool) or int(margin) != margin or margin < 0:
        raise ValueError(f"metal_trace expected a margin of 0 or more columns, got {margin!r}.")
    trace = project(mask.astype(geometry.dtype), geometry, model) > threshold
    bins = trace.shape[-1]
    wide = jnp.pad(trace, [(0, 0)] * (trace.ndim - 1) + [(margin, margin)])
    for k in range(2 * int(margin) + 1):
        trace = trace | wide[..., k : k + bins]
    return trace


def interpolate_trace(sinogram: Any, trace: Any) -> jax.Array:
    r"""Replace the trace by linear interpolation along each detector row.

    A bin between the nearest bins a < b that are free of metal gets
    ((b - k) p[a] + (k - a) p[b]) / (b - a). At the ends of the detector the nearest free bin is
    repeated, and a row without any free bin stays as it is. Linear in the sinogram.

    Args:
        sinogram: line integrals (..., bins), e.g. (views, bins) or (views, rows, columns).
        trace: boolean of the same shape, see :func:`metal_trace`.

    Returns:
        as the sinogram.

    Raises:
        ValueError: a trace of another shape.
        TypeError: a sinogram that is no real floating-point array, a trace that is not boolean.

    Source: Kalender, Hebel and Ebersberger 1987, doi:10.1148/radiology.164.2.3602406.
    """
    sinogram, trace = _checked(sinogram, trace, "interpolate_trace")
    axis, bins = sinogram.ndim - 1, sinogram.shape[-1]
    index = jnp.arange(bins)
    before = jax.lax.cummax(jnp.where(trace, -1, index), axis)  # nearest free bin, or -1
    after = jax.lax.cummin(jnp.where(trace, bins, index), axis, reverse=True)
    none = (before < 0) & (after >= bins)
    before, after = jnp.where(before < 0, after, before), jnp.where(after >= bins, before, after)
    before, after = jnp.where(none, index, before), jnp.where(none, index, after)
    gap = jnp.maximum(after - before, 1).astype(sinogram.dtype)
    share = (index - before).astype(sinogram.dtype) / gap
    left = jnp.take_along_axis(sinogram, before, axis=-1)
    right = jnp.take_along_axis(sinogram, after, axis=-1)
    return jnp.where(trace, (1 - share) * left + share * right, sinogram)


def tissue_prior(
    image: Any,
    water: Any,
    mask: Any = None,
    thresholds: tuple[float, float] = (0.5, 1.3),
) -> jax.Array:
    """The prior image of normalised interpolation: air 0, soft tissue as water, bone as it is.

    Args:
        image: attenuation in 1/mm, any shape, from the uncorrected data or, where their artefacts
            are severe, from linearly interpolated data; better still, a second time, from a first
            normalised result. Smooth it where its noise reaches the thresholds.
        water: attenuation of water in 1/mm.
        mask: the metal, boolean; set to water.
        thresholds: from air to soft tissue and from soft tissue to bone, in units of water.

    Returns:
        as the image. Its derivative is 1 in bone and 0 elsewhere.

    Raises:
        ValueError: thresholds not increasing, a mask of another shape.
        TypeError: complex image.

    Source: Meyer, Raupach, Lell, Schmidt and Kachelriess 2010, doi:10.1118/1.3484090.
    """
    image = jnp.asarray(image)
    check_real(image, what="tissue_prior", argument="image")
    air, bone = thresholds
    if not 0 < air < bone:
        raise ValueError(f"tissue_prior expected thresholds 0 < air < bone, got {thresholds}.")
    water = jnp.asarray(water, image.dtype)
    prior = jnp.where(image < air * water, 0, jnp.where(image < bone * water, water, image))
    if mask is None:
        return prior
    if jnp.shape(mask) != image.shape:
        raise ValueError(
            f"tissue_prior expected a mask of the shape {image.shape}, got {jnp.shape(mask)}."
        )
    return jnp.where(jnp.asarray(mask, bool), water, prior)


def normalised_interpolation(
    sinogram: Any, trace: Any, prior_sinogram: Any, floor: float = 0.05
) -> jax.Array:
    r"""NMAR: interpolate p / q over the trace, where q are the data of a prior image, times q.

    Where the prior is right, p / q is flat, and the interpolation keeps the edges of bone and air
    that the plain one blurs. Rays that pass next to nothing of the prior are not divided by it:
    q is taken for at least `floor` times its maximum.

    Args:
        sinogram: line integrals p, (..., bins).
        trace: boolean of the same shape, see :func:`metal_trace`.
        prior_sinogram: q of the same shape: ``project(tissue_prior(...), geometry)``.
        floor: between 0 and 1.

    Returns:
        as the sinogram, and equal to it outside of the trace. Differentiable in p and q. Put the
        metal back into the image with ``jnp.where(mask, first_image, image)``.

    Raises:
        ValueError: arrays of different shapes, a floor out of (0, 1).
        TypeError: sinograms that are no real floating-point arrays, a trace that is not boolean.

    Source: Meyer, Raupach, Lell, Schmidt and Kachelriess 2010, doi:10.1118/1.3484090.
    """
    what = "normalised_interpolation"
    sinogram, trace = _checked(sinogram, trace, what)
    prior, _ = _checked(prior_sinogram, trace, what, "prior_sinogram")
    if not isinstance(floor, Tracer) and not 0 < float(floor) < 1:
        raise ValueError(f"{what} expected a floor between 0 and 1, got {floor}.")
    prior = jnp.maximum(prior, floor * jnp.max(prior)).astype(sinogram.dtype)
    prior = jnp.where(prior > 0, prior, 1)  # an empty prior: plain interpolation
    return jnp.where(trace, prior * interpolate_trace(sinogram / prior, trace), sinogram)


def trace_weights(trace: Any, weights: Any = 1.0, inside: Any = 0.0) -> jax.Array:
    r"""Weights of the rays for a weighted reconstruction: w outside the trace, w * inside in it.

    With 0 the rays through metal are missing data; a small number keeps a little of what they
    tell. The result goes into ``LeastSquares(A, sinogram, weights)`` or ``solve_normal``.

    Args:
        trace: boolean, see :func:`metal_trace`.
        weights: w >= 0, a number or an array that broadcasts against the trace, e.g. one over the
            variance that :func:`log_transform` returns.
        inside: factor from 0 to 1, or an array of factors that broadcasts, e.g. exp(-P mu) of the
            metal's attenuation image.

    Returns:
        of the shape of the trace, in the dtype of the weights (float32 for a plain number).

    Raises:
        ValueError: negative weights or factors (checked outside of jit), shapes that do not fit.
        TypeError: a trace that is not boolean.
    """
    what, trace = "trace_weights", jnp.asarray(trace)
    if trace.dtype != bool:
        raise TypeError(f"{what} expected a boolean trace, got {describe(struct_of(trace))}.")
    for name, value in (("weights", weights), ("inside", inside)):
        check_real(value, what=what, argument=name)
        check_nonnegative(value, what=what, argument=name)
        shape = jnp.shape(value)
        pairs = zip(reversed(shape), reversed(trace.shape), strict=False)
        if len(shape) > trace.ndim or not all(n in (1, bins) for n, bins in pairs):
            raise ValueError(
                f"{what} expected {name} to broadcast against the trace {trace.shape}, got {shape}."
            )
    weights = jnp.asarray(weights)
    if not jnp.issubdtype(weights.dtype, jnp.floating) or weights.weak_type:
        weights = weights.astype(jnp.float32)
    return weights * jnp.where(trace, jnp.asarray(inside, weights.dtype), 1)


def _checked(
    sinogram: Any, trace: Any, what: str, argument: str = "sinogram"
) -> tuple[jax.Array, jax.Array]:
    sinogram, trace = jnp.asarray(sinogram), jnp.asarray(trace)
    check_real(sinogram, what=what, argument=argument)
    check_inexact(sinogram, what=what, argument=argument)
    if trace.dtype != bool:
        raise TypeError(
            f"{what} expected a boolean trace, got {describe(struct_of(trace))}. metal_trace makes "
            "one from the metal image."
        )
    if sinogram.shape != trace.shape or sinogram.ndim == 0:
        raise ValueError(
            f"{what} expected {argument} and trace of the same shape (..., bins), got "
            f"{sinogram.shape} and {trace.shape}."
        )
    return sinogram, trace
