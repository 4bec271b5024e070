"""The figures of the single-pixel study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from single_pixel_study import Study

import jaxrecon as jr
from jaxrecon import plot
from jaxrecon.functionals import L1, LeastSquares
from jaxrecon.linops import Wavelet
from jaxrecon.solvers import fista, ista

SHOWN = (
    "pseudo-inverse",
    "wavelet l1, FISTA",
    "total variation",
    "statistical completion",
    "compNET (frozen first layer)",
    "unrolled, unshared weights",
    "plug-and-play (trained denoiser)",
)
GROUPS = ("analytic", "variational", "linear MMSE", "learned")


def draw_all(folder: Path, study: Study, results: dict, clean: dict, noise: dict) -> None:
    plot.save(montage(study, clean), folder / "single_pixel.png")
    plot.save(ranking(results), folder / "ranking.png")
    plot.save(robustness(results), folder / "noise_robustness.png")
    plot.save(noisy_montage(study, noise), folder / "photon_noise.png")
    plot.save(convergence(study), folder / "ista_and_fista.png")


def examples_of(study: Study, clean: dict) -> list[int]:
    """Four test patches of high contrast, spread over the test set."""
    contrast = np.asarray(jnp.var(study.test, axis=(1, 2)))
    quarters = np.array_split(np.arange(len(contrast)), 4)
    return [int(q[np.argsort(contrast[q])[-3]]) for q in quarters]


def montage(study: Study, clean: dict) -> Any:
    """Rows of test patches, columns of methods, each with its PSNR."""
    rows = examples_of(study, clean)
    figure, axes = plot.subplots(len(rows), 1 + len(SHOWN), size=(1.75, 1.95))
    for i, index in enumerate(rows):
        truth = np.asarray(study.test[index])
        window = (float(truth.min()), float(truth.max()))
        plot.show(axes[i, 0], truth, "truth" if i == 0 else "", window=window)
        for j, name in enumerate(SHOWN):
            title = f"{clean[name].psnr[index]:.1f} dB"
            head = name.split(" (")[0].replace(", ", ",\n")
            title = f"{head}\n{title}" if i == 0 else title
            plot.show(axes[i, j + 1], clean[name].images[index], title, window=window)
    figure.suptitle("64 x 64 pixels from 333 Hadamard coefficients, no noise")
    return figure


def ranking(results: dict) -> Any:
    """Mean PSNR and deviation of every method, in the order of the lecture."""
    table = results["noiseless"]
    figure, axes = plot.subplots(1, 1, size=(7.5, 4.6))
    ax = np.ravel(axes)[0]
    names = list(table)
    for group, colour in zip(GROUPS, plot.COLOURS, strict=False):
        where = [i for i, name in enumerate(names) if table[name]["group"] == group]
        means = [table[names[i]]["psnr_mean"] for i in where]
        ax.barh(where, means, color=colour, label=group, height=0.7)
        for i, mean in zip(where, means, strict=True):
            ax.text(mean + 0.03, i, f"{mean:.2f}", va="center", fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.invert_yaxis()
    lowest = min(row["psnr_mean"] for row in table.values())
    highest = max(row["psnr_mean"] for row in table.values())
    ax.set_xlim(lowest - 0.5, highest + 0.5)
    ax.set_xlabel("mean PSNR on the test set / dB")
    ax.set_title("Analytic, variational and learned reconstruction, no noise")
    ax.legend(loc="upper right", fontsize=8)
    return figure


def robustness(results: dict) -> Any:
    """Test noise on the axis, one line for each way and level of training."""
    table = results["photon noise"]
    alphas = [float(a) for a in next(iter(table.values()))]
    figure, axes = plot.subplots(1, 2, size=(5.2, 4.2))
    left, right = np.ravel(axes)
    classical = {n: r for n, r in table.items() if not n.startswith("compNET")}
    learned = {n: r for n, r in table.items() if n.startswith("compNET")}
    tv = {"total variation": table["total variation"]}
    for ax, rows, title in (
        (left, classical, "No training, or training of a covariance only"),
        (right, learned | tv, "A network trained at one noise level, tested at others"),
    ):
        lines = {n: [cell["psnr_mean"] for cell in row.values()] for n, row in rows.items()}
        plot.curves(
            ax,
            alphas,
            lines,
            xlabel="photons per pixel in the test",
            ylabel="PSNR / dB",
            title=title,
            log="x",
        )
        ax.set_xticks(alphas, [f"{a:g}" for a in alphas])
        ax.minorticks_off()
    low = min(left.get_ylim()[0], right.get_ylim()[0])
    high = max(left.get_ylim()[1], right.get_ylim()[1])
    left.set_ylim(low, high)
    right.set_ylim(low, high)
    return figure


def noisy_montage(study: Study, noise: dict) -> Any:
    """One test patch at every photon level."""
    index = examples_of(study, noise)[1]
    truth = np.asarray(study.test[index])
    window = (float(truth.min()), float(truth.max()))
    alphas = list(noise["total variation"])
    figure, axes = plot.subplots(len(alphas), 6, size=(1.9, 2.05))
    for i, alpha in enumerate(alphas):
        plot.show(axes[i, 0], truth, "truth" if i == 0 else "", window=window)
        axes[i, 0].set_ylabel(f"{alpha} photons")
        shown = {
            "pseudo-inverse": "pseudo-inverse",
            "diagonal\ncompletion": "denoised completion (diagonal)",
            "exact\nlinear MMSE": "linear MMSE (exact)",
            "total variation": "total variation",
            "compNET,\nsame noise": f"compNET trained with alpha = {alpha}",
        }
        for j, (label, name) in enumerate(shown.items()):
            result = noise[name][alpha]
            title = f"{result.psnr[index]:.1f} dB"
            title = f"{label}\n{title}" if i == 0 else title
            plot.show(axes[i, j + 1], result.images[index], title, window=window)
    return figure


def convergence(study: Study) -> Any:
    """Cost above its minimum for ISTA and FISTA, against their proven bounds."""
    m = study.operator(study.test[examples_of(study, {})[0]])
    cost = LeastSquares(study.operator, m)
    prior = jr.tight(0.01 * L1(), Wavelet(study.shape, "db4", 3))
    start = study.operator.adjoint(m)

    @jax.jit
    def run(cost: Any, prior: Any, start: Any) -> Any:
        def value(state: Any) -> Any:
            return cost(state.x) + prior(state.x)

        best, _ = jr.solve(fista(cost, prior, 1.0, restart=True), start, 3000)
        slow = jr.solve(ista(cost, prior, 1.0), start, 300, trace=value)[1]
        fast = jr.solve(fista(cost, prior, 1.0), start, 300, trace=value)[1]
        restarted = jr.solve(fista(cost, prior, 1.0, restart=True), start, 300, trace=value)[1]
        return cost(best) + prior(best), jnp.sum((start - best) ** 2), slow, fast, restarted

    least, distance, slow, fast, restarted = (np.asarray(a) for a in run(cost, prior, start))
    k = np.arange(1, 301)
    floor = 1e-6 * least
    lines = {
        "ISTA": np.maximum(slow - least, floor),
        "FISTA": np.maximum(fast - least, floor),
        "FISTA with restart": np.maximum(restarted - least, floor),
        "bound of ISTA": distance / (2 * k),
        "bound of FISTA": 2 * distance / (k + 1) ** 2,
    }
    figure, axes = plot.subplots(1, 1, size=(6.5, 4.2))
    ax = np.ravel(axes)[0]
    plot.curves(
        ax,
        k,
        lines,
        xlabel="iteration",
        ylabel="cost above its minimum",
        title="Wavelet sparsity: what theory promises and what happens",
        log="xy",
    )
    return figure
