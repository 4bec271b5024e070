"""How errors, times and memory of the CT projectors grow with image side, views and batch.

Errors: of each model against exact line integrals of the Shepp-Logan phantom, and of filtered
backprojection against the phantom, over the side N of the image, with the order fitted. Line
integrals of an object with edges converge slower than those of a smooth one, so a sum of Gaussian
bells, whose integrals are exact too, is there beside it.

Times and the temporaries that XLA allocates: of forward and adjoint over N (with N views), over the
number of views, and over the batch, on log-log axes. Expected are N^2 log N + views N for
"fourier" and views N^2 for "shear" and "joseph"; views M^3 for "planes" with its M^3 volume.

Run: python benchmarks/ct_scaling.py [--quick] [--rounds 7] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

PLANAR = ("fourier", "shear", "joseph")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("output"))
    return parser.parse_args()


def geometry_of(model: str, side: int, views: int) -> Any:
    """A parallel beam over pi, or for "planes" a cone beam over 2 pi; pixels of 1 mm."""
    from jaxrecon import ct

    if model == "planes":
        return ct.cone_beam((side, side, side), views, 3.0 * side, 1.5 * side)
    return ct.parallel_beam((side, side), views)


def order(sides: Any, values: Any) -> float:
    """The exponent of a power law, by least squares on logarithms."""
    return float(np.polyfit(np.log(sides), np.log(values), 1)[0])


def last_order(sides: Any, values: Any) -> float:
    """The same over the upper half of the sizes, where fixed costs weigh least."""
    half = len(sides) // 2
    return order(sides[half:], values[half:])


def relative(a: Any, b: Any) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def bells(side: int, fine: int = 1) -> tuple[np.ndarray, Callable]:
    """Three Gaussian bells, averages over fine x fine points of each pixel, and the function of
    angles and positions that gives their exact line integrals."""
    scale = side / 64
    centres = scale * np.array([[8.0, -5.0], [-9.0, 3.0], [2.0, 9.0]])
    widths = scale * np.array([3.5, 3.0, 4.0])
    position = (np.arange(side * fine) - (side * fine - 1) / 2) / fine
    square = [(position - x) ** 2 + (position[:, None] - y) ** 2 for x, y in centres]
    image = sum(np.exp(-d / (2 * w**2)) for d, w in zip(square, widths, strict=True))
    image = np.asarray(image, np.float32).reshape(side, fine, side, fine).mean(axis=(1, 3))

    def integrals(angles: np.ndarray, positions: np.ndarray) -> np.ndarray:
        total = np.zeros((angles.size, positions.size))
        for (x, y), w in zip(centres, widths, strict=True):
            s = positions - (x * np.cos(angles) + y * np.sin(angles))[:, None]
            total += np.sqrt(2 * np.pi) * w * np.exp(-(s**2) / (2 * w**2))
        return total

    return image, integrals


def errors(sides: list[int]) -> dict[str, Any]:
    """Errors over N of all planar models, for edges and for smooth images, and of FBP."""
    import jax
    import jax.numpy as jnp

    from jaxrecon import ct
    from jaxrecon.data import phantoms, radon, rasterise

    project = jax.jit(ct.project, static_argnums=2)
    fbp = jax.jit(ct.filtered_backprojection)
    found: dict[str, list[float]] = {}
    for side in sides:
        geometry = ct.parallel_beam((side, side), side)
        phantom = phantoms.shepp_logan(float(side))
        image = rasterise(phantom, (side, side), 1.0, 8)
        exact = radon(phantom, geometry.angles, geometry.positions)
        smooth, integrals = bells(side)
        angles, positions = (
            np.asarray(a, np.float64) for a in (geometry.angles, geometry.positions)
        )
        smooth_exact = integrals(angles, positions)
        for model in PLANAR:
            data = project(image, geometry, model)
            found.setdefault(f"{model}, edges", []).append(relative(data, exact))
            data = project(jnp.asarray(smooth), geometry, model)
            found.setdefault(f"{model}, smooth", []).append(relative(data, smooth_exact))
        found.setdefault("FBP, edges", []).append(relative(fbp(exact, geometry), image))
        smooth_data = jnp.asarray(smooth_exact, jnp.float32)
        found.setdefault("FBP, smooth", []).append(
            relative(fbp(smooth_data, geometry), bells(side, 4)[0])  # it gives averages over pixels
        )
    table = {name: {"errors": e, "order": -order(sides, e)} for name, e in found.items()}
    return {"N": sides, "curves": table}


def work(model: str, side: int, views: int, batch: int = 0) -> dict[str, Any]:
    """Compiled forward and adjoint: functions that return seconds, and bytes of temporaries."""
    import jax
    import jax.numpy as jnp
    from timing import compiled, seconds, temporaries

    from jaxrecon import ct

    geometry = geometry_of(model, side, views)
    random = np.random.default_rng(0)
    result = {}
    for name, function, space in (
        ("forward", ct.project, geometry.image_space),
        ("adjoint", ct.backproject, geometry.sinogram_space),
    ):

        def run(x: Any, geometry: Any, function: Any = function) -> Any:
            one = partial(function, geometry=geometry, model=model)
            return jax.vmap(one)(x) if batch else one(x)

        shape = (batch, *space.shape) if batch else space.shape
        x = jnp.asarray(random.random(shape, np.float32))
        executable, _ = compiled(jax.jit(run), x, geometry)
        result[name] = {
            "run": lambda e=executable, x=x, g=geometry: seconds(e, x, g),
            "bytes": temporaries(executable),
        }
    return result


def sweep(title: str, values: list[int], make: Callable[[int], Any], rounds: int) -> dict[str, Any]:
    """Times (medians of interleaved rounds) and temporaries over one size."""
    from timing import interleaved

    works = {value: make(value) for value in values}
    result: dict[str, Any] = {"size": values}
    for name in ("forward", "adjoint"):
        runs = {str(v): works[v][name]["run"] for v in values}
        times = interleaved(runs, rounds, warm_up=1, burst=3, burst_seconds=0.05)
        medians = [times[str(v)].median for v in values]
        temporaries = [works[v][name]["bytes"] for v in values]
        result[name] = {
            "seconds": medians,
            "slope": order(values, medians),
            "last slope": last_order(values, medians),
            "temporaries": temporaries,
            "slope of temporaries": order(values, np.maximum(temporaries, 1)),
        }
    print(f"  {title}: done", flush=True)
    return result


def expected(model: str, kind: str, values: list[int], fixed: int) -> np.ndarray:
    """The law that the times should follow, without its factor; `fixed` is N, or the views."""
    n = np.asarray(values, float)
    if kind == "batch":
        return n
    if kind == "views":
        return fixed**2 * np.log2(fixed) + n * fixed if model == "fourier" else n
    if model == "fourier":
        return n**2 * np.log2(n)
    return n**4 if model == "planes" else n**3


def measure(quick: bool, rounds: int) -> dict[str, Any]:
    """All sweeps: {kind: {model: ...}}, with what is fixed in each."""
    sides = [32, 48, 64] if quick else [64, 96, 128, 192, 256, 384, 512]
    larger = sides if quick else [*sides, 768, 1024]
    side, m = (48, 12) if quick else (256, 48)
    volumes = [8, 12, 16] if quick else [24, 32, 48, 64]
    view_counts = [12, 24, 48] if quick else [45, 90, 180, 360, 720]
    batches = [1, 2, 4] if quick else [1, 2, 4, 8, 16]
    found: dict[str, Any] = {"N": {}, "views": {}, "batch": {}}
    for model in (*PLANAR, "planes"):
        solid = model == "planes"
        fixed = m if solid else side
        counts = [max(c // 4, 3) for c in view_counts] if solid else view_counts
        some = [b for b in batches if b <= 4] if solid else batches
        views = m if solid else (24 if quick else 180)
        make: dict[str, tuple[list[int], Callable]] = {
            "N": (
                volumes if solid else (larger if model == "fourier" else sides),
                lambda n, k=model: work(k, n, n),
            ),
            "views": (counts, lambda v, k=model, f=fixed: work(k, f, v)),
            "batch": (some, lambda b, k=model, f=fixed, v=views: work(k, f, v, b)),
        }
        for kind, (values, function) in make.items():
            few = max(2, rounds // 3) if model == "joseph" or solid else rounds
            result = sweep(f"{model} over {kind}", values, function, few)
            law = expected(model, kind, values, fixed)
            found[kind][model] = result | {
                "expected slope": last_order(values, law),
                "expected": law.tolist(),
            }
    return found


def show(report: dict[str, Any]) -> None:
    """Two tables: errors with their orders, and slopes of times and temporaries; those of times
    over all sizes, and over the upper half, where the expected one is computed as well."""
    from timing import print_table

    sides = report["errors"]["N"]
    rows = [
        [name, *(f"{e:.1e}" for e in curve["errors"]), f"{curve['order']:.2f}"]
        for name, curve in report["errors"]["curves"].items()
    ]
    print()
    print_table(["relative error at N =", *map(str, sides), "order"], rows)
    rows = []
    for kind, models in report["scaling"].items():
        for model, result in models.items():
            for name in ("forward", "adjoint"):
                part, ends = result[name], (0, -1)
                times = " - ".join(f"{1e3 * part['seconds'][i]:.1f}" for i in ends)
                sizes = " - ".join(f"{part['temporaries'][i] / 1e6:.1f}" for i in ends)
                rows.append(
                    [
                        f"{model} {name}",
                        f"{kind} {result['size'][0]}-{result['size'][-1]}",
                        times,
                        f"{part['slope']:.2f}",
                        f"{part['last slope']:.2f}",
                        f"{result['expected slope']:.2f}",
                        sizes,
                        f"{part['slope of temporaries']:.2f}",
                    ]
                )
    print()
    head = ["", "over", "ms", "slope", "upper half", "expected there", "temporaries, MB", "slope"]
    print_table(head, rows)


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    import jax
    from ct_scaling_figure import draw

    from jaxrecon import plot

    rounds = 2 if chosen.quick else chosen.rounds
    report: dict[str, Any] = {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": chosen.threads,
        "rounds": rounds,
        "errors": errors([32, 48, 64] if chosen.quick else [64, 96, 128, 192, 256, 384, 512]),
        "scaling": measure(chosen.quick, rounds),
    }
    show(report)
    chosen.output.mkdir(parents=True, exist_ok=True)
    (chosen.output / "ct_scaling.json").write_text(json.dumps(report, indent=1))
    plot.save(draw(report), chosen.output / "ct_scaling.png")


if __name__ == "__main__":
    sys.exit(main())
