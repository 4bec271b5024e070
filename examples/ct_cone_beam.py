"""A low-dose cone-beam scan of 128^3 voxels: FDK against an iterative reconstruction with a prior.

The 3-D Shepp-Logan head, with exact line integrals, is seen by 120 views on a circle with few
photons. Filtered backprojection (Feldkamp, Davis and Kress) is quick and noisy, and blurs the skull
at the top and the bottom, far from the plane of the source. Ordered subsets with momentum minimise
the weighted least squares of the noisy data with a Huber penalty on differences and f >= 0, in a
few passes through the views.

    python examples/ct_cone_beam.py [output folder]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import ct, iterate, metrics, plot
from jaxrecon.data import line_integrals, rasterise_volume, shepp_logan_3d
from jaxrecon.functionals import HuberTotalVariation, LeastSquares, NonNegative
from jaxrecon.solvers import ordered_subsets

VOXELS, VIEWS, SUBSETS, PASSES = 128, 120, 8, 10
VOXEL = 1.6  # mm
SOURCE, DETECTOR = 500.0, 300.0  # mm from the axis
PHOTONS = 5e3
BONE = 0.03  # 1/mm where the phantom is 1
HUBER_DELTA, HUBER_WEIGHT = 0.006, 50.0  # for images in units of BONE
WINDOW = (0.1 * BONE, 0.4 * BONE)


@jax.jit
def prepare(data: jax.Array, variance: jax.Array, geometry: ct.ConeGeometry) -> Any:
    """min over f >= 0 of 1/2 sum (A f - p)^2 / variance + weight Huber(D f), f in units of BONE."""
    A = ct.XRayTransform(geometry, "planes")
    weights = 1 / variance
    fidelity = LeastSquares(A, data / BONE, BONE**2 * weights)
    penalty = HUBER_WEIGHT * HuberTotalVariation(geometry.image_shape, HUBER_DELTA)
    return ordered_subsets(
        fidelity, ct.view_subsets(A, SUBSETS), penalty=penalty, constraint=NonNegative()
    )


@jax.jit
def one_pass(method: Any, state: Any) -> Any:
    """All subsets once."""
    return iterate(method.step, state, SUBSETS)[0]


def pixel_averages(phantom: Any, geometry: ct.ConeGeometry) -> jax.Array:
    """Exact line integrals, the mean of 2 x 2 rays for each detector pixel."""
    rows, columns = geometry.detector_shape
    fine = geometry.replace(detector_shape=(2 * rows, 2 * columns), pitch=geometry.pitch / 2)

    def view(k: jax.Array) -> jax.Array:
        exact = line_integrals(phantom, *fine.take(k[None]).rays())
        return exact.reshape(rows, 2, columns, 2).mean(axis=(1, 3))

    return jax.lax.map(view, jnp.arange(geometry.views))


def run(output_folder: str | Path | None = None, voxels: int = VOXELS) -> tuple[dict, Any]:
    """Scan, reconstruct and compare; returns (results, matplotlib figure), saves the figure."""
    size = VOXEL * VOXELS / voxels
    shape = (voxels, voxels, voxels)
    head = shepp_logan_3d(float(voxels * size))
    head = head.replace(value=BONE * head.value)
    truth = rasterise_volume(head, shape, size, 2)
    geometry = ct.cone_beam(shape, VIEWS, SOURCE, DETECTOR, pixel_size=size)
    exact = pixel_averages(head, geometry)
    counts = ct.transmission_counts(jax.random.key(0), exact, PHOTONS)
    data, variance = ct.log_transform(counts, PHOTONS)
    scale = float(truth.max() - truth.min())

    def error(image: jax.Array) -> float:
        """||f - truth|| / ||truth|| of the volume, as one image."""
        return float(jnp.linalg.norm(image - truth) / jnp.linalg.norm(truth))

    images, results = {}, {}

    def record(name: str, image: jax.Array, seconds: float) -> None:
        images[name] = image
        results[name] = {
            "psnr": float(
                metrics.psnr(image.reshape(voxels, -1), truth.reshape(voxels, -1), scale)
            ),
            "relative error": error(image),
            "noise in % of bone": 100 * float(jnp.std(image[homogeneous(shape)])) / BONE,
            "seconds with compilation": seconds,
        }

    fdk = jax.jit(ct.filtered_backprojection, static_argnames="window")
    for window in ("ram-lak", "hann"):
        start = time.perf_counter()
        image = jax.block_until_ready(fdk(data, geometry, window=window))
        record(f"FDK ({window.title()})", image, time.perf_counter() - start)

    start = time.perf_counter()
    method = prepare(data, variance, geometry)
    state = method.init(jnp.maximum(images["FDK (Hann)"] / BONE, 0))
    progress = []
    for number in range(1, PASSES + 1):
        state = jax.block_until_ready(one_pass(method, state))
        image = BONE * state.x
        progress.append(error(image))
        if number in (PASSES // 2, PASSES):
            record(f"OS, {number} passes", image, time.perf_counter() - start)
    figure = draw(truth, images, results, progress)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "ct_cone_beam.png")
    settings = {
        "voxels along a side": voxels,
        "voxel in mm": size,
        "views": VIEWS,
        "detector rows": geometry.detector_shape[0],
        "detector columns": geometry.detector_shape[1],
        "photons per pixel": PHOTONS,
        "data_range in 1/mm": scale,
    }
    return {"settings": settings, "methods": results, "error after each pass": progress}, figure


def homogeneous(shape: tuple[int, int, int]) -> tuple[slice, ...]:
    """A box of brain without structure, above the middle of the head."""
    n = shape[0]
    return tuple(slice(int(a * n), int(b * n)) for a, b in ((0.68, 0.75), (0.46, 0.54), (0.4, 0.6)))


def draw(truth: jax.Array, images: dict, results: dict, progress: list[float]) -> Any:
    """Slices across z, y and x, profiles, and the error over the passes."""
    n = len(truth)
    z, y, x = int(0.375 * n), n // 2, n // 2
    last = list(images)[-1]
    shown = {"phantom": truth, "FDK (Hann)": images["FDK (Hann)"], last: images[last]}
    figure, axes = plot.subplots(3, 4, (2.7, 2.6))
    for row, (name, volume) in enumerate(shown.items()):
        score = "" if row == 0 else f"\n{results[name]['psnr']:.1f} dB"
        cuts = {"z": volume[z], "y": volume[::-1, y], "x": volume[::-1, :, x]}
        for column, (axis, cut) in enumerate(cuts.items()):
            plot.show(axes[row, column], cut, f"{name}, across {axis}{score}", window=WINDOW)
    plot.curves(
        axes[0, 3],
        np.arange(n),
        {name: volume[:, y, x] for name, volume in shown.items()},
        xlabel="slice",
        ylabel="1/mm",
        title="along the axis of rotation",
    )
    axes[0, 3].set_ylim(0, 0.5 * BONE)
    plot.curves(
        axes[1, 3],
        np.arange(n),
        {name: volume[z, y] for name, volume in shown.items()},
        xlabel="column",
        ylabel="1/mm",
        title=f"slice {z}, row {y}",
    )
    axes[1, 3].set_ylim(0, 0.5 * BONE)
    plot.curves(
        axes[2, 3],
        np.arange(1, len(progress) + 1),
        {"ordered subsets": progress},
        xlabel="passes through the data",
        ylabel="relative error",
        title="iterative reconstruction",
    )
    return figure


def main() -> None:
    results, _ = run(sys.argv[1] if len(sys.argv) > 1 else "output")
    for name, value in results["settings"].items():
        print(f"{name:20s} {value:.4g}")
    print(f"{'':20s} {'PSNR':>6s} {'error':>6s} {'noise %':>8s} {'s':>6s}")
    for name, score in results["methods"].items():
        psnr, error, noise, seconds = score.values()
        print(f"{name:20s} {psnr:6.2f} {error:6.3f} {noise:8.2f} {seconds:6.1f}")


if __name__ == "__main__":
    main()
