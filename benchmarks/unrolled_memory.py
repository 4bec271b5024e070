"""Memory of a training step of an unrolled network against its depth, with and without remat.

64x64 images, batch 16, proximal gradient with a shared network of 4 layers and 32 channels. Two
figures: what the compiler reserves (`memory_analysis().temp_size_in_bytes`) and by how much the
resident memory of the process grows at most during a step. With remat, the memory of a step may
grow with depth by the images that are kept, two batches (0.25 MiB each) a step, and no more.

Run: python benchmarks/unrolled_memory.py [--steps 5 20 80] [--without 5 20]
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise

from peers.memory import peak_growth
from timing import print_table, temporaries
from unrolled_cases import BATCH, SIDE, Case, Training, arrays

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 20, 80])
    parser.add_argument("--without", type=int, nargs="*", default=[5, 20], help="without remat")
    chosen = parser.parse_args()
    data, rows, reserved = arrays(), [], {}
    for remat, depths in ((True, chosen.steps), (False, chosen.without)):
        for steps in depths:
            training = Training(Case(steps, 4, 32), data, remat=remat)
            temporary = temporaries(training.executable)
            training()
            live = peak_growth(training)
            if remat:
                reserved[steps] = temporary
            rows.append(
                [
                    f"{steps} iterations, {'remat' if remat else 'no remat'}",
                    f"{temporary / MIB:.1f}",
                    f"{live / MIB:.1f}",
                    f"{training.compile_seconds:.1f}",
                ]
            )
    print_table(["", "reserved, MiB", "live, MiB", "compile, s"], rows)
    image = BATCH * SIDE**2 * 4
    depths = sorted(reserved)
    for few, many in pairwise(depths):
        growth = (reserved[many] - reserved[few]) / (many - few) / image
        print(f"from {few} to {many} iterations: {growth:.2f} image batches a step")


if __name__ == "__main__":
    sys.exit(main())
