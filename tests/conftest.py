"""Tests compile quickly, and let programs go before a process runs out of memory maps.

Most tests compile many small programs and run each once, and compiling them is most of the time.
So these have little of LLVM's optimisation, and fusions become code without MLIR, which halves the
time of the laws; XLA's own passes all run. The slow tests have all that a user gets.

XLA keeps the code of every compiled program in maps of its own. Linux allows a process 65,530 of
them, and beyond that the compiler crashes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

MAPS = Path("/proc/self/maps")
ENOUGH = 20_000
WITHOUT_MLIR = "--xla_cpu_use_fusion_emitters=false"
_tests = 0


def pytest_configure(config):
    if "not slow" not in config.option.markexpr:
        return
    jax.config.update("jax_disable_most_optimizations", True)  # collection compiles, too
    started_by_another = hasattr(config, "workerinput")
    flags = f"{os.environ.get('XLA_FLAGS', '')} {WITHOUT_MLIR}".strip()
    if not started_by_another and _known(flags):
        os.environ["XLA_FLAGS"] = flags


def _known(flags: str) -> bool:
    """Whether the installed XLA takes the flags: it ends a process that gives it others."""
    start = [sys.executable, "-c", "import jax; jax.devices()"]
    environment = {**os.environ, "XLA_FLAGS": flags}
    return subprocess.run(start, env=environment, capture_output=True).returncode == 0


def pytest_runtest_setup(item):
    jax.config.update("jax_disable_most_optimizations", not item.get_closest_marker("slow"))


@pytest.fixture(autouse=True)
def few_memory_maps():
    global _tests
    _tests += 1
    if _tests % 25 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > ENOUGH:
        jax.clear_caches()
