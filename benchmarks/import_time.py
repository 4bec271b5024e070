"""How much longer `import jaxrecon` takes than `import jax`, in fresh interpreters.

Run: python benchmarks/import_time.py
"""

from __future__ import annotations

import subprocess
import sys

from timing import interleaved, milliseconds, print_table

STATEMENTS = ("import jax", "import jaxrecon", "import jaxrecon.nn")


def import_seconds(statement: str) -> float:
    """Seconds that the statement takes inside a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(out.stdout)


def main() -> None:
    cases = {s: lambda s=s: import_seconds(s) for s in STATEMENTS}
    times = interleaved(cases, rounds=9, warm_up=1)
    base = times["import jax"].median
    rows = [
        [s, milliseconds(t), f"{1e3 * (t.median - base):+.0f}", f"{t.median / base:.2f}"]
        for s, t in times.items()
    ]
    print_table(["", "ms (quartiles)", "over jax", "ratio"], rows)


if __name__ == "__main__":
    main()
