"""Tests compile quickly, and let programs go before a process runs out of memory maps.

Most tests compile many small programs and run each once, so that these have little of LLVM's
optimisation; XLA's own passes all run. Tests of training, examples and speed, and the slow ones,
have all of it.

XLA keeps the code of every compiled program in maps of its own. Linux allows a process 65,530 of
them, and beyond that the compiler crashes.
"""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

MAPS = Path("/proc/self/maps")
ENOUGH = 20_000
OPTIMISED = ("train", "examples", "test_convolution_speed.py")
_tests = 0


def pytest_runtest_setup(item):
    optimised = item.get_closest_marker("slow") or set(OPTIMISED) & set(item.path.parts)
    jax.config.update("jax_disable_most_optimizations", not optimised)


@pytest.fixture(autouse=True)
def few_memory_maps():
    global _tests
    _tests += 1
    if _tests % 25 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > ENOUGH:
        jax.clear_caches()
