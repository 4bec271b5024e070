"""Items along the first axis of HDF5 data sets, of one file or of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrecon.data.hdf5 import open_hdf5
from jaxrecon.data.stream import Indexed

_WHAT = "hdf5_stream"


def hdf5_stream(
    paths: str | Path | Sequence[str | Path],
    keys: str | Mapping[str, str],
    batch_size: int,
    *,
    shuffle: bool = True,
) -> Indexed:
    """Batches of the entries of HDF5 data sets; only what a batch needs is read.

    Args:
        paths: a file, a folder (all of its .h5 and .hdf5 files), or files, whose items follow each
            other.
        keys: name of a data set (item, ...), or name in the batch -> name of a data set, with as
            many items each.
        batch_size: items a step.
        shuffle: see :class:`Indexed`.

    Returns:
        A stream of arrays (batch, ...), or of dicts of them; real numbers as float32, complex ones
        as complex64.

    Raises:
        ImportError: h5py is missing (extra "files").
        FileNotFoundError: no such file, or a folder without any.
        ValueError: a file that cannot be read, without the data set, with other shapes than the
            first, or with different numbers of items: it names the file.
        TypeError: a data set that holds no numbers.
    """
    files = _files(paths)
    names = dict(keys) if isinstance(keys, Mapping) else {"": keys}
    layouts = [_layout(path, names) for path in files]
    for path, (_, shapes) in zip(files, layouts, strict=True):
        if shapes != layouts[0][1]:
            raise ValueError(
                f"{_WHAT} expected items alike in all files, but {path} has {shapes} and "
                f"{files[0]} {layouts[0][1]}."
            )
    counts = [count for count, _ in layouts]
    return Indexed(_Entries(files, names, counts), sum(counts), batch_size, shuffle)


class _Entries:
    """Reads items by their numbers, each file once for a batch."""

    def __init__(self, files: list[Path], names: dict[str, str], counts: list[int]):
        self.files, self.names = files, names
        self.starts = np.concatenate([[0], np.cumsum(counts)])

    def __call__(self, numbers: np.ndarray) -> Any:
        numbers = np.asarray(numbers)
        owner = np.searchsorted(self.starts, numbers, side="right") - 1
        parts: dict[str, dict[int, np.ndarray]] = {name: {} for name in self.names}
        for k in np.unique(owner):
            rows = np.unique(numbers[owner == k])
            with open_hdf5(self.files[k], what=_WHAT) as file:
                for name, key in self.names.items():
                    values = _read(file[key], rows - self.starts[k], self.files[k])
                    parts[name].update(zip(rows.tolist(), values, strict=True))
        batch = {
            name: np.stack([found[n] for n in numbers.tolist()]) for name, found in parts.items()
        }
        return batch.get("", batch)


def _read(dataset: Any, rows: np.ndarray, path: Path) -> np.ndarray:
    try:
        values = dataset[rows]
    except OSError as error:
        raise ValueError(
            f"{_WHAT} could not read '{dataset.name}' of {path}; was the file cut short? ({error})"
        ) from error
    return values.astype(np.complex64 if values.dtype.kind == "c" else np.float32)


def _files(paths: Any) -> list[Path]:
    if not isinstance(paths, str | Path):
        found = [Path(p) for p in paths]
    elif Path(paths).is_dir():
        found = sorted(p for p in Path(paths).iterdir() if p.suffix in (".h5", ".hdf5"))
    else:
        found = [Path(paths)]
    if not found:
        raise FileNotFoundError(f"{_WHAT} found no .h5 or .hdf5 files in '{paths}'.")
    return found


def _layout(path: Path, names: dict[str, str]) -> tuple[int, dict]:
    """(number of items, name -> shape of one) of a file."""
    import h5py

    shapes, counts = {}, set()
    with open_hdf5(path, what=_WHAT) as file:
        for name, key in names.items():
            found = file.get(key)
            if not isinstance(found, h5py.Dataset) or found.ndim == 0:
                raise ValueError(
                    f"{_WHAT} expected a data set '{key}' with an axis of items in {path}; it has "
                    f"{sorted(file)}."
                )
            if found.dtype.kind not in "iufcb":
                raise TypeError(
                    f"{_WHAT} expected numbers in '{key}' of {path}, got {found.dtype}."
                )
            shapes[name] = found.shape[1:]
            counts.add(found.shape[0])
    if len(counts) != 1:
        raise ValueError(
            f"{_WHAT} expected as many items in each data set of {path}, got {sorted(counts)}."
        )
    return counts.pop(), shapes
