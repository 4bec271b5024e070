"""Times of the library on the device at hand: a GPU, a TPU, or the CPU to compare with.

For each work: milliseconds a call (median), seconds to compile, MiB of temporaries, and how far the
result is from the same work on the CPU, or the loss of a training step.

    python benchmarks/accelerator.py [--quick] [--output results/accelerator.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from timing import compiled, interleaved, seconds, temporaries

from jaxrecon import ct, nn, separable, solve, stack
from jaxrecon.functionals import LeastSquares, NonNegative, TotalVariation
from jaxrecon.single_pixel import HadamardSubsampling, sequency_order_2d
from jaxrecon.solvers import primal_dual_hybrid_gradient


class Work(NamedTuple):
    """A function and its arguments; `judged` says whether its result is compared with the CPU's."""

    function: Callable
    arguments: tuple
    judged: bool = True


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def projectors(quick: bool) -> Iterator[tuple[str, Work]]:
    n, views, batch, m = (32, 24, 2, 16) if quick else (512, 360, 32, 128)
    scans = {
        f"parallel {n}, {views} views": (ct.parallel_beam((n, n), views), ()),
        f"parallel {n}, batch {batch}": (ct.parallel_beam((n, n), views), (batch,)),
        f"fan {n}, {views} views": (ct.fan_beam((n, n), views, 2.0 * n, 1.0 * n), ()),
        f"cone {m}^3, {m} views": (ct.cone_beam((m, m, m), m, 3.0 * m, 1.5 * m), ()),
    }
    for scan, (geometry, many) in scans.items():
        data_shape = ct.XRayTransform(geometry).codomain.shape
        works = {
            "forward": (ct.project, geometry.image_shape),
            "adjoint": (ct.backproject, data_shape),
            "fbp": (ct.filtered_backprojection, data_shape),
        }
        for name, (function, shape) in works.items():

            def run(x: Any, geometry: Any, function: Any = function, many: Any = many) -> Any:
                one = partial(function, geometry=geometry)
                return jax.vmap(one)(x) if many else one(x)

            yield f"{scan}, {name}", Work(run, (noise(*many, *shape), geometry))


def solvers(quick: bool) -> Iterator[tuple[str, Work]]:
    n, views, steps = (32, 12, 5) if quick else (256, 60, 100)
    operator = ct.XRayTransform(ct.parallel_beam((n, n), views))
    tv, difference = TotalVariation((n, n)).split()
    data = np.asarray(operator(jnp.asarray(np.abs(noise(n, n)))))

    def total_variation(data: Any, operator: Any) -> Any:
        terms = separable(LeastSquares(None, data), 5.0 * tv)
        step = 0.02
        method = primal_dual_hybrid_gradient(
            NonNegative(),
            terms,
            stack(operator, difference),
            primal_step=step,
            dual_step=0.9 / step / (n * views * 1.6 + 8),
        )
        return solve(method, jnp.zeros((n, n), data.dtype), steps)[0]

    yield f"TV CT {n}, {views} views, {steps} steps", Work(total_variation, (data, operator))


def training_step(module: Any, forward: Callable, arguments: tuple, target: Any) -> Work:
    """(parameters, Adam's state) -> the same after one step, and the loss."""
    graph, parameters = nnx.split(module)
    optimiser = optax.adam(1e-3)

    def step(parameters: Any, state: Any, target: Any, *arguments: Any) -> Any:
        def loss(p: Any) -> Any:
            return jnp.mean((forward(nnx.merge(graph, p), *arguments) - target) ** 2)

        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimiser.update(gradient, state, parameters)
        return value, optax.apply_updates(parameters, updates), state

    return Work(step, (parameters, optimiser.init(parameters), target, *arguments), judged=False)


def networks(quick: bool) -> Iterator[tuple[str, Work]]:
    batch, side = (1, 16) if quick else (16, 128)
    x = noise(batch, side, side, 1)
    noise_map = np.full_like(x, 0.1)
    modules = {
        "DnCNN": (nn.DnCNN(rngs=nnx.Rngs(0)), x),
        "UNet": (nn.UNet((32, 64, 128, 128), rngs=nnx.Rngs(0)), x),
        "DRUNet": (nn.DRUNet(rngs=nnx.Rngs(0)), np.concatenate([x, noise_map], -1)),
    }
    for name, (module, given) in modules.items():
        work = training_step(module, lambda m, a: m(a), (given,), 0 * x)
        yield f"{name}, {batch} x {side}, training step", work
    operator = ct.XRayTransform(ct.ellipses_geometry())
    pairs = (2,) if quick else (2, 16)
    for count in pairs:
        data = noise(count, *operator.codomain.shape)
        images = noise(count, *operator.domain.shape)
        lpd = nn.LearnedPrimalDual(2 if quick else 10, operator_norm=16.0, rngs=nnx.Rngs(0))
        yield (
            f"learned primal-dual, {count} x 128, training step",
            training_step(lpd, lambda m, a, y, x: m(a, y, x), (operator, data, images), images),
        )


def single_pixel(quick: bool) -> Iterator[tuple[str, Work]]:
    batch = 4 if quick else 256
    operator = HadamardSubsampling(tuple(sequency_order_2d((64, 64))[:333]), (64, 64))

    def forward(x: Any, operator: Any) -> Any:
        return jax.vmap(operator)(x)

    yield f"Hadamard 64, 333 rows, batch {batch}", Work(forward, (noise(batch, 64, 64), operator))


def cpu_result(work: Work) -> Any:
    with jax.default_device(jax.devices("cpu")[0]):
        arguments = jax.tree.map(np.asarray, work.arguments)
        return np.asarray(jax.jit(work.function)(*arguments))


def measure(name: str, work: Work, rounds: int) -> dict[str, Any]:
    arguments = jax.device_put(work.arguments)
    executable, compilation = compiled(jax.jit(work.function), *arguments)
    result = executable(*arguments)
    row = {"work": name, "compile": compilation, "MiB": temporaries(executable) / 2**20}
    timing = interleaved(
        {name: lambda: seconds(executable, *arguments)}, rounds, burst=5, burst_seconds=0.05
    )
    row["ms"] = 1e3 * timing[name].median
    if work.judged:
        expected = cpu_result(work)
        row["error"] = float(np.linalg.norm(result - expected) / np.linalg.norm(expected))
    else:
        row["loss"] = float(result[0])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("results/accelerator.json"))
    given = parser.parse_args()
    device = jax.devices()[0]
    print(
        f"{device.device_kind}, jax {jax.__version__}\n{'':44}{'ms':>9}{'compile s':>11}{'MiB':>9}"
    )
    rows = []
    for group in (single_pixel, projectors, solvers, networks):
        for name, work in group(given.quick):
            row = measure(name, work, given.rounds)
            verdict = f"error {row['error']:.1e}" if work.judged else f"loss {row['loss']:.3g}"
            print(
                f"{name:44}{row['ms']:9.3f}{row['compile']:11.1f}{row['MiB']:9.1f}  {verdict}",
                flush=True,
            )
            rows.append(row)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps({"device": device.device_kind, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
