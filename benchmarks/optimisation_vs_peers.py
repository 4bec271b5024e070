"""Solvers against SCICO, DeepInverse, PyProximal, ODL and SigPy: TV and wavelet reconstructions.

Every side solves the same problem from the same start with the same step sizes: in turns and never
side by side, ours in this process, each peer's method in a process and a virtual environment of its
own, which the first run installs from benchmarks/requirements. Runs of 100 iterations (fewer where
these take longer than a second) are timed, medians of interleaved rounds.

The iterates of a run that is not timed are judged by one evaluator, written in NumPy: how many
iterations it takes to come within a relative gap of 1e-3 of the best objective known. The time to
it is this number times the time of an iteration. What is best comes from long runs of ours where a
peer has the same problem. Each CT projector makes a problem of its own, and so does each other way
to continue wavelets; there the best is that of the side's own run, which flatters it.

Run: python benchmarks/optimisation_vs_peers.py [--only deblur mri] [--rounds 5] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from optimisation_problems import GAP, WATCHED, Problem, Variant, objective, problems
from peers.environment import Worker, install, requirements

HERE = Path(__file__).parent
CASES = ("deblur", "ct-tv", "ct-wavelet", "mri")
PERIODIC = Variant(boundary="periodic")
ZEROS = Variant(wavelet="zero")
LONGEST = 1.0
"""Seconds of one timed run of a peer, about."""


class Peer(NamedTuple):
    """One method of a package, and the penalty as it has it."""

    name: str
    package: str
    case: str
    method: str
    variant: Variant = Variant()


PEERS = (
    Peer("SCICO", "scico", "deblur", "PDHG"),
    Peer("PyProximal", "pyproximal", "deblur", "PDHG"),
    Peer("ODL", "odl", "deblur", "PDHG"),
    Peer("SigPy", "sigpy", "deblur", "PDHG", Variant("periodic", isotropic=False)),
    Peer("DeepInverse", "deepinverse", "deblur", "PDHG, prox by FFT"),
    Peer("SCICO", "scico", "deblur", "ADMM, FFT", PERIODIC),
    Peer("DeepInverse", "deepinverse", "deblur", "PGD, TV prox 20"),
    Peer("SCICO", "scico", "ct-tv", "PDHG"),
    Peer("PyProximal", "pyproximal", "ct-tv", "PDHG"),
    Peer("ODL", "odl", "ct-tv", "PDHG"),
    Peer("DeepInverse", "deepinverse", "ct-tv", "FISTA, TV prox 20"),
    Peer("PyProximal", "pyproximal", "ct-wavelet", "FISTA"),
    Peer("ODL", "odl", "ct-wavelet", "FISTA"),
    Peer("DeepInverse", "deepinverse", "ct-wavelet", "FISTA", Variant("", True, "zero", 0.0)),
    Peer("PyProximal", "pyproximal", "mri", "FISTA"),
    Peer("ODL", "odl", "mri", "FISTA"),
    Peer("SigPy", "sigpy", "mri", "FISTA", ZEROS),
    Peer("DeepInverse", "deepinverse", "mri", "FISTA", Variant("", True, "zero", 0.0, True)),
)
OURS = {("deblur", "ADMM, FFT"): PERIODIC}
OTHER_WORK = "it solves inexactly inside of a step, so that a step is other work than one of ours"
NOT_RUN = {
    "SCICO, wavelets (ct-wavelet, mri)": "it has no wavelet transform",
    "SCICO, deblur, proximal gradient, FISTA": "its prox of TV is an approximation without steps",
    "SCICO, ct-tv, ADMM": OTHER_WORK,
    "DeepInverse, ct-tv, PDHG": "its PDCP takes the prox of the fidelity, an inner solve",
    "DeepInverse, deblur, ADMM, HQS, DRS": "they have no operator in the penalty: " + OTHER_WORK,
    "PyProximal, deblur and ct-tv, ADMM": OTHER_WORK,
    "PyProximal, deblur, prox by FFT": "its L2 takes an operator by an iterative solver",
    "ODL, ADMM, Douglas-Rachford, forward-backward primal-dual": "linearised or other iterations: "
    "PDHG and FISTA stand for it",
    "SigPy, CT (ct-tv, ct-wavelet)": "it has no projector",
    "SigPy, deblur, ADMM": OTHER_WORK,
    "all, POGM": "none has it",
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, help="these cases")
    parser.add_argument("--peers", nargs="*", help="these packages, e.g. scico odl; none: ours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--burst-seconds", type=float, default=0.1, help="at least so long a turn")
    parser.add_argument("--quick", action="store_true", help="small images: does everything run?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    parser.add_argument("--output", type=Path, default=Path("results/optimisation_vs_peers.json"))
    return parser.parse_args()


def settings(peer: Peer, problem: Problem, threads: int) -> dict[str, Any]:
    """Numbers of the problem, with the steps that the method takes."""
    numbers = {k: v for k, v in problem.numbers.items() if k not in ("stacked", "apart")}
    iterations, every = WATCHED[peer.case][peer.method]
    numbers |= {"case": peer.case, "method": peer.method, "threads": threads}
    numbers |= {"iterations": iterations, "every": every}
    if peer.method.startswith("PDHG"):
        pair = problem.numbers["apart" if "prox" in peer.method else "stacked"]
        numbers["primal_step"], numbers["dual_step"] = pair
    if peer.package == "pyproximal" and "angles" in problem.arrays:
        from jaxrecon import ct

        side, views, bins = (problem.numbers[k] for k in ("side", "views", "bins"))
        projection = ct.convert.to_astra(ct.parallel_beam((side, side), views, bins=bins))[1]
        numbers["astra_angles"] = np.asarray(projection["ProjectionAngles"]).tolist()
    return numbers


class Side(NamedTuple):
    """One method of one package: its objective as it falls, and how to time an iteration."""

    who: str
    method: str
    variant: Variant
    objective: np.ndarray
    every: int
    work: Callable[[], float]


def our_sides(case: str, problem: Problem, ours: Any) -> tuple[list[Side], dict[Variant, float]]:
    """Our methods, and the best objectives of long runs."""
    from optimisation_cases import anisotropic_reference, watch_of

    sides, best = [], {}
    for method, x in ours.images.items():
        variant = OURS.get((case, method), Variant())
        values = objective(case, problem, variant, x, ours.projections.get(method))
        every = watch_of(case, method)[1]
        sides.append(Side("jaxrecon", method, variant, values, every, ours.works[method]))
    for method, x in ours.references.items():
        variant = OURS.get((case, method), Variant())
        values = objective(case, problem, variant, x, ours.projections.get(f"{method} long"))
        best[variant] = float(values.min())
    if case == "deblur":
        variant = Variant("periodic", isotropic=False)
        x = anisotropic_reference(problem)
        best[variant] = float(objective(case, problem, variant, x).min())
    return sides, best


def peer_side(peer: Peer, problem: Problem, python: Path, path: Path, threads: int) -> Any:
    """The peer's method, watched and ready to be timed, and its process."""
    arrays: dict[str, Any] = problem.arrays
    np.savez(path, settings=json.dumps(settings(peer, problem, threads)), **arrays)
    worker = Worker(python, HERE / "peers" / f"optimisation_{peer.package}_worker.py", path)
    saved = path.with_suffix(".out.npz")
    worker.ask(save=str(saved))
    found = np.load(saved)
    projections = found.get("projections")
    values = objective(peer.case, problem, peer.variant, found["images"], projections)
    worker.ask(work="2")
    count = int(np.clip(LONGEST / (worker.ask(work="5") / 5), 5, 100))
    every = WATCHED[peer.case][peer.method][1]

    def work() -> float:
        return worker.ask(work=str(count)) / count

    return Side(peer.name, peer.method, peer.variant, values, every, work), worker


def run_case(case: str, problem: Problem, pythons: dict[str, Path], chosen: Any, folder: Path):
    """Times and objectives of all sides of one case."""
    from optimisation_cases import batches, fft_pair, our_side
    from timing import interleaved

    print(f"\n{problem.title}", flush=True)
    ours = our_side(case, problem)
    sides, best = our_sides(case, problem, ours)
    workers, not_run = [], {}
    for i, peer in enumerate(PEERS):
        if peer.case != case or peer.package not in pythons:
            continue
        path = folder / f"{case}-{i}.npz"
        try:
            side, worker = peer_side(peer, problem, pythons[peer.package], path, chosen.threads)
            sides.append(side)
            workers.append(worker)
        except RuntimeError as error:
            not_run[f"{peer.name}, {peer.method}"] = str(error)
    turns = {f"{s.who}: {s.method}": s.work for s in sides}
    turns |= {f"batch: {name}": work for name, work in batches(case, problem).items()}
    if not case.startswith("ct"):
        turns["FFT pair"] = fft_pair(problem)
    times = timed(interleaved, turns, chosen)
    for worker in workers:
        worker.close()
    return {
        "title": problem.title,
        "sides": [judged(s, sides, best, times[f"{s.who}: {s.method}"], case) for s in sides],
        "batch": {n[7:]: t for n, t in times.items() if n.startswith("batch: ")},
        "fft_pair": times.get("FFT pair"),
        "compile_seconds": ours.compile_seconds,
        "setup_seconds": ours.setup_seconds,
        "retraced": ours.retraced,
        "not_run": not_run,
    }


def timed(interleaved: Callable, turns: dict[str, Callable], chosen: Any) -> dict[str, dict]:
    """Seconds of an iteration: medians over rounds, in each of which one turn is a row of runs.

    Works return seconds of an iteration, not of a run: burst_seconds is in runs of our TIMED.
    """
    from optimisation_cases import TIMED

    limit = chosen.burst_seconds / TIMED
    found = interleaved(turns, chosen.rounds, warm_up=1, pause=0.02, burst_seconds=limit)
    return {name: timing._asdict() for name, timing in found.items()}


def judged(
    side: Side, sides: list[Side], best: dict[Variant, float], timing: dict, case: str
) -> dict[str, Any]:
    """The row of one side: its time, and when it comes within the gap."""
    own = case.startswith("ct") and side.who != "jaxrecon"
    same = [side] if own else [s for s in sides if s.variant == side.variant]
    known = [] if own else [best[side.variant]] if side.variant in best else []
    if case.startswith("ct") and not own:
        same = [s for s in same if s.who == "jaxrecon"]
    least = min([float(s.objective.min()) for s in same] + known)
    gaps = side.objective / least - 1
    within = np.flatnonzero(gaps <= GAP)
    if not known and len(within) and within[0] == len(gaps) - 1:
        within = within[:0]  # its own best is its last: the objective still falls
    count = int(side.every * (within[0] + 1)) if len(within) else None
    return {
        "who": side.who,
        "method": side.method,
        "variant": side.variant._asdict(),
        "own_best": not known,
        "seconds": timing,
        "objective": float(side.objective[-1]),
        "least_known": least,
        "last_gap": float(gaps[-1]),
        "iterations_to_gap": count,
        "seconds_to_gap": None if count is None else count * timing["median"],
    }


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peers
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    wanted = {peer.package for peer in PEERS if peer.case in chosen.only}
    if chosen.peers is not None:
        wanted &= set(chosen.peers)
    pythons, missing = install("optimisation", wanted, chosen.pip.split())
    import jax
    from optimisation_report import show, verdicts
    from timing import print_table

    every = problems(chosen.quick)
    report: dict[str, Any] = {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "requirements": {package: requirements("optimisation", package) for package in pythons},
        "not_run": NOT_RUN | missing,
        "cases": {},
    }
    print(
        f"jax {jax.__version__} on {report['backend']}, Python {report['python']}, "
        f"{report['machine']}, {chosen.threads} cores; float32; medians of {chosen.rounds} "
        "interleaved rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        for case in chosen.only:
            found = run_case(case, every[case](), pythons, chosen, Path(folder))
            report["cases"][case] = found
            show(case, found)
    print()
    print_table(["requirement", "measured", "wanted", "met"], verdicts(report))
    for who, reason in report["not_run"].items():
        print(f"not run: {who}: {reason}")
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    sys.exit(main())
