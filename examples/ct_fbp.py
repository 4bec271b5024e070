"""Computed tomography of a real slice: filtered backprojection with many and few views, and noise.

An abdominal CT slice, in attenuation per mm, is projected along parallel rays from its 512x512
pixels and reconstructed on 256x256. With 360 views filtered backprojection gives the slice back;
with 30 views it has streaks, and with few photons noise. Total variation with f >= 0 reconstructs
the same few noisy views without either.

    python examples/ct_fbp.py [output folder]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import ct, metrics, plot, separable, solve, stack
from jaxrecon.data.ct_slice import WATER, ct_slice, hounsfield_from_attenuation
from jaxrecon.functionals import LeastSquares, NonNegative, TotalVariation
from jaxrecon.solvers import primal_dual_hybrid_gradient

PIXELS = 256
MANY, FEW = 360, 30
PHOTONS = 2e5
TV_WEIGHT = 0.002
TV_ITERATIONS = 150
WINDOW = (0.75 * WATER, 1.35 * WATER)  # -250 to 350 HU
BODY = (slice(58, 212), slice(36, 222))  # the part drawn


def load() -> tuple[jax.Array, float]:
    """The abdominal slice (512, 512), upright, in 1/mm, and its pixel size in mm."""
    attenuation, (spacing, _) = ct_slice("abdomen")
    n = len(attenuation)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    upright = attenuation[::-1]  # the patient lay face down
    return jnp.asarray(np.where(np.hypot(y, x) < n / 2, upright, 0)), spacing


@jax.jit
def total_variation(
    data: jax.Array, variance: jax.Array, geometry: ct.ParallelGeometry, weight: Any
) -> jax.Array:
    r"""min over f >= 0 of 1/2 sum (A f - p)^2 / variance + weight TV(f), by primal-dual steps.

    The variance is scaled to mean 1, the image to water, and the operator to a norm near 1, so that
    `weight` and the step sizes do not depend on units and number of views.
    """
    length = geometry.pixel_size[0] * jnp.sqrt(geometry.views * geometry.image_shape[0])
    operator = (1 / length) * ct.XRayTransform(geometry)
    fidelity = LeastSquares(None, data / (length * WATER), jnp.mean(variance) / variance)
    tv, difference = TotalVariation(geometry.image_shape).split()
    method = primal_dual_hybrid_gradient(
        NonNegative(), separable(fidelity, weight * tv), stack(operator, difference)
    )
    start = ct.filtered_backprojection(data, geometry, "hann") / WATER
    image, _ = solve(method, jnp.maximum(start, 0), TV_ITERATIONS)
    return WATER * image


def run(output_folder: str | Path | None = None) -> tuple[dict, Any]:
    """Simulate, reconstruct and compare; returns (results, matplotlib figure), saves the figure."""
    fine, spacing = load()
    factor = fine.shape[0] // PIXELS
    truth = fine.reshape(PIXELS, factor, PIXELS, factor).mean(axis=(1, 3))
    pixel = spacing * factor
    project = jax.jit(ct.project)
    fbp = jax.jit(ct.filtered_backprojection, static_argnames="window")
    key = jax.random.key(0)

    geometries, sinograms = {}, {}
    for views in (MANY, FEW):
        geometry = ct.parallel_beam((PIXELS, PIXELS), views, pixel_size=pixel)
        scanner = geometry.replace(image_shape=fine.shape, pixel_size=spacing)
        geometries[views], sinograms[views] = geometry, project(fine, scanner)

    images, seconds = {}, {}

    def record(name: str, reconstruct: Any, *arguments: Any, **options: Any) -> None:
        start = time.perf_counter()
        images[name] = jax.block_until_ready(reconstruct(*arguments, **options))
        seconds[name] = time.perf_counter() - start

    for views, window in ((MANY, "Ram-Lak"), (FEW, "Hann")):
        sinogram, geometry = sinograms[views], geometries[views]
        record(f"FBP ({window}), {views} views", fbp, sinogram, geometry, window=window.lower())
    for views in (MANY, FEW):
        counts = ct.transmission_counts(key, sinograms[views], PHOTONS)
        noisy, variance = ct.log_transform(counts, PHOTONS)
        record(f"FBP (Hann), {views} noisy views", fbp, noisy, geometries[views], window="hann")
    record(f"TV, {FEW} noisy views", total_variation, noisy, variance, geometries[FEW], TV_WEIGHT)

    data_range = float(truth.max() - truth.min())
    results = {
        name: {
            "psnr": float(metrics.psnr(image, truth, data_range)),
            "ssim": float(metrics.ssim(image, truth, data_range)),
            "relative error": float(jnp.sqrt(metrics.nmse(image, truth))),
            "seconds with compilation": seconds[name],
        }
        for name, image in images.items()
    }
    figure = draw(truth, sinograms[MANY], images, results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "ct_fbp.png")
    settings = {
        "data_range in 1/mm": data_range,
        "pixel size in mm": pixel,
        "photons per bin": PHOTONS,
        "weight of TV": TV_WEIGHT,
    }
    return {"settings": settings, "methods": results}, figure


def draw(truth: jax.Array, sinogram: jax.Array, images: dict, results: dict) -> Any:
    """Slice, sinogram, reconstructions in one window, and a profile."""
    figure, axes = plot.subplots(2, 4, (3.0, 2.8))
    plot.show(axes[0, 0], truth[BODY], "CT slice, -250 to 350 HU", window=WINDOW)
    plot.show(axes[0, 1], sinogram, f"its {MANY} views (one a row)")
    axes[0, 1].set_aspect("auto")
    for ax, (name, image) in zip(axes.flat[2:], images.items(), strict=False):
        score = results[name]
        title = f"{name}\n{score['psnr']:.1f} dB, SSIM {score['ssim']:.3f}"
        plot.show(ax, image[BODY], title, window=WINDOW)
    row = int(0.52 * PIXELS)
    shown = {"slice": truth} | {name: images[name] for name in list(images)[-2:]}
    columns = np.arange(PIXELS)[BODY[1]]
    plot.curves(
        axes[1, 3],
        columns,
        {name: hounsfield_from_attenuation(image[row, columns]) for name, image in shown.items()},
        xlabel="pixel",
        ylabel="HU",
        title=f"row {row}",
    )
    axes[1, 3].set_ylim(-250, 450)
    return figure


def main() -> None:
    results, _ = run(sys.argv[1] if len(sys.argv) > 1 else "output")
    for name, value in results["settings"].items():
        print(f"{name:20s} {value:.4g}")
    print(f"{'':30s} {'PSNR':>6s} {'SSIM':>6s} {'error':>6s} {'s':>6s}")
    for name, score in results["methods"].items():
        psnr, ssim, error, seconds = score.values()
        print(f"{name:30s} {psnr:6.2f} {ssim:6.3f} {error:6.3f} {seconds:6.2f}")


if __name__ == "__main__":
    main()
