"""FINUFFT's planned transforms for nufft_vs_peers.py; settings: accuracy, threads."""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

import finufft
import numpy as np


def main() -> None:
    data, settings = load()
    images, values = data["images"], data["values"]
    points = (2 * np.pi * data["positions"]).astype(np.float32)
    y, x = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])

    def plan(kind: int, count: int) -> finufft.Plan:
        made = finufft.Plan(
            kind,
            images.shape[1:],
            count,
            settings["accuracy"],
            -1 if kind == 2 else 1,
            dtype="complex64",
            nthreads=settings["threads"],
        )
        made.setpts(y, x)
        return made

    scale = np.float32(1 / np.sqrt(np.prod(images.shape[1:])))
    coils = len(images)
    many2, many1, one2, one1 = plan(2, coils), plan(1, coils), plan(2, 1), plan(1, 1)
    works = {
        "type 2, one": lambda: one2.execute(images[0]),
        "type 1, one": lambda: one1.execute(values[0]),
        "type 2, coils": lambda: many2.execute(images),
        "type 1, coils": lambda: many1.execute(values),
        "normal, coils": lambda: many1.execute(many2.execute(images)),
    }
    serve(works, lambda name, out: out * (scale**2 if name.startswith("normal") else scale))


if __name__ == "__main__":
    main()
