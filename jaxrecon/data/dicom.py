"""One slice from one DICOM file: CT in Hounsfield units, and any modality as it is stored."""

from __future__ import annotations

import os
from typing import Any

import numpy as np


def read_ct(
    path: str | os.PathLike, *, what: str = "read_ct", extra: str = "files"
) -> tuple[Any, np.ndarray]:
    """The data set of a DICOM file with one CT slice, and its CT numbers.

    Args:
        path: the file.
        what, extra: who asks, and the extra that brings pydicom, for the error messages.

    Returns:
        (pydicom data set, float32 (rows, columns) in Hounsfield units).

    Raises:
        ImportError: pydicom is missing.
        FileNotFoundError: there is no file at the path.
        ValueError: a file that is no DICOM, is cut short, or is no CT slice.
    """
    dataset, stored = read_slice(path, "CT", what=what, extra=extra)
    slope = float(dataset.get("RescaleSlope", 1))
    return dataset, stored * slope + float(dataset.get("RescaleIntercept", 0))


def read_slice(
    path: str | os.PathLike, modality: str, *, what: str, extra: str
) -> tuple[Any, np.ndarray]:
    """(pydicom data set, the stored values as float32 (rows, columns)) of one slice.

    Args:
        path: the file.
        modality: what it must be, e.g. "CT" or "MR".
        what, extra: as in :func:`read_ct`, which raises the same.
    """
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
    except ImportError as error:
        raise ImportError(f"{what} needs pydicom: pip install 'jaxrecon[{extra}]'") from error
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{what} found no file at {os.fspath(path)}.")
    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError as error:
        raise ValueError(f"{what} expected a DICOM file, and {path} is none.") from error
    if dataset.get("Modality") != modality or "PixelSpacing" not in dataset:
        raise ValueError(
            f"{what} expected a {modality} slice with its pixel spacing, but {path} has the "
            f"modality {dataset.get('Modality')} and the spacing {dataset.get('PixelSpacing')}."
        )
    try:
        stored = dataset.pixel_array.astype(np.float32)
    except (ValueError, AttributeError, RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"{what} could not decode the pixels of {path}; is the file cut short? ({error})"
        ) from error
    if stored.ndim != 2:
        raise ValueError(f"{what} expected one slice, but {path} holds {stored.shape}.")
    return dataset, stored


def packaged(file: str, *, what: str) -> str:
    """Path of a file in the wheel of pydicom-data. Nothing is downloaded.

    Raises:
        ImportError: pydicom-data is missing; names the extra.
        FileNotFoundError: the installed version has no such file.
    """
    try:
        from data_store import DataStore
    except ImportError as error:
        message = f"{what} needs pydicom-data: pip install 'jaxrecon[examples]'"
        raise ImportError(message) from error
    try:
        return DataStore().get_path(file)
    except Exception as error:
        raise FileNotFoundError(f"pydicom-data no longer holds {file}.") from error
