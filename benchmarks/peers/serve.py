"""A peer's side of the line protocol of environment.Worker; needs NumPy only.

Import this first: it takes standard output for the answers, and what a package prints goes to
standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def load() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and settings from the .npz file that is this script's first argument."""
    data = dict(np.load(sys.argv[1]))
    return data, json.loads(str(data.pop("settings")))


def serve(works: Mapping[str, Callable[[], Any]], read: Callable[[str, Any], np.ndarray]) -> None:
    """Answer requests until standard input ends.

    {"work": name} runs it once and answers its seconds; {"save": path} runs all and writes their
    results as arrays in the order of our axes.

    Args:
        works: name -> function without arguments that returns when its result is there.
        read: (name, what the work returned) -> array.
    """
    for line in sys.stdin:
        request = json.loads(line)
        if "save" in request:
            results: dict[str, Any] = {
                name: np.asarray(read(name, work())) for name, work in works.items()
            }
            np.savez(request["save"], **results)
            answer: object = sorted(results)
        else:
            start = time.perf_counter()
            works[request["work"]]()
            answer = time.perf_counter() - start
        print(json.dumps(answer), file=_answers, flush=True)
