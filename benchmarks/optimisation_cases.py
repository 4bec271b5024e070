"""Our side of optimisation_vs_peers.py: each method as compiled for one problem."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optimisation_problems import WATCHED, Problem
from timing import compiled, seconds

from jaxrecon import ct, iterate, separable, solve, stack
from jaxrecon.functionals import L1, GroupL21, LeastSquares, TotalVariation, WaveletL1, Zero
from jaxrecon.linops import Convolution, FiniteDifference, Fourier, Mask
from jaxrecon.solvers import (
    admm,
    fista,
    fourier_quadratic,
    fourier_update,
    ista,
    pogm,
    primal_dual_hybrid_gradient,
)

TIMED = 100
"""Iterations of one timed run."""
BATCH = 16
TOGETHER = 4
"""Items that lax.map takes at a time."""
Arrays = dict[str, Any]
Numbers = dict[str, Any]


def blur_fidelity(arrays: Arrays) -> LeastSquares:
    return LeastSquares(Convolution(arrays["kernel"], arrays["start"].shape), arrays["data"])


def stacked_pdhg(fidelity: LeastSquares, arrays: Arrays, numbers: Numbers) -> Any:
    """Fidelity and total variation both behind their operators: what every package can do."""
    g, A = fidelity.split()
    beta = numbers["difference_scale"]
    D = FiniteDifference(arrays["start"].shape)
    tau, sigma = numbers["stacked"]
    return primal_dual_hybrid_gradient(
        Zero(),
        separable(g, (numbers["weight"] / beta) * GroupL21()),
        stack(A, D if beta == 1 else beta * D),  # type: ignore[arg-type]
        primal_step=tau,
        dual_step=sigma,
    )


def deblur_pdhg(arrays: Arrays, numbers: Numbers) -> Any:
    return stacked_pdhg(blur_fidelity(arrays), arrays, numbers)


def deblur_pdhg_prox(arrays: Arrays, numbers: Numbers) -> Any:
    fidelity = blur_fidelity(arrays)
    D = FiniteDifference(arrays["start"].shape)
    tau, sigma = numbers["apart"]
    f = fourier_quadratic(fidelity, D.domain)
    g = numbers["weight"] * GroupL21()
    return primal_dual_hybrid_gradient(f, g, D, primal_step=tau, dual_step=sigma)


def deblur_admm(arrays: Arrays, numbers: Numbers, norm: Any = None) -> Any:
    fidelity = blur_fidelity(arrays)
    D = FiniteDifference(arrays["start"].shape, boundary="periodic")
    return admm(
        fidelity,
        numbers["weight"] * (GroupL21() if norm is None else norm),
        D,
        numbers["penalty"],
        relaxation=numbers["relaxation"],
        x_update=fourier_update(fidelity, D),
    )


def tv_prox(arrays: Arrays, numbers: Numbers) -> Any:
    inner = numbers["inner"]
    return numbers["weight"] * TotalVariation(
        arrays["start"].shape, tolerance=0.0, iterations=inner
    )


def deblur_pgd(arrays: Arrays, numbers: Numbers) -> Any:
    return ista(blur_fidelity(arrays), tv_prox(arrays, numbers), numbers["step"])


def ct_fidelity(arrays: Arrays, numbers: Numbers) -> LeastSquares:
    side, views, bins = numbers["side"], numbers["views"], numbers["bins"]
    geometry = ct.parallel_beam((side, side), views, bins=bins)
    A = ct.XRayTransform(geometry.replace(angles=arrays["angles"]))
    return LeastSquares(numbers["operator_scale"] * A, arrays["data"])


def ct_pdhg(arrays: Arrays, numbers: Numbers) -> Any:
    return stacked_pdhg(ct_fidelity(arrays, numbers), arrays, numbers)


def ct_tv_fista(arrays: Arrays, numbers: Numbers) -> Any:
    return fista(ct_fidelity(arrays, numbers), tv_prox(arrays, numbers), numbers["step"])


def wavelet_l1(arrays: Arrays, numbers: Numbers) -> Any:
    shape, levels = arrays["start"].shape, numbers["levels"]
    return numbers["weight"] * WaveletL1(shape, "db4", levels, approximation=1.0)


def ct_wavelet(arrays: Arrays, numbers: Numbers) -> Any:
    f = ct_fidelity(arrays, numbers)
    return fista(f, wavelet_l1(arrays, numbers), numbers["step"])


def ct_wavelet_pogm(arrays: Arrays, numbers: Numbers) -> Any:
    f = ct_fidelity(arrays, numbers)
    return pogm(f, wavelet_l1(arrays, numbers), numbers["step"], restart=True)


def mri_fidelity(arrays: Arrays) -> LeastSquares:
    mask = arrays["mask"]
    A = Mask(mask, dtype=jnp.complex64) @ Fourier(mask.shape)
    return LeastSquares(A, arrays["data"])


def mri_fista(arrays: Arrays, numbers: Numbers) -> Any:
    return fista(mri_fidelity(arrays), wavelet_l1(arrays, numbers), numbers["step"])


def mri_pogm(arrays: Arrays, numbers: Numbers) -> Any:
    f = mri_fidelity(arrays)
    return pogm(f, wavelet_l1(arrays, numbers), numbers["step"], restart=True)


METHODS: dict[str, dict[str, Callable]] = {
    "deblur": {
        "PDHG": deblur_pdhg,
        "PDHG, prox by FFT": deblur_pdhg_prox,
        "ADMM, FFT": deblur_admm,
        "PGD, TV prox 20": deblur_pgd,
    },
    "ct-tv": {"PDHG": ct_pdhg, "FISTA, TV prox 20": ct_tv_fista},
    "ct-wavelet": {"FISTA": ct_wavelet, "POGM, restart": ct_wavelet_pogm},
    "mri": {"FISTA": mri_fista, "POGM, restart": mri_pogm},
}
BATCHED = {"deblur": ("PDHG", "PDHG, prox by FFT", "ADMM, FFT"), "mri": ("FISTA",)}
FFT_PAIRS = {
    ("deblur", "PDHG"): 2,
    ("deblur", "PDHG, prox by FFT"): 1,
    ("deblur", "ADMM, FFT"): 1,
    ("mri", "FISTA"): 1,
}
"""FFTs with their inverses in one iteration, as the method is written."""
REFERENCES = {
    "deblur": (("PDHG, prox by FFT", 3000), ("ADMM, FFT", 3000)),
    "ct-tv": (("PDHG", 1500),),
    "ct-wavelet": (("POGM, restart", 400),),
    "mri": (("POGM, restart", 300),),
}
"""Long runs, for the best objective known."""


class Ours(NamedTuple):
    """What is timed and judged, by method."""

    works: dict[str, Callable[[], float]]
    """each returns the seconds of one iteration"""
    images: dict[str, np.ndarray]
    projections: dict[str, np.ndarray]
    references: dict[str, np.ndarray]
    """last images of long runs"""
    compile_seconds: dict[str, float]
    setup_seconds: dict[str, float]
    """making the method: its steps, its checks"""
    retraced: dict[str, int]
    """traces for other data, weights, steps and angles"""


def our_side(case: str, problem: Problem) -> Ours:
    """Every method of the case, compiled with its problem as an argument."""
    arrays = {name: jnp.asarray(a) for name, a in problem.arrays.items()}
    numbers, x0 = problem.numbers, arrays["start"]
    side = Ours({}, {}, {}, {}, {}, {}, {})
    for name, make in METHODS[case].items():
        traces = []

        def run(method: Any, x0: Any, traces: list = traces) -> Any:
            traces.append(1)
            return solve(method, x0, TIMED)[0]

        before = time.perf_counter()
        method = jax.block_until_ready(make(arrays, numbers))
        side.setup_seconds[name] = time.perf_counter() - before
        jitted = jax.jit(run)
        executable, side.compile_seconds[name] = compiled(jitted, method, x0)
        jitted(method, x0)
        first = len(traces)
        jitted(make(*changed(arrays, numbers)), x0)
        side.retraced[name] = len(traces) - first
        side.images[name] = watched(method, x0, *watch_of(case, name))
        side.works[name] = lambda e=executable, m=method: seconds(e, m, x0) / TIMED
    for name, iterations in REFERENCES[case]:
        method = METHODS[case][name](arrays, numbers)
        side.references[name] = watched(method, x0, iterations, iterations)
    if case.startswith("ct"):
        A = ct_fidelity(arrays, numbers).split()[1]
        project = jax.jit(lambda A, x: jax.lax.map(A, x))
        for name, x in (side.images | {f"{n} long": x for n, x in side.references.items()}).items():
            side.projections[name] = np.asarray(project(A, x))
    return side


def watch_of(case: str, method: str) -> tuple[int, int]:
    """As for the first method of the case where no package has this one."""
    return WATCHED[case].get(method, next(iter(WATCHED[case].values())))


def watched(method: Any, x0: jax.Array, iterations: int, every: int) -> np.ndarray:
    """The iterates after every so many iterations."""
    run = jax.jit(
        lambda m, x0: iterate(m.step, m.init(x0), iterations, trace=m.solution, every=every)[1]
    )
    return np.asarray(run(method, x0))


def changed(arrays: Arrays, numbers: Numbers) -> tuple[Arrays, Numbers]:
    """Another problem of the same shapes."""
    other = {**arrays, "data": 1.1 * arrays["data"]}
    if "angles" in arrays:
        other["angles"] = arrays["angles"] + 0.01
    if "mask" in arrays:
        other["mask"] = arrays["mask"][::-1]
    return other, {**numbers, "weight": 1.5 * numbers["weight"], "step": 0.9}


def anisotropic_reference(problem: Problem) -> np.ndarray:
    """The minimiser of periodic deblurring with anisotropic total variation."""
    arrays = {name: jnp.asarray(a) for name, a in problem.arrays.items()}
    method = deblur_admm(arrays, problem.numbers, L1())
    return watched(method, arrays["start"], 3000, 3000)


def batches(case: str, problem: Problem) -> dict[str, Callable[[], float]]:
    """Seconds of one iteration of one item: alone, in a batch by vmap over the data, and in a batch
    of which lax.map takes some items at a time, so that they fit into the cache."""
    works = {}
    arrays = {name: jnp.asarray(a) for name, a in problem.arrays.items()}
    factors = 1 + jnp.arange(BATCH, dtype=jnp.float32)[:, None, None] / BATCH
    many = {name: factors * arrays.pop(name) for name in ("data", "start")}
    first = {name: a[0] for name, a in many.items()}
    for name in BATCHED.get(case, ()):
        make = METHODS[case][name]

        def one(item: Arrays, shared: Arrays, make: Callable = make) -> Any:
            every = item | shared
            return solve(make(every, problem.numbers), every["start"], TIMED)[0]

        def mapped(items: Arrays, shared: Arrays, one: Callable = one) -> Any:
            return jax.lax.map(lambda item: one(item, shared), items, batch_size=TOGETHER)

        forms = {
            "alone": (one, first, 1),
            "vmap": (jax.vmap(one, in_axes=(0, None)), many, BATCH),
            "lax.map": (mapped, many, BATCH),
        }
        for form, (function, items, count) in forms.items():
            executable, _ = compiled(jax.jit(function), items, arrays)
            works[f"{name}: {form}"] = lambda e=executable, x=items, n=count: (
                seconds(e, x, arrays) / (TIMED * n)
            )
    return works


def fft_pair(problem: Problem) -> Callable[[], float]:
    """Seconds of an FFT and its inverse, of the real kind where the data are real."""
    x = jnp.asarray(problem.arrays["data"])

    def pair(x: jax.Array, _: None) -> tuple[jax.Array, None]:
        if jnp.iscomplexobj(x):
            return jnp.fft.ifft2(jnp.fft.fft2(x)), None
        return jnp.fft.irfft2(jnp.fft.rfft2(x), x.shape), None

    executable, _ = compiled(jax.jit(lambda x: jax.lax.scan(pair, x, None, TIMED)[0]), x)
    return lambda: seconds(executable, x) / TIMED
