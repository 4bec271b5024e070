"""The figures of a report: images, quality over what was varied, and where errors lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxrecon import plot
from jaxrecon.train.evaluation import Evaluation
from jaxrecon.train.intervals import Interval

_COLUMNS = 2


def image_figure(
    path: Path, results: Mapping[str, Evaluation], truth: np.ndarray, shown: int
) -> None:
    """Reconstructions of one test image, and their errors."""
    images = [truth, *(r.images[shown] for r in results.values())]
    titles = ["truth", *(f"{n}\n{r.psnr[shown]:.2f} dB" for n, r in results.items())]
    plot.save(plot.image_grid(images, titles, truth=truth), path)


def sweep_figure(path: Path, sweeps: Mapping[str, tuple[tuple, Mapping[str, Interval]]]) -> None:
    """PSNR over each thing that was varied: lines over numbers, marks over names, with intervals.

    Args:
        path: of the PNG file.
        sweeps: what was varied -> (values, method -> interval of arrays (values,)).
    """
    columns = min(_COLUMNS, len(sweeps))
    rows = -(-len(sweeps) // columns)
    figure, axes = plot.subplots(rows, columns, (4.4, 3.2))
    for ax in axes.flat[len(sweeps) :]:
        ax.set_axis_off()
    for k, (ax, (name, (values, lines))) in enumerate(zip(axes.flat, sweeps.items(), strict=False)):
        numeric = all(isinstance(v, int | float) for v in values)
        x = np.array(values if numeric else range(len(values)), float)
        width = 0 if numeric else 0.5 / len(lines)
        for j, (method, (mean, low, high)) in enumerate(lines.items()):
            colour = plot.COLOURS[j % len(plot.COLOURS)]
            at = x + width * (j - (len(lines) - 1) / 2)
            reach = np.abs(np.stack([mean - low, high - mean]))
            style = "o-" if numeric else "o"
            ax.errorbar(
                at, mean, reach, fmt=style, color=colour, label=method,
                markersize=3.5, linewidth=1.4, elinewidth=1.2, capsize=2.5,
            )  # fmt: skip
        if not numeric:
            ax.set_xticks(x, [str(v) for v in values])
        ax.set_xlabel(name)
        ax.set_ylabel("PSNR in dB")
        ax.grid(color="#e6e6e6", linewidth=0.7)
        if k == 0:
            ax.legend(frameon=False, fontsize=8)
    plot.save(figure, path)


def consistency_figure(path: Path, parts: Mapping[str, Mapping[str, Interval]]) -> None:
    """Bars of the mean square error in the range and in the null space, with intervals."""
    names = [n for n, row in parts.items() if row["range_error"].high + row["null_error"].high > 0]
    figure, axes = plot.subplots(1, 1, (5.4, 0.5 * len(names) + 1.2))
    ax, at = axes[0, 0], np.arange(len(names))[::-1]
    shown = (("range_error", "range: contradicts the data"), ("null_error", "null space: unseen"))
    for j, (column, label) in enumerate(shown):
        found = [parts[name][column] for name in names]
        reach = np.abs([[i.mean - i.low for i in found], [i.high - i.mean for i in found]])
        ax.barh(
            at + 0.2 - 0.4 * j, [i.mean for i in found], 0.38, xerr=reach, label=label,
            color=plot.COLOURS[j], error_kw={"linewidth": 1, "capsize": 2},
        )  # fmt: skip
    ax.set_yticks(at, names)
    ax.set_xlabel("mean square error")
    ax.legend(frameon=False, fontsize=8)
    plot.save(figure, path)
