"""The scans of ct_vs_peers.py: geometries, phantoms with exact data, and our side of the work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from timing import compiled, seconds, temporaries

from jaxrecon import ct
from jaxrecon.data import line_integrals, phantoms, rasterise_volume, shepp_logan_3d


class Case(NamedTuple):
    """One scan. With slices > 0 images and data have a leading axis of slices."""

    title: str
    geometry: Any
    slices: int = 0


def cases(quick: bool) -> dict[str, Case]:
    """All scans; the quick ones are small and only show that everything runs."""
    n, views, m = (48, 30, 16) if quick else (256, 180, 64)
    bins = {256: 364, 512: 726, 48: 70, 96: 138}
    large = ct.parallel_beam((2 * n, 2 * n), 2 * views, bins=bins[2 * n])
    plane = ct.parallel_beam((n, n), views, bins=bins[n])
    fan = ct.fan_beam((n, n), views, 2.0 * n, 1.0 * n)
    cone = ct.cone_beam((m, m, m), m, 3.0 * m, 1.5 * m)
    return {
        "parallel": Case(f"parallel {n}x{n}, {views} views, {plane.bins} bins", plane),
        "parallel-large": Case(
            f"parallel {2 * n}x{2 * n}, {2 * views} views, {large.bins} bins", large
        ),
        "slices": Case(f"parallel {n}x{n}, {views} views, 32 slices", plane, 32),
        "fan": Case(f"fan {n}x{n}, {views} views, {fan.bins} bins", fan),
        "cone": Case(
            f"cone {m}x{m}x{m}, {m} views, {'x'.join(map(str, cone.detector_shape))} pixels", cone
        ),
    }


def image_of(case: Case) -> np.ndarray:
    """The modified Shepp-Logan phantom, averaged over pixels of 1 mm."""
    shape = case.geometry.image_shape
    image = (
        rasterise_volume(_phantom(shape), shape, 1.0, 4)
        if len(shape) == 3
        else phantoms.rasterise(_phantom(shape), shape, 1.0, 8)
    )
    return _stack(np.asarray(image), case.slices)


def data_of(case: Case, geometry: Any = None) -> np.ndarray:
    """Exact line integrals along the rays of the case, or of a peer's geometry."""
    geometry = case.geometry if geometry is None else geometry
    point, direction = geometry.rays()
    phantom = _phantom(geometry.image_shape)
    exact = line_integrals(phantom, point - geometry.centre, direction)
    return _stack(np.asarray(exact), case.slices)


def _phantom(shape: tuple[int, ...]) -> Any:
    return shepp_logan_3d(float(shape[-1])) if len(shape) == 3 else phantoms.shepp_logan(shape[-1])


def _stack(array: np.ndarray, slices: int) -> np.ndarray:
    """Slices that differ by a factor."""
    factors = 1 + np.arange(slices, dtype=np.float32) / max(slices, 1)
    return factors[:, None, None] * array if slices else array


def probe_of(data: np.ndarray) -> np.ndarray:
    """Non-negative random data: with it no cancellation hides an adjoint that is off."""
    return np.random.default_rng(0).random(data.shape, np.float32)


class Ours(NamedTuple):
    """Works that return their seconds, their results, bytes of temporaries, reasons of failures."""

    works: dict[str, Callable[[], float]]
    results: dict[str, np.ndarray]
    temporaries: dict[str, int]
    compile_seconds: dict[str, float]
    failures: dict[str, str]


def our_side(case: Case, image: np.ndarray, probe: np.ndarray, data: np.ndarray) -> Ours:
    """Default models of jaxrecon, compiled with the geometry as an argument."""
    functions = {
        "forward": (ct.project, image),
        "adjoint": (ct.backproject, probe),
        "fbp": (ct.filtered_backprojection, data),
    }
    side = Ours({}, {}, {}, {}, {})
    for name, (function, array) in functions.items():

        def run(x: Any, geometry: Any, function: Any = function) -> Any:
            one = partial(function, geometry=geometry)
            return jax.vmap(one)(x) if case.slices else one(x)

        x = jnp.asarray(array)
        try:
            executable, side.compile_seconds[name] = compiled(jax.jit(run), x, case.geometry)
            side.results[name] = np.asarray(executable(x, case.geometry))
        except Exception as error:
            side.failures[name] = f"{type(error).__name__}: {error}".split("\n")[0]
            continue
        side.temporaries[name] = temporaries(executable)
        side.works[name] = lambda e=executable, x=x: seconds(e, x, case.geometry)
    return side
