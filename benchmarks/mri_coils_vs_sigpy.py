"""ESPIRiT coil maps against SigPy's: the angle between them, and to the true maps, and times.

Both sides have the same k-space of a disc of tissue with edges, seen by coils with known smooth
maps, simulated at twice the resolution with noise; the same calibration region, window and
threshold; and run in turns, ours in this process and SigPy in a process and a virtual environment
of its own, which the first run installs. SigPy takes 100 power iterations, which is its default,
we 30. Angles are between the vectors over the coils at a pixel, inside of the object.

Run: python benchmarks/mri_coils_vs_sigpy.py [--rounds 7] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from peers.environment import Worker, install, requirements

HERE = Path(__file__).parent
CASES = {
    "2-D, 8 coils": {"shape": (256, 256), "coils": 8, "kernel": 6, "region": 24},
    "2-D, 16 coils": {"shape": (320, 320), "coils": 16, "kernel": 6, "region": 24},
    "3-D, 8 coils": {"shape": (40, 64, 64), "coils": 8, "kernel": 4, "region": 16},
}
THRESHOLD = 0.02


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="the first case, smaller")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    parser.add_argument("--output", type=Path, default=Path("results/mri_coils_vs_sigpy.json"))
    return parser.parse_args()


def positions(shape: tuple[int, ...], fine: int) -> list[np.ndarray]:
    """In [-1, 1) along each axis of the field of view, (z, y, x)."""
    axes = [(np.arange(n * fine) - n * fine // 2) / (n * fine / 2) for n in shape]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def maps(shape: tuple[int, ...], coils: int, fine: int = 1) -> np.ndarray:
    """Gaussian falls with the distance from each of a ring of coils, and smooth phases."""
    *z, y, x = positions(shape, fine)
    found = []
    for c in range(coils):
        angle = 2 * np.pi * c / coils
        dy, dx = y - 1.35 * np.sin(angle), x - 1.35 * np.cos(angle)
        square = dy**2 + dx**2 + sum((a - 0.4 * (-1) ** c) ** 2 for a in z)
        phase = angle + 1.2 * dx * np.cos(angle) + 0.9 * dy
        found.append(np.exp(-square / (2 * 0.75**2) + 1j * phase).astype(np.complex64))
    return np.stack(found)


def body(shape: tuple[int, ...], fine: int = 1) -> np.ndarray:
    *z, y, x = positions(shape, fine)

    def ellipse(cy: float, cx: float, a: float, b: float) -> np.ndarray:
        return ((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 < 1

    image = ellipse(0, 0, 0.8, 0.65) - 0.3 * ellipse(0.2, 0.1, 0.3, 0.2)
    image = image + 0.4 * ellipse(-0.3, -0.2, 0.2, 0.15)
    for a in z:
        image = image * (np.abs(a) < 0.7)
    return (image * np.exp(0.5j * np.sin(2 * y) + 0.3j * x)).astype(np.complex64)


def kspace(shape: tuple[int, ...], coils: int) -> np.ndarray:
    """(coil, *shape), with noise of 1 % of the largest sample of an image."""
    axes = tuple(range(1, len(shape) + 1))
    fine = maps(shape, coils, 2) * body(shape, 2)
    data = np.fft.fftn(np.fft.ifftshift(fine, axes), axes=axes, norm="ortho")
    data = np.fft.fftshift(data, axes)
    for axis, n in zip(axes, shape, strict=True):
        data = np.take(data, np.arange(n - n // 2, n - n // 2 + n), axis=axis)
    data = data / 2 ** (len(shape) / 2)  # images as high as those of the object
    random = np.random.default_rng(0)
    noise = random.normal(size=data.shape) + 1j * random.normal(size=data.shape)
    return (data + 0.01 / np.sqrt(2) * noise).astype(np.complex64)


def angles(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> tuple[float, float]:
    """Median and 95th percentile of the angle in degrees."""
    a, b = (x[:, where].astype(np.complex128) for x in (a, b))
    a, b = (x / np.linalg.norm(x, axis=0) for x in (a, b))
    along = (a.conj() * b).sum(0)
    across = np.linalg.norm(b - along * a, axis=0)  # exact for small angles
    found = np.degrees(np.arctan2(across, np.abs(along)))
    return float(np.median(found)), float(np.percentile(found, 95))


def run_case(case: dict[str, Any], python: Path | None, rounds: int, folder: Path) -> dict:
    import jax
    from timing import compiled, interleaved, seconds, temporaries

    from jaxrecon.mri.coils import calibration_region, espirit

    shape, coils = case["shape"], case["coils"]
    data = kspace(shape, coils)
    true, inside = maps(shape, coils), np.abs(body(shape)) > 0
    ours = jax.jit(
        lambda y: espirit(
            calibration_region(y, case["region"]),
            shape,
            kernel=case["kernel"],
            threshold=THRESHOLD,
            crop=0,
            reference=0,
        )
    )
    y = jax.numpy.asarray(data)
    executable, compile_seconds = compiled(ours, y)
    found, values = map(np.asarray, executable(y))
    report: dict[str, Any] = {
        "compile_seconds": compile_seconds,
        "temporaries": temporaries(executable),
        "ours_to_true": angles(found, true, inside),
        "eigenvalue_inside": float(np.percentile(values[inside], 5)),
    }
    sides = {"jaxrecon": lambda: seconds(executable, y)}
    worker = None
    if python is not None:
        settings = {k: case[k] for k in ("kernel", "region")} | {"threshold": THRESHOLD}
        path = folder / "case.npz"
        np.savez(path, settings=json.dumps(settings), kspace=data)
        worker = Worker(python, HERE / "peers" / "mri_coils_sigpy_worker.py", path)
        saved = folder / "out.npz"
        try:
            worker.ask(save=str(saved))
            theirs = np.load(saved)["espirit"]
            report["sigpy_to_true"] = angles(theirs[:-1], true, inside)
            report["between"] = angles(found, theirs[:-1], inside)
            report["eigenvalues_between"] = float(np.abs(values - theirs[-1].real)[inside].max())
            sides["SigPy"] = lambda: worker.ask(work="espirit")
        except RuntimeError as error:
            print(f"not run: SigPy: {error}")
    times = interleaved(sides, rounds, warm_up=1, pause=0.05)
    report["seconds"] = {who: timing._asdict() for who, timing in times.items()}
    if worker is not None:
        worker.close()
    return report


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peer
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    pythons, missing = install("mri", ["sigpy"], chosen.pip.split())
    import jax
    from timing import print_table

    cases = CASES
    if chosen.quick:
        cases = {"2-D, small": CASES["2-D, 8 coils"] | {"shape": (64, 64)}}
    print(
        f"jax {jax.__version__} on {jax.default_backend()}, Python {platform.python_version()}, "
        f"{platform.machine()}, {chosen.threads} cores; complex64; medians of {chosen.rounds} "
        "interleaved rounds; angles in degrees: median / 95th percentile inside the object"
    )
    results, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for name, case in cases.items():
            result = run_case(case, pythons.get("sigpy"), chosen.rounds, Path(folder))
            results[name] = result
            taken = {who: t["median"] for who, t in result["seconds"].items()}
            row = [name, "x".join(map(str, case["shape"])), f"{taken['jaxrecon']:.3f}"]
            if "SigPy" in taken:
                row += [f"{taken['SigPy']:.3f}", f"{taken['SigPy'] / taken['jaxrecon']:.1f}"]
            else:
                row += ["-", "-"]
            for pair in ("between", "ours_to_true", "sigpy_to_true"):
                shown = result.get(pair)
                row.append(f"{shown[0]:.3f} / {shown[1]:.3f}" if shown else "-")
            rows.append([*row, f"{result['temporaries'] / 1e6:.1f}"])
    head = ["", "image", "s", "SigPy s", "x ours", "between", "to true", "SigPy to true", "MB"]
    print_table(head, rows)
    for who, reason in missing.items():
        print(f"not run: {who}: {reason}")
    report = {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "requirements": requirements("mri", "sigpy"),
        "not_run": missing,
        "cases": results,
    }
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    sys.exit(main())
