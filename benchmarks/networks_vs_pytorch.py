"""Training step and inference of four denoisers against the same networks in PyTorch, on CPU.

Both sides have the same weights and images and are compared before anything is timed. They run in
turns and never side by side: ours in this process, PyTorch in a process and a virtual environment
of its own, which the first run installs from benchmarks/requirements. PyTorch is timed with
contiguous and with channels-last memory, and the faster of the two counts. A training step is loss,
gradient and update by Adam.

Run: python benchmarks/networks_vs_pytorch.py [--only CNN UNet] [--sizes 8x64 1x128] [--summary]

Results are added to the output file case by case, so that a run may be cut into pieces; --summary
prints the table of all of them, and of how many runs they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers.environment import Worker, environment

HERE = Path(__file__).parent
NETWORKS = {
    "CNN": {"depth": 5, "features": 32},
    "DnCNN": {"depth": 17, "features": 64},
    "UNet": {"features": [32, 64, 128, 256], "blocks": 1},
    "DRUNet": {"features": [32, 64, 128, 256], "blocks": 2},
}
SIZES = {"8x64": (8, 64), "32x64": (32, 64), "1x128": (1, 128), "8x128": (8, 128)}
LAYOUTS = ("contiguous", "channels-last")
SIDES = ("jaxrecon", *LAYOUTS)
WORKS = ("training step", "inference")
TARGETS = {"training step": (1.0, 1.25), "inference": (1.1, 1.3)}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--seconds", type=float, default=20, help="time for each row of the table")
    parser.add_argument("--rounds", type=int, default=21, help="at most so many; at least 5")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    parser.add_argument("--output", type=Path, default=Path("results/networks_vs_pytorch.json"))
    parser.add_argument("--summary", action="store_true", help="print the table of the output file")
    return parser.parse_args()


def our_network(name: str) -> Any:
    from flax import nnx

    from jaxrecon import nn

    settings = dict(NETWORKS[name])
    if name == "UNet":
        return nn.UNet(**settings, fold=1, rngs=nnx.Rngs(0))
    if name == "DRUNet":
        return nn.DRUNet(**settings, rngs=nnx.Rngs(0))
    return nn.DnCNN(**settings, rngs=nnx.Rngs(0))


def images_of(name: str, batch: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (batch, y, x, channel) and targets of one channel."""
    random = np.random.default_rng(0)
    target = random.random((batch, side, side, 1), np.float32)
    noisy = target + 0.1 * random.standard_normal(target.shape, np.float32)
    level = np.full_like(noisy, 0.1)
    return np.concatenate([noisy, level], -1) if name == "DRUNet" else noisy, target


def flat(parameters: Any) -> dict[str, np.ndarray]:
    """Name as in PyTorch -> array, e.g. encoders.0.1.first.kernel."""
    import jax

    leaves = jax.tree_util.tree_leaves_with_path(parameters)
    return {".".join(str(key.key) for key in path): np.asarray(leaf) for path, leaf in leaves}


def our_side(name: str, x: np.ndarray, target: np.ndarray) -> tuple[dict, dict, dict, dict]:
    """Works, results to compare, parameters, and seconds of compilation."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from timing import compiled, seconds

    from jaxrecon import nn

    network = our_network(name)
    graph, parameters = nnx.split(network)
    saved = flat(nnx.to_pure_dict(parameters))
    adam = optax.adam(1e-4)
    images, targets = jnp.asarray(x), jnp.asarray(target)

    def loss(parameters: Any, x: Any, y: Any) -> jax.Array:
        return jnp.mean((nnx.merge(graph, parameters)(x) - y) ** 2)

    def update(parameters: Any, state: Any, x: Any, y: Any) -> tuple:
        value, gradient = jax.value_and_grad(loss)(parameters, x, y)
        updates, state = adam.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    def run(parameters: Any, x: Any) -> Any:
        return nnx.merge(graph, parameters)(x)

    inference, inference_compile = compiled(nn.jit(run), parameters, images)
    gradient = nn.jit(jax.grad(loss))(parameters, images, targets)
    results = {"output": np.asarray(inference(parameters, images))}
    results |= {"gradient." + k: v for k, v in flat(nnx.to_pure_dict(gradient)).items()}
    state = adam.init(parameters)
    step, step_compile = compiled(
        nn.jit(update, donate_argnums=(0, 1)), parameters, state, images, targets
    )
    now = [jax.tree.map(jnp.copy, parameters), state]

    def train() -> float:
        def work() -> Any:
            now[0], now[1], value = step(now[0], now[1], images, targets)
            return value

        return seconds(work)

    works = {
        "training step": train,
        "inference": lambda: seconds(inference, parameters, images),
    }
    compiling = {"training step": step_compile, "inference": inference_compile}
    return works, results, saved, compiling


def check_same(ours: dict, theirs: dict) -> dict[str, float]:
    """Relative differences of outputs and gradients; raise unless they are rounding."""
    found = {}
    outputs = np.linalg.norm(ours["output"] - theirs["output"]) / np.linalg.norm(theirs["output"])
    kernels = [k for k in ours if k.startswith("gradient.") and k.endswith("kernel")]
    gap = sum(float(np.sum((ours[k] - theirs[k]) ** 2)) for k in kernels)
    whole = sum(float(np.sum(theirs[k] ** 2)) for k in kernels)
    found = {"output": float(outputs), "gradient": (gap / whole) ** 0.5}
    if not all(v < 1e-3 for v in found.values()):
        raise SystemExit(f"the two sides do not compute the same: {found}")
    return found


def rounds_of(turns: dict[str, Callable[[], float]], chosen: Any) -> int:
    once = sum(statistics.median(work() for _ in range(2)) for work in turns.values())
    return max(5, min(chosen.rounds, int(chosen.seconds / once) - 3))


def run_case(name: str, size: str, python: Path | None, chosen: Any, folder: Path) -> list[dict]:
    """One row for each work."""
    from timing import interleaved

    x, target = images_of(name, *SIZES[size])
    works, results, saved, compiling = our_side(name, x, target)
    sides = {"jaxrecon": works}
    worker, difference = None, {}
    if python is not None:
        path = folder / f"{name}-{size}.npz"
        settings = {"network": name, "threads": chosen.threads, **NETWORKS[name]}
        arrays = {f"parameter.{k}": v for k, v in saved.items()}
        np.savez(path, settings=json.dumps(settings), x=x, target=target, **arrays)
        worker = Worker(python, HERE / "peers" / "networks_pytorch_worker.py", path)
        out = path.with_suffix(".out.npz")
        ask = worker.ask
        try:
            ask(save=str(out))
        except RuntimeError as error:
            print(f"PyTorch is not run: {error}")
            worker = None
    if worker is not None:
        difference = check_same(results, dict(np.load(out)))
        for layout in LAYOUTS:
            sides[layout] = {
                w: (lambda w=w, layout=layout: ask(work=f"{w} {layout}")) for w in WORKS
            }
    rows = []
    for work in chosen.works:
        turns = {who: side[work] for who, side in sides.items()}
        times = interleaved(turns, rounds_of(turns, chosen), warm_up=1, pause=0.02)
        seconds = {who: timing._asdict() for who, timing in times.items()}
        row = {"network": name, "size": size, "work": work, "seconds": seconds}
        rows.append(row | {"compile_seconds": compiling[work], "difference": difference})
    if worker is not None:
        worker.close()
    return rows


def report(rows: list[dict]) -> None:
    from timing import Timing, milliseconds, print_table

    head = ["", "jaxrecon", *(f"PyTorch, {layout}" for layout in LAYOUTS), "ratio", "compile s"]
    for work in WORKS:
        table, ratios = [], []
        for row in rows:
            if row["work"] != work:
                continue
            times = {who: Timing(**t) for who, t in row["seconds"].items()}
            cells = [milliseconds(times[w]) if w in times else "not run" for w in SIDES]
            if set(LAYOUTS) <= set(times):
                best = min(times[layout].median for layout in LAYOUTS)
                ratios.append(times["jaxrecon"].median / best)
            ratio = f"{ratios[-1]:.2f}" if set(LAYOUTS) <= set(times) else ""
            label = f"{row['network']} {row['size']}"
            table.append([label, *cells, ratio, f"{row['compile_seconds']:.1f}"])
        if not table:
            continue
        print(f"\n{work}: ms, medians (quartiles); ratio to the faster layout\n")
        print_table(head, table)
        if ratios:
            mean, (most, each) = statistics.geometric_mean(ratios), TARGETS[work]
            print(
                f"geometric mean {mean:.3f} (target: at most {most}), "
                f"largest {max(ratios):.2f} (target: at most {each})"
            )


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peer
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    known: dict[str, Any] = {"rows": []}
    if chosen.output.exists():
        known = json.loads(chosen.output.read_text())
    rows = {(r["network"], r["size"], r["work"]): r for r in known["rows"]}
    if not chosen.summary:
        import jax

        requirements = (HERE / "requirements" / "networks_pytorch.txt").read_text().split()
        try:
            wanted = [[*chosen.pip.split(), *requirements]]
            python = environment("networks-pytorch", wanted)
        except (subprocess.CalledProcessError, OSError) as error:
            python = None
            print(f"PyTorch is not run: pip did not install {' '.join(requirements)}: {error}")
        about = f"jax {jax.__version__}, {requirements[0]}, {chosen.threads} threads, float32, "
        known["about"] = about + f"Python {platform.python_version()}, {platform.machine()}"
        start = time.strftime("%Y-%m-%d %H:%M:%S")
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            for name in chosen.only:
                for size in chosen.sizes:
                    for row in run_case(name, size, python, chosen, Path(folder)):
                        rows[row["network"], row["size"], row["work"]] = row | {"run": start}
                    known["rows"] = list(rows.values())
                    chosen.output.write_text(json.dumps(known, indent=1))
    print(known.get("about", "nothing measured yet"))
    runs = {row.get("run", "an unknown time") for row in rows.values()}
    print("of one run" if len(runs) == 1 else f"of {len(runs)} runs: {', '.join(sorted(runs))}")
    order = [rows[k] for n in NETWORKS for s in SIZES for w in WORKS if (k := (n, s, w)) in rows]
    report(order)


if __name__ == "__main__":
    sys.exit(main())
