"""Programs that tests compiled are let go before a process runs out of memory maps.

XLA keeps the code of every compiled program in maps of its own. Linux allows a process 65,530 of
them, and beyond that the compiler crashes.
"""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

MAPS = Path("/proc/self/maps")
ENOUGH = 20_000
_tests = 0


@pytest.fixture(autouse=True)
def few_memory_maps():
    global _tests
    _tests += 1
    if _tests % 25 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > ENOUGH:
        jax.clear_caches()
