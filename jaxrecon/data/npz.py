"""NumPy archives, read with their check sums."""

from __future__ import annotations

import io
import os
import zipfile
import zlib

import numpy as np


def read_npz(path: str | os.PathLike, *, what: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file, each compared with its check sum, which `numpy.load` is not.

    Args:
        path: the file.
        what: who asks, for the error message.

    Raises:
        FileNotFoundError: there is no file at the path.
        ValueError: no npz file, or one that is cut short or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
        return {name.removesuffix(".npy"): np.load(io.BytesIO(b)) for name, b in contents.items()}
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"{what} could not read {os.fspath(path)}; is it damaged, or was its copy cut short? "
            f"({type(error).__name__}: {error})"
        ) from error
