"""Emission tomography: MLEM, ordered subsets, priors, and what noise does to each of them.

A body with hot and cold lesions emits photons, of which water absorbs a part; coincidences along
parallel lines are counted, with a fifth of randoms on top. The counts are Poisson distributed about
exact line integrals of the ellipses, so that no model of ours made them.

- The likelihood: MLEM climbs in every step; OSEM is as many times faster as there are subsets, and
  then cycles. Both overfit: the image of highest likelihood is noise.
- The posterior: with a relative-difference prior the solution is worth converging to. MAP-EM gets
  there in many passes, BSREM, SAGA and SVRG, which use one subset a step, in few.
- Noise against recovery of a lesion, over repeated scans: stopping early, or the weight of the
  prior, trades one for the other, and the prior gets more for its noise.

    python examples/expectation_maximisation.py [output folder] [--passes 40] [--scans 16]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import Functional, LinearOperator, ct, noise, plot, solve
from jaxrecon.data.phantoms import Ellipses, radon, rasterise
from jaxrecon.functionals import KullbackLeibler, NonNegative, RelativeDifferencePrior
from jaxrecon.solvers import (
    Subsets,
    bsrem,
    emission_step,
    map_em,
    mlem,
    osem,
    saga,
    split_rows,
    svrg,
)

PIXEL, VIEWS, SUBSETS = 4.0, 120, 12  # mm
COUNTS, RANDOMS = 6e5, 0.2
WATER = 0.0096  # 1/mm at 511 keV
WEIGHTS = (2.0, 5.0, 10.0, 20.0, 50.0)
SHOWN_WEIGHT = 10.0


def body() -> tuple[Ellipses, Ellipses]:
    """Activity, in units of that of the background, and attenuation in 1/mm; lengths in mm."""
    rows = (  # value, x, y, semi-axes, degrees
        (1.0, 0, 0, 150, 105, 0),
        (-0.75, -65, -20, 38, 55, 10),  # lungs
        (-0.75, 65, -20, 38, 55, -10),
        (3.0, -75, 62, 11, 11, 0),  # hot lesions
        (3.0, 0, -70, 8, 8, 0),
        (3.0, 75, 62, 6, 6, 0),
        (2.0, -62, -25, 9, 9, 0),  # in a lung
        (-1.0, 0, 62, 14, 14, 0),  # cold
    )
    table = np.array(rows, np.float32)
    activity = Ellipses(table[:, 0], table[:, 1:3], table[:, 3:5], np.deg2rad(table[:, 5]))
    outline = jax.tree.map(lambda a: a[:1], activity)
    return activity, outline.replace(value=jnp.array([WATER]))


class Scanner(LinearOperator):
    """Line integrals, and the share of the photons that get out."""

    transform: ct.XRayTransform
    share: jax.Array

    @property
    def domain(self) -> Any:
        return self.transform.domain

    @property
    def codomain(self) -> Any:
        return self.transform.codomain

    def apply(self, x: Any) -> jax.Array:
        return self.share * self.transform.apply(x)

    def adjoint(self, y: Any) -> jax.Array:
        return self.transform.adjoint(self.share * y)


def take_views(scanner: Any, views: Any) -> Scanner:
    """The scanner with some of its views."""
    transform = scanner.transform
    part = ct.XRayTransform(transform.geometry.take(views), transform.model)
    return Scanner(part, scanner.share[views])


def scan(size: int, views: int) -> tuple[Scanner, jax.Array, jax.Array, jax.Array]:
    """(A, expected counts without randoms, expected randoms, truth in the unit of A)."""
    activity, attenuation = body()
    pixel = PIXEL * 96 / size
    geometry = ct.parallel_beam((size, size), views, pixel_size=pixel)
    bins = geometry.bins
    fine = (jnp.arange(4 * bins) - (4 * bins - 1) / 2) * pixel / 4  # four lines in each bin
    lines = jax.jit(radon)(activity, geometry.angles, fine)
    absorbed = jax.jit(radon)(attenuation, geometry.angles, fine)
    counts = jnp.mean((lines * jnp.exp(-absorbed)).reshape(views, bins, 4), axis=-1)
    share = jnp.mean(jnp.exp(-absorbed).reshape(views, bins, 4), axis=-1)
    scale = COUNTS / jnp.sum(counts)
    operator = Scanner(ct.XRayTransform(geometry, "shear"), scale * share)
    randoms = jnp.full(counts.shape, RANDOMS * COUNTS / counts.size)
    return operator, scale * counts, randoms, rasterise(activity, (size, size), pixel, 8)


def prior(weight: Any, size: int) -> Functional:
    """weight times the relative-difference prior, for activities near 1."""
    return weight * RelativeDifferencePrior((size, size), gamma=2.0, epsilon=0.02)


def curvature(penalty: Functional, near: jax.Array) -> jax.Array:
    """Twice the second derivatives of the prior at an image near the solution."""
    return 2 * penalty.scale * penalty.functional.hessian_diagonal(near)  # type: ignore[attr-defined]


def regions(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the largest hot lesion, and of a part of the background."""
    pixel = PIXEL * 96 / size
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) * pixel
    return np.hypot(x + 75, y - 62) < 8, np.hypot(x, y - 5) < 20


def converge(
    f: KullbackLeibler, subsets: Subsets, penalty: Functional, start: jax.Array, passes: int
) -> tuple[dict, dict]:
    """(iterates that climb the likelihood, iterates that climb the posterior), one a pass."""
    bound = curvature(penalty, start)
    key, options = jax.random.key(2), {"penalty": penalty, "constraint": NonNegative()}
    step = emission_step(f, subsets, penalty=penalty, penalty_curvature=bound, relaxation=1.0)
    n = subsets.count

    def iterates(method: Any, steps: int, first: jax.Array) -> np.ndarray:
        run = jax.jit(
            lambda method, x0: solve(
                method, x0, passes * steps, trace=lambda state: state.x, every=steps
            )[1]
        )
        return np.asarray(run(method, first))

    ones = jnp.ones_like(start)
    likelihood = {
        "MLEM": iterates(mlem(f), 1, ones),
        f"OSEM, {n} subsets": iterates(osem(f, subsets), n, ones),
    }
    posterior = {
        "MAP-EM": iterates(map_em(f, penalty, penalty_curvature=bound), 1, start),
        "BSREM": iterates(bsrem(f, subsets, penalty=penalty, penalty_curvature=bound), n, start),
        "SAGA": iterates(saga(f, subsets, step_size=step, key=key, **options), n, start),
        "SVRG": iterates(svrg(f, subsets, step_size=step, key=key, **options), n, start),
    }
    onwards = saga(f, subsets, step_size=step, key=key, **options)
    posterior["best"] = iterates(onwards, n, posterior["SAGA"][-1])
    return likelihood, posterior


def repeat(
    operator: Scanner,
    subsets: Subsets,
    mean: jax.Array,
    randoms: jax.Array,
    scans: int,
    passes: int,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Over repeated scans: method -> (recovery of the lesion, noise in the background)."""
    size = operator.domain.shape[0]
    keys = jax.random.split(jax.random.key(1), scans)
    counts = jax.vmap(lambda key: noise.poisson(key, mean + randoms))(keys)
    ones = jnp.ones((size, size))
    lesion, background = regions(size)

    def stopped(counts: jax.Array, make: Callable, steps: int) -> jax.Array:
        method = make(KullbackLeibler(operator, counts, randoms))
        trace = {"trace": lambda state: state.x, "every": steps}
        return solve(method, ones, passes * steps, **trace)[1]

    def regularised(counts: jax.Array, weight: Any) -> jax.Array:
        f = KullbackLeibler(operator, counts, randoms)
        start, _ = solve(osem(f, subsets), ones, subsets.count)
        penalty = prior(weight, size)
        bound = curvature(penalty, start)
        method = bsrem(f, subsets, penalty=penalty, penalty_curvature=bound)
        return solve(method, start, 12 * subsets.count)[0]

    def curve(images: jax.Array) -> tuple[np.ndarray, np.ndarray]:
        """From images (scans, points, y, x)."""
        a = np.asarray(images)
        level = a[..., background].mean(axis=(0, 2))
        recovery = (a[..., lesion].mean(axis=(0, 2)) / level - 1) / 3
        return recovery, a[..., background].std(axis=0).mean(axis=1) / level

    over_scans = jax.jit(jax.vmap(stopped, in_axes=(0, None, None)), static_argnums=(1, 2))
    both = jax.jit(jax.vmap(jax.vmap(regularised, in_axes=(None, 0)), in_axes=(0, None)))
    return {
        "MLEM, stopped": curve(over_scans(counts, mlem, 1)),
        "OSEM, stopped": curve(
            over_scans(counts, lambda f: osem(f, subsets), subsets.count)[:, : passes // 2]
        ),
        "relative-difference prior": curve(both(counts, jnp.array(WEIGHTS))),
    }


def run(
    output_folder: str | Path | None = None,
    *,
    size: int = 96,
    views: int = VIEWS,
    passes: int = 40,
    scans: int = 16,
) -> tuple[dict, Any]:
    """Simulate, converge, repeat; returns (results, matplotlib figure) and saves the figure."""
    operator, mean, randoms, truth = scan(size, views)
    counts = noise.poisson(jax.random.key(0), mean + randoms)
    f = KullbackLeibler(operator, counts, randoms)
    subsets = split_rows(operator, SUBSETS, take_views)
    penalty = prior(SHOWN_WEIGHT, size)
    start = jax.jit(lambda method, x0: solve(method, x0, SUBSETS)[0])(
        osem(f, subsets), jnp.ones_like(truth)
    )
    likelihood, posterior = converge(f, subsets, penalty, start, passes)
    cost = jax.jit(lambda f, images: jax.lax.map(f, images))
    fits = {name: np.asarray(cost(f, images)) for name, images in likelihood.items()}
    costs = {
        name: np.asarray(cost(f + penalty, images))
        for name, images in posterior.items()
        if name != "best"
    }
    trade = repeat(operator, subsets, mean, randoms, scans, passes)

    inside = np.asarray(truth) > 0

    def error(image: Any) -> float:
        difference = np.asarray(image - truth)[inside]
        return float(np.sqrt(np.mean(difference**2) / np.mean(np.asarray(truth)[inside] ** 2)))

    results = {
        "counts": float(jnp.sum(counts)),
        "likelihood": fits,
        "cost": costs,
        "start": float(cost(f + penalty, start[None])[0]),
        "best": float(cost(f + penalty, posterior.pop("best")[-1:])[0]),
        "scans": scans,
        "error": {
            name: [error(image) for image in images]
            for name, images in (likelihood | posterior).items()
        },
        "trade": trade,
    }
    osem_name = next(name for name in likelihood if name.startswith("OSEM"))
    images = {
        "activity": truth,
        f"{osem_name}, 2 passes": likelihood[osem_name][1],
        f"MLEM, {passes} passes": likelihood["MLEM"][-1],
        f"prior (BSREM), {passes} passes": posterior["BSREM"][-1],
    }
    figure = draw(images, {name: error(image) for name, image in images.items()}, results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "expectation_maximisation.png")
    return results, figure


def draw(images: dict, errors: dict, results: dict) -> Any:
    """Images; likelihood and posterior against passes; noise against recovery."""
    figure, axes = plot.subplots(2, 4, (3.0, 2.9))
    for ax, (name, image) in zip(axes[0], images.items(), strict=True):
        title = name if errors[name] == 0 else f"{name}, error {100 * errors[name]:.0f} %"
        rows, columns = (np.flatnonzero(np.any(images["activity"] > 0, axis=a)) for a in (1, 0))
        part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        plot.show(ax, image[part], title, window=(0, 4), cmap="gray_r")
    trade = axes[1, 3]
    for name, title, begin, ax in (
        ("likelihood", "likelihood: above the best seen", None, axes[1, 0]),
        ("cost", "likelihood and prior: above the minimum", results["start"], axes[1, 1]),
    ):
        curves = results[name]
        best = results["best"] if begin else min(v.min() for v in curves.values())
        top = (begin or next(iter(curves.values()))[0]) - best
        lines = {k: np.maximum((v - best) / top, 1e-7) for k, v in curves.items()}
        passes = np.arange(1, len(next(iter(lines.values()))) + 1)
        plot.curves(ax, passes, lines, xlabel="passes over the data", title=title, log="y")
        ax.set_ylim(1e-5, 2)
    errors = {k: v for k, v in results["error"].items() if k in ("BSREM", *results["likelihood"])}
    plot.curves(
        axes[1, 2], passes, errors, xlabel="passes over the data", title="error of the image"
    )
    axes[1, 2].set_ylim(0, 0.8)
    for (name, (recovery, deviation)), colour in zip(
        results["trade"].items(), plot.COLOURS, strict=False
    ):
        trade.plot(100 * deviation, 100 * recovery, ".-", label=name, color=colour, markersize=4)
    trade.set(xlabel="noise in the background / %", ylabel="recovery of a lesion / %")
    trade.set_title(f"{results['scans']} scans", fontsize=9, color=plot.INK)
    trade.set_xlim(0, 60)
    trade.grid(color="#e6e6e6", linewidth=0.7)
    trade.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--passes", type=int, default=40, help="over the data")
    parser.add_argument("--scans", type=int, default=16, help="to measure the noise with")
    arguments = parser.parse_args()
    results, _ = run(arguments.folder, passes=arguments.passes, scans=arguments.scans)
    print(f"{results['counts']:.0f} counts, {100 * RANDOMS / (1 + RANDOMS):.0f} % of them randoms")
    shown = [n for n in (1, 2, 5, 10, 20, 40) if n <= arguments.passes]
    for what in ("likelihood", "cost"):
        print(f"\n{what + ', above its best after':32s}" + "".join(f"{n:>10d}" for n in shown))
        best = min(values.min() for values in results[what].values())
        best = results["best"] if what == "cost" else best
        for name, values in results[what].items():
            print(f"{name:32s}" + "".join(f"{values[n - 1] - best:10.2f}" for n in shown))
    print(f"\n{'relative error after':32s}" + "".join(f"{n:>10d}" for n in shown))
    for name, values in results["error"].items():
        print(f"{name:32s}" + "".join(f"{values[n - 1]:10.3f}" for n in shown))
    print("\nrecovery of the lesion at 7 % noise in the background")
    for name, (recovery, deviation) in results["trade"].items():
        order = np.argsort(deviation)
        print(f"{name:32s}{np.interp(0.07, deviation[order], recovery[order]):10.3f}")


if __name__ == "__main__":
    main()
