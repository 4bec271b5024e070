"""Dynamic CT from few views a frame: priors that look at one frame, and at all of them.

Contrast agent flows through a real slice of a head: 20 frames, of which the scanner sees 15 views
each, at golden angles, with Poisson counts. The tissue is still, and the agent has few courses: in
arteries, in tissue, and in a delayed region. With the film x (time, y, x),

    min_x 1/2 ||A x - p||_W^2 + R(x),

- total variation (its Huber form, with x >= 0) of each frame alone sees 15 views, and must blur;
- total variation in space and time lets frames share what does not change;
- low rank, of the film as frames x pixels (nuclear norm) or of blocks of 8 x 8 pixels (locally low
  rank, whose tiles move in each step), finds the few courses; it shrinks them, which the arteries,
  a small part of the film, feel most.

    python examples/low_rank_dynamic.py [output folder] [--steps 240]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import Functional, LinearOperator, ct, iterate, plot, solve, struct
from jaxrecon.data.ct_slice import WATER, ct_slice
from jaxrecon.functionals import (
    HuberTotalVariation,
    LeastSquares,
    LocallyLowRank,
    NonNegative,
    NuclearNorm,
)
from jaxrecon.solvers import pogm

PHOTONS = 2e5
GOLDEN = np.pi * (np.sqrt(5) - 1) / 2
FRAME_TV, FILM_TV, NUCLEAR, LOCAL = 1e-4, 3e-4, 0.04, 0.01
"""weights of the four priors, chosen by hand on this very film"""
IN_TIME = 3.0  # weight of differences in time over those in space
DELTA = 0.01  # below it total variation is quadratic
WINDOW, CHANGE = (0.95, 1.25), (-0.1, 0.1)
COURSES = {  # of the agent: largest change, and when, in units of water and of the film's length
    "arteries": (0.25, 0.3, 6.0),
    "tissue": (0.04, 0.4, 3.0),
    "delayed region": (0.04, 0.65, 3.0),
}


class Film(LinearOperator):
    """(time, y, x) -> (time, views, bins): each frame is seen by views of its own."""

    geometry: ct.ParallelGeometry
    views: jax.Array
    """(time, views), where the views of each frame are in the geometry"""

    @property
    def domain(self) -> Any:
        return struct((len(self.views), *self.geometry.image_shape), self.geometry.dtype)

    @property
    def codomain(self) -> Any:
        return struct((*self.views.shape, self.geometry.bins), self.geometry.dtype)

    def apply(self, x: Any) -> jax.Array:
        return jax.vmap(lambda frame, views: self._of(views).apply(frame))(x, self.views)

    def adjoint(self, y: Any) -> jax.Array:
        return jax.vmap(lambda data, views: self._of(views).adjoint(data))(y, self.views)

    def _of(self, views: jax.Array) -> ct.XRayTransform:
        return ct.XRayTransform(self.geometry.take(views))


def agent(n: int, frames: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(where each course runs, (n, n) from 0 to 1; the courses, (frames,))."""
    y, x = (np.mgrid[:n, :n] - (n - 1) / 2) / n

    def disc(cx: float, cy: float, a: float, b: float) -> np.ndarray:
        return (np.hypot((x - cx) / a, (y - cy) / b) < 1).astype(np.float32)

    arteries = disc(-0.1, -0.08, 0.03, 0.03) + disc(0.1, -0.08, 0.03, 0.03)
    arteries += disc(0.0, -0.18, 0.025, 0.025)
    delayed = disc(0.13, 0.1, 0.06, 0.08)
    tissue = disc(0.0, 0.02, 0.22, 0.27) * (1 - np.minimum(arteries + delayed, 1))
    t = np.linspace(0, 1, frames)
    courses = {
        name: peak * (t / when) ** width * np.exp(width * (1 - t / when))
        for name, (peak, when, width) in COURSES.items()
    }
    return dict(zip(COURSES, (arteries, tissue, delayed), strict=True)), courses


def measure(size: int, frames: int, views: int) -> tuple[np.ndarray, Film, jax.Array, jax.Array]:
    """(film in units of water, A with ||A|| near 1, data, weights).

    The scan is computed from 512x512 pixels, with several rays in each bin.
    """
    attenuation, (spacing, _) = ct_slice("head")
    n = len(attenuation)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    still = np.where(np.hypot(y, x) < n / 2, attenuation, 0) / WATER
    maps, courses = agent(n, frames)
    parts = np.stack([still, *maps.values()])
    shares = np.stack([np.ones(frames), *courses.values()])

    factor = n // size
    reduced = parts.reshape(-1, size, factor, size, factor).mean(axis=(2, 4))
    film = np.einsum("kt,kyx->tyx", shares, reduced).astype(np.float32)

    pixel = spacing * factor
    bins = ct.parallel_beam((size, size), 1, pixel_size=pixel).bins
    angles = jnp.asarray(GOLDEN * np.arange(frames * views) % np.pi, jnp.float32)
    scanner = ct.ParallelGeometry((n, n), angles, bins * factor, spacing, spacing)
    rays = jax.jit(jax.vmap(lambda image: ct.project(image, scanner)))(jnp.asarray(parts))
    rays = rays.reshape(len(parts), frames, views, bins, factor)
    rays = WATER * jnp.einsum("kt,ktvbf->tvbf", shares.astype(np.float32), rays)
    counts = ct.transmission_counts(
        jax.random.key(0), -jnp.log(jnp.mean(jnp.exp(-rays), axis=-1)), PHOTONS
    )
    p, variance = ct.log_transform(counts, PHOTONS)

    unit = pixel * np.sqrt(views * size)
    geometry = ct.ParallelGeometry((size, size), angles, bins, pixel / unit, pixel / unit)
    index = jnp.arange(frames * views).reshape(frames, views)
    return film, Film(geometry, index), p / (unit * WATER), jnp.mean(variance) / variance


def reconstructions(
    fidelity: LeastSquares, start: jax.Array, steps: int
) -> dict[str, Callable[[], jax.Array]]:
    """Name -> film."""
    shape = start.shape
    run = jax.jit(lambda method, x0: solve(method, x0, steps)[0])

    def total_variation(penalty: Functional) -> jax.Array:
        return run(pogm(fidelity + penalty, NonNegative(), restart=True), start)

    def locally_low_rank() -> jax.Array:
        method = pogm(fidelity, LOCAL * LocallyLowRank((8, 8)), restart=True)
        shifts = jax.random.randint(jax.random.key(1), (steps, 2), 0, 8)

        @jax.jit
        def moving(method: Any, x0: jax.Array) -> jax.Array:
            def step(state: Any, shift: jax.Array) -> Any:
                return method.replace(simple=LOCAL * LocallyLowRank((8, 8), shift)).step(state)

            return iterate(step, method.init(x0), xs=shifts)[0].x

        return moving(method, start)

    space = HuberTotalVariation(shape, DELTA, axes=(1, 2))
    film = HuberTotalVariation(shape, DELTA, spacing=(1 / IN_TIME, 1.0, 1.0))
    return {
        "TV of each frame": lambda: total_variation(FRAME_TV * space),
        "TV in space and time": lambda: total_variation(FILM_TV * film),
        "nuclear norm": lambda: run(pogm(fidelity, NUCLEAR * NuclearNorm(), restart=True), start),
        "locally low rank": locally_low_rank,
    }


def run(
    output_folder: str | Path | None = None,
    *,
    size: int = 128,
    frames: int = 20,
    views: int = 15,
    steps: int = 240,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Simulate and reconstruct; returns (results, matplotlib figure) and saves the figure."""
    film, operator, data, weights = measure(size, frames, views)
    fidelity = LeastSquares(operator, data, weights)
    mean = ct.filtered_backprojection(data.reshape(-1, data.shape[-1]), operator.geometry, "hann")
    start = jnp.broadcast_to(jnp.maximum(mean, 0), film.shape)
    maps = {name: a.reshape(size, -1, size, len(a) // size).mean((1, 3)) > 0.9
            for name, a in agent(512, frames)[0].items()}  # fmt: skip
    films, results = {"truth": film, "mean of all views": np.asarray(start)}, {}

    def judge(name: str, seconds: float) -> None:
        x = films[name]
        results[name] = {"error": float(np.linalg.norm(x - film) / np.linalg.norm(film))}
        change, true = x - x.mean(axis=0), film - film.mean(axis=0)
        results[name]["error of change"] = float(
            np.linalg.norm(change - true) / np.linalg.norm(true)
        )
        for region, mask in maps.items():
            difference = x[:, mask].mean(axis=1) - film[:, mask].mean(axis=1)
            results[name][region] = 1000 * float(np.sqrt(np.mean(difference**2)))
        results[name]["seconds with compilation"] = seconds
        report(f"{name:24s}" + "".join(f"{value:16.3g}" for value in results[name].values()))

    columns = ("error", "of the change", *(f"{r} / HU" for r in maps), "s")
    report(f"{'':24s}" + "".join(f"{column:>16s}" for column in columns))
    judge("mean of all views", 0.0)
    for name, reconstruct in reconstructions(fidelity, start, steps).items():
        began = time.perf_counter()
        films[name] = np.asarray(reconstruct())
        judge(name, time.perf_counter() - began)
    figure = draw(films, maps, results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "low_rank_dynamic.png")
    return results, figure


def draw(films: dict[str, np.ndarray], maps: dict[str, np.ndarray], results: dict) -> Any:
    """One frame of each film, its change, and the courses of the agent."""
    figure, axes = plot.subplots(3, len(films), (2.5, 2.6))
    truth = films["truth"]
    frame = int(0.38 * len(truth))
    crop = (slice(len(truth[0]) // 12, -len(truth[0]) // 12),) * 2
    for (top, middle), (name, film) in zip(axes[:2].T, films.items(), strict=True):
        title = name if name == "truth" else f"{name}\n{100 * results[name]['error']:.1f} % error"
        plot.show(top, film[frame][crop], title, window=WINDOW)
        change = film[frame] - film.mean(axis=0)
        title = f"frame {frame} less the mean" if name == "truth" else (
            f"{100 * results[name]['error of change']:.0f} % error of the change"
        )  # fmt: skip
        plot.show(middle, change[crop], title, window=CHANGE, cmap="RdBu_r")
    grid = axes[0, 0].get_gridspec()
    for ax in axes[2]:
        ax.remove()
    colours = ("#000000", "#b0b0b0", *plot.COLOURS)
    for column, (region, mask) in enumerate(maps.items()):
        ax = figure.add_subplot(grid[2, 2 * column : 2 * column + 2])
        for (name, film), colour in zip(films.items(), colours, strict=False):
            course = 1000 * (film[:, mask].mean(axis=1) - truth[0][mask].mean())
            width = 2.5 if name == "truth" else 1.4
            ax.plot(course, color=colour, linewidth=width, label=name)
        ax.set(xlabel="frame", ylabel="HU", xticks=range(0, len(truth), 4))
        ax.set_title(f"contrast agent: {region}", fontsize=9)
        ax.grid(color="#e6e6e6", linewidth=0.7)
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *ax.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=6,
        fontsize=8,
        frameon=False,
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--steps", type=int, default=240, help="of each method")
    arguments = parser.parse_args()

    def report(line: str) -> None:
        print(line, flush=True)

    run(arguments.folder, steps=arguments.steps, report=report)


if __name__ == "__main__":
    main()
