"""A head CT through four hard scans: low dose, few views, a limited angle, and truncated data.

A real slice of 512x512 pixels is seen by a clinical fan beam (equiangular detector), with Poisson
counts, and reconstructed on 256x256 in four ways: filtered backprojection, penalised weighted least
squares with total variation (PWLS-TV, primal-dual steps), ordered subsets with momentum and a
Huber penalty (OS), and plug-and-play with a denoiser that was trained on photographs.

The weights of the priors were chosen for each scan by the PSNR against this very slice: the numbers
show what each method can do at its best, not what it does on a slice that nobody has seen.

    python examples/ct_head.py [output folder]
"""

from __future__ import annotations

import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrecon import ct, metrics, nn, plot, separable, solve, stack, train
from jaxrecon.core.norm import operator_norm
from jaxrecon.data.ct_slice import WATER, ct_slice
from jaxrecon.functionals import HuberTotalVariation, LeastSquares, NonNegative, TotalVariation
from jaxrecon.solvers import ordered_subsets, primal_dual_hybrid_gradient

PIXELS = 256
SOURCE, DETECTOR = 595.0, 490.0  # mm from the axis of rotation
WINDOW = (0.92 * WATER, 1.1 * WATER)  # -80 to 100 HU: grey and white matter
HUBER_DELTA = 0.004 * WATER
TV_ITERATIONS, PASSES, PNP_STEPS = 150, 12, 10
BODY = (slice(30, 240), slice(45, 215))  # the part drawn
BONE = 2.2 * WATER  # the denoiser sees 0 (air) to 1 (this)


class Scan(NamedTuple):
    """What is measured, and the weights of the priors, for an image in units of water."""

    geometry: ct.FanGeometry
    photons: float
    tv: float
    huber: float
    strength: float
    """of the data against the denoiser"""


def scans(pixel: float) -> dict[str, Scan]:
    """The four scans of PIXELS x PIXELS of the given size."""

    def fan(views: int, arc: float = 2 * np.pi) -> ct.FanGeometry:
        return ct.fan_beam(
            (PIXELS, PIXELS),
            views,
            SOURCE,
            DETECTOR,
            arc=arc,
            pixel_size=pixel,
            detector="curved",
        )

    whole = fan(480)
    return {
        "low dose": Scan(whole, 2e4, 1.0, 0.6, 20.0),
        "60 views": Scan(fan(60), 2e5, 2.0, 1.0, 20.0),
        "limited angle": Scan(fan(180, np.deg2rad(140)), 2e5, 1.0, 0.3, 2.0),
        "truncated": Scan(whole.replace(bins=int(0.6 * whole.bins)), 2e5, 0.3, 0.3, 20.0),
    }


def load() -> tuple[jax.Array, float]:
    """The head slice (512, 512) in 1/mm, 0 outside of a circle, and its pixel size in mm."""
    attenuation, (spacing, _) = ct_slice("head")
    n = len(attenuation)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    return jnp.asarray(np.where(np.hypot(y, x) < 0.49 * n, attenuation, 0)), spacing


@jax.jit
def measure(key: jax.Array, fine: jax.Array, fine_pixel: Any, scan_geometry: Any, photons: Any):
    """Line integrals and their variances from counts, projected from the fine slice."""
    scanner = scan_geometry.replace(image_shape=fine.shape, pixel_size=fine_pixel)
    counts = ct.transmission_counts(key, ct.project(fine, scanner), photons)
    return ct.log_transform(counts, photons)


def scaled_fidelity(
    data: jax.Array, variance: jax.Array, geometry: Any, model: str | None = None
) -> tuple[Any, jax.Array]:
    """The fidelity of an image in units of water, scaled so that ||A|| is 1 and weights are near 1.

    Returns (operator, data) of the scaled problem and the weights.
    """
    operator = ct.XRayTransform(geometry, model)
    length = operator_norm(operator, 12)
    weights = jnp.mean(variance) / variance
    return ((1 / length) * operator, data / (length * WATER)), weights


@jax.jit
def pwls_tv(data: jax.Array, variance: jax.Array, geometry: Any, weight: Any, start: Any):
    """min over f >= 0 of 1/2 ||A f - p||_W^2 + weight TV(f)."""
    (operator, p), weights = scaled_fidelity(data, variance, geometry)
    tv, difference = TotalVariation(geometry.image_shape).split()
    method = primal_dual_hybrid_gradient(
        NonNegative(),
        separable(LeastSquares(None, p, weights), 1e-3 * weight * tv),
        stack(operator, difference),
    )
    return WATER * solve(method, start / WATER, TV_ITERATIONS)[0]


def os_huber(
    data: jax.Array, variance: jax.Array, geometry: Any, weight: Any, start: Any, subsets: int
) -> jax.Array:
    """The cost of :func:`pwls_tv` with a Huber function for the norm, by non-negative rays."""
    operator = ct.XRayTransform(geometry, "joseph")
    scale = operator_norm(operator, 12) ** 2 * WATER / jnp.mean(variance)
    method = ordered_subsets(
        LeastSquares(operator, data, 1 / variance),
        ct.view_subsets(operator, subsets),
        penalty=1e-3 * weight * scale * HuberTotalVariation(geometry.image_shape, HUBER_DELTA),
        constraint=NonNegative(),
    )
    return solve(method, start, PASSES * subsets)[0]


def plug_and_play(
    data: jax.Array, variance: jax.Array, geometry: Any, strength: Any, start: Any, network: Any
) -> jax.Array:
    """Half-quadratic splitting between the weighted data and the denoiser."""
    (operator, p), weights = scaled_fidelity(data, variance, geometry)
    sigmas = jnp.geomspace(0.08, 0.01, PNP_STEPS)
    scale = WATER / BONE

    def denoise(network: Any, z: jax.Array, sigma: jax.Array) -> jax.Array:
        return nn.on_images(network, z * scale, sigma) / scale

    method = nn.plug_and_play_half_quadratic(
        LeastSquares(operator, p, weights),
        nn.DenoiserPrior(network, denoise),
        operator.domain,
        sigmas,
        1e-4 / strength,
    )
    return WATER * jnp.maximum(solve(method, start / WATER, PNP_STEPS)[0], 0)


def run(output_folder: str | Path | None = None) -> tuple[dict, Any]:
    """Simulate, reconstruct and compare; returns (results, matplotlib figure), saves the figure."""
    fine, spacing = load()
    factor = fine.shape[0] // PIXELS
    truth = fine.reshape(PIXELS, factor, PIXELS, factor).mean(axis=(1, 3))
    network = train.load_weights(
        Path(str(files("jaxrecon") / "data" / "weights" / "denoiser.npz")),
        nnx.eval_shape(lambda: nn.Normalised(nn.UNet((24, 40, 48), inputs=2, rngs=nnx.Rngs(0)))),
    )
    os_jit = jax.jit(os_huber, static_argnames="subsets")
    pnp_jit = nn.jit(plug_and_play)
    fbp = jax.jit(ct.filtered_backprojection, static_argnames="window")

    images: dict[str, dict[str, jax.Array]] = {}
    seconds: dict[str, dict[str, float]] = {}
    for name, scan in scans(spacing * factor).items():
        data, variance = measure(jax.random.key(0), fine, spacing, scan.geometry, scan.photons)
        found: dict[str, jax.Array] = {}
        took: dict[str, float] = {}

        def record(method: str, reconstruct: Any, *arguments: Any, found=found, took=took, **more):
            began = time.perf_counter()
            found[method] = jax.block_until_ready(reconstruct(*arguments, **more))
            took[method] = time.perf_counter() - began

        wide = (data, scan.geometry)
        if name == "truncated":
            wide = ct.extrapolate(*wide, scan.geometry.bins // 3)
        views, bins = wide[1].sinogram_space.shape
        weights = jnp.full((views, bins), np.pi / views)  # a limited angle stands for all
        record("FBP (Hann)", fbp, *wide, window="hann", weights=weights)
        start = jnp.maximum(found["FBP (Hann)"], 0)
        problem = (data, variance, scan.geometry)
        record("PWLS-TV", pwls_tv, *problem, scan.tv, start)
        record("OS, Huber", os_jit, *problem, scan.huber, start, subsets=12)
        record("plug-and-play", pnp_jit, *problem, scan.strength, start, network)
        images[name], seconds[name] = found, took

    y, x = np.mgrid[:PIXELS, :PIXELS] - (PIXELS - 1) / 2
    results: dict[str, Any] = {}
    data_range = WINDOW[1] - WINDOW[0]
    for name, found in images.items():
        # within the field of view, and of soft tissue as the window shows it
        radius = PIXELS / 2 if name != "truncated" else 0.5 * 0.6 * PIXELS
        inside = np.hypot(y, x) < 0.95 * radius
        shown = {m: jnp.clip(jnp.where(inside, im, 0), *WINDOW) for m, im in found.items()}
        reference = jnp.clip(jnp.where(inside, truth, 0), *WINDOW)
        results[name] = {
            method: {
                "psnr": float(metrics.psnr(image, reference, data_range)),
                "ssim": float(metrics.ssim(image, reference, data_range)),
                "seconds with compilation": seconds[name][method],
            }
            for method, image in shown.items()
        }
    figure = draw(truth, images, results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "ct_head.png")
    return results, figure


def draw(truth: jax.Array, images: dict, results: dict) -> Any:
    """One row a scan: the slice and its reconstructions, in the window of the brain."""
    figure, axes = plot.subplots(len(images), 5, (2.5, 2.6))
    for row, (name, found) in zip(axes, images.items(), strict=True):
        plot.show(row[0], truth[BODY], f"{name}: slice", window=WINDOW)
        for ax, (method, image) in zip(row[1:], found.items(), strict=True):
            score = results[name][method]
            plot.show(
                ax,
                image[BODY],
                f"{method}\n{score['psnr']:.1f} dB, SSIM {score['ssim']:.3f}",
                window=WINDOW,
            )
    return figure


def main() -> None:
    results, _ = run(sys.argv[1] if len(sys.argv) > 1 else "output")
    print("PSNR and SSIM in the window of -80 to 100 HU, inside the field of view")
    print(f"{'scan':16s}{'method':18s}{'PSNR':>8s}{'SSIM':>8s}{'s':>8s}")
    for name, methods in results.items():
        for method, score in methods.items():
            psnr, ssim, seconds = score.values()
            print(f"{name:16s}{method:18s}{psnr:8.2f}{ssim:8.3f}{seconds:8.1f}")


if __name__ == "__main__":
    main()
