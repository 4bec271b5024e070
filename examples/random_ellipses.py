"""Random ellipses: published results for learned CT reconstruction, reproduced.

The data set is that of DIVal: 128 x 128 images of random ellipses, 30 parallel views with 183 bins,
simulated on 400 x 400 pixels, 2.5 % noise. The table has PSNR and SSIM of its first 100 test images
(range = max - min of each true image) beside the published values of Baguer, Leuschner and Schmidt
2020, doi:10.1088/1361-6420/aba415: filtered backprojection, total variation with the weight that is
best on validation images, and networks with the weights that ship, trained by
random_ellipses_networks.py.

    python examples/random_ellipses.py [--output FOLDER] [--weights FOLDER] [--images 100]
    python examples/random_ellipses.py --robustness [--output FOLDER] [--images 20]

The second varies noise, number of views, their angles and the images, and says which part of an
error the data contradict: random_ellipses_robustness.py.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from random_ellipses_networks import (
    TRAININGS,
    Study,
    backprojection,
    load,
    reconstruct,
    study,
    weights_folder,
)
from random_ellipses_robustness import Methods, range_of, robustness

from jaxrecon import ct, metrics, separable, solve, stack, train
from jaxrecon.data import dival_ellipses
from jaxrecon.functionals import LeastSquares, NonNegative, TotalVariation
from jaxrecon.solvers import primal_dual_hybrid_gradient

PUBLISHED = {
    "FBP": (24.18, 0.594),
    "TV": (27.96, 0.862),
    "FBP + U-Net": (29.36, 0.899),
    "learned gradient": (30.30, 0.916),
    "learned primal-dual": (32.27, 0.940),
    "learned primal-dual, 32 images": (28.09, np.nan),
    "learned primal-dual, 320 images": (30.11, np.nan),
}
"""PSNR in dB and SSIM; the learned ones with 32,000 training images, but for the last two."""
NAMES = {
    "unet-320": ("FBP + U-Net, 320 images", "FBP + U-Net"),
    "lgd-320": ("learned gradient, 320 images", "learned gradient"),
    "lpd-32": ("learned primal-dual, 32 images", "learned primal-dual, 32 images"),
    "lpd-320": ("learned primal-dual, 320 images", "learned primal-dual, 320 images"),
    "lpd-streamed": ("learned primal-dual, new images", "learned primal-dual"),
    "lgd-streamed": ("learned gradient, new images", "learned gradient"),
    "unet-streamed": ("FBP + U-Net, new images", "FBP + U-Net"),
}
"""Of each training: its name in the table, and the published result beside it."""
TV_WEIGHTS = (1.0, 1.2, 1.4, 1.7, 2.0, 2.4)
TV_STEPS = 400
SWEEP_WEIGHT, SWEEP_STEPS = 1.4, 200
"""Of total variation away from the training: the weight that is best on validation images, and
fewer steps (0.08 dB below 400)."""
PRIMAL_STEP = 10.0
AT_ONCE = 10


def total_variation(
    study: Study, data: jax.Array, weight: Any, *, steps: int = TV_STEPS
) -> jax.Array:
    """min over f >= 0 of 1/2 ||A f - m||^2 + weight TV(f), for a batch, by primal-dual steps.

    A integrates over square pixels ("strip"), as suits an image that is constant in pieces: 0.3 dB
    above the band-limited image of the default.
    """
    unit = (1 / study.norm) * ct.XRayTransform(study.operator.geometry, "strip")
    shape = unit.domain.shape
    tv, difference = TotalVariation(shape).split()

    def one(m: jax.Array) -> jax.Array:
        fidelity = LeastSquares(None, m / study.norm)
        penalty = (weight / study.norm**2) * tv
        method = primal_dual_hybrid_gradient(
            NonNegative(),
            separable(fidelity, penalty),
            stack(unit, difference),
            primal_step=PRIMAL_STEP,
            dual_step=0.99 / PRIMAL_STEP / 9,  # ||unit||^2 + ||D||^2 <= 9
        )
        return solve(method, jnp.zeros(shape, m.dtype), steps)[0]

    return jax.lax.map(one, data, batch_size=4)


def network_reconstruction(module: Any, study: Study, data: jax.Array) -> jax.Array:
    """In small batches, so that the memory does not depend on the number of images."""
    return jax.lax.map(lambda m: reconstruct(module, study, m[None])[0], data, batch_size=AT_ONCE)


def best_weight(study: Study, count: int) -> float:
    """The weight of total variation with the largest mean PSNR on validation images."""
    images = jnp.asarray(dival_ellipses("validation", count))
    data = ct.ellipses_measurements(images, part="validation")
    solve_all = jax.jit(total_variation)
    quality = [
        float(metrics.psnr(solve_all(study, data, w), images, range_of(images)).mean())
        for w in TV_WEIGHTS
    ]
    for weight, value in zip(TV_WEIGHTS, quality, strict=True):
        print(f"TV weight {weight:g}: {value:.2f} dB on {count} validation images", flush=True)
    return TV_WEIGHTS[int(np.argmax(quality))]


def run(output: Path, weights: Path, count: int, validation: int) -> dict[str, dict[str, float]]:
    """Evaluate all methods, print the table, and write it and the figure into a folder."""
    shared = study()
    images = jnp.asarray(dival_ellipses("test", count))
    data = ct.ellipses_measurements(images, part="test")
    weight = best_weight(shared, validation)
    methods: dict[str, Any] = {
        "FBP": (backprojection, (shared, data)),
        "TV": (total_variation, (shared, data, jnp.float32(weight))),
    }
    published = {name: name for name in methods}
    for name in TRAININGS:
        if (weights / f"ellipses-{name}.npz").exists():
            label, published_name = NAMES[name]
            module = load(name, shared, weights)
            methods[label] = (network_reconstruction, (module, shared, data))
            published[label] = published_name
    table = train.report(output, methods, images, range_of(images), reference="TV", shown=1)
    print(f"\n{'':34}{'PSNR':>8}{'SSIM':>8}{'published':>12}{'':>8}{'ms/image':>10}")
    for name, row in table.items():
        psnr, ssim = PUBLISHED[published[name]]
        print(
            f"{name:34}{row['psnr']:8.2f}{row['ssim']:8.3f}{psnr:12.2f}{ssim:8.3f}"
            f"{1e3 * row['seconds_per_image']:10.1f}"
        )
    return table


def run_robustness(output: Path, weights: Path, count: int) -> dict[str, train.Sweep]:
    """The sweeps of random_ellipses_robustness.py with all networks that have weights."""
    shared = study()
    networks = {
        NAMES[name][0].split(",")[0]: load(name, shared, weights)
        for name in TRAININGS
        if name.endswith("-320") and (weights / f"ellipses-{name}.npz").exists()
    }
    variation = partial(total_variation, steps=SWEEP_STEPS)
    return robustness(output, Methods(variation, SWEEP_WEIGHT, networks), count)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("results/random_ellipses"))
    parser.add_argument("--weights", type=Path, default=weights_folder)
    parser.add_argument("--images", type=int, help="100, or 20 with --robustness")
    parser.add_argument("--robustness", action="store_true", help="vary the conditions instead")
    parser.add_argument("--validation", type=int, default=40)
    given = parser.parse_args()
    if given.robustness:
        run_robustness(given.output / "robustness", given.weights, given.images or 20)
    else:
        run(given.output, given.weights, given.images or 100, given.validation)


if __name__ == "__main__":
    main()
