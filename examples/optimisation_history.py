"""What the examples of optimisation methods share: runs against time, a table, a figure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import iterate, metrics, plot

BLOCK = 5  # steps between two looks at the clock
RECORDS = 48  # of each history, at equal ratios of time
TARGET = 1e-3  # the table shows when the gap meets it


class Entry(NamedTuple):
    """A method for the problem, and the image in its state."""

    make: Callable[[Any], Any]
    smooth: bool = False  # no x >= 0: it minimises the smooth variant
    steps: int = 1  # in one pass over the data
    image: Callable[[Any], Any] = lambda state: state.x
    start: Callable[[Any], Any] = lambda x: x


class History(NamedTuple):
    """What one method did."""

    setup: float  # seconds until the method is made: operator norms, row sums
    compilation: float  # seconds
    step: float  # seconds
    steps: np.ndarray  # (RECORDS,) numbers of the recorded steps
    images: np.ndarray  # (RECORDS, size, size)


def history(problem: Any, entry: Entry, seconds: float) -> History:
    """Run a method for so many seconds of compiled steps."""

    def feasible(state: Any) -> jax.Array:
        image = entry.image(state)
        return image if entry.smooth else jnp.maximum(image, 0)

    def block(method: Any, state: Any) -> tuple[Any, Any]:
        length = BLOCK * entry.steps
        return iterate(method.step, state, length, trace=feasible, every=entry.steps)

    began = time.perf_counter()
    method = jax.block_until_ready(entry.make(problem))
    made = time.perf_counter()
    state = jax.jit(lambda method, x0: method.init(x0))(method, entry.start(problem.start))
    compiled = jax.jit(block).lower(method, state).compile()
    ready, spent, images = time.perf_counter(), 0.0, [problem.start[None]]
    while spent < seconds or len(images) < 4:
        start = time.perf_counter()
        state, new = jax.block_until_ready(compiled(method, state))
        spent += time.perf_counter() - start
        images.append(new)
    count = BLOCK * (len(images) - 1)
    picked = np.rint(np.append(0, np.geomspace(1, count, RECORDS - 1))).astype(int)
    shown = np.concatenate(images)[picked]
    step = spent / (count * entry.steps)
    return History(made - began, ready - made, step, picked * entry.steps, shown)


def judged(
    family: str, found: History, gap: np.ndarray, residual: np.ndarray, truth: np.ndarray
) -> dict[str, Any]:
    """The row and the curves of one method."""
    reached = np.flatnonzero(gap <= TARGET)
    target = jnp.broadcast_to(jnp.asarray(truth, jnp.float32), found.images.shape)
    data_range = float(truth.max() - truth.min())
    seconds = found.steps * found.step
    return {
        "family": family,
        "set-up": found.setup,
        "compilation": found.compilation,
        "step": found.step,
        "steps": found.steps,
        "seconds": seconds,
        "gap": gap,
        "residual": residual,
        "psnr": np.asarray(metrics.psnr(jnp.asarray(found.images), target, data_range)),
        "seconds to target": seconds[reached[0]] if len(reached) else np.inf,
    }


HEADING = (
    f"\n{{:28s}}  set-up compile  ms/step   steps      gap residual   PSNR   s to gap of {TARGET:g}"
)


def row(name: str, result: dict) -> str:
    """One line of the table."""
    reached = result["seconds to target"]
    return (
        f"{name:28s}{result['set-up']:8.2f}{result['compilation']:8.2f}{1e3 * result['step']:9.2f}"
        f"{result['steps'][-1]:8d}{result['gap'][-1]:9.1e}{result['residual'][-1]:9.1e}"
        f"{result['psnr'][-1]:7.2f}{reached if np.isfinite(reached) else '-':>8.3}"
    )


def draw(results: dict[str, dict]) -> Any:
    """Three panels over time; colours by family, the fastest of each in a thick line."""
    panels = {
        "gap": "(F - F*) / (F0 - F*)",
        "residual": "gradient, projected where bounded",
        "psnr": "PSNR / dB",
    }
    figure, axes = plot.subplots(1, 3, (4.8, 6.0))
    families = list(dict.fromkeys(result["family"] for result in results.values()))
    styles = ("--", ":", "-.", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)))
    handles: list[Any] = []
    for family, colour in zip(families, plot.COLOURS, strict=False):
        members = {k: r for k, r in results.items() if r["family"] == family}
        best = min(members, key=lambda name: _speed(members[name]))
        handles += axes[0, 0].plot([], [], " ", label=family.upper())
        others = iter(styles)
        for name, result in members.items():
            style = "-" if name == best else next(others)
            look = {"color": colour, "linestyle": style, "linewidth": 2.4 if name == best else 1.1}
            for ax, panel in zip(axes.flat, panels, strict=True):
                (drawn,) = ax.plot(result["seconds"][1:], result[panel][1:], label=name, **look)
            handles.append(drawn)
    for ax, (panel, label) in zip(axes.flat, panels.items(), strict=True):
        ax.set(xscale="log", xlabel="seconds of compiled steps")
        ax.set_title(label, fontsize=10)
        ax.grid(color="#e6e6e6", linewidth=0.7)
        if panel != "psnr":
            ax.set_yscale("log")
    for ax, panel, least, top in zip(
        axes.flat[:2], ("gap", "residual"), (1e-9, 1e-6), (2, 5), strict=True
    ):
        lowest = min(float(result[panel].min()) for result in results.values())
        ax.set_ylim(max(least, lowest / 3), top)
    figure.legend(
        handles=handles, loc="outside right center", fontsize=8, frameon=False, labelspacing=0.3
    )
    return figure


def _speed(result: dict) -> tuple[float, float]:
    return result["seconds to target"], result["gap"][-1]
