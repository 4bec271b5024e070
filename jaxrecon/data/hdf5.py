"""HDF5 files with one clear error for each way in which they can be wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np


@contextmanager
def open_hdf5(path: str | os.PathLike | BinaryIO, *, what: str, name: str = "") -> Iterator[Any]:
    """The file, open for reading.

    Args:
        path: the file, or its bytes as an open file.
        what, name: who asks, and what the file is called, for the error messages.

    Raises:
        ImportError: h5py is missing (extra "files").
        FileNotFoundError: there is no file at the path.
        ValueError: no HDF5 file, or one that is cut short.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{what} needs h5py: pip install 'jaxrecon[files]'") from error
    if isinstance(path, str | os.PathLike):
        name = name or os.fspath(path)
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{what} found no file at {name}.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{what} could not open {name} as HDF5; is it another format, or was the download cut "
            f"short? ({error})"
        ) from error
    with file:
        yield file


def dataset_of(file: Any, key: str, ndim: int, *, what: str, name: str = "") -> Any:
    """The data set at a key, real numbers with `ndim` axes.

    Raises:
        ValueError: no such key; another number of axes.
        TypeError: no real numbers.
    """
    import h5py

    name = name or file.filename
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        kind = "is a group" if found is not None else f"is missing; it has {sorted(file)}"
        raise ValueError(f"{what} expected the data set '{key}' in {name}, but it {kind}.")
    if found.dtype.kind not in "iuf":
        raise TypeError(f"{what} expected real numbers in '{key}' of {name}, got {found.dtype}.")
    if found.ndim != ndim:
        raise ValueError(
            f"{what} expected {ndim} axes in '{key}' of {name}, got the shape {found.shape}."
        )
    return found


def read(dataset: Any, index: Any, *, what: str, name: str = "") -> np.ndarray:
    """A part of a data set as float32.

    Raises:
        ValueError: the bytes are not there or cannot be decoded.
    """
    try:
        return np.asarray(dataset[index], np.float32)
    except OSError as error:
        raise ValueError(
            f"{what} could not read '{dataset.name}' of {name or dataset.file.filename}; was the "
            f"file cut short? ({error})"
        ) from error
