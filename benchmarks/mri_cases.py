"""The scans of mri_vs_peers.py: data that every side gets, and our side of the work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from timing import compiled, seconds

from jaxrecon import mri, solve
from jaxrecon.data import phantoms, rasterise_volume, shepp_logan_3d
from jaxrecon.functionals import LeastSquares, WaveletL1
from jaxrecon.linops import NonuniformFourier
from jaxrecon.solvers import conjugate_gradient, fista

COILS = 8
LEVELS = 3
ACCURACY = 1e-3
"""of our non-uniform transform; SigPy's has an error of about 5e-3"""
WITHOUT = ", without shifts"
"""of a work where the peer may leave the shifts of the centred transform out; ours does not"""
WAVELETS = ("wavelet", "wavelet, periodic")
"""as SigPy continues an image, by zeros; and as we do"""
STEP = 0.99
"""of FISTA: the maps are scaled so that ||A|| is at most 1"""


class Case(NamedTuple):
    """A scan: arrays for all sides, and which works are timed against which peers."""

    title: str
    arrays: dict[str, np.ndarray]
    works: dict[str, tuple[str, ...]]
    """peer -> works"""
    numbers: dict[str, Any]


def cases(quick: bool) -> dict[str, Callable[[], Case]]:
    """name -> function that makes the scan; the quick ones only show that everything runs."""
    n, volume, spokes = (64, 16, 40) if quick else (256, 128, 400)
    works = ("forward", "adjoint", "pair", "normal")
    both = (*works, *(name + WITHOUT for name in works))
    return {
        "sense": lambda: cartesian(n, "Poisson disc", {"pytorch": both, "sigpy": works}),
        "volume": lambda: in_volume(volume),
        "poisson": lambda: cartesian(n, "Poisson disc", {"sigpy": ("solve",)}, 20),
        "lines": lambda: cartesian(n, "lines", {"sigpy": ("normal", "solve")}, 20),
        "radial": lambda: radial(n, spokes),
        "wavelet": lambda: cartesian(n, "Poisson disc", {"sigpy": WAVELETS}, 100),
    }


def coil_maps(shape: tuple[int, ...]) -> np.ndarray:
    """Eight smooth complex maps, the sum of whose squares is one."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    angles = 2 * np.pi * np.arange(COILS) / COILS
    found = []
    for k, angle in enumerate(angles):
        centre = np.zeros(len(shape))
        centre[-2:] = 1.2 * np.sin(angle), 1.2 * np.cos(angle)
        offset = grid - centre.reshape(-1, *(1,) * len(shape))
        phase = 0.7 * k + 0.8 * grid[-1] * np.cos(angle) + 0.6 * grid[-2] * np.sin(angle)
        found.append(np.exp(-np.sum(offset**2, axis=0) / 1.6 + 1j * phase))
    maps = np.stack(found)
    return (maps / np.sqrt(np.sum(np.abs(maps) ** 2, axis=0))).astype(np.complex64)


def phantom(shape: tuple[int, ...]) -> np.ndarray:
    """Shepp-Logan with a smooth phase."""
    if len(shape) == 3:
        image = rasterise_volume(shepp_logan_3d(float(shape[-1])), shape, 1.0, 2)
    else:
        image = phantoms.rasterise(phantoms.shepp_logan(shape[-1]), (shape[0], shape[1]), 1.0, 8)
    y, x = (np.linspace(-1, 1, n) for n in shape[-2:])
    return (np.asarray(image) * np.exp(1j * (x + y[:, None] ** 2))).astype(np.complex64)


def measured(operator: Any, image: np.ndarray, mask: Any = 1.0) -> np.ndarray:
    """Exact data and complex noise of 1 % of their largest value over the square root of n."""
    clean = np.asarray(jax.jit(lambda A, x: A(x))(operator, image))
    random = np.random.default_rng(0)
    noise = random.standard_normal(clean.shape) + 1j * random.standard_normal(clean.shape)
    return (clean + mask * 0.01 * noise).astype(np.complex64)


def cartesian(n: int, pattern: str, works: dict, iterations: int = 0) -> Case:
    shape = (n, n)
    maps, image = coil_maps(shape), phantom(shape)
    if pattern == "lines":
        lines = mri.sampling.variable_density_lines(n, 4, seed=1)
        mask = np.broadcast_to(np.asarray(lines)[:, None], shape)
    else:
        mask = np.asarray(mri.sampling.poisson_disc(shape, 4, seed=1))
    operator = mri.Sense(jnp.asarray(maps), jnp.asarray(mask))
    arrays = {"maps": maps, "image": image, "mask": mask.copy()}
    arrays |= {"data": measured(operator, image, mask), "probe": probe(maps)}
    numbers = {"iterations": iterations, "levels": LEVELS, "weight": 2e-3, "step": STEP}
    title = f"{n}x{n}, {COILS} coils, {pattern}, {mask.size / mask.sum():.1f}-fold undersampled"
    return Case(title, arrays, works, numbers)


def in_volume(n: int) -> Case:
    shape = (n, n, n)
    maps, image = coil_maps(shape), phantom(shape)
    plane = np.asarray(mri.sampling.poisson_disc(shape[:2], 4, seed=1))
    mask = np.broadcast_to(plane[:, :, None], shape)
    arrays = {"maps": maps, "image": image, "mask": mask.copy(), "probe": probe(maps)}
    works = {"pytorch": ("pair", "normal", "pair" + WITHOUT), "sigpy": ("pair", "normal")}
    return Case(f"{n}x{n}x{n}, {COILS} coils", arrays, works, {"iterations": 0})


def radial(n: int, spokes: int) -> Case:
    shape = (n, n)
    maps, image = coil_maps(shape), phantom(shape)
    angles = mri.trajectories.uniform_angles(spokes)
    positions = np.asarray(mri.trajectories.radial(angles, 2 * n), np.float32)
    fourier = NonuniformFourier(jnp.asarray(positions), shape, accuracy=1e-5)
    operator = mri.NonuniformSense(jnp.asarray(maps), fourier)
    arrays = {"maps": maps, "image": image, "positions": positions}
    arrays |= {"coord": (positions * np.asarray(shape)).astype(np.float32)}
    data = measured(operator, image)
    arrays |= {"data": data, "probe": probe(data)}
    works = {"sigpy": ("normal", "normal, Toeplitz", "solve", "solve, Toeplitz")}
    title = f"{n}x{n}, {COILS} coils, {spokes} spokes of {2 * n} samples"
    return Case(title, arrays, works, {"iterations": 20})


def probe(like: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(2)
    return (random.random(like.shape) + 1j * random.random(like.shape)).astype(np.complex64)


class Ours(NamedTuple):
    """Works that return their seconds, their results, seconds of compilation."""

    works: dict[str, Callable[[], float]]
    results: dict[str, np.ndarray]
    compile_seconds: dict[str, float]


def our_side(case: Case) -> Ours:
    """Our works, compiled with the operator as an argument."""
    arrays = {k: jnp.asarray(v) for k, v in case.arrays.items()}
    if "positions" in arrays:
        shape = case.arrays["image"].shape
        fourier = NonuniformFourier(
            arrays["positions"], shape, accuracy=ACCURACY, normal_by_toeplitz=True
        )
        operator: Any = mri.NonuniformSense(arrays["maps"], fourier)
    else:
        operator = mri.Sense(arrays["maps"], case.arrays["mask"])
    iterations = case.numbers["iterations"]

    def cg(A: Any, data: Any, x: Any) -> Any:
        return solve(conjugate_gradient(A, data), jnp.zeros_like(x), iterations)[0]

    def wavelet(A: Any, data: Any, x: Any) -> Any:
        g = case.numbers["weight"] * WaveletL1(x.shape, "db4", LEVELS, approximation=1.0)
        f = LeastSquares(A, data)
        return solve(fista(f, g, case.numbers["step"]), jnp.zeros_like(x), iterations)[0]

    def run(name: str, A: Any, x: Any, y: Any, data: Any) -> Any:
        return {
            "forward": lambda: A.apply(x),
            "adjoint": lambda: A.adjoint(y),
            "pair": lambda: A.adjoint(A.apply(x)),
            "normal": lambda: A.normal(x),
            "normal, Toeplitz": lambda: A.normal(x),
            "solve": lambda: cg(A, data, x),
            "solve, Toeplitz": lambda: cg(A, data, x),
            "wavelet": lambda: wavelet(A, data, x),
            "wavelet, periodic": lambda: wavelet(A, data, x),
        }[name.removesuffix(WITHOUT)]()

    side = Ours({}, {}, {})
    for name in dict.fromkeys(work for works in case.works.values() for work in works):
        function = jax.jit(partial(run, name))
        given = (operator, arrays["image"], arrays["probe"], arrays.get("data"))
        executable, side.compile_seconds[name] = compiled(function, *given)
        result = executable(*given)
        side.results[name] = np.asarray(result)
        side.works[name] = lambda e=executable, g=given: seconds(e, *g)
    return side


def slices(n: int, count: int) -> dict[str, dict[str, Callable[[], float]]]:
    """Work -> seconds per slice: of one alone, and of a batch, by vmap and in turn."""
    case = cartesian(n, "Poisson disc", {})
    operator = mri.Sense(jnp.asarray(case.arrays["maps"]), jnp.asarray(case.arrays["mask"]))
    growth = 1 + jnp.arange(count, dtype=jnp.float32) / count
    images, data = (
        growth.reshape(-1, *(1,) * a.ndim) * a
        for a in (jnp.asarray(case.arrays[name]) for name in ("image", "data"))
    )

    def solved(A: Any, y: Any) -> Any:
        x0 = jnp.zeros(A.domain.shape, A.domain.dtype)
        return solve(conjugate_gradient(A, y), x0, 20)[0]

    works: dict[str, tuple[Callable, Any]] = {
        "pair": (lambda A, x: A.adjoint(A.apply(x)), images),
        "normal": (lambda A, x: A.normal(x), images),
        "CG, 20 iterations": (solved, data),
    }

    def timed(function: Callable, given: Any, share: int) -> Callable[[], float]:
        executable, _ = compiled(jax.jit(function), operator, given)
        return lambda: seconds(executable, operator, given) / share

    return {
        work: {
            "one alone": timed(f, batch[0], 1),
            "by vmap": timed(jax.vmap(f, in_axes=(None, 0)), batch, count),
            "by lax.map": timed(lambda A, b, f=f: jax.lax.map(partial(f, A), b), batch, count),
        }
        for work, (f, batch) in works.items()
    }
