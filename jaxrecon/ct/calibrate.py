r"""Self-calibration: the geometry of a scan from its data, the object unknown.

The image f and the chosen fields g of the geometry minimise one misfit together,

    F(f, g) = ||G (A(g) f - p)||^2 + lambda ||f||^2 + v sum_i ((g_i - g0_i) / sigma_i)^2,

by Levenberg-Marquardt steps. With r = G (p - A f), J the derivative of G A(g) f in g, and D the
norms of its columns, a step (df, dg) minimises

    ||G A df + J dg - r||^2 + lambda ||f + df||^2 + mu ||D dg||^2 + the prior,

by conjugate gradients in both. Without df these are the normal equations of J projected onto what
no image explains, so it is variable projection: what the image can explain does not move g. The
columns of J are forward-mode derivatives of the projector, one for each number, and one for all
entries of a per-view field, as each of these moves its own view only.

G is a Gaussian low-pass filter along the detector: wide at first, so that large errors look small,
then narrow. It leaves out the highest frequencies, where pixels do not describe the data.

Sources: Golub and Pereyra, Separable nonlinear least squares, doi:10.1088/0266-5611/19/2/201; Ruhe
and Wedin (steps in both), doi:10.1137/1022057; tomography: van Leeuwen, Maretzke and Batenburg,
doi:10.1088/1361-6420/aaa0f8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int, check_space
from jaxrecon.core.iterate import iterate
from jaxrecon.core.normal_equations import conjugate_gradient_start, conjugate_gradient_step
from jaxrecon.ct.geometry import Geometry
from jaxrecon.ct.geometry_fields import (
    CALIBRATED,
    column_norms,
    columns,
    combine,
    contract,
    without_gauge,
)
from jaxrecon.ct.projectors import backproject, check_model, project


class Calibration(NamedTuple):
    """What :func:`calibrate` found."""

    geometry: Any
    """the geometry with its chosen fields replaced"""
    image: jax.Array
    """the image with which it explains the filtered data, in 1/mm"""
    misfit: jax.Array
    """||G (A f - p)|| / ||G p|| after every step"""


def calibrate(
    sinogram: Any,
    geometry: Geometry,
    parameters: Sequence[str] | Mapping[str, float] = ("offset",),
    *,
    search: tuple[str, Any] | None = None,
    smoothing: Sequence[float] = (4.0, 1.0),
    iterations: int = 10,
    inner_iterations: int = 30,
    regularisation: float = 1e-6,
    model: str | None = None,
) -> Calibration:
    r"""Centre of rotation, angles, offset, tilt, distances, from data of an unknown object.

    min over f and the fields g of ||G (A(g) f - p)||^2 + lambda ||f||^2 and a prior on g, by
    Levenberg-Marquardt steps, G a low-pass filter; the head of this file has the details.

    What the data do not tell stays as in `geometry`: the mean of the angles (the object turns with
    it), of source_z, the offset v of a parallel beam (it moves along z), and, where both distances
    are sought, their difference at the same sum (the object grows). Others are told weakly: offset
    against axis_shift of a narrow fan, the tilts about u and v, angles at which the object looks
    alike; a prior keeps them in place.

    The object must lie in the image and inside the field of view of all views. The more ways lead
    through each pixel, the better: a per-view field needs more data than there are pixels.

    Args:
        sinogram: line integrals of geometry.sinogram_space.
        geometry: the scan as it is thought to be: parallel, fan or cone. A tilt that is sought is
            given as 0 instead of None.
        parameters: names of the fields to find; or a mapping from each to the standard deviation
            of its error in mm or radians (inf: none), the prior sigma. Fields per view (angles,
            source_z) move at the last smoothing only, if there are others.
        search: (name, values): of these values of one field, take the one of least misfit first.
            The steps then correct errors of a few bins.
        smoothing: standard deviations of G in bins, one after the other.
        iterations: steps at each smoothing.
        inner_iterations: of conjugate gradients in each step.
        regularisation: lambda over ||A||^2.
        model: as in :func:`jaxrecon.ct.project`.

    Returns:
        :class:`Calibration`.

    Raises:
        ValueError, TypeError: sinogram not of geometry.sinogram_space, not a geometry, fields that
            the data of this geometry do not tell, a tilt that is None, deviations not positive.
    """
    what = "calibrate"
    sinogram = jnp.asarray(sinogram)
    model = check_model(model, geometry)
    check_space(sinogram, geometry.sinogram_space, what=what, argument="sinogram")
    names = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    for name in (*names, *(() if search is None else search[:1])):
        _check_field(name, geometry)
    deviations = parameters.values() if isinstance(parameters, Mapping) else (np.inf,) * len(names)
    if not all(s > 0 for s in deviations):
        raise ValueError(f"{what} expected positive standard deviations, got {tuple(deviations)}.")
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    inner = check_positive_int(inner_iterations, what=what, argument="inner_iterations")
    dtype = geometry.dtype
    damping = jnp.asarray(regularisation, dtype)
    widths = [jnp.asarray(width, dtype) for width in smoothing]
    start = geometry
    if search is not None:
        name, values = search[0], jnp.asarray(search[1], dtype)
        misfits = _misfits(sinogram, start, values, widths[0], damping, name, inner, model)
        start = start._with(**{name: values[jnp.argmin(misfits)]})
    priors = {n: jnp.asarray(1 / s**2, dtype) for n, s in zip(names, deviations, strict=True)}
    common = [n for n in names if n not in geometry._per_view]
    found, misfits = start, []
    for number, width in enumerate(widths, 1):
        moving = names if number == len(widths) or not common else common
        moves = {n: jnp.full(iterations + 1, n in moving, dtype).at[0].set(0) for n in names}
        found, image, misfit = _refine(
            sinogram, found, start, width, moves, priors, damping, inner, model
        )
        misfits.append(misfit)
    return Calibration(found, image, jnp.concatenate(misfits))


def _check_field(name: str, geometry: Geometry) -> None:
    fields = CALIBRATED.get(type(geometry), ())
    if name not in fields:
        raise ValueError(
            f"calibrate expected fields of a {type(geometry).__name__} among {fields}, got "
            f"{name!r}: the data of an unknown object do not tell it, or not here."
        )
    if getattr(geometry, name) is None:
        raise ValueError(f"calibrate expected {name} as numbers, e.g. 0, got {name} = None.")


class _State(NamedTuple):
    geometry: Any
    image: jax.Array
    cost: jax.Array
    prior: jax.Array
    misfit: jax.Array
    mu: jax.Array


@partial(jax.jit, static_argnames=("inner", "model"))
def _refine(
    sinogram: jax.Array,
    geometry: Any,
    nominal: Any,
    width: jax.Array,
    moves: dict[str, jax.Array],
    priors: dict[str, jax.Array],
    regularisation: jax.Array,
    inner: int,
    model: str,
) -> Calibration:
    """Steps at one width; `moves` has for each field a 0 or a 1 for every step."""
    names, size = tuple(priors), _norm(geometry, model)
    G = partial(low_pass, width=width)
    data = G(sinogram)
    share = _share(data.shape, width)

    def residual(f: jax.Array, g: Any) -> jax.Array:
        return data - G(project(f, g, model))

    def step(state: _State, moves: dict[str, jax.Array]) -> tuple[_State, jax.Array]:
        f, g, mu = state.image, state.geometry, state.mu
        r = residual(f, g)
        fields = {name: getattr(g, name) for name in names}
        away = {name: fields[name] - getattr(nominal, name) for name in names}
        slopes = {n: moves[n] * columns(lambda h: -residual(f, h), g, n) for n in names}
        scales = {n: column_norms(slopes[n], fields[n], r.ndim) for n in names}
        variance = jnp.sum(r**2) / (r.size * share)  # of a datum, if r is filtered white noise
        weights = {n: variance * priors[n] / scales[n] ** 2 for n in names}

        # unknowns: the image times ||A||, and the fields times the norms of their columns
        def forward(x: Any) -> jax.Array:
            total = G(project(x[0] / size, g, model))
            for n, change in without_gauge(x[1], scales, g).items():
                total += combine(slopes[n], change / scales[n], r.ndim)
            return total

        def adjoint(y: jax.Array, shift: Any) -> Any:
            changes = {n: contract(slopes[n], y, fields[n]) / scales[n] + shift[n] for n in names}
            return backproject(G(y), g, model) / size, without_gauge(changes, scales, g)

        def normal(x: Any) -> Any:
            image, changes = adjoint(forward(x), {n: (mu + weights[n]) * x[1][n] for n in names})
            return image + regularisation * x[0], changes

        image, pulled = adjoint(r, {n: -weights[n] * scales[n] * away[n] for n in names})
        _, changes = _solve(normal, (image - regularisation * size * f, pulled), inner)
        new = {n: fields[n] + moves[n] * changes[n] / scales[n] for n in names}
        g = g._with(**new)
        f = _reconstruct(data, g, width, regularisation, inner, model)
        misfit = jnp.sum(residual(f, g) ** 2)
        cost = misfit + regularisation * size**2 * jnp.sum(f**2)
        prior = sum(jnp.sum(priors[n] * (new[n] - getattr(nominal, n)) ** 2) for n in names)
        better = cost + variance * prior < state.cost + variance * state.prior
        state = jax.tree.map(
            partial(jnp.where, better),
            _State(g, f, cost, prior + jnp.zeros_like(mu), misfit, mu / 4),
            state._replace(mu=mu * 8),
        )
        return state, jnp.sqrt(state.misfit / jnp.sum(data**2))

    image = jnp.zeros(geometry.image_shape, geometry.dtype)
    none = jnp.asarray(jnp.inf, geometry.dtype)
    state = _State(
        geometry, image, none, jnp.zeros_like(none), none, jnp.asarray(1e-3, geometry.dtype)
    )
    state, misfit = jax.lax.scan(step, state, moves)
    return Calibration(state.geometry, state.image, misfit)


def _solve(normal: Any, rhs: Any, iterations: int) -> Any:
    """Conjugate gradients from 0."""
    start = conjugate_gradient_start(normal, rhs)
    return iterate(partial(conjugate_gradient_step, normal), start, iterations)[0].x


def _reconstruct(
    data: jax.Array, geometry: Any, width: Any, regularisation: Any, iterations: int, model: str
) -> jax.Array:
    """min_f ||G A f - data||^2 + lambda ||f||^2, from 0 in few steps."""
    damping = regularisation * _norm(geometry, model) ** 2
    G = partial(low_pass, width=width)

    def normal(f: jax.Array) -> jax.Array:
        seen = G(G(project(f, geometry, model)))
        return backproject(seen, geometry, model) + damping * f

    return _solve(normal, backproject(G(data), geometry, model), iterations)


@partial(jax.jit, static_argnames=("name", "inner", "model"))
def _misfits(
    sinogram: jax.Array,
    geometry: Any,
    values: jax.Array,
    width: jax.Array,
    regularisation: jax.Array,
    name: str,
    inner: int,
    model: str,
) -> jax.Array:
    """The misfit that an image leaves, for each value of one field."""
    data = low_pass(sinogram, width)

    def one(value: jax.Array) -> jax.Array:
        g = geometry._with(**{name: value})
        f = _reconstruct(data, g, width, regularisation, inner, model)
        return jnp.sum((low_pass(project(f, g, model), width) - data) ** 2)

    return jax.lax.map(one, values)


def _norm(geometry: Any, model: str) -> jax.Array:
    """||A||, nearly: of a constant image."""
    ones = jnp.ones(geometry.image_shape, geometry.dtype)
    return jnp.linalg.norm(project(ones, geometry, model)) / np.sqrt(ones.size)


def low_pass(y: jax.Array, width: jax.Array) -> jax.Array:
    """Gaussian of `width` bins along the detector; zero beyond its ends, and so symmetric."""
    shape, response = _response(y.shape, width)
    axes = tuple(range(1, y.ndim))
    filtered = jnp.fft.irfftn(jnp.fft.rfftn(y, shape, axes) * response, shape, axes)
    return filtered[tuple(slice(n) for n in y.shape)].astype(y.dtype)


def _response(shape: tuple[int, ...], width: jax.Array) -> tuple[tuple[int, ...], jax.Array]:
    padded = tuple(2 * n for n in shape[1:])
    frequencies = [np.fft.fftfreq(n) for n in padded[:-1]] + [np.fft.rfftfreq(padded[-1])]
    square = sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij"))
    return padded, jnp.exp(-jnp.asarray(2 * np.pi**2 * square, width.dtype) * width**2)


def _share(shape: tuple[int, ...], width: jax.Array) -> jax.Array:
    """Of the energy of white noise, what the filter leaves."""
    return jnp.mean(_response(shape, width)[1] ** 2)
