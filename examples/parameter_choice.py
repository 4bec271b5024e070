"""How much regularisation? Five rules that do not see the true image, against the best weight.

A photograph is blurred and gets Gaussian noise; total variation deblurs it,

    x_lambda = argmin_x 1/2 ||A x - m||^2 + lambda TV(x),

for 24 weights lambda in one compiled call. The discrepancy principle and Stein's estimate (SURE)
know the noise level, generalised cross-validation (GCV) and the L-curve do not. The oracle is the
weight of the highest PSNR, which needs the true image.

    python examples/parameter_choice.py [--quick] [--output folder]

It prints what each rule chooses and what that costs against the oracle, and writes one figure.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from jaxrecon import metrics, noise, plot, solve
from jaxrecon.core.vectors import norm
from jaxrecon.data.images import packaged_image, reduce
from jaxrecon.functionals import LeastSquares, TotalVariation
from jaxrecon.linops import Convolution
from jaxrecon.parameter_choice import (
    best_on_path,
    discrepancy_principle,
    l_curve,
    path,
    sure,
)
from jaxrecon.solvers import admm, fourier_update

SIGMA = 0.02
BLUR = 1.2
"""standard deviation of the Gaussian blur in pixels"""
LOW, HIGH = 1e-5, 1e-1
"""weights looked at; the noise calls for one near sigma^2"""


class Settings(NamedTuple):
    side: int = 128
    weights: int = 24
    iterations: int = 100


FULL = Settings()
QUICK = Settings(side=64, weights=12, iterations=60)


def photograph(side: int) -> jax.Array:
    """The middle of the cameraman, at half its size."""
    image = reduce(packaged_image("camera.png"), 512 // 2 // side)[:side, :side]
    return jnp.asarray(image)


def blur(side: int) -> Convolution:
    profile = jnp.exp(-(jnp.arange(-4.0, 5) ** 2) / (2 * BLUR**2))
    kernel = jnp.outer(profile, profile)
    return Convolution(kernel / jnp.sum(kernel), (side, side))


def deblur(operator: Convolution, data: jax.Array, weight: Any, iterations: int) -> jax.Array:
    """x_lambda by ADMM with exact steps in the Fourier plane.

    The penalty of ADMM grows with lambda, so that its threshold is 0.03 for all.
    """
    f = LeastSquares(operator, data)
    tv, difference = TotalVariation(data.shape, boundary="periodic").split()
    update = fourier_update(f, difference)
    method = admm(f, weight * tv, difference, weight / 0.03, x_update=update)
    return solve(method, data, iterations)[0]


def risks(operator: Any, data: Any, weights: Any, key: Any, iterations: int) -> tuple:
    """SURE with its images, residuals and degrees of freedom, and the total variation of each."""
    tv = TotalVariation(data.shape, boundary="periodic")

    def at(weight: jax.Array) -> Any:
        def reconstruct(m: jax.Array) -> jax.Array:
            return deblur(operator, m, weight, iterations)

        return sure(reconstruct, data, SIGMA**2, key, operator=operator)

    found = path(at, weights, record=lambda risk: tv(risk.x), batch=4)
    return found.x, found.records


def discrepancy(operator: Any, data: Any, iterations: int) -> Any:
    """The weight whose residual is as large as the noise."""
    return discrepancy_principle(
        lambda weight: deblur(operator, data, weight, iterations),
        LeastSquares(operator, data, 1 / SIGMA**2),
        data.size,
        low=LOW,
        high=HIGH,
    )


def run(output_folder: str | Path | None = None, settings: Settings = FULL) -> tuple[dict, Any]:
    """Choose by all rules; returns (results, matplotlib figure), and saves the figure."""
    first, second = jax.random.split(jax.random.key(0))
    truth, operator = photograph(settings.side), blur(settings.side)
    data = noise.gaussian(first, operator(truth), SIGMA)
    weights = jnp.geomspace(LOW, HIGH, settings.weights)
    compiled = {
        "path": jax.jit(risks, static_argnums=4),
        "discrepancy": jax.jit(discrepancy, static_argnums=2),
        "images": jax.jit(deblur, static_argnums=3),
    }
    bar = tqdm.tqdm(total=3)
    start = time.perf_counter()
    bar.set_description("a path of weights with SURE and GCV")
    by_sure, variation = jax.block_until_ready(
        compiled["path"](operator, data, weights, second, settings.iterations)
    )
    seconds = time.perf_counter() - start
    bar.update()
    bar.set_description("discrepancy principle")
    by_discrepancy = jax.block_until_ready(
        compiled["discrepancy"](operator, data, settings.iterations)
    )
    bar.update()
    bar.set_description("the chosen weights")
    scores = metrics.psnr(by_sure.x, jnp.broadcast_to(truth, by_sure.x.shape), 1.0)
    gcv = by_sure.residual / (1 - by_sure.freedom) ** 2  # as jaxrecon.parameter_choice.gcv
    corner = l_curve(weights, jnp.sqrt(by_sure.residual), variation)
    chosen = {
        "oracle": best_on_path(weights, -scores).weight,
        "SURE": best_on_path(weights, by_sure.value).weight,
        "GCV": best_on_path(weights, gcv).weight,
        "discrepancy": by_discrepancy.weight,
        "L-curve": corner.weight,
    }
    images = {
        name: compiled["images"](operator, data, weight, settings.iterations)
        for name, weight in chosen.items()
    }
    bar.update()
    bar.close()
    best = float(metrics.psnr(images["oracle"], truth, 1.0))
    results = {
        name: {
            "weight": float(chosen[name]),
            "psnr": float(metrics.psnr(image, truth, 1.0)),
            "ssim": float(metrics.ssim(image, truth, 1.0)),
            "lost": best - float(metrics.psnr(image, truth, 1.0)),
        }
        for name, image in images.items()
    }
    predicted = jax.vmap(lambda x: norm(operator(x) - operator(truth)) ** 2)(by_sure.x)
    curves = {
        "weights": np.asarray(weights),
        "psnr": np.asarray(scores),
        "sure": np.asarray(by_sure.value),
        "predicted": np.asarray(predicted) / truth.size,
        "gcv": np.asarray(gcv),
        "residual": np.sqrt(np.asarray(by_sure.residual)) / SIGMA,
        "variation": np.asarray(variation) / truth.size,
    }
    figure = draw(truth, data, images, results, curves)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "parameter_choice.png")
    summary = {
        "sigma": SIGMA,
        "PSNR of the data": float(metrics.psnr(data, truth, 1.0)),
        "reconstructions of the discrepancy principle": int(by_discrepancy.evaluations),
        "L-curve has a corner": bool(corner.found),
        "seconds of the path, with compilation": seconds,
    }
    return {"summary": summary, "rules": results, "curves": curves}, figure


def draw(truth: Any, data: Any, images: dict, results: dict, curves: dict) -> Any:
    """Images above; below what each rule looks at, with the weight that it takes."""
    figure, axes = plot.subplots(2, 4, (3.1, 2.9))
    window = (0.0, 1.0)
    plot.show(axes[0, 0], truth, "photograph", window=window)
    plot.show(axes[0, 1], data, f"blurred, noise of {SIGMA}", window=window)
    for ax, name in zip(axes[0, 2:], ("oracle", "discrepancy"), strict=True):
        plot.show(ax, images[name], f"{name}, {results[name]['psnr']:.2f} dB", window=window)
    w = curves["weights"]
    label = {"xlabel": "weight lambda"}
    plot.curves(axes[1, 0], w, {"PSNR in dB": curves["psnr"]}, title="PSNR", log="x", **label)
    axes[1, 0].set_ylim(curves["psnr"].max() - 12, curves["psnr"].max() + 1)
    lines = {"SURE": curves["sure"], "true error of the data": curves["predicted"]}
    plot.curves(axes[1, 1], w, lines, title="SURE", log="xy", **label)
    lines = {"GCV / sigma^2": curves["gcv"] / SIGMA**2, "||A x - m|| / noise": curves["residual"]}
    plot.curves(axes[1, 2], w, lines, title="GCV and discrepancy", log="x", **label)
    axes[1, 2].set_ylim(0.5, 2.0)
    axes[1, 2].axhline(1, color="#999999", linewidth=0.8)
    plot.curves(
        axes[1, 3],
        curves["residual"],
        {"weights from left to right": curves["variation"]},
        xlabel="||A x - m|| / noise",
        ylabel="TV per pixel",
        title="L-curve",
        log="xy",
    )
    at = {name: np.log(score["weight"]) for name, score in results.items()}
    marks = [(0, name, "psnr", 1.0) for name in results]
    marks += [(1, "SURE", "sure", 1.0), (2, "GCV", "gcv", 1 / SIGMA**2)]
    marks += [(2, "discrepancy", "residual", 1.0)]
    colours = dict(zip(results, plot.COLOURS[1:], strict=True))
    for panel, name, curve, scale in marks:
        height = scale * np.interp(at[name], np.log(w), curves[curve])
        _mark(axes[1, panel], np.exp(at[name]), height, name, colours[name])
    residual, variation = (
        np.interp(at["L-curve"], np.log(w), curves[name]) for name in ("residual", "variation")
    )
    _mark(axes[1, 3], residual, variation, "L-curve", colours["L-curve"])
    for ax in axes[1]:
        ax.legend(frameon=False, fontsize=7)
    return figure


def _mark(ax: Any, x: Any, y: Any, name: str, colour: str) -> None:
    ax.plot([x], [y], "o", color=colour, markersize=6, markeredgecolor="white", label=name)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller image and fewer weights")
    parser.add_argument("--output", default="results", help="folder to write to")
    arguments = parser.parse_args()
    results, _ = run(arguments.output, QUICK if arguments.quick else FULL)
    for name, value in results["summary"].items():
        print(f"{name:46s} {value:.4g}" if not isinstance(value, bool) else f"{name:46s} {value}")
    print(f"{'rule':14s} {'weight':>9s} {'PSNR':>6s} {'SSIM':>6s} {'below the oracle':>17s}")
    for name, score in results["rules"].items():
        weight, psnr, ssim, lost = score.values()
        print(f"{name:14s} {weight:9.2e} {psnr:6.2f} {ssim:6.3f} {lost:14.2f} dB")


if __name__ == "__main__":
    main()
