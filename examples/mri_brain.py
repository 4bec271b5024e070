"""Accelerated brain MRI: an end-to-end variational network against SENSE, wavelets and TV.

Held-out volumes: the upper half of the head, other deformations, contrasts, coils and noise than in
training (see mri_brain_networks.py). Lines are left out fourfold and eightfold. The classical
methods are given the true coil maps, which the network has to find itself, and their iterations and
weights are chosen by PSNR on validation volumes. PSNR and SSIM have the largest value of a volume
as their data range, as fastMRI computes them.

    python examples/mri_brain.py [output folder] [--volumes 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mri_brain_networks as brain
import numpy as np

from jaxrecon import mri, nn, plot, solve
from jaxrecon.functionals import GroupL21, LeastSquares, WaveletL1, Zero
from jaxrecon.linops import FiniteDifference
from jaxrecon.solvers import conjugate_gradient, fista, pd3o

CHOICES = {
    "CG-SENSE": (5, 12, 20, 30, 50),
    "wavelets": (0.0005, 0.001, 0.002, 0.005, 0.01),
    "total variation": (0.005, 0.01, 0.02, 0.04, 0.08),
}
"""iterations of the first, weights of the others, of which the best on validation are taken"""
STEPS = 80


def unit(maps: jax.Array) -> jax.Array:
    return maps / jnp.linalg.norm(maps, axis=0)


def classical(name: str, choice: float, scan: brain.Scan, maps: jax.Array) -> jax.Array:
    """One slice by a method that knows the coil maps."""
    A = mri.Sense(unit(maps), scan.mask)
    m, x0 = scan.kspace, A.adjoint(scan.kspace)
    if name == "CG-SENSE":
        x = solve(conjugate_gradient(A, m), jnp.zeros_like(x0), int(choice))[0]
    elif name == "wavelets":
        g = choice * WaveletL1(x0.shape, "db4", 3)
        x = solve(fista(LeastSquares(A, m), g, 1.0), x0, STEPS)[0]
    else:
        D = FiniteDifference(x0.shape, dtype=x0.dtype)
        method = pd3o(
            Zero(), choice * GroupL21(), D, LeastSquares(A, m), primal_step=1.5, dual_step=0.08
        )
        x = solve(method, x0, STEPS)[0]
    return jnp.abs(x)


def quality(x: jax.Array, truth: jax.Array) -> tuple[float, ...]:
    """PSNR in dB, SSIM and NMSE of a volume."""
    return tuple(float(value) for value in mri.volume_quality(x, truth))


def over_slices(function: Callable) -> Callable:
    """Of each slice of a volume in turn, compiled once."""
    return jax.jit(lambda scan, *rest: jax.lax.map(lambda s: function(s, *rest), scan))


def chosen(fold: int, report: Callable[[str], Any]) -> dict[str, float]:
    """The best choice of each classical method on a validation volume."""
    scan, maps = brain.volume(brain.VALIDATION, fold, seed=200 + fold, step=3)
    best = {}
    for name, choices in CHOICES.items():
        found = [
            quality(over_slices(partial(classical, name, c))(scan, maps), scan.truth)[0]
            for c in choices
        ]
        best[name] = choices[int(np.argmax(found))]
        report(
            f"  {name}: " + ", ".join(f"{c:g} {v:.2f}" for c, v in zip(choices, found, strict=True))
        )
    return best


def run(
    output_folder: str | Path | None = None,
    *,
    volumes: int = 3,
    weights: Path = brain.weights_file,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Evaluate; returns (results, matplotlib figure) and saves the figure."""
    module = brain.load(weights)
    network = nn.jit(brain.reconstruct)
    results: dict = {}
    shown: dict = {}
    for fold in brain.CENTRE:
        report(f"{fold}-fold, chosen on validation (value, dB)")
        best = chosen(fold, report)
        methods: dict[str, Callable] = {
            "zero-filled": lambda scan, maps: over_slices(lambda s: mri.zero_filled(s.kspace))(scan)
        }
        for name, choice in best.items():
            methods[name] = over_slices(partial(classical, name, choice))
        methods["end-to-end"] = lambda scan, maps: network(module, scan)
        scans = [brain.volume(brain.TEST, fold, seed=700 + 10 * v + fold) for v in range(volumes)]
        report(f"{'':18s}{'PSNR':>8s}{'SSIM':>8s}{'NMSE':>9s}{'s':>7s}")
        for name, method in methods.items():
            began = time.perf_counter()
            images = [method(scan, maps) for scan, maps in scans]
            seconds = time.perf_counter() - began
            found = [quality(x, scan.truth) for x, (scan, _) in zip(images, scans, strict=True)]
            psnr, ssim, nmse = np.mean(found, axis=0)
            results[name, fold] = {"PSNR": psnr, "SSIM": ssim, "NMSE": nmse}
            report(f"{name:18s}{psnr:8.2f}{ssim:8.4f}{nmse:9.5f}{seconds:7.1f}")
            shown[name, fold] = np.asarray(images[0][2])
        shown["truth", fold] = np.asarray(scans[0][0].truth[2])
    figure = draw(shown, results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "mri_brain.png")
    return results, figure


def draw(shown: dict, results: dict) -> Any:
    """A slice by each method, and below it five times its error."""
    names = list(dict.fromkeys(name for name, _ in shown))
    figure, axes = plot.subplots(2 * len(brain.CENTRE), len(names), (2.0, 2.2))
    for k, fold in enumerate(brain.CENTRE):
        truth = shown["truth", fold]
        for name, (top, bottom) in zip(names, axes[2 * k : 2 * k + 2].T, strict=True):
            image = shown[name, fold]
            title = name if name == "truth" else f"{name}, {results[name, fold]['PSNR']:.2f} dB"
            plot.show(top, image, title, window=(0.0, float(truth.max())))
            if name == "truth":
                bottom.remove()
                continue
            plot.show(bottom, np.abs(image - truth), window=(0.0, float(truth.max()) / 5))
        axes[2 * k, 0].set_ylabel(f"{fold}-fold")
        axes[2 * k + 1, 0].set_ylabel("5 x error")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--volumes", type=int, default=3)
    parser.add_argument("--weights", type=Path, default=brain.weights_file)
    arguments = parser.parse_args()
    run(
        arguments.folder,
        volumes=arguments.volumes,
        weights=arguments.weights,
        report=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main()
