"""Training steps of unrolled networks against eager PyTorch, with and without checkpoints, and
against DeepInverse's unfolded proximal gradient; on CPU.

Compressed sensing, 333 measurements of 64x64 pixels, batch 16; proximal gradient with a shared
network. All sides have the same weights and data, and their images and gradients are compared
before anything is timed. They run in turns and never side by side: ours in this process, each peer
in a process and a virtual environment of its own, which the first run installs from
benchmarks/requirements. PyTorch is timed in both memory layouts, and the faster one counts. Ours
runs as by default, each step computed again in the backward pass, then in four parts of the
batch whose gradients are added up, as `fit(accumulate=4)` does, and with all images kept; the
ratios are printed in this order. Memory is how much the resident memory of the process grows at
most during a step; ours is what XLA reserves, if that is more, as the process may have it already.
Beside DeepInverse's step stand the products of matrices alone that ours takes, filtered along rows
as it does, and what they would be in tiles (`products_alone.py`).

Run: python benchmarks/unrolled_vs_pytorch.py [--only pytorch deepinverse] [--seconds 30]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers.environment import Worker, environment
from peers.memory import peak_growth

HERE = Path(__file__).parent
LAYOUTS = ("contiguous", "channels-last")
SIDES = {
    "pytorch": [f"{kind}, {layout}" for kind in ("eager", "checkpointed") for layout in LAYOUTS],
    "deepinverse": ["unfolded"],
}
OURS: dict[str, dict[str, Any]] = {
    "jaxrecon": {},
    "jaxrecon, in 4 parts": {"accumulate": 4},
    "jaxrecon, kept": {"remat": False},
}
"""By default, with the batch in parts as `fit(accumulate=4)`, and with all images kept."""
BY_DEFAULT = ("jaxrecon", "jaxrecon, in 4 parts")
TARGETS = {
    "eager": {"time": 1.25},
    "checkpointed": {"time": 1.0, "memory": 0.6},
    "unfolded": {"time": 0.5},
}
"""Largest ratio of ours to the peer's at its better layout."""
LONGEST_COMPILE = 3.0
"""seconds, of the network that PyTorch runs, too"""
REQUIREMENTS = {"pytorch": "networks_pytorch", "deepinverse": "optimisation_deepinverse"}
CASES = {
    "pytorch": {"steps": 10, "depth": 4, "features": 32},
    "deepinverse": {"steps": 5, "depth": 7, "features": 64},
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seconds", type=float, default=30, help="about, for the timing of a case")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    return parser.parse_args()


def python_of(peer: str, pip: str) -> Path | None:
    """The Python that has the peer, or None with the reason printed."""
    wanted = (HERE / "requirements" / f"{REQUIREMENTS[peer]}.txt").read_text().split()
    try:
        return environment(REQUIREMENTS[peer].replace("_", "-"), [[*pip.split(), *wanted]])
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"{peer} is not run: pip did not install {' '.join(wanted)}: {error}")
        return None


def check_same(ours: dict, theirs: dict) -> float:
    """The largest relative difference of image and gradients; raise unless it is rounding."""
    found = {k: np.linalg.norm(ours[k] - theirs[k]) / np.linalg.norm(theirs[k]) for k in ours}
    if not max(found.values()) < 1e-3:
        raise SystemExit(f"the two sides do not compute the same: {found}")
    return float(max(found.values()))


def run_case(peer: str, python: Path | None, chosen: Any, folder: Path) -> None:
    from products_alone import ProductsAlone
    from timing import interleaved, milliseconds, print_table, print_targets, seconds, temporaries
    from unrolled_cases import Case, Training, arrays

    data, case = arrays(), Case(**CASES[peer])
    ours = {side: Training(case, data, **how) for side, how in OURS.items()}
    turns: dict[str, Callable[[], float]] = {
        side: lambda training=training: seconds(training) for side, training in ours.items()
    }
    peaks, worker, alone = {}, None, {}
    if python is not None:
        path = folder / f"{peer}.npz"
        settings = json.dumps({"threads": chosen.threads, **case._asdict()})
        saved: dict[str, Any] = {"settings": settings} | data | ours["jaxrecon"].weights
        np.savez(path, **saved)
        worker = Worker(python, HERE / "peers" / f"unrolled_{peer}_worker.py", path)
        try:
            worker.ask(save=str(path.with_suffix(".out.npz")))
        except RuntimeError as error:
            print(f"{peer} is not run: {error}")
            return
        theirs = dict(np.load(path.with_suffix(".out.npz")))
        difference = max(check_same(t.results(), theirs) for t in ours.values())
        print(f"largest relative difference of images and gradients: {difference:.1e}")
        ask = worker.ask
        for side in SIDES[peer]:
            peaks[side] = int(theirs[f"memory: {side}"])
            turns[side] = lambda side=side: ask(work=side)
    if peer == "deepinverse":  # half of its time is asked for: what do the products leave?
        alone = {f"products, {how}": ProductsAlone(case, how) for how in ("rows", "tiles")}
        turns |= {side: lambda work=work: seconds(work) for side, work in alone.items()}
    for side, training in (ours | alone).items():
        training()
        peaks[side] = max(peak_growth(training), temporaries(training.executable))
    once = sum(work() for work in turns.values())
    rounds = max(5, min(21, int(chosen.seconds / once) - 1))
    times = interleaved(turns, rounds, warm_up=0, pause=0.02)
    if worker is not None:
        worker.close()
    print(
        f"\n{case.steps} iterations, {case.depth} layers of {case.features} channels; training "
        f"step in ms, medians (quartiles) of {rounds} rounds\n"
    )
    rows = []
    for side, timing in times.items():
        of_time = [f"{times[own].median / timing.median:.2f}" for own in OURS]
        of_memory = [f"{peaks[own] / peaks[side]:.2f}" for own in OURS]
        memory = f"{peaks[side] / 2**20:.0f}"
        rows.append([side, milliseconds(timing), " ".join(of_time), memory, " ".join(of_memory)])
    print_table(["", "ms", "ours / its", "MiB", "ours / its"], rows)
    compiling = ", ".join(f"{side} {t.compile_seconds:.1f} s" for side, t in ours.items())
    print(f"compile: {compiling}")
    seconds_of = {side: timing.median for side, timing in times.items()}
    wanted = []
    for kind, targets in TARGETS.items():
        layouts = [side for side in seconds_of if side.startswith(kind)]
        for what, most in targets.items():
            measured = seconds_of if what == "time" else peaks
            for own in BY_DEFAULT if layouts else ():
                ratio = measured[own] / min(measured[side] for side in layouts)
                wanted.append((f"{what} of {own} to {kind}", ratio, most))
    if peer == "pytorch":
        wanted += [
            (f"compile, {side}: seconds", t.compile_seconds, LONGEST_COMPILE)
            for side, t in ours.items()
            if side in BY_DEFAULT
        ]
    print_targets(wanted)


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peer
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    pythons = {peer: python_of(peer, chosen.pip) for peer in chosen.only}
    import jax

    print(
        f"jax {jax.__version__}, {chosen.threads} threads, float32, Python "
        f"{platform.python_version()}, {platform.machine()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for peer, python in pythons.items():
            run_case(peer, python, chosen, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
