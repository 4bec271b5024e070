"""Figures: grids of images in one grey window, error maps, details, and curves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

INK = "#333333"
COLOURS = ("#1f5fa8", "#d1495b", "#3a8f5c", "#e0a030", "#7a5195", "#5c6770")
"""Line colours, told apart by people who do not see all colours."""


STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
}
"""matplotlib settings of every figure made here; the user's own stay as they are."""


def subplots(rows: int = 1, columns: int = 1, size: tuple[float, float] = (3.0, 2.6)) -> Any:
    """(figure, axes of shape (rows, columns)) in the style of this library's figures.

    Args:
        rows: of panels.
        columns: of panels.
        size: (width, height) of one panel in inches.

    Raises:
        ImportError: matplotlib is missing; it comes with the extra "examples".
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "jaxrecon.plot needs matplotlib: pip install 'jaxrecon[examples]'"
        ) from error
    with plt.rc_context(STYLE):
        width, height = size
        return plt.subplots(rows, columns, squeeze=False, figsize=(width * columns, height * rows))


def save(figure: Any, path: str | os.PathLike) -> None:
    """Write the figure at 150 dots per inch, make its folder where needed, and release it."""
    import matplotlib.pyplot as plt

    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def show(
    axes: Any,
    image: Any,
    title: str = "",
    *,
    window: tuple[float, float] | None = None,
    cmap: str = "gray",
) -> Any:
    """One image (y, x) on matplotlib axes, first row on top, without ticks.

    Args:
        axes: matplotlib axes.
        image: real, or complex, of which the magnitude is shown.
        title: text above it.
        window: values shown as black and as white; the extremes of the image when not given.
        cmap: colour map.

    Returns:
        the matplotlib image, e.g. for a colour bar.

    Raises:
        ValueError: not a single image.
    """
    image = _image(image)
    low, high = window if window is not None else (None, None)
    shown = axes.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return shown


def image_grid(
    images: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    window: tuple[float, float] | None = None,
    truth: Any = None,
    error_range: float | None = None,
    zoom: tuple[slice, slice] | None = None,
    size: float = 2.2,
) -> Any:
    """Images side by side in one grey window, so that they can be compared by eye.

    Args:
        images: arrays (y, x).
        titles: one for each image; lines are split at newlines.
        columns: images per row; all in one row when not given. With `truth` or `zoom` there is one
            row of images, and rows of errors and details below.
        window: (black, white); the extremes of `truth`, or of all images, when not given.
        truth: the image to compare with: adds a row of differences from it, in blue and red.
        error_range: the differences saturate at +- this; a quarter of the window when not given.
        zoom: (rows, columns) slices of a detail: outlined, and shown enlarged in a row of its own.
        size: width of one image in inches.

    Returns:
        the matplotlib figure.

    Raises:
        ValueError: no images, or titles of another number.
        ImportError: matplotlib is missing.
    """
    arrays = [_image(image) for image in images]
    titles = [""] * len(arrays) if titles is None else list(titles)
    if not arrays or len(titles) != len(arrays):
        raise ValueError(
            f"image_grid expected one title for each image, got {len(arrays)} images and "
            f"{len(titles)} titles."
        )
    reference = arrays if truth is None else [_image(truth)]
    if window is None:
        window = (min(a.min() for a in reference), max(a.max() for a in reference))
    stacked = truth is not None or zoom is not None
    columns = len(arrays) if columns is None or stacked else columns
    blocks = 1 + (zoom is not None) + (truth is not None)
    rows = blocks * -(-len(arrays) // columns)
    tallest = max(a.shape[0] / a.shape[1] for a in arrays)
    lines = max(title.count("\n") + 1 for title in titles)
    figure, axes = subplots(rows, columns, (size, size * tallest + (0.17 * lines + 0.1) / blocks))
    for ax in axes.flat:
        ax.set_axis_off()
    for index, (image, title) in enumerate(zip(arrays, titles, strict=True)):
        ax = axes[index // columns, index % columns]
        ax.set_axis_on()
        show(ax, image, title, window=window)
        row = 1
        if zoom is not None:
            _outline(ax, image.shape, zoom)
            show(axes[row, index], image[zoom], window=window)
            row += 1
        if truth is not None:
            bound = (window[1] - window[0]) / 4 if error_range is None else error_range
            difference = image - reference[0]
            show(axes[row, index], difference, window=(-bound, bound), cmap="RdBu_r")
    return figure


def curves(
    axes: Any,
    x: Any,
    lines: Mapping[str, Any],
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    log: str = "",
) -> None:
    """Labelled lines over a common x, with a legend.

    Args:
        axes: matplotlib axes.
        x: (n,).
        lines: label -> (n,).
        xlabel: with its unit.
        ylabel: with its unit.
        title: text above.
        log: the axes with a logarithmic scale, "", "x", "y" or "xy".

    Raises:
        ValueError: a line of another length than x.
    """
    x = np.asarray(x)
    for (label, y), colour in zip(lines.items(), _cycle(len(lines)), strict=True):
        if np.shape(y) != x.shape:
            raise ValueError(f"curves expected {label!r} of shape {x.shape}, got {np.shape(y)}.")
        axes.plot(x, np.asarray(y), label=label, color=colour, linewidth=1.6)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, fontsize=9, color=INK)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8)


def _cycle(n: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(n)]


def _image(image: Any) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 2:
        raise ValueError(f"plot expected one image (y, x), got the shape {image.shape}.")
    return np.abs(image) if np.iscomplexobj(image) else image


def _outline(ax: Any, shape: tuple[int, ...], zoom: tuple[slice, slice]) -> None:
    from matplotlib.patches import Rectangle

    (top, bottom, _), (left, right, _) = (
        part.indices(n) for part, n in zip(zoom, shape, strict=True)
    )
    corner, width, height = (left - 0.5, top - 0.5), right - left, bottom - top
    ax.add_patch(Rectangle(corner, width, height, fill=False, color=COLOURS[3], linewidth=1))
