"""The main job of the library: images are measured and reconstructed in every way, side by side.

    python examples/lecture.py            runs the lecture with the trained weights of the package
    python examples/lecture.py --train    trains these weights again first (see the time it prints)
    python examples/lecture.py --stl10 FOLDER [--train]   the same study on STL-10 binary files

Writes results/results.json, a table on the terminal, and figures.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ct_fbp
import jax
import jax.numpy as jnp
import lecture_figures as figures
import lecture_networks as networks
import numpy as np
import single_pixel_methods as methods
import toy_two_lines
import tqdm
from single_pixel_study import MEASUREMENTS, SHAPE, Study, make_study

from jaxrecon import nn
from jaxrecon.data.stl10 import stl10_batches
from jaxrecon.train import Evaluation, evaluate


class Run:
    """Collects results and shows what is being done."""

    def __init__(self, folder: Path, total: int):
        self.folder = folder
        self.results: dict[str, Any] = {}
        self.bar = tqdm.tqdm(total=total, unit="step", smoothing=0)

    def step(self, name: str, work: Callable) -> Any:
        self.bar.set_description(f"{name:<34}")
        result = work()
        self.bar.update()
        return result


def noiseless(run: Run, study: Study, modules: dict) -> dict[str, Evaluation]:
    """Every method on noiseless measurements of the test images."""
    measure = jax.jit(jax.vmap(study.operator))
    m = measure(study.test)
    tuning = study.tuning
    tuning_m = measure(tuning)
    evaluations, table = {}, {}

    def record(name: str, group: str, function: Callable, arguments: tuple, **extra: Any) -> None:
        result = run.step(
            name, lambda: evaluate(function, arguments, study.test, study.range_of(study.test))
        )
        evaluations[name] = result
        table[name] = {"group": group, "parameters": 0} | result.summary() | extra

    for name, (group, function, grid) in methods.CLASSICAL.items():
        penalty, extra = jnp.float32(0), {}
        if grid is not None:
            chosen = methods.tuned(function, study, tuning_m, None, grid, tuning)
            penalty, extra = jnp.float32(chosen), {"penalty": chosen}
        record(name, group, methods.batched(function), (study, m, None, penalty), **extra)
    for name, file in methods.LEARNED.items():
        count = nn.parameter_count(modules[file])
        record(name, "learned", methods.learned(file), (modules[file], study, m), parameters=count)

    strengths = methods.STRENGTHS
    quality = [
        evaluate(
            methods.plug_and_play,
            (modules["denoiser"], study, tuning_m, jnp.float32(s)),
            tuning,
            study.range_of(tuning),
            repeats=1,
        ).psnr.mean()
        for s in strengths
    ]
    strength = strengths[int(np.argmax(quality))]
    record(
        "plug-and-play (trained denoiser)",
        "learned",
        methods.plug_and_play,
        (modules["denoiser"], study, m, jnp.float32(strength)),
        parameters=nn.parameter_count(modules["denoiser"]),
        strength=strength,
    )
    run.results["noiseless"] = table
    return evaluations


def noisy(run: Run, study: Study, modules: dict) -> dict[str, dict[str, Evaluation]]:
    """Photon levels for testing (columns) against those for training, with TV in the same table."""
    tuning = study.tuning
    evaluations: dict[str, dict[str, Evaluation]] = {}
    table: dict[str, dict[str, Any]] = {}
    simulate = jax.jit(networks.measure)

    def record(alpha: float, name: str, function: Callable, arguments: tuple, **extra: Any) -> None:
        data_range, column = study.range_of(study.test), f"{alpha:g}"
        result = run.step(
            f"{name}, alpha = {column}",
            lambda: evaluate(function, arguments, study.test, data_range, repeats=1),
        )
        evaluations.setdefault(name, {})[column] = result
        table.setdefault(name, {})[column] = result.summary() | extra

    for alpha in networks.PHOTONS:
        key = jax.random.key(int(alpha))
        m, variance = simulate(key, study.test, alpha, study)
        tuning_m, tuning_variance = simulate(jax.random.fold_in(key, 1), tuning, alpha, study)

        for name, (function, by_level) in methods.NOISY.items():
            grid = by_level[alpha] if isinstance(by_level, dict) else by_level
            penalty, extra = jnp.float32(0), {}
            if grid is not None:
                chosen = methods.tuned(function, study, tuning_m, tuning_variance, grid, tuning)
                penalty, extra = jnp.float32(chosen), {"penalty": chosen}
            arguments = (study, m, variance, penalty)
            record(alpha, name, methods.batched(function), arguments, **extra)
        for trained in ("", *(f"-{level:g}" for level in networks.PHOTONS)):
            file = f"compnet{trained}"
            label = f"alpha = {trained[1:]}" if trained else "no noise"
            record(
                alpha,
                f"compNET trained with {label}",
                methods.learned("compnet"),
                (modules[file], study, m, variance),
            )
    run.results["photon noise"] = table
    return evaluations


def claims(results: dict) -> dict[str, float]:
    """Differences in mean PSNR (dB) that the lecture makes a point of."""
    clean = {name: row["psnr_mean"] for name, row in results["noiseless"].items()}
    photon = results["photon noise"]
    found = {
        "completion over pseudo-inverse": clean["statistical completion"] - clean["pseudo-inverse"],
        "compNET over completion": clean["compNET (frozen first layer)"]
        - clean["statistical completion"],
        "unrolled (shared) over compNET": clean["unrolled, shared weights"]
        - clean["compNET (frozen first layer)"],
        "unrolled (unshared) over compNET": clean["unrolled, unshared weights"]
        - clean["compNET (frozen first layer)"],
    } | {
        f"{name} over total variation": row["psnr_mean"] - clean["total variation"]
        for name, row in results["noiseless"].items()
        if row["group"] == "learned"
    }
    for alpha in photon["linear MMSE (exact)"]:
        found[f"exact over diagonal linear MMSE, alpha = {alpha}"] = (
            photon["linear MMSE (exact)"][alpha]["psnr_mean"]
            - photon["denoised completion (diagonal)"][alpha]["psnr_mean"]
        )
    return found


def print_tables(results: dict) -> None:
    print(f"\nSingle pixel, 64 x 64 from {MEASUREMENTS} Hadamard coefficients, no noise")
    head = f"{'method':<34}{'PSNR / dB':>15}{'SSIM':>15}{'risk x 1000':>15}"
    print(f"{head}{'ms / image':>12}{'parameters':>12}")
    for name, row in results["noiseless"].items():
        print(
            f"{name:<34}"
            f"{row['psnr_mean']:>8.2f} +-{row['psnr_deviation']:>5.2f}"
            f"{row['ssim_mean']:>8.3f} +-{row['ssim_deviation']:>5.3f}"
            f"{1e3 * row['risk']:>8.2f} +-{1e3 * row['risk_standard_error']:>5.2f}"
            f"{1e3 * row['seconds_per_image']:>12.2f}{row['parameters']:>12,}"
        )
    alphas = [f"{alpha:g}" for alpha in networks.PHOTONS]
    print("\nPhoton noise: PSNR / dB (and risk x 1000) at alpha photons per pixel")
    print(f"{'method':<34}" + "".join(f"{'alpha = ' + alpha:>20}" for alpha in alphas))
    for name, row in results["photon noise"].items():
        cells = (f"{row[a]['psnr_mean']:>11.2f} ({1e3 * row[a]['risk']:>5.2f})" for a in alphas)
        print(f"{name:<34}" + "".join(f"{cell:>20}" for cell in cells))
    print("\nDifferences of mean PSNR / dB")
    for name, value in results["differences in dB"].items():
        print(f"{name:<50}{value:>8.2f}")


def load_stl10(folder: str) -> tuple[np.ndarray, np.ndarray]:
    """Up to 20,000 images of train + unlabelled and up to 1,000 of test, in the files' order."""

    def first(split: str, count: int) -> np.ndarray:
        batches = stl10_batches(
            folder, split, size=SHAPE[0], batch_size=100, value_range=(0.0, 1.0)
        )
        return np.concatenate(list(itertools.islice(batches, count // 100)))

    return first("train+unlabeled", 20_000), first("test", 1_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--train", action="store_true", help="train all networks again first")
    parser.add_argument("--stl10", metavar="FOLDER", help="folder of the STL-10 binary files")
    parser.add_argument("--output", default="results", help="folder to write to")
    arguments = parser.parse_args()
    began = time.perf_counter()
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)

    train, test = load_stl10(arguments.stl10) if arguments.stl10 else (None, None)
    weights = folder / "weights" if arguments.stl10 else networks.weights_folder
    if arguments.train:
        networks.train_all(make_study(train, test), weights)
        print(f"training took {(time.perf_counter() - began) / 60:.0f} minutes")

    counted = len(methods.CLASSICAL) + len(methods.LEARNED) + 1 + 9 * len(networks.PHOTONS)
    run = Run(folder, 4 + counted)
    toy, _ = run.step("two lines meeting", lambda: toy_two_lines.run(folder))
    ct, _ = run.step("CT slice", lambda: ct_fbp.run(folder))
    study = run.step("images and their covariance", lambda: make_study(train, test))
    modules = networks.load(study, weights)
    run.results |= {
        "settings": {
            "test images": len(study.test),
            "training images": len(study.train),
            "measurements": MEASUREMENTS,
            "data range of PSNR and SSIM": "max - min of each true image",
            "jax": jax.__version__,
        },
        "toy": toy,
        "ct": ct,
    }
    clean = noiseless(run, study, modules)
    noise = noisy(run, study, modules)
    run.results["differences in dB"] = claims(run.results)
    run.step("figures", lambda: figures.draw_all(folder, study, run.results, clean, noise))
    run.results["seconds"] = time.perf_counter() - began
    run.bar.set_description("done")
    run.bar.close()
    (folder / "results.json").write_text(json.dumps(run.results, indent=1))
    print_tables(run.results)
    print(
        f"\n{folder}/results.json and figures *.png written, {run.results['seconds']:.0f} s in all"
    )


if __name__ == "__main__":
    main()
