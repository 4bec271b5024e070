"""The LoDoPaB-CT data set, read from the files that a user has downloaded.

Low-dose chest scans: 35,820 pairs for training, 3,522 for validation, 3,553 for testing. Each zip
file holds HDF5 files of 128 pairs, the last one fewer, with one data set called "data".
Source: Leuschner, Schmidt, Otero Baguer and Maass 2021, doi:10.1038/s41597-021-00893-z; the files
are doi:10.5281/zenodo.3384092. The geometry is :func:`jaxrecon.ct.lodopab_geometry`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxrecon.core.checks import check_choice, check_positive_int
from jaxrecon.data.hdf5 import dataset_of, open_hdf5, read
from jaxrecon.data.stream import Indexed

PAIRS = {"train": 35820, "validation": 3522, "test": 3553}
"""How many pairs the parts have."""

PHOTONS = 4096
"""Photons per bin before attenuation; a bin without photons was set to 0.1."""

LARGEST_ATTENUATION = (20 + 3071 * (20 - 0.02) / 1000) / 1000
"""Attenuation in 1/mm of 3071 HU, by which images and line integrals are divided in the files."""

_PER_FILE = 128
_AT_ONCE = 16
_IMAGE, _SINOGRAM = (362, 362), (1000, 513)


def lodopab_batches(
    folder: str | Path,
    part: str = "train",
    *,
    batch_size: int = 16,
    first: int = 0,
    count: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of image and measurement in physical units, in the order of the files.

    Images are transposed to stand upright with the first row at the top, which is also how they fit
    to the angles of :func:`jaxrecon.ct.lodopab_geometry`.

    Args:
        folder: where the HDF5 files are, or the zip files, which are then read without unpacking.
        part: 'train', 'validation' or 'test'.
        batch_size: pairs per batch; the last batch may be smaller.
        first: index of the first pair.
        count: how many pairs; all to the end of the part when not given.

    Returns:
        Iterator of (attenuation (batch, 362, 362) in 1/mm, line integrals (batch, 1000, 513)
        without unit), float32.

    Raises:
        ImportError: h5py is missing (extra "files").
        FileNotFoundError: names the file that is missing.
        ValueError: unknown part, indices out of range, a file that is cut short or holds something
            else.
        TypeError: a file without real numbers.
    """
    what = "lodopab_batches"
    batch_size = check_positive_int(batch_size, what=what, argument="batch_size")
    return _batches(_pieces(Path(folder), part, _indices(part, first, count, what)), batch_size)


def lodopab_stream(
    folder: str | Path,
    batch_size: int,
    *,
    part: str = "train",
    first: int = 0,
    count: int | None = None,
    shuffle: bool = True,
) -> Indexed:
    """The pairs of :func:`lodopab_batches` as a stream for training, resumable at any step.

    Args:
        folder: where the HDF5 files are. Zip files must be unpacked, as pairs are read one by one.
        batch_size: pairs a step; what does not fill a batch is left out of that epoch.
        part, first, count: as there.
        shuffle: each epoch in an order of its own, see :class:`Indexed`. Only the pairs of a batch
            are read.

    Returns:
        A stream of (attenuation (batch, 362, 362) in 1/mm, line integrals (batch, 1000, 513)
        without unit), float32.

    Raises:
        FileNotFoundError: names a file of these pairs that is missing, at once.
        ImportError, ValueError, TypeError: as there, when a file is read; a batch larger than the
            data.
    """
    what = "lodopab_stream"
    indices = _indices(part, first, count, what)
    for number in range(indices.start // _PER_FILE, (indices.stop - 1) // _PER_FILE + 1):
        for kind in ("ground_truth", "observation"):
            path = Path(folder) / f"{kind}_{part}_{number:03d}.hdf5"
            if not path.is_file():
                raise FileNotFoundError(
                    f"{what} found no '{path.name}' in {str(folder)!r}. It is part of "
                    f"doi:10.5281/zenodo.3384092, in {kind}_{part}.zip, which must be unpacked."
                )
    return Indexed(_Pairs(Path(folder), part, indices), len(indices), batch_size, shuffle)


class _Pairs:
    """Reads pairs by their numbers, each file once for a batch."""

    def __init__(self, folder: Path, part: str, indices: range):
        self.folder, self.part, self.indices = folder, part, indices

    def __call__(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pairs = np.asarray(numbers) + self.indices.start
        images = np.empty((len(pairs), *_IMAGE), np.float32)
        sinograms = np.empty((len(pairs), *_SINOGRAM), np.float32)
        owner = pairs // _PER_FILE
        for number in np.unique(owner):
            (places,) = np.nonzero(owner == number)
            with _pair_of_files(self.folder, self.part, number) as (image, sinogram):
                for place in places:
                    row = int(pairs[place]) % _PER_FILE
                    index = slice(row, row + 1)
                    images[place], sinograms[place] = image(index)[0], sinogram(index)[0]
        return images, sinograms


def _indices(part: str, first: int, count: int | None, what: str) -> range:
    """The pairs asked for, or ValueError."""
    check_choice(part, tuple(PAIRS), what=what, argument="part")
    count = PAIRS[part] - first if count is None else count
    if first < 0 or count < 1 or first + count > PAIRS[part]:
        raise ValueError(
            f"{what} expected first and count within the {PAIRS[part]:,} pairs of '{part}', got "
            f"first = {first} and count = {count}."
        )
    return range(first, first + count)


def _batches(
    pieces: Iterator[tuple[np.ndarray, np.ndarray]], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs from pieces of any length, grouped into batches."""
    images, sinograms = [], []
    for image, sinogram in (pair for piece in pieces for pair in zip(*piece, strict=True)):
        images.append(image)
        sinograms.append(sinogram)
        if len(images) == size:
            yield np.stack(images), np.stack(sinograms)
            images, sinograms = [], []
    if images:
        yield np.stack(images), np.stack(sinograms)


def _pieces(folder: Path, part: str, indices: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs of the indices, a few of one file at a time."""
    for number in range(indices.start // _PER_FILE, (indices.stop - 1) // _PER_FILE + 1):
        low = number * _PER_FILE
        first, last = max(indices.start - low, 0), min(indices.stop - low, _PER_FILE)
        with _pair_of_files(folder, part, number) as (images, sinograms):
            for row in range(first, last, _AT_ONCE):
                index = slice(row, min(row + _AT_ONCE, last))
                yield images(index), sinograms(index)


@contextmanager
def _pair_of_files(folder: Path, part: str, number: int) -> Iterator[tuple[Callable, Callable]]:
    """(rows -> images, rows -> line integrals) of one pair of files, in physical units."""
    size = min(_PER_FILE, PAIRS[part] - number * _PER_FILE)
    with (
        _open(folder, part, number, "ground_truth", (size, *_IMAGE)) as truth,
        _open(folder, part, number, "observation", (size, *_SINOGRAM)) as observed,
    ):
        yield (
            lambda rows: truth(rows).transpose(0, 2, 1) * np.float32(LARGEST_ATTENUATION),
            lambda rows: observed(rows) * np.float32(1000 * LARGEST_ATTENUATION),
        )


@contextmanager
def _open(
    folder: Path, part: str, number: int, kind: str, shape: tuple[int, ...]
) -> Iterator[Callable[[slice], np.ndarray]]:
    """A function that reads rows of one file, from the folder or from the zip file in it."""
    what = "lodopab_batches"
    name = f"{kind}_{part}_{number:03d}.hdf5"
    path, archive = folder / name, folder / f"{kind}_{part}.zip"
    source: Any = path
    if not path.is_file():
        if not archive.is_file():
            raise FileNotFoundError(
                f"{what} found neither '{name}' nor '{archive.name}' in {str(folder)!r}. They are "
                "part of doi:10.5281/zenodo.3384092."
            )
        try:
            with zipfile.ZipFile(archive) as files:
                source = io.BytesIO(files.read(name))
        except KeyError as error:
            raise FileNotFoundError(f"{what} found no '{name}' in {archive}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise ValueError(
                f"{what} could not read '{name}' in {archive}; was the download cut short? "
                f"({type(error).__name__}: {error})"
            ) from error
    with open_hdf5(source, what=what, name=name) as file:
        data = dataset_of(file, "data", 3, what=what, name=name)
        if data.shape != shape:
            raise ValueError(
                f"{what} expected the shape {shape} in {name}, got {data.shape}; is it cut short, "
                "or of another data set?"
            )
        yield lambda index: read(data, index, what=what, name=name)
