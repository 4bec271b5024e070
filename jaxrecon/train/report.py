"""One report on a test set: a table in Markdown, CSV and JSON, and figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrecon.train.evaluation import Evaluation, evaluate
from jaxrecon.train.figures import consistency_figure, image_figure, sweep_figure
from jaxrecon.train.intervals import Interval, confidence_interval, paired
from jaxrecon.train.null_space import Consistency
from jaxrecon.train.sweep import Sweep

_CONSISTENCY = ("residual", "range_error", "null_error", "null_share")


def report(
    folder: str | Path,
    methods: Mapping[str, Evaluation | tuple[Callable, tuple]],
    truth: Any,
    data_range: Any,
    *,
    reference: str | None = None,
    sweeps: Mapping[str, Sweep] | None = None,
    consistency: Mapping[str, Consistency] | None = None,
    key: jax.Array | None = None,
    level: float = 0.95,
    shown: int = 0,
) -> dict[str, dict[str, float]]:
    """Evaluate methods on a test set and write report.md, .csv, .json and .png into a folder.

    The table has PSNR, SSIM and risk with bootstrap confidence intervals, the time per image, and
    the difference in PSNR to a reference method, paired image by image, with its p-value.

    Args:
        folder: made where it is missing.
        methods: name -> (reconstruct, arguments) as :func:`evaluate` takes them, or an
            :class:`Evaluation` that is already there.
        truth: (n, y, x), n >= 2.
        data_range: of PSNR and SSIM.
        reference: name of a method; the first one by default.
        sweeps: what was varied -> :class:`Sweep`; each adds a table, with its intervals in
            report.json, and a panel with their bands to sweeps.png.
        consistency: method -> :class:`Consistency` of its images; adds a table of the parts of the
            error that the data contradict and that they cannot show, and consistency.png.
        key: JAX key of the resampling; ``jax.random.key(0)`` by default.
        level: of the intervals.
        shown: number of the image in the figure.

    Returns:
        The table, method -> column -> number.

    Raises:
        ValueError: an unknown reference.
        ImportError: matplotlib is missing (extra "examples").
    """
    reference = next(iter(methods)) if reference is None else reference
    if reference not in methods:
        raise ValueError(f"report: reference {reference!r} is none of {list(methods)}.")
    key = jax.random.key(0) if key is None else key
    results = {
        name: found if isinstance(found, Evaluation) else evaluate(*found, truth, data_range)
        for name, found in methods.items()
    }
    rows = {name: _row(found, results[reference], key, level) for name, found in results.items()}
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    span = np.broadcast_to(np.asarray(data_range, float), (len(truth),))
    about = {
        "images": len(truth),
        "data_range": sorted({float(a) for a in (span.min(), span.max())}),
        "reference": reference,
        "level": level,
    }
    varied = {
        name: (found.values, found.intervals("psnr", level, key=key))
        for name, found in (sweeps or {}).items()
    }
    parts = {
        name: {
            column: confidence_interval(getattr(found, column), level, key=key)
            for column in _CONSISTENCY
        }
        for name, found in (consistency or {}).items()
    }
    everything = {
        "about": about,
        "methods": rows,
        "psnr over": {
            name: {"values": list(values)} | {m: _lists(i) for m, i in lines.items()}
            for name, (values, lines) in varied.items()
        },
        "consistency": {
            name: {column: interval._asdict() for column, interval in row.items()}
            for name, row in parts.items()
        },
    }
    (target / "report.json").write_text(json.dumps(everything, indent=1, default=float) + "\n")
    with open(target / "report.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["method", *rows[reference]], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"method": name} | row for name, row in rows.items())
    lines = [*_quality(rows, about)]
    for name, (values, found) in varied.items():
        lines += ["", *_over(name, values, found)]
    if consistency:
        count = max(len(found.residual) for found in consistency.values())
        lines += ["", *_components(parts, count)]
    (target / "report.md").write_text("\n".join(lines) + "\n")
    image_figure(target / "report.png", results, np.asarray(truth)[shown], shown)
    if varied:
        sweep_figure(target / "sweeps.png", varied)
    if parts:
        consistency_figure(target / "consistency.png", parts)
    return rows


def _row(result: Evaluation, reference: Evaluation, key: jax.Array, level: float) -> dict:
    row: dict[str, float] = {}
    for name in ("psnr", "ssim", "squared_error"):
        interval = confidence_interval(getattr(result, name), level, key=key)
        label = "risk" if name == "squared_error" else name
        row |= {label: interval.mean, f"{label}_low": interval.low, f"{label}_high": interval.high}
    compared = paired(result.psnr, reference.psnr, key, level=level)
    row["psnr_difference"], row["p_value"] = compared.difference.mean, compared.p_value
    row["seconds_per_image"] = result.seconds
    return row


def _lists(interval: Interval) -> dict[str, list[float]]:
    return {name: np.asarray(column).tolist() for name, column in interval._asdict().items()}


def _quality(rows: dict, about: dict) -> list[str]:
    span = " to ".join(f"{a:g}" for a in about["data_range"])
    lines = [
        f"{about['images']} test images, data range {span}, {100 * about['level']:g} % bootstrap "
        f"intervals; differences are to {about['reference']}, paired by image.",
        "",
        "| method | PSNR in dB | SSIM | risk | difference in dB | p | ms per image |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        numbers = [
            f"{row[m]:{f}} ({row[f'{m}_low']:{f}} to {row[f'{m}_high']:{f}})"
            for m, f in (("psnr", ".2f"), ("ssim", ".3f"), ("risk", ".3g"))
        ]
        numbers += [f"{row['psnr_difference']:+.2f}"]
        numbers += ["" if name == about["reference"] else f"{row['p_value']:.2g}"]
        numbers += [f"{1e3 * row['seconds_per_image']:.3g}"]
        lines.append("| " + " | ".join([name, *numbers]) + " |")
    return lines


def _over(name: str, values: tuple, lines: Mapping[str, Interval]) -> list[str]:
    """PSNR, and half the width of its interval, at each value."""
    heads = [str(v) for v in values]
    table = [f"PSNR in dB over {name}:", "", "| method | " + " | ".join(heads) + " |"]
    table.append("|---" * (len(heads) + 1) + "|")
    for method, (mean, low, high) in lines.items():
        cells = [f"{m:.2f} ± {h:.2f}" for m, h in zip(mean, (high - low) / 2, strict=True)]
        table.append(f"| {method} | " + " | ".join(cells) + " |")
    return table


def _components(parts: Mapping[str, Mapping[str, Interval]], count: int) -> list[str]:
    table = [
        f"Of {count} images, the residual of the data, the mean square error in the range of the "
        "adjoint (which contradicts the data) and in the null space (which no data show), and the "
        "share of the image in the null space:",
        "",
        "| method | residual | range error | null-space error | null-space share |",
        "|---|---|---|---|---|",
    ]
    for name, row in parts.items():
        cells = [f"{i.mean:.3g} ({i.low:.3g} to {i.high:.3g})" for i in row.values()]
        table.append("| " + " | ".join([name, *cells]) + " |")
    return table
