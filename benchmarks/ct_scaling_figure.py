"""The figure of ct_scaling.py: errors, times and temporaries on log-log axes, with their orders."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon import plot


def draw(report: dict[str, Any]) -> Any:
    """Errors above; times over N, views and batch; and temporaries."""
    figure, axes = plot.subplots(2, 4, (3.4, 3.0))
    sides = np.asarray(report["errors"]["N"])
    curves = report["errors"]["curves"]
    for ax, kind in zip(axes[:, 0], ("edges", "smooth"), strict=True):
        some = {
            f"{name.split(',')[0]}: order {c['order']:.1f}": c["errors"]
            for name, c in curves.items()
            if name.endswith(kind)
        }
        title = f"error over N, {kind}"
        plot.curves(ax, sides, some, xlabel="N", ylabel="relative error", title=title, log="xy")
        ax.set_xscale("log", base=2)
        ax.set_ylim(top=10 * ax.get_ylim()[1])  # room for the legend
        ax.legend(frameon=False, fontsize=8, loc="upper right")
    for column, (kind, label) in enumerate(
        (("N", "N"), ("views", "views"), ("batch", "batch")), start=1
    ):
        for row, what in enumerate(("seconds", "temporaries")):
            panel(axes[row, column], report["scaling"][kind], label, what)
    return figure


def panel(ax: Any, models: dict[str, Any], label: str, what: str) -> None:
    """One quantity over one size: forward solid, adjoint dashed, the expected law dotted."""
    for (model, result), colour in zip(models.items(), plot.COLOURS, strict=False):
        x = np.asarray(result["size"], float)
        scale = 1e3 if what == "seconds" else 1e-6
        for name, style in (("forward", "-"), ("adjoint", "--")):
            y = scale * np.asarray(result[name][what], float)
            slope = result[name]["slope" if what == "seconds" else "slope of temporaries"]
            text = f"{model}: {slope:.1f}" if name == "forward" else None
            ax.plot(x, y, style, color=colour, linewidth=1.4, marker=".", label=text)
        if what == "seconds":
            law = np.asarray(result["expected"])
            first = scale * result["forward"]["seconds"][-1]
            ax.plot(x, law / law[-1] * first, ":", color=colour, linewidth=1.2)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xlabel(label)
    ax.set_ylabel("ms" if what == "seconds" else "temporaries, MB")
    title = f"time over {label} (dotted: expected)" if what == "seconds" else f"memory over {label}"
    ax.set_title(title, fontsize=9)
    ax.grid(color="#e6e6e6", linewidth=0.7)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.5)  # room for the legend
    ax.legend(frameon=False, fontsize=7, loc="upper left")
