"""Non-uniform Fourier transforms against FINUFFT, SigPy and torchkbnufft.

A radial scan: 256x256 pixels, 400 golden-angle spokes of 512 samples, one image and eight coils,
single precision, at requested errors of 1e-3 and 1e-4. Every side gets the same images and data and
works in turns, never side by side; what can be planned or tabulated is, before the clock starts.
Ours is this process, each peer a process and a virtual environment of its own, which the first run
installs from benchmarks/requirements. "normal" is A^H A: by a Toeplitz product (ours, SigPy,
torchkbnufft), by the two transforms (FINUFFT). Errors are relative to the transform in double
precision at 1e-10, which itself is checked against the exact sum.

Run: python benchmarks/nufft_vs_peers.py [--accuracies 1e-3 1e-4] [--rounds 11] [--quick]
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
from typing import Any

import numpy as np
from peers.environment import Worker, install, requirements

HERE = Path(__file__).parent
PEERS = {"FINUFFT": "finufft", "SigPy": "sigpy", "torchkbnufft": "torchkbnufft"}
WORKS = ("type 2, one", "type 1, one", "type 2, coils", "type 1, coils", "normal, coils")
TARGETS = {
    (1e-3, "FINUFFT"): dict(zip(WORKS, (0.7, 0.7, 1.1, 1.5), strict=False)),
    (1e-3, "SigPy"): dict.fromkeys(WORKS[:4], 0.2),
    (1e-3, "torchkbnufft"): {"normal, coils": 1.0},
    (1e-4, "FINUFFT"): {"normal, coils": 0.4},
}
"""Largest ratio of our time to the peer's."""
WIDTHS = {1e-3: 4, 1e-4: 5}  # taps of the peers that are not told an accuracy, on a doubled grid


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--accuracies", nargs="+", type=float, default=list(WIDTHS))
    parser.add_argument("--peers", nargs="*", choices=sorted(PEERS.values()), help="none: ours")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--burst", type=int, default=3, help="calls in a row in each round")
    parser.add_argument("--quick", action="store_true", help="a small scan: does everything run?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    parser.add_argument("--output", type=Path, default=Path("results/nufft_vs_peers.json"))
    return parser.parse_args()


def scan(quick: bool) -> dict[str, np.ndarray]:
    """Positions in cycles per pixel, images of coils and data of coils, white noise."""
    side, spokes, samples = (32, 20, 64) if quick else (256, 400, 512)
    angle = np.pi * (np.sqrt(5) - 1) / 2 * np.arange(spokes)[:, None]
    r = (np.arange(samples) - samples // 2) / samples
    k = np.stack([r * np.sin(angle), r * np.cos(angle)], axis=-1).reshape(-1, 2)
    generator = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray:
        parts = generator.standard_normal((2, *shape))
        return (parts[0] + 1j * parts[1]).astype(np.complex64)

    return {
        "positions": k.astype(np.float32),
        "images": noise(8, side, side),
        "values": noise(8, len(k)),
    }


def every_work(operator: Any, images: Any, values: Any, normal: Callable) -> dict[str, Any]:
    """Compiled calls of each work."""
    import jax
    from timing import compiled

    calls: dict[str, tuple[Callable, Any, Any]] = {
        "type 2, one": (lambda a, x: a.apply(x), operator, images[0]),
        "type 1, one": (lambda a, y: a.adjoint(y), operator, values[0]),
        "type 2, coils": (lambda a, x: jax.vmap(a.apply)(x), operator, images),
        "type 1, coils": (lambda a, y: jax.vmap(a.adjoint)(y), operator, values),
        "normal, coils": (lambda a, x: jax.vmap(a)(x), normal, images),
    }
    return {
        work: (compiled(jax.jit(call), *arguments)[0], arguments)
        for work, (call, *arguments) in calls.items()
    }


def exact_values(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Results of each work, in double precision."""
    import jax
    import jax.numpy as jnp

    from jaxrecon.linops import NonuniformFourier

    with jax.enable_x64(True):
        images, values = (jnp.asarray(data[n], jnp.complex128) for n in ("images", "values"))
        shape = images.shape[1:]
        a = NonuniformFourier(
            jnp.asarray(data["positions"]),
            shape,
            accuracy=1e-10,
            dtype=jnp.complex128,
            planned=False,
        )
        apply, adjoint = jax.jit(lambda a, x: a.apply(x)), jax.jit(lambda a, y: a.adjoint(y))
        forward = np.stack([np.asarray(apply(a, x)) for x in images])
        backward = np.stack([np.asarray(adjoint(a, y)) for y in values])
        normal = np.stack([np.asarray(adjoint(a, jnp.asarray(y))) for y in forward])
    some = np.linspace(0, len(data["positions"]) - 1, 50).astype(int)
    pixels = np.indices(shape).reshape(2, -1) - np.array([n // 2 for n in shape])[:, None]
    phases = np.exp(-2j * np.pi * data["positions"][some].astype(np.float64) @ pixels)
    sums = phases @ data["images"][0].ravel() / np.sqrt(np.prod(shape))
    assert relative(forward[0, some], sums) < 1e-9, "the reference is not the exact sum"
    return dict(
        zip(WORKS, (forward[0], backward[0], forward, backward, normal), strict=True),
    )


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm((a - b).ravel()) / np.linalg.norm(b.ravel()))


def timed(call: Callable, arguments: Any) -> Callable[[], float]:
    from timing import seconds

    return lambda: seconds(call, *arguments)


def asking(worker: Worker, work: str) -> Callable[[], float]:
    return lambda: worker.ask(work=work)


def run(
    accuracy: float, data: dict, exact: dict, pythons: dict[str, Path], chosen: Any, folder: Path
) -> dict[str, Any]:
    """Times and errors of all sides at one accuracy."""
    import jax.numpy as jnp
    from timing import interleaved

    from jaxrecon.linops import NonuniformFourier

    images, values = jnp.asarray(data["images"]), jnp.asarray(data["values"])
    a = NonuniformFourier(jnp.asarray(data["positions"]), images.shape[1:], accuracy=accuracy)
    calls = every_work(a, images, values, a.toeplitz())
    results = {work: np.asarray(call(*arguments)) for work, (call, arguments) in calls.items()}
    sides: dict[str, Any] = {
        "jaxrecon": {
            "works": {work: timed(*call) for work, call in calls.items()},
            "errors": {work: relative(results[work], exact[work]) for work in WORKS},
            "grid": a.grid.lengths,
            "taps": a.grid.taps,
        }
    }
    settings = {
        "accuracy": accuracy,
        "width": WIDTHS.get(accuracy, 6),
        "oversampling": 2,
        "threads": chosen.threads,
    }
    workers = []
    for peer, package in PEERS.items():
        if package not in pythons:
            continue
        path = folder / f"{package}-{accuracy}.npz"
        np.savez(path, settings=json.dumps(settings), **data)
        script = HERE / "peers" / f"nufft_{package}_worker.py"
        worker = Worker(pythons[package], script, path)
        try:
            saved = path.with_suffix(".out.npz")
            done = worker.ask(save=str(saved))
            out = dict(np.load(saved))
            sides[peer] = {
                "works": {work: asking(worker, work) for work in done},
                "errors": {work: relative(out[work], exact[work]) for work in done},
            }
            workers.append(worker)
        except RuntimeError as error:
            sides[peer] = {"works": {}, "errors": {}, "not_run": str(error)}
    for work in WORKS:
        turns = {who: side["works"][work] for who, side in sides.items() if work in side["works"]}
        times = interleaved(turns, chosen.rounds, warm_up=2, pause=0.02, burst=chosen.burst)
        for who, timing in times.items():
            sides[who].setdefault("seconds", {})[work] = timing._asdict()
    for worker in workers:
        worker.close()
    for side in sides.values():
        del side["works"]
    return sides


def show(accuracy: float, sides: dict[str, Any]) -> None:
    """Times in ms, our time as a part of the peer's, and errors."""
    from timing import print_table, print_targets

    ours = sides["jaxrecon"]
    print(f"\nrequested error {accuracy:.0e}; ours: grid {ours['grid']}, {ours['taps']} taps")
    rows, wanted = [], []
    for who, side in sides.items():
        row = [who]
        for work in WORKS:
            taken = side.get("seconds", {}).get(work)
            row.append(f"{1e3 * taken['median']:.1f}" if taken else "-")
            both = taken and who != "jaxrecon"
            mine = ours["seconds"][work]["median"]
            row.append(f"{mine / taken['median']:.2f}" if both else "")
            most = TARGETS.get((accuracy, who), {}).get(work)
            if both and most:
                wanted.append((f"{work}, {who}", mine / taken["median"], most))
            row.append(f"{side['errors'][work]:.0e}" if work in side["errors"] else "-")
        rows.append(row)
    print_table(["ms", *(x for work in WORKS for x in (work, "ours is", "error"))], rows)
    print_targets(wanted)
    for who, side in sides.items():
        if "not_run" in side:
            print(f"not run: {who}: {side['not_run']}")


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peers
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    wanted = sorted(PEERS.values()) if chosen.peers is None else chosen.peers
    pythons, missing = install("nufft", wanted, chosen.pip.split())
    import jax

    report: dict[str, Any] = {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "requirements": {package: requirements("nufft", package) for package in pythons},
        "not_run": missing,
        "accuracies": {},
    }
    print(
        f"jax {jax.__version__} on {report['backend']}, Python {report['python']}, "
        f"{report['machine']}, {chosen.threads} cores; complex64; medians of {chosen.rounds} "
        "interleaved rounds"
    )
    data = scan(chosen.quick)
    exact = exact_values(data)
    with tempfile.TemporaryDirectory() as folder:
        for accuracy in chosen.accuracies:
            sides = run(accuracy, data, exact, pythons, chosen, Path(folder))
            report["accuracies"][str(accuracy)] = sides
            show(accuracy, sides)
    for who, reason in missing.items():
        print(f"not run: {who}: {reason}")
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    sys.exit(main())
