"""The scan of optimisation_methods.py by the methods for plain least squares, and for counts.

Least squares without a penalty, min 1/2 ||A x - p||^2 from x = 0: Krylov methods, Landweber, SIRT,
SART. SIRT and SART weigh the rays by their row sums, so that with noise they end near this
minimum, not at it; and the best image comes long before it. Emission, counts y of the mean
A x + background: MLEM and OSEM for the Kullback-Leibler divergence, MAP-EM, BSREM, SAGA and SVRG
with a quadratic prior. Each gap is that of the cost which the method minimises.

    python examples/optimisation_methods.py [output folder]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optimisation_history import HEADING, Entry, draw, history, judged, row
from optimisation_problem import measure, pose

from jaxrecon import Functional, ct, noise, plot, solve
from jaxrecon import solvers as s
from jaxrecon.core import Pytree
from jaxrecon.core.vectors import norm
from jaxrecon.functionals import KullbackLeibler, LeastSquares, NonNegative, QuadraticPrior, Zero

BLOCKS, COUNTS, BACKGROUND, WEIGHT = 12, 2e6, 0.1, 2.0
REFERENCE_STEPS = 1000


class Scan(Pytree):
    """A x ~ data, and where all methods start."""

    fidelity: Any
    penalty: Any
    start: jax.Array

    @property
    def operator(self) -> ct.XRayTransform:
        return self.fidelity.operator

    @property
    def subsets(self) -> s.Subsets:
        return ct.view_subsets(self.operator, BLOCKS)

    @property
    def cost(self) -> Functional:
        return self.fidelity + self.penalty


def least_squares_methods() -> dict[str, dict[str, Entry]]:
    """Family -> name -> method."""

    def whole(make: Callable) -> Entry:
        return Entry(lambda p: make(p.operator, p.fidelity.data), smooth=True)

    def single(p: Scan) -> Any:
        views = p.fidelity.data.shape[0]
        return s.sart(ct.view_subsets(p.operator, views), p.fidelity.data, relaxation=0.3)

    return {
        "Krylov": {
            "CG": whole(s.conjugate_gradient),
            "CGLS": whole(s.cgls),
            "LSQR": whole(s.lsqr),
        },
        "all rays": {"Landweber": whole(s.landweber), "SIRT": whole(s.sirt)},
        "subsets of views": {
            "OS-SART": Entry(
                lambda p: s.sart(p.subsets, p.fidelity.data), smooth=True, steps=BLOCKS
            ),
            "SART, relaxation 0.3": Entry(single, smooth=True, steps=60),
        },
    }


def count_methods() -> dict[str, dict[str, Entry]]:
    """Family -> name -> method; those of "prior" minimise the cost with the penalty."""

    def memory(make: Callable) -> Entry:
        key = jax.random.key(1)
        return Entry(
            lambda p: make(
                p.fidelity, p.subsets, penalty=p.penalty, constraint=NonNegative(), key=key
            ),
            steps=BLOCKS,
        )

    return {
        "likelihood": {
            "MLEM": Entry(lambda p: s.mlem(p.fidelity)),
            "OSEM": Entry(lambda p: s.osem(p.fidelity, p.subsets), steps=BLOCKS),
        },
        "prior": {
            "MAP-EM": Entry(lambda p: s.map_em(p.fidelity, p.penalty)),
            "BSREM": Entry(
                lambda p: s.bsrem(p.fidelity, p.subsets, penalty=p.penalty), steps=BLOCKS
            ),
            "SAGA": memory(s.saga),
            "SVRG": memory(s.svrg),
        },
    }


class Judge(NamedTuple):
    """What curves are measured against."""

    least: float
    first: float
    slope: float


@jax.jit
def measured(cost: Functional, bounded: Any, scale: Any, images: jax.Array) -> tuple:
    """Values, and norms of the gradients, projected where images are bounded by 0."""

    def one(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        slope = cost.grad(x)
        projected = (x - jnp.maximum(x - scale * slope, 0)) / scale
        return cost(x), norm(jnp.where(bounded, projected, slope))

    return jax.lax.map(one, images)


def quadratic(
    output_folder: str | Path | None = None,
    *,
    size: int = 128,
    views: int = 60,
    seconds: float = 0.8,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Least squares of the scan; returns (results, matplotlib figure)."""
    truth, p, variance, pixel = measure(size, views)

    def scan(dtype: Any) -> Scan:
        posed = pose(p, variance, size, pixel, dtype)
        plain = LeastSquares(posed.operator, posed.fidelity.data)
        return Scan(plain, Zero(), jnp.zeros_like(posed.start))

    def best(scan: Scan) -> jax.Array:
        return solve(s.cgls(scan.operator, scan.fidelity.data), scan.start, REFERENCE_STEPS)[0]

    found = compared(scan, {"": best}, least_squares_methods(), False, truth, seconds, report)
    return finished(found, output_folder, "optimisation_methods_quadratic")


def poisson(
    output_folder: str | Path | None = None,
    *,
    size: int = 128,
    views: int = 60,
    seconds: float = 0.8,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Counts of emission from the slice along the rays of the scan; as :func:`quadratic`."""
    truth, p, variance, pixel = measure(size, views)
    with jax.enable_x64(True):
        exact = pose(p, variance, size, pixel, jnp.float64).operator(
            jnp.asarray(truth, jnp.float64)
        )
        scale = COUNTS / jnp.sum(exact)
        floor = scale * BACKGROUND * jnp.mean(exact)
        counts = np.asarray(noise.poisson(jax.random.key(0), scale * exact + floor))
    scale, floor = float(scale), float(floor)

    def scan(dtype: Any) -> Scan:  # activities in counts, so that A stays as it is
        posed = pose(p, variance, size, pixel, dtype)
        f = KullbackLeibler(posed.operator, jnp.asarray(counts, dtype), jnp.asarray(floor, dtype))
        prior = (WEIGHT / scale**2) * QuadraticPrior((size, size))
        return Scan(f, prior, jnp.full((size, size), scale * truth.mean(), dtype))

    def best(penalised: bool) -> Callable:
        def run(scan: Scan) -> jax.Array:
            cost = scan.cost if penalised else scan.fidelity
            step = jnp.asarray(1e3 * scale, scan.start.dtype)
            method = s.fista(cost, NonNegative(), step, restart=True, backtracking=True)
            return solve(method, scan.start, REFERENCE_STEPS)[0]

        return run

    references = {"likelihood": best(False), "prior": best(True)}
    found = compared(scan, references, count_methods(), True, scale * truth, seconds, report)
    return finished(found, output_folder, "optimisation_methods_poisson")


def compared(
    scan: Callable[[Any], Scan],
    references: dict[str, Callable],
    families: dict[str, dict[str, Entry]],
    bounded: bool,
    truth: np.ndarray,
    seconds: float,
    report: Callable[[str], Any],
) -> dict[str, dict]:
    """All methods for the same time; judged in double precision against their minimum."""
    single, results = scan(jnp.float32), {}
    scale = max(float(np.mean(truth)), 1e-6) if bounded else 1.0
    judges: dict[str, Judge] = {}

    def values_of(family: str, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(True):
            double = scan(jnp.float64)
            cost = double.fidelity if family == "likelihood" else double.cost
            values, slopes = measured(cost, bounded, scale, jnp.asarray(images, jnp.float64))
            return np.asarray(values), np.asarray(slopes)

    with jax.enable_x64(True):
        double = scan(jnp.float64)
        nearest = {name: np.asarray(jax.jit(run)(double)) for name, run in references.items()}
    for family, entries in families.items():
        ends = np.stack([nearest.get(family, next(iter(nearest.values()))), double.start])
        (least, first), (_, slope) = values_of(family, ends)
        judges[family] = Judge(least, first, slope)
        report(HEADING.format(family))
        for name, entry in entries.items():
            found = history(single, entry, seconds)
            values, slopes = values_of(family, found.images)
            judge = judges[family]
            gap = np.maximum((values - judge.least) / (judge.first - judge.least), 0)
            results[name] = judged(family, found, gap, slopes / judge.slope, truth)
            report(row(name, results[name]))
    return results


def finished(results: dict, output_folder: str | Path | None, name: str) -> tuple[dict, Any]:
    """The results with their figure, saved."""
    figure = draw(results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / f"{name}.png")
    return results, figure
