"""Single-pixel imaging against SPyRiT: acquisition, pseudo-inverse, one training step.

Both sides run in one go on the same data, in turns and never side by side: ours in this process,
SPyRiT in a process and a virtual environment of its own, which the first run installs. Results
are compared before anything is timed.

Run: python benchmarks/single_pixel_vs_spyrit.py
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from peers.environment import Worker, environment

SIDE, COUNT, BATCH, TRAINING_BATCH = 64, 333, 256, 64
WORK = {
    "forward": f"Hadamard forward, {BATCH} images",
    "split": f"the same, split into 2 x {COUNT}",
    "pinv": f"pseudo-inverse, {BATCH} images",
    "step": f"training step, batch {TRAINING_BATCH}",
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spyrit", default="3.1.1", help="version of the peer")
    parser.add_argument("--torch", default="2.14.1", help="version of torch for it")
    parser.add_argument("--torchvision", default="0.29.1", help="the torchvision that fits it")
    parser.add_argument("--pip", default="", help="more options for pip, e.g. an index of wheels")
    parser.add_argument("--peer-python", type=Path, help="a Python that has all three already")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=21)
    return parser.parse_args()


def example_images(count: int, seed: int) -> np.ndarray:
    """Random images with the 1/f spectrum of natural ones, float32 (count, y, x) in [0, 1]."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.standard_normal((count, SIDE, SIDE)))
    u, v = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)
    images = np.fft.irfft2(spectrum / np.sqrt(1e-3 + u**2 + v**2), s=(SIDE, SIDE))
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    return ((images - low) / (high - low)).astype(np.float32)


def our_work(images: np.ndarray, training: np.ndarray) -> tuple[dict, dict, np.ndarray, int]:
    """Work that returns its seconds, results, order of the coefficients, trained parameters."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from timing import compiled, seconds

    from jaxrecon import nn
    from jaxrecon.linops.hadamard import WalshHadamard
    from jaxrecon.single_pixel import HadamardSubsampling, SplitHadamard, variance_order

    coefficients = jax.vmap(WalshHadamard((SIDE, SIDE)))(images).reshape(BATCH, -1)
    order = variance_order(coefficients.var(axis=0), (SIDE, SIDE))
    A = HadamardSubsampling(order[:COUNT], (SIDE, SIDE))
    split = SplitHadamard(A)
    counts = SIDE  # sqrt(N): SPyRiT's patterns have entries +1 and -1
    x, truth = jnp.asarray(images), jnp.asarray(training)

    forward, forward_compile = compiled(jax.jit(lambda A, x: jax.vmap(A)(x)), A, x)
    split_forward, split_compile = compiled(jax.jit(lambda S, x: jax.vmap(S)(x)), split, x)
    coefficients = forward(A, x)
    pinv, pinv_compile = compiled(jax.jit(lambda A, m: jax.vmap(A.H)(m)), A, coefficients)

    network = nn.DirectReconstruction(nn.CNN((64, 32), (9, 1, 5), residual=False, rngs=nnx.Rngs(0)))
    graph, parameters, rest = nnx.split(network, nnx.Param, ...)
    adam = optax.adam(1e-3)

    def loss(parameters, split, x):
        """Acquire, join the split measurements, invert, correct, compare."""
        y = jax.vmap(split)(x)
        m = (y[:, 0] - y[:, 1]) / counts
        estimate = nnx.merge(graph, parameters, rest)(m, jax.vmap(split.coefficients.H))
        return jnp.mean((estimate - x) ** 2)

    def update(parameters, state, split, x):
        value, gradient = jax.value_and_grad(loss)(parameters, split, x)
        updates, state = adam.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    state = adam.init(parameters)
    training_step, step_compile = compiled(nn.jit(update), parameters, state, split, truth)
    now = [parameters, state]

    def step() -> float:
        def work():
            now[0], now[1], value = training_step(now[0], now[1], split, truth)
            return now, value

        return seconds(work)

    print(
        f"compiling: forward {forward_compile:.2f} s, split {split_compile:.2f} s, "
        f"pseudo-inverse {pinv_compile:.2f} s, training step {step_compile:.2f} s"
    )
    work = {
        "forward": lambda: seconds(forward, A, x),
        "split": lambda: seconds(split_forward, split, x),
        "pinv": lambda: seconds(pinv, A, coefficients),
        "step": step,
    }
    results = {
        "forward": counts * np.asarray(coefficients),
        "split": np.asarray(split_forward(split, x)),
        "pinv": np.asarray(pinv(A, coefficients)),
    }
    return work, results, order, nn.parameter_count(network)


def check_same(ours: dict, peer: dict, trained: int) -> None:
    """Raise unless both sides computed the same and train networks of the same size."""
    split = peer["split"].reshape(BATCH, COUNT, 2).transpose(0, 2, 1)
    pairs = {
        "forward": (ours["forward"], peer["forward"].reshape(BATCH, COUNT)),
        "split": (ours["split"], split),
        "pinv": (ours["pinv"], peer["pinv"].reshape(BATCH, SIDE, SIDE)),
    }
    for name, (a, b) in pairs.items():
        error = np.linalg.norm(a - b) / np.linalg.norm(b)
        print(f"relative difference of the two, {WORK[name]}: {error:.1e}")
        if not error < 1e-5:
            raise SystemExit(f"the two sides do not compute the same: {WORK[name]}")
    print(f"trained parameters: {trained:,} ours, {int(peer['trained']):,} SPyRiT's")
    if trained != peer["trained"]:
        raise SystemExit("the two networks differ in size")


def main() -> None:
    chosen = options()
    if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads; inherited by the peer
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    pip = chosen.pip.split()
    python = chosen.peer_python or environment(
        f"spyrit-{chosen.spyrit}",
        [
            [*pip, f"torch=={chosen.torch}", f"torchvision=={chosen.torchvision}"],
            [*pip, f"torch=={chosen.torch}", f"spyrit=={chosen.spyrit}"],
        ],
    )
    import jax
    from timing import interleaved, milliseconds, print_table

    images, training = example_images(BATCH, 0), example_images(TRAINING_BATCH, 1)
    work, results, order, trained = our_work(images, training)
    rank = np.zeros(SIDE * SIDE, np.float32)
    rank[order] = np.arange(SIDE * SIDE, 0, -1)
    with tempfile.TemporaryDirectory() as folder:
        data, saved = Path(folder) / "data.npz", Path(folder) / "peer.npz"
        np.savez(data, images=images, training=training, order=rank.reshape(SIDE, SIDE))
        script = Path(__file__).parent / "peers" / "spyrit_worker.py"
        peer = Worker(python, script, data, COUNT, chosen.threads)
        peer.ask(save=str(saved))
        check_same(results, dict(np.load(saved)), trained)

        def ask(name: str) -> Callable[[], float]:
            return lambda: peer.ask(work=name)

        times = {}
        for name in WORK:
            rounds = chosen.rounds if name != "step" else math.ceil(chosen.rounds / 2)
            sides = {"ours": work[name], "spyrit": ask(name)}
            burst = 1 if name == "step" else 10
            times[name] = interleaved(sides, rounds, warm_up=3, pause=0.05, burst=burst)
        peer.close()

    print(
        f"\n{SIDE} x {SIDE} pixels, {COUNT} measurements, float32, {chosen.threads} threads; "
        f"medians (quartiles) in ms of interleaved bursts of ten calls (steps: of single calls)\n"
        f"jax {jax.__version__} on {jax.default_backend()}, spyrit {chosen.spyrit}, "
        f"Python {platform.python_version()}, {platform.machine()}\n"
    )
    rows = []
    for name, label in WORK.items():
        ours, theirs = times[name]["ours"], times[name]["spyrit"]
        ratio = theirs.median / ours.median
        rows.append([label, milliseconds(ours), milliseconds(theirs), f"{ratio:.1f}"])
    print_table(["", "jaxrecon", f"SPyRiT {chosen.spyrit}", "times as fast"], rows)


if __name__ == "__main__":
    sys.exit(main())
