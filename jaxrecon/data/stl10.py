"""The STL-10 images, read from the binary files that a user has downloaded.

Colour images of 96 x 96 pixels: 5,000 for training, 8,000 for testing, 100,000 without labels.
Source: Coates, Ng and Lee, An analysis of single-layer networks in unsupervised feature learning,
AISTATS 2011 (PMLR 15:215-223); the files are described on the STL-10 page of A. Coates, Stanford:
packed uint8, one channel after the other, each channel column by column; labels 1 to 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from jaxrecon.data.stream import Indexed

SIDE = 96
_LUMA = (0.299 / 255, 0.587 / 255, 0.114 / 255)  # ITU-R BT.601, from 0 ... 255 to 0 ... 1
_BYTES = 3 * SIDE * SIDE
_SPLITS = {
    "train": ("train",),
    "test": ("test",),
    "unlabeled": ("unlabeled",),
    "train+unlabeled": ("train", "unlabeled"),
}


def stl10_colour(folder: str | Path, part: str) -> np.ndarray:
    """The colour images of one file, mapped into memory: nothing is read until it is used.

    Args:
        folder: where the files are, or the folder that holds `stl10_binary`.
        part: 'train', 'test' or 'unlabeled'.

    Returns:
        uint8 (image, y, x, 3), red, green, blue, first row at the top; a read-only view.

    Raises:
        FileNotFoundError: names the file that is missing.
        ValueError: an unknown part, or a file cut short.
    """
    if part not in ("train", "test", "unlabeled"):
        raise ValueError(f"stl10: part must be 'train', 'test' or 'unlabeled', got {part!r}.")
    path = _find(folder, f"{part}_X.bin")
    size = path.stat().st_size
    if size == 0 or size % _BYTES:
        raise ValueError(
            f"stl10: {path} has {size:,} bytes, not a whole number of images of {_BYTES:,} bytes "
            f"(3 x {SIDE} x {SIDE}); the download or the unpacking was probably cut short."
        )
    stored = np.memmap(path, np.uint8, "r", shape=(size // _BYTES, 3, SIDE, SIDE))  # n, c, x, y
    return stored.transpose(0, 3, 2, 1)


def stl10_labels(folder: str | Path, part: str) -> np.ndarray:
    """Class of each image of 'train' or 'test', uint8 (image,), 1 (airplane) to 10 (truck).

    Raises:
        FileNotFoundError: names the file that is missing.
        ValueError: a part without labels, or labels outside 1 ... 10.
    """
    if part not in ("train", "test"):
        raise ValueError(f"stl10: only 'train' and 'test' have labels, got {part!r}.")
    path = _find(folder, f"{part}_y.bin")
    labels = np.fromfile(path, np.uint8)
    if labels.size == 0 or labels.min() < 1 or labels.max() > 10:
        raise ValueError(f"stl10: {path} does not hold labels from 1 to 10; is it another file?")
    return labels


def stl10_batches(
    folder: str | Path,
    split: str = "train+unlabeled",
    *,
    size: int = 64,
    batch_size: int = 256,
    count: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
) -> Iterator[np.ndarray]:
    """Grey images in batches, streamed from disk, prepared as in the single-pixel studies.

    Colour becomes ITU-R BT.601 luma (0.299 R + 0.587 G + 0.114 B); the whole image is resized to
    size x size by bilinear interpolation with antialiasing (a triangle as wide as the reduction;
    nothing is cropped, as the images are square); 0 ... 255 goes to `value_range`. SPyRiT does the
    same with 8-bit rounding in between and [-1, 1], so the two agree to about one grey level.

    Args:
        folder: where the files are, or the folder that holds `stl10_binary`.
        split: 'train+unlabeled' (which the studies train on), 'train', 'unlabeled' or 'test'.
        size: side of the images in pixels, 1 to 96.
        batch_size: images per batch; the last batch may be smaller.
        count: only the first `count` images; all by default.
        value_range: what black and white become; (0, 1) for attenuation or photon counts.

    Returns:
        Iterator of float32 arrays (batch, y, x), in the order of the files.

    Raises:
        FileNotFoundError: names the file that is missing.
        ValueError: an unknown split, a file cut short, a size, batch size or count out of range.
    """
    if batch_size < 1:
        raise ValueError(f"stl10: batch_size must be at least 1, got {batch_size}.")
    images = _Images(folder, split, size, count, value_range)
    return (
        images(np.arange(start, min(start + batch_size, images.count)))
        for start in range(0, images.count, batch_size)
    )


def stl10_stream(
    folder: str | Path,
    batch_size: int,
    *,
    split: str = "train+unlabeled",
    size: int = 64,
    count: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
    shuffle: bool = True,
) -> Indexed:
    """The images of :func:`stl10_batches` as a stream for training, resumable at any step.

    Args:
        folder, split, size, count, value_range: as there.
        batch_size: images a step; what does not fill a batch is left out of that epoch.
        shuffle: each epoch in an order of its own, see :class:`Indexed`. Only the images of a batch
            are read.

    Returns:
        A stream of float32 arrays (batch, y, x).

    Raises:
        FileNotFoundError, ValueError: as there; a batch larger than the data.
    """
    images = _Images(folder, split, size, count, value_range)
    return Indexed(images, images.count, batch_size, shuffle)


class _Images:
    """Reads grey images by their numbers over all files of a split."""

    def __init__(
        self,
        folder: str | Path,
        split: str,
        size: int,
        count: int | None,
        value_range: tuple[float, float],
    ):
        if split not in _SPLITS:
            raise ValueError(f"stl10: split must be one of {tuple(_SPLITS)}, got {split!r}.")
        if size not in range(1, SIDE + 1):
            raise ValueError(f"stl10: size must be 1 to {SIDE} whole pixels, got {size}.")
        self.files = [stl10_colour(folder, part) for part in _SPLITS[split]]
        self.starts = np.cumsum([0, *map(len, self.files)])
        total = int(self.starts[-1])
        self.count = total if count is None else count
        if self.count not in range(1, total + 1):
            raise ValueError(f"stl10: count must be 1 to {total:,} for '{split}', got {count}.")
        self.size, self.value_range = size, value_range

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        owner = np.searchsorted(self.starts, numbers, side="right") - 1
        colour = np.empty((len(numbers), SIDE, SIDE, 3), np.uint8)
        for k in np.unique(owner):
            colour[owner == k] = self.files[k][numbers[owner == k] - self.starts[k]]
        low, high = self.value_range
        return (low + (high - low) * resize_grey(colour, self.size)).astype(np.float32)


def resize_grey(colour: np.ndarray, size: int) -> np.ndarray:
    """uint8 (image, y, x, 3) with sides of 96 to grey float32 (image, size, size) in [0, 1]."""
    grey = sum(c * colour[..., i].astype(np.float32) for i, c in enumerate(_LUMA))
    weights = _triangle_weights(size)
    rows = np.tensordot(grey, weights, axes=(1, 1))  # (image, x, new y)
    return np.tensordot(rows, weights, axes=(1, 1))


@lru_cache
def _triangle_weights(size: int) -> np.ndarray:
    """(size, 96): row i is a triangle of half-width 96 / size around pixel i's centre, sum 1."""
    step = SIDE / size
    centre = (np.arange(size) + 0.5) * step
    distance = np.abs(np.arange(SIDE) + 0.5 - centre[:, None]) / step
    weights = np.maximum(1 - distance, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _find(folder: str | Path, name: str) -> Path:
    for candidate in (Path(folder) / name, Path(folder) / "stl10_binary" / name):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"stl10: no file '{name}' in {str(folder)!r} or its subfolder 'stl10_binary'. It is part "
        "of stl10_binary.tar.gz, from the STL-10 page of A. Coates, Stanford."
    )
