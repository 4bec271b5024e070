"""One report on a test set: a table in Markdown, CSV and JSON, and a figure."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrecon.train.evaluation import Evaluation, evaluate
from jaxrecon.train.intervals import confidence_interval, paired
from jaxrecon.train.sweep import Sweep


def report(
    folder: str | Path,
    methods: Mapping[str, Evaluation | tuple[Callable, tuple]],
    truth: Any,
    data_range: Any,
    *,
    reference: str | None = None,
    sweeps: Mapping[str, Sweep] | None = None,
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
        sweeps: what was varied -> :class:`Sweep`; each adds a table and a figure over_NAME.png.
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
    target, sweeps = Path(folder), {} if sweeps is None else sweeps
    target.mkdir(parents=True, exist_ok=True)
    span = np.broadcast_to(np.asarray(data_range, float), (len(truth),))
    about = {
        "images": len(truth),
        "data_range": sorted({float(a) for a in (span.min(), span.max())}),
        "reference": reference,
        "level": level,
    }
    tables = {n: {"values": list(s.values), **_lists(s.means())} for n, s in sweeps.items()}
    everything = {"about": about, "methods": rows, "psnr over": tables}
    (target / "report.json").write_text(json.dumps(everything, indent=1, default=float) + "\n")
    with open(target / "report.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["method", *rows[reference]], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"method": name} | row for name, row in rows.items())
    (target / "report.md").write_text(_markdown(rows, about, tables))
    _figure(target / "report.png", results, np.asarray(truth), sweeps, shown)
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


def _lists(means: dict[str, np.ndarray]) -> dict[str, list[float]]:
    return {name: [float(a) for a in values] for name, values in means.items()}


def _markdown(rows: dict, about: dict, tables: dict) -> str:
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
    for name, table in tables.items():
        heads = [str(v) for v in table["values"]]
        lines += ["", f"PSNR in dB over {name}:", "", "| method | " + " | ".join(heads) + " |"]
        lines.append("|---" * (len(heads) + 1) + "|")
        for method in [name for name in table if name != "values"]:
            lines.append(f"| {method} | " + " | ".join(f"{a:.2f}" for a in table[method]) + " |")
    return "\n".join(lines) + "\n"


def _figure(path: Path, results: dict, truth: np.ndarray, sweeps: Mapping, shown: int) -> None:
    """Images and errors of one test image, and a figure for each sweep."""
    from jaxrecon import plot

    images = [truth[shown], *(r.images[shown] for r in results.values())]
    titles = ["truth", *(f"{n}\n{r.psnr[shown]:.2f} dB" for n, r in results.items())]
    plot.save(plot.image_grid(images, titles, truth=truth[shown]), path)
    for name, found in sweeps.items():
        figure, axes = plot.subplots()
        numeric = all(isinstance(v, int | float) for v in found.values)
        x = np.array(found.values if numeric else range(len(found.values)))
        plot.curves(axes[0, 0], x, found.means(), xlabel=name, ylabel="PSNR in dB")
        if not numeric:
            axes[0, 0].set_xticks(x, [str(v) for v in found.values])
        plot.save(figure, path.with_name(f"over_{'_'.join(name.split())}.png"))
