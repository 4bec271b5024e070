"""MRI operators and reconstructions against SigPy and PyTorch.

Every side works on the same data, in turns and never side by side: ours in this process, each peer
in a process and a virtual environment of its own, which the first run installs from
benchmarks/requirements. All transforms are centred; PyTorch's once as its MRI packages write it,
with fftshift, and once "without shifts", the plain transform of data that were shifted before,
which is less work than ours. "pair" is A^H (A x), "normal" the operator A^H A of packages that have
one. Besides times it prints how far the results of each peer are from ours, relative to their norm,
and of reconstructions how far either is from the phantom. Processes of PyTorch differ in speed,
each being steady: of several processes of each peer, asked in turn, the one with the middle median
counts. SigPy's wavelets continue an image by zeros, ours periodically: there the results differ,
and "wavelet, periodic" is SigPy's method with PyWavelets' periodic transform, the same problem.

Run: python benchmarks/mri_vs_peers.py [--only sense radial] [--rounds 9] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from peers.environment import Worker, install, requirements

HERE = Path(__file__).parent
CASES = ("sense", "volume", "poisson", "lines", "radial", "wavelet", "batch")
WANTED = {
    ("sense", "pair", "pytorch"): 0.75,
    ("volume", "pair", "pytorch"): 0.35,
    ("lines", "normal", "sigpy"): 0.2,
    ("poisson", "solve", "sigpy"): 0.3,
    ("lines", "solve", "sigpy"): 0.2,
    ("radial", "solve", "sigpy"): 0.03,
    ("wavelet", "wavelet", "sigpy"): 0.35,
    ("wavelet", "wavelet, periodic", "sigpy"): 0.35,
}
"""Largest ratio of our time to the peer's."""
SLICES = 16


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, help="these scans")
    parser.add_argument("--peers", nargs="*", default=["sigpy", "pytorch"], help="none: ours alone")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--processes", type=int, default=3, help="of each peer")
    parser.add_argument("--burst-seconds", type=float, default=0.1, help="at least so long a turn")
    parser.add_argument("--quick", action="store_true", help="small scans: does everything run?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    parser.add_argument("--output", type=Path, default=Path("results/mri_vs_peers.json"))
    return parser.parse_args()


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def run_case(
    name: str, case: Any, pythons: dict[str, Path], chosen: Any, folder: Path, failed: dict
) -> list:
    """Rows (work, peer, our seconds, the peer's, distance of the results); peers that failed."""
    from mri_cases import our_side
    from timing import interleaved

    print(f"\n{case.title}", flush=True)
    ours = our_side(case)
    workers: dict[str, list[Worker]] = {}
    distances: dict[tuple, float] = {}
    errors: dict[tuple, float] = {}
    for package, works in case.works.items():
        if package not in pythons:
            continue
        path = folder / f"{name}-{package}.npz"
        settings = case.numbers | {"works": works, "threads": chosen.threads}
        np.savez(path, settings=json.dumps(settings), **case.arrays)
        script = HERE / "peers" / f"mri_{package}_worker.py"
        started = [Worker(pythons[package], script, path) for _ in range(chosen.processes)]
        saved = path.with_suffix(".out.npz")
        try:
            started[0].ask(save=str(saved))
        except RuntimeError as error:
            failed[f"{package}, {name}"] = str(error)
            for worker in started:
                worker.process.kill()
            continue
        workers[package] = started
        for work, result in np.load(saved).items():
            distances[work, package] = relative(result, ours.results[work])
            if work.startswith(("solve", "wavelet")):
                errors[work, package] = relative(result, case.arrays["image"])
                errors[work, "jaxrecon"] = relative(ours.results[work], case.arrays["image"])
    rows = []
    for work in ours.works:
        turns: dict[str, Callable] = {"jaxrecon": ours.works[work]}
        peers = [p for p in workers if (work, p) in distances]
        turns |= {f"{p} {i}": asking(w, work) for p in peers for i, w in enumerate(workers[p])}
        times = interleaved(
            turns, chosen.rounds, warm_up=1, pause=0.02, burst_seconds=chosen.burst_seconds
        )
        own = times["jaxrecon"]
        of_peers = {p: middle([times[f"{p} {i}"] for i in range(chosen.processes)]) for p in peers}
        rows += [
            {
                "work": work,
                "peer": peer,
                "ours": own._asdict(),
                "theirs": taken._asdict(),
                "distance": distances[work, peer],
                "our_error": errors.get((work, "jaxrecon")),
                "their_error": errors.get((work, peer)),
                "ratio": own.median / taken.median,
                "wanted": WANTED.get((name, work, peer)),
                "compile_seconds": ours.compile_seconds[work],
            }
            for peer, taken in of_peers.items()
        ] or [{"work": work, "peer": "", "ours": own._asdict()}]
    for worker in chain.from_iterable(workers.values()):
        worker.close()
    return rows


def middle(processes: list[Any]) -> Any:
    """The times of the process with the middle one of the medians."""
    return sorted(processes)[len(processes) // 2]


def asking(worker: Worker, work: str) -> Callable[[], float]:
    return lambda: worker.ask(work=work)


def run_batch(chosen: Any) -> list:
    from mri_cases import slices
    from timing import interleaved

    print(f"\na slice of a batch of {SLICES}")
    rows = []
    for work, ways in slices(64 if chosen.quick else 256, SLICES).items():
        burst = chosen.burst_seconds / SLICES
        times = interleaved(ways, chosen.rounds, pause=0.02, burst_seconds=burst)
        one = times.pop("one alone")
        rows += [
            {
                "work": f"{work}, {way}",
                "peer": "one alone",
                "ours": taken._asdict(),
                "theirs": one._asdict(),
                "ratio": taken.median / one.median,
                "wanted": 1.0 if way == "by vmap" else None,
            }
            for way, taken in times.items()
        ]
    return rows


def show(rows: list[dict]) -> None:
    from timing import print_table, print_targets

    def cell(row: dict, key: str, form: str) -> str:
        return form.format(row[key]) if row.get(key) is not None else ""

    table = [
        [
            row["work"],
            row["peer"],
            f"{1e3 * row['ours']['median']:.2f}",
            f"{1e3 * row['theirs']['median']:.2f}" if "theirs" in row else "",
            cell(row, "ratio", "{:.3f}"),
            cell(row, "wanted", "{:.2f}"),
            cell(row, "distance", "{:.1e}"),
            cell(row, "our_error", "{:.4f}"),
            cell(row, "their_error", "{:.4f}"),
            cell(row, "compile_seconds", "{:.1f}"),
        ]
        for row in rows
    ]
    head = [
        "work",
        "peer",
        "ours ms",
        "peer ms",
        "ratio",
        "wanted",
        "distance",
        "error",
        "peer's",
        "compile s",
    ]
    print_table(head, table)
    wanted = [row for row in rows if row.get("wanted") and row.get("ratio")]
    print_targets([(f"{r['work']}, {r['peer']}", r["ratio"], r["wanted"]) for r in wanted])


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peers
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    pythons, missing = install("mri", chosen.peers, chosen.pip.split())
    import jax
    from mri_cases import cases

    every = cases(chosen.quick)
    report: dict[str, Any] = {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "requirements": {package: requirements("mri", package) for package in pythons},
        "not_run": missing,
        "cases": {},
    }
    print(
        f"jax {jax.__version__} on {report['backend']}, Python {report['python']}, "
        f"{report['machine']}, {chosen.threads} cores; complex64; medians of {chosen.rounds} "
        "interleaved rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only:
            if name == "batch":
                rows = run_batch(chosen)
            else:
                rows = run_case(name, every[name](), pythons, chosen, Path(folder), missing)
            report["cases"][name] = rows
            show(rows)
    for who, reason in report["not_run"].items():
        print(f"not run: {who}: {reason}")
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    sys.exit(main())
