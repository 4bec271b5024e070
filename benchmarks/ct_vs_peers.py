"""CT projectors and filtered backprojection against ASTRA, scikit-image, SCICO and MBIRJAX.

Every side works on the same exact Shepp-Logan data, in turns and never side by side; a turn is a
row of calls of at least 0.1 s, whose median counts, as a method calls its projector. Ours is this
process, each peer in a process and a virtual environment of its own, which the first run installs
from benchmarks/requirements. Besides times it reports the error of the projection against exact
line integrals, the error of filtered backprojection against the phantom (in all of the image, and
in the inscribed circle), and whether the adjoint is one: |<A x, y> - <x, B y>| / (|A x| |y|) for
non-negative x and y.

Run: python benchmarks/ct_vs_peers.py [--only parallel fan] [--rounds 11] [--quick]
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
from peers.environment import Worker, install, requirements

HERE = Path(__file__).parent
CASES = ("parallel", "parallel-large", "slices", "fan", "cone")
WORKS = ("forward", "adjoint", "fbp")
NOT_RUN = {
    "LEAP": "leapct is not on the package index; it is built from its source",
    "TIGRE": "it has CUDA code only",
}


class Peer(NamedTuple):
    """A package, how it is set up, and the cases it takes part in."""

    name: str
    package: str
    cases: tuple[str, ...]
    kernel: str = ""


PEERS = (
    Peer("ASTRA line", "astra", ("parallel", "parallel-large"), "line"),
    Peer("ASTRA linear", "astra", ("parallel", "parallel-large"), "linear"),
    Peer("ASTRA strip", "astra", ("parallel", "parallel-large"), "strip"),
    Peer("ASTRA line", "astra", ("fan",), "line_fanflat"),
    Peer("scikit-image", "skimage", ("parallel", "parallel-large")),
    Peer("SCICO", "scico", ("parallel", "parallel-large")),
    Peer("MBIRJAX", "mbirjax", ("parallel", "slices", "cone")),
)
ONE_CORE = ("ASTRA", "scikit-image")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, help="these scans")
    parser.add_argument("--peers", nargs="*", help="these packages, e.g. astra mbirjax; none: ours")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--burst", type=int, default=3, help="calls in a row in each round")
    parser.add_argument("--burst-seconds", type=float, default=0.1, help="at least so long")
    parser.add_argument("--quick", action="store_true", help="small scans: does everything run?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    parser.add_argument("--output", type=Path, default=Path("results/ct_vs_peers.json"))
    return parser.parse_args()


def peer_geometry(peer: Peer, geometry: Any) -> Any:
    """Where the peer's rays run, for the image and bins of ours."""
    if peer.package != "skimage":
        return geometry
    # the image turns about the pixel N // 2, and bin 0 is the half-diagonal from there
    side = geometry.image_shape[0]
    bins = int(np.ceil(np.sqrt(2) * side))
    middle = (side - 1) / 2 - side // 2
    offset = (bins - 1) / 2 - bins // 2
    return geometry.replace(bins=bins, offset=offset, centre=(middle, middle))


def settings(peer: Peer, case: str, geometry: Any) -> dict[str, Any]:
    if peer.package == "astra":
        from jaxrecon.ct import convert

        volume, projection = convert.to_astra(geometry)
        projection = {k: np.asarray(v).tolist() for k, v in projection.items()}
        fbp = case != "fan"  # ASTRA's CPU code has none for fans
        return {"kernel": peer.kernel, "vol_geom": volume, "proj_geom": projection, "fbp": fbp}
    if peer.package == "mbirjax" and case == "cone":
        distances = [float(geometry.source_distance), float(geometry.detector_distance)]
        pitch = np.asarray(geometry.pitch, float).tolist()
        return {"beam": "cone", "distances": distances, "pitch": pitch}
    return {"beam": "parallel"}


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b))


def circle(shape: tuple[int, ...]) -> np.ndarray:
    """Pixels of the circle (cylinder) inscribed in the image, which holds the phantom."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape[-2:])
    return np.hypot(y[:, None], x) <= min(shape[-2:]) / 2


def judge(
    results: dict[str, np.ndarray], image: np.ndarray, probe: np.ndarray, data: np.ndarray
) -> dict[str, float]:
    """Errors against the exact data and the phantom, and of the adjoint."""
    found: dict[str, float] = {}
    if "forward" in results:
        found["forward_error"] = relative(results["forward"], data)
    if "fbp" in results:
        found["fbp_error"] = relative(results["fbp"], image)
        inside = circle(image.shape)
        found["circle_error"] = relative(inside * results["fbp"], inside * image)
    if "forward" in results and "adjoint" in results:
        Ax, By, x, y = (
            np.asarray(a, np.float64).ravel()
            for a in (results["forward"], results["adjoint"], image, probe)
        )
        gap = abs(Ax @ y - x @ By)
        found["adjoint_error"] = float(gap / (np.linalg.norm(Ax) * np.linalg.norm(y)))
    return found


def run_case(name: str, case: Any, pythons: dict[str, Path], chosen: Any, folder: Path) -> dict:
    """Times and errors of all sides on one scan."""
    from ct_cases import data_of, image_of, our_side, probe_of
    from timing import interleaved

    print(f"\n{case.title}", flush=True)
    image, data = image_of(case), data_of(case)
    probe = probe_of(data)
    ours = our_side(case, image, probe, data)
    sides: dict[str, Any] = {
        "jaxrecon": {"works": ours.works, **judge(ours.results, image, probe, data)}
    }
    sides["jaxrecon"] |= {
        "temporaries": ours.temporaries,
        "compile_seconds": ours.compile_seconds,
        "not_run": ours.failures,
    }
    workers = []
    for peer in PEERS:
        if name not in peer.cases or peer.package not in pythons:
            continue
        geometry = peer_geometry(peer, case.geometry)
        exact = data_of(case, geometry)
        values = probe_of(exact)
        path = folder / f"{name}-{peer.name.replace(' ', '-')}.npz"
        arrays: dict[str, Any] = {"image": image, "probe": values, "sinogram": exact}
        arrays["angles"] = np.asarray(geometry.angles)
        np.savez(path, settings=json.dumps(settings(peer, name, geometry)), **arrays)
        worker = Worker(
            pythons[peer.package], HERE / "peers" / f"ct_{peer.package}_worker.py", path
        )
        try:
            saved = path.with_suffix(".out.npz")
            done = worker.ask(save=str(saved))
            works = {work: asking(worker, work) for work in done}
            sides[peer.name] = {"works": works, **judge(dict(np.load(saved)), image, values, exact)}
            workers.append(worker)
        except RuntimeError as error:
            sides[peer.name] = {"works": {}, "not_run": {work: str(error) for work in WORKS}}
    for work in WORKS:
        turns = {who: side["works"][work] for who, side in sides.items() if work in side["works"]}
        if turns:
            times = interleaved(
                turns,
                chosen.rounds,
                warm_up=2,
                pause=0.02,
                burst=chosen.burst,
                burst_seconds=chosen.burst_seconds,
            )
            for who, timing in times.items():
                sides[who].setdefault("seconds", {})[work] = timing._asdict()
    for worker in workers:
        worker.close()
    for side in sides.values():
        del side["works"]
    return sides


def asking(worker: Worker, work: str) -> Callable[[], float]:
    return lambda: worker.ask(work=work)


def show(sides: dict[str, Any]) -> None:
    """One table: times, how many times as fast ours is, errors."""
    from timing import print_table

    ours = sides["jaxrecon"]
    rows = []
    for who, side in sides.items():
        row = [who + (" (1 core)" if who.startswith(ONE_CORE) else "")]
        for work in WORKS:
            taken = side.get("seconds", {}).get(work)
            base = ours.get("seconds", {}).get(work)
            row.append(f"{1e3 * taken['median']:.2f}" if taken else "-")
            both = taken and base and who != "jaxrecon"
            row.append(f"{taken['median'] / base['median']:.1f}" if both else "")
        for error in ("forward_error", "fbp_error", "circle_error", "adjoint_error"):
            digits = ".0e" if error == "adjoint_error" else ".4f"
            row.append(f"{side[error]:{digits}}" if error in side else "-")
        rows.append(row)
    head = ["ms (medians)", *(x for work in WORKS for x in (work, "x ours"))]
    print_table([*head, "error", "fbp error", "in circle", "adjoint"], rows)
    for who, side in sides.items():
        for work, reason in side.get("not_run", {}).items():
            print(f"not run: {who}, {work}: {reason}")
    sizes = ours["temporaries"]
    print("temporaries of ours: " + ", ".join(f"{w} {sizes[w] / 1e6:.1f} MB" for w in sizes))


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peers
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    wanted = {peer.package for peer in PEERS if set(peer.cases) & set(chosen.only)}
    if chosen.peers is not None:
        wanted &= set(chosen.peers)
    pythons, missing = install("ct", wanted, chosen.pip.split())
    import jax
    from ct_cases import cases

    every = cases(chosen.quick)
    report: dict[str, Any] = {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "requirements": {package: requirements("ct", package) for package in pythons},
        "not_run": NOT_RUN | missing,
        "cases": {},
    }
    print(
        f"jax {jax.__version__} on {report['backend']}, Python {report['python']}, "
        f"{report['machine']}, {chosen.threads} cores; float32; medians of {chosen.rounds} "
        "interleaved rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only:
            sides = run_case(name, every[name], pythons, chosen, Path(folder))
            report["cases"][name] = {"title": every[name].title, "sides": sides}
            show(sides)
    for who, reason in report["not_run"].items():
        print(f"not run: {who}: {reason}")
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    sys.exit(main())
