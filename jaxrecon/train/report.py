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
from jaxrecon.train.intervals import Interval, confidence_interval, image_values, paired
from jaxrecon.train.null_space import Consistency
from jaxrecon.train.sweep import Sweep

_MEASURES = ("psnr", "ssim", "squared_error")
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
        data_range: of PSNR and SSIM, a number or one per image (n,).
        reference: name of a method; the first one by default.
        sweeps: what was varied -> :class:`Sweep`; each adds a table, with its intervals in
            report.json, and a panel with their bands to sweeps.png.
        consistency: method -> :class:`Consistency` of its images, or of some of them; adds a table
            of the parts of the error that the data contradict and that they cannot show, and
            consistency.png.
        key: JAX key of the resampling; ``jax.random.key(0)`` by default.
        level: of the intervals.
        shown: number of the image in the figure.

    What is not finite, such as the PSNR of a perfect image, see :class:`Interval`, is null in
    report.json.

    Returns:
        The table, method -> column -> number.

    Raises:
        TypeError: a method that is neither of the two.
        ValueError: no methods, an unknown reference, fewer than two images, a number of an image
            that is not there, a sweep without values; a method of other images than the truth;
            measures that are NaN. Nothing is written then.
        ImportError: matplotlib is missing (extra "examples").
    """
    _check(methods, np.shape(truth), shown, sweeps or {}, consistency or {})
    reference = next(iter(methods)) if reference is None else reference
    if reference not in methods:
        raise ValueError(f"report: reference {reference!r} is none of {list(methods)}.")
    key = jax.random.key(0) if key is None else key
    results = {
        name: found if isinstance(found, Evaluation) else evaluate(*found, truth, data_range)
        for name, found in methods.items()
    }
    for name, found in results.items():
        _check_images(name, np.shape(found.images), np.shape(truth))
    _check_numbers(results, _MEASURES)
    rows = {name: _row(found, results[reference], key, level) for name, found in results.items()}
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
    text = json.dumps(_plain(everything), indent=1, allow_nan=False)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / "report.json").write_text(text + "\n")
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
        sweep_figure(target / "sweeps.png", {n: (v, _shown(i)) for n, (v, i) in varied.items()})
    if parts:
        consistency_figure(target / "consistency.png", parts)
    return rows


def _check(
    methods: Mapping, shape: tuple, shown: int, sweeps: Mapping, consistency: Mapping
) -> None:
    """Raise for what would fail after methods have run, or files are written."""
    if not methods:
        raise ValueError("report expected one or more methods, name -> (reconstruct, arguments).")
    for name, found in methods.items():
        pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], tuple | list)
        if not isinstance(found, Evaluation) and not pair:
            raise TypeError(
                f"report expected (reconstruct, arguments) or an Evaluation for '{name}', got "
                f"{type(found).__name__}. Are the arguments a tuple, (measurements,)?"
            )
    if len(shape) < 3 or shape[0] < 2:
        raise ValueError(
            f"report expected the truth of two or more images, (n, y, x), got the shape {shape}; "
            "a single image has no interval."
        )
    if not -shape[0] <= shown < shape[0]:
        raise ValueError(
            f"report expected shown, the number of an image, below {shape[0]}, got {shown}."
        )
    for name, varied in sweeps.items():
        if not varied.values or not varied.evaluations:
            raise ValueError(f"report: the sweep over '{name}' has no values or no methods.")
    _check_numbers(consistency, _CONSISTENCY)


def _check_numbers(results: Mapping, measures: tuple[str, ...]) -> None:
    for name, found in results.items():
        for measure in measures:
            image_values(getattr(found, measure), f"report: {measure} of '{name}'")


def _check_images(name: str, got: tuple, shape: tuple) -> None:
    if got != shape:
        raise ValueError(
            f"report expected '{name}' to be of the images of the truth, {shape}, got {got}. Was "
            "it evaluated on another test set?"
        )


def _plain(x: Any) -> Any:
    """What JSON holds of numbers, texts, dicts and lists: None for numbers that are not finite."""
    if isinstance(x, Mapping):
        return {name: _plain(value) for name, value in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(value) for value in x]
    if x is None or isinstance(x, str | bool | int):
        return x
    return float(x) if np.isfinite(x) else None


def _row(result: Evaluation, reference: Evaluation, key: jax.Array, level: float) -> dict:
    row: dict[str, float] = {}
    for name in _MEASURES:
        interval = confidence_interval(getattr(result, name), level, key=key)
        label = "risk" if name == "squared_error" else name
        row |= {label: interval.mean, f"{label}_low": interval.low, f"{label}_high": interval.high}
    compared = paired(result.psnr, reference.psnr, key, level=level)
    row["psnr_difference"], row["p_value"] = compared.difference.mean, compared.p_value
    row["seconds_per_image"] = result.seconds
    return row


def _lists(interval: Interval) -> dict[str, list[float]]:
    return {name: np.asarray(column).tolist() for name, column in interval._asdict().items()}


def _shown(lines: Mapping[str, Interval]) -> dict[str, Interval]:
    """Infinite values as NaN, which figures leave out."""
    return {
        name: Interval(*(np.where(np.isfinite(column), column, np.nan) for column in interval))
        for name, interval in lines.items()
    }


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
            _with_ends(Interval(row[m], row[f"{m}_low"], row[f"{m}_high"]), f)
            for m, f in (("psnr", ".2f"), ("ssim", ".3f"), ("risk", ".3g"))
        ]
        numbers += [f"{row['psnr_difference']:+.2f}"]
        numbers += ["" if name == about["reference"] else f"{row['p_value']:.2g}"]
        numbers += [f"{1e3 * row['seconds_per_image']:.3g}"]
        lines.append("| " + " | ".join([name, *numbers]) + " |")
    return lines


def _with_ends(interval: Interval, form: str) -> str:
    """mean (low to high); an infinite mean alone."""
    mean, low, high = interval
    ends = f" ({low:{form}} to {high:{form}})" if np.isfinite(mean) else ""
    return f"{mean:{form}}{ends}"


def _over(name: str, values: tuple, lines: Mapping[str, Interval]) -> list[str]:
    """PSNR, and half the width of its interval, at each value."""
    heads = [str(v) for v in values]
    table = [f"PSNR in dB over {name}:", "", "| method | " + " | ".join(heads) + " |"]
    table.append("|---" * (len(heads) + 1) + "|")
    for method, (mean, low, high) in lines.items():
        cells = [
            f"{m:.2f} ± {(b - a) / 2:.2f}" if np.isfinite(m) else f"{m:.2f}"
            for m, a, b in zip(mean, low, high, strict=True)
        ]
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
        cells = [_with_ends(interval, ".3g") for interval in row.values()]
        table.append("| " + " | ".join([name, *cells]) + " |")
    return table
