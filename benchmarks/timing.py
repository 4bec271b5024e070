"""Honest times: compilation apart from running, warm-up, medians of interleaved repeats.

Each round times every case once, one after the other, so that a machine that slows down for a
while slows all of them; the median over the rounds ignores the rounds that were disturbed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Timing(NamedTuple):
    """Seconds of the repeats of one case: median, and the quartiles around it."""

    median: float
    low: float
    high: float


def compiled(function: Callable, *arguments: Any) -> tuple[Callable, float]:
    """Compile a jitted function for these arguments; returns it with the seconds that took."""
    start = time.perf_counter()
    executable = function.lower(*arguments).compile()  # type: ignore[attr-defined]
    return executable, time.perf_counter() - start


def temporaries(executable: Any) -> int:
    """Bytes that a compiled function needs beside its arguments and results."""
    return int(executable.memory_analysis().temp_size_in_bytes)


def seconds(function: Callable, *arguments: Any) -> float:
    """Wall-clock time of one call, until its results are there."""
    start = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    return time.perf_counter() - start


def interleaved(
    cases: dict[str, Callable[[], float]],
    rounds: int = 21,
    warm_up: int = 3,
    pause: float = 0.0,
    burst: int = 1,
    burst_seconds: float = 0.0,
) -> dict[str, Timing]:
    """Time all cases in turn, round by round.

    Args:
        cases: name -> function that does the work once and returns the seconds it took.
        rounds: how often each case is timed.
        warm_up: calls of each case before the first that counts.
        pause: seconds of rest before each case, in which the threads of the one before go idle.
        burst: calls in a row each round, whose median counts: work that is short against waking up
            threads and filling caches is timed as it runs in a loop.
        burst_seconds: and go on until so much time has passed, so that short and long work run
            equally long at a stretch.
    """
    for work in cases.values():
        for _ in range(warm_up):
            work()
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, work in cases.items():
            time.sleep(pause)
            taken = [work() for _ in range(burst)]
            while sum(taken) < burst_seconds:
                taken.append(work())
            times[name].append(statistics.median(taken))
    return {name: summary(values) for name, values in times.items()}


def summary(values: list[float]) -> Timing:
    """Median and quartiles."""
    if len(values) < 2:
        return Timing(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Timing(median, low, high)


def milliseconds(timing: Timing) -> str:
    """`12.3 (12.1 - 12.9)`: median and quartiles in ms."""
    return f"{1e3 * timing.median:.2f} ({1e3 * timing.low:.2f} - {1e3 * timing.high:.2f})"


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """A plain table, the first column to the left and the others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    for row in [head, rule, *rows]:
        aligned = zip(row, widths, strict=True)
        cells = [f"{c:>{w}}" if i else f"{c:<{w}}" for i, (c, w) in enumerate(aligned)]
        print("  ".join(cells).rstrip())


def print_targets(rows: list[tuple[str, float, float]]) -> None:
    """Of each (what, ratio, largest ratio wanted), whether it is met."""
    if rows:
        print("\ntargets:")
        verdicts = [
            [what, f"{ratio:.3g}", f"{most:g}", "met" if ratio <= most else "MISSED"]
            for what, ratio, most in rows
        ]
        print_table(["", "ours / its", "at most", ""], verdicts)
