"""What a training records: losses and validations, as tables, lines of JSON and a figure."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = ("step", "loss", "gradient_norm", "validation", "seconds")


class Record:
    """The rows recorded so far, and the numbers of the steps since the last row."""

    def __init__(self, rows: list[dict] | None = None, pending: list | None = None):
        self.rows = [] if rows is None else rows
        self.pending = [] if pending is None else [tuple(p) for p in pending]
        """:class:`jaxrecon.train.step.Numbers` of each step since the last row"""

    def as_json(self) -> dict:
        """For a checkpoint."""
        return {"rows": self.rows, "pending": [[float(a) for a in p] for p in self.pending]}

    def first_not_finite(self) -> int | None:
        """Index among the pending steps of the first whose numbers are not all finite."""
        finite = [all(map(math.isfinite, numbers)) for numbers in self.pending]
        return None if all(finite) else finite.index(False)

    def add(self, step: int, validation: float, seconds: float) -> None:
        """A row with the means over the pending steps, which are then forgotten."""
        loss, norm = np.mean([[float(a) for a in p[:2]] for p in self.pending], axis=0)
        values = (step, float(loss), float(norm), validation, seconds)
        self.rows.append(dict(zip(COLUMNS, values, strict=True)))
        self.pending = []

    def column(self, name: str) -> np.ndarray:
        """(rows,)"""
        return np.array([row[name] for row in self.rows], dtype=int if name == "step" else float)

    def best(self, maximise: bool) -> int | None:
        """Index of the row with the best validation, the first of equals; None without any."""
        values = self.column("validation") * (-1 if maximise else 1)
        return None if np.isnan(values).all() else int(np.nanargmin(values))


def check_folder(path: str | Path | None, *, what: str, argument: str) -> None:
    """Raise NotADirectoryError when a file is where a folder is to be; None needs none."""
    places = [] if path is None else [Path(path), *Path(path).parents]
    for place in places:
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(
                f"{what} expected a folder for {argument}, got '{path}', but '{place}' is a file. "
                "Give another folder, or move the file away."
            )


def write_log(folder: str | Path, rows: list[dict]) -> None:
    """Write metrics.csv and metrics.jsonl anew; a reader never meets half a file.

    What is not finite is left empty, or null, as JSON has no word for it.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    known = [{k: v if math.isfinite(v) else None for k, v in row.items()} for row in rows]
    writer.writerows(known)
    _replace(Path(folder) / "metrics.csv", table.getvalue().encode())
    lines = "".join(json.dumps(row) + "\n" for row in known)
    _replace(Path(folder) / "metrics.jsonl", lines.encode())


def write_figure(path: str | Path, record: Record) -> None:
    """Losses and validations over the steps, as a PNG file that is replaced as a whole.

    Raises:
        ImportError: matplotlib is missing (extra "examples").
    """
    from jaxrecon import plot

    steps, losses, values = (record.column(c) for c in ("step", "loss", "validation"))
    validated = not np.isnan(values).all()
    figure, axes = plot.subplots(1, 1 + validated)
    log = "y" if np.all(losses > 0) else ""
    plot.curves(axes[0, 0], steps, {"training": losses}, xlabel="step", ylabel="loss", log=log)
    if validated:
        plot.curves(axes[0, 1], steps, {"validation": values}, xlabel="step")
    target = Path(path)
    fresh = target.with_name(f".{target.stem}.png")
    plot.save(figure, fresh)
    os.replace(fresh, target)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}")
    fresh.write_bytes(content)
    os.replace(fresh, path)


def postfix(bar: Any, row: dict) -> None:
    """Show the row on a progress bar that can."""
    if hasattr(bar, "set_postfix"):
        bar.set_postfix(loss=f"{row['loss']:.3g}", validation=f"{row['validation']:.4g}")
