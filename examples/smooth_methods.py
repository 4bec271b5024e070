"""Smooth methods: deblurring with Huber total variation, by gradient descent up to L-BFGS.

A photograph of 512x512 pixels is blurred, averaged onto 128x128 pixels and measured with noise. The
image, which reaches beyond what is measured by half the blur, minimises

    f(x) = 1/2 ||K x - m||^2 + weight sum h(|D x|),

h the Huber function. f is smooth but badly conditioned: gradient descent with the step 1/L creeps,
momentum, line searches and curvature from past steps make it fast.

    python examples/smooth_methods.py [output folder] [--steps 400]

It prints what each method reaches, and draws the cost against steps and against time, with the
images of the slowest and of a fast method after as few steps.
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

from jaxrecon import Functional, Method, metrics, noise, plot, solve
from jaxrecon.data.images import packaged_image, reduce
from jaxrecon.functionals import HuberTotalVariation, LeastSquares, Zero
from jaxrecon.linops import Convolution
from jaxrecon.solvers import (
    barzilai_borwein,
    fista,
    gradient_descent,
    lbfgs,
    nesterov,
    nonlinear_conjugate_gradient,
)

SIGMA = 0.005
BLUR = 1.5  # standard deviation of the point spread function, in pixels of the result
WEIGHT, DELTA = 3e-4, 0.005
SHOWN = 20  # steps after which two images are shown

METHODS: dict[str, Callable[[Functional], Method]] = {
    "gradient descent, 1/L": gradient_descent,
    "gradient descent, line search": lambda f: gradient_descent(f, line_search=True),
    "Barzilai-Borwein, long": barzilai_borwein,
    "Barzilai-Borwein, short": lambda f: barzilai_borwein(f, formula="short"),
    "Nesterov": nesterov,
    "Nesterov, restart": lambda f: fista(f, Zero(), restart=True),
    "nonlinear CG, Polak-Ribiere": nonlinear_conjugate_gradient,
    "nonlinear CG, Hager-Zhang": lambda f: nonlinear_conjugate_gradient(f, formula="Hager-Zhang"),
    "L-BFGS": lbfgs,
}


def gaussian(sigma: float, dtype: Any = np.float32) -> np.ndarray:
    """A Gaussian point spread function cut off at 4 sigma."""
    radius = int(np.ceil(4 * sigma))
    profile = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return (kernel / kernel.sum()).astype(dtype)


def measure(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The photograph on size x size, and what is measured of it: all but the border.

    It is blurred at its 512x512 pixels, so that the model below has not made its own data.
    """
    fine = packaged_image("camera.png")
    factor = len(fine) // size
    blur = Convolution(jnp.asarray(gaussian(BLUR * factor)), fine.shape, "valid")
    clean = reduce(np.asarray(jax.jit(blur.apply)(jnp.asarray(fine))), factor)
    return reduce(fine, factor), np.asarray(noise.gaussian(jax.random.key(0), clean, SIGMA))


def deblurring(data: np.ndarray, size: int, dtype: Any = jnp.float32) -> tuple[Functional, Any]:
    """(f, start): the cost, and the data continued over the border."""
    operator = Convolution(jnp.asarray(gaussian(BLUR), dtype), (size, size), "valid")
    fidelity = LeastSquares(operator, jnp.asarray(data, dtype))
    start = jnp.pad(jnp.asarray(data, dtype), (size - len(data)) // 2, mode="edge")
    return fidelity + WEIGHT * HuberTotalVariation((size, size), DELTA), start


def run(
    output_folder: str | Path | None = None,
    *,
    size: int = 128,
    steps: int = 400,
    names: tuple[str, ...] = tuple(METHODS),
) -> tuple[dict, Any]:
    """Deblur by the methods named; returns (results, matplotlib figure) and saves the figure."""
    truth, data = measure(size)
    f, start = deblurring(data, size)
    with jax.enable_x64(True):  # costs are compared in double precision
        exact, first = deblurring(data, size, jnp.float64)
        cost = jax.jit(lambda f, images: jax.lax.map(f, images))
        best = jax.jit(lambda f, x: f(solve(lbfgs(f, memory=20), x, 1000)[0]))(exact, first)
        begin = exact(first)

    lost = (size - len(data)) // 2
    seen = (..., slice(lost, size - lost), slice(lost, size - lost))
    every = SHOWN // 10
    results: dict[str, dict] = {}
    images = {}
    for name in names:
        method = jax.jit(METHODS[name])(f)

        def iterates(method: Method, x0: Any) -> Any:
            return solve(method, x0, steps, trace=lambda state: state.x, every=every)[1]

        began = time.perf_counter()
        compiled = jax.jit(iterates).lower(method, start).compile()
        ready = time.perf_counter()
        history = np.asarray(compiled(method, start))
        seconds = time.perf_counter() - ready
        with jax.enable_x64(True):
            values = np.asarray(cost(exact, jnp.asarray(history, jnp.float64)))
        early = history[SHOWN // every - 1]
        images[name] = early
        results[name] = {
            "compilation": ready - began,
            "step": seconds / steps,
            "steps": every * np.arange(1, len(values) + 1),
            "gap": np.maximum((values - float(best)) / float(begin - best), 1e-16),
            "early psnr": quality(early[seen], truth[seen]),
            "psnr": quality(history[-1][seen], truth[seen]),
        }
    figure = draw(truth[seen], data, {k: v[seen] for k, v in images.items()}, results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "smooth_methods.png")
    return results, figure


def quality(image: Any, truth: Any) -> float:
    """PSNR in dB for a range of 1."""
    return float(metrics.psnr(jnp.asarray(image), jnp.asarray(truth), 1.0))


def draw(truth: Any, data: Any, images: dict, results: dict[str, dict]) -> Any:
    """Photograph, data, two early images; the cost against steps and time."""
    figure, axes = plot.subplots(2, 4, (3.1, 2.9))
    grid = axes[0, 0].get_gridspec()
    for ax in axes[1]:
        ax.remove()
    plot.show(axes[0, 0], truth, "photograph", window=(0, 1))
    title = f"blurred and noisy, {quality(data, truth):.1f} dB"
    plot.show(axes[0, 1], data, title, window=(0, 1))
    for ax, name in zip(axes[0, 2:], ("gradient descent, 1/L", "L-BFGS"), strict=True):
        title = f"{name}: {results[name]['early psnr']:.1f} dB after {SHOWN} steps"
        plot.show(ax, images[name], title, window=(0, 1))
    colours = (*plot.COLOURS, "#8c564b", "#17becf", "#000000")
    for column, (xlabel, scale) in enumerate((("steps", None), ("seconds", "step"))):
        ax = figure.add_subplot(grid[1, 2 * column : 2 * column + 2])
        for (name, result), colour in zip(results.items(), colours, strict=False):
            x = result["steps"] * (1 if scale is None else result[scale])
            ax.plot(x, result["gap"], label=name, color=colour, linewidth=1.5)
        ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="(f - f*) / (f0 - f*)")
        ax.set_ylim(1e-9, 1.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="#e6e6e6", linewidth=0.7)
        if column == 0:
            ax.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--steps", type=int, default=400, help="of each method, a multiple of 20")
    arguments = parser.parse_args()
    results, _ = run(arguments.folder, steps=arguments.steps)
    print(f"{'':30s}{'compile s':>10s}{'ms/step':>9s}{'gap':>10s}{'PSNR':>7s}{f'at {SHOWN}':>7s}")
    for name, result in results.items():
        print(
            f"{name:30s}{result['compilation']:10.2f}{1e3 * result['step']:9.2f}"
            f"{result['gap'][-1]:10.1e}{result['psnr']:7.2f}{result['early psnr']:7.2f}"
        )


if __name__ == "__main__":
    main()
