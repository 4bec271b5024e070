"""One CT slice from one DICOM file, in Hounsfield units."""

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
    if dataset.get("Modality") != "CT" or "PixelSpacing" not in dataset:
        raise ValueError(
            f"{what} expected a CT slice with its pixel spacing, but {path} has the modality "
            f"{dataset.get('Modality')} and the spacing {dataset.get('PixelSpacing')}."
        )
    try:
        stored = dataset.pixel_array.astype(np.float32)
    except (ValueError, AttributeError, RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"{what} could not decode the pixels of {path}; is the file cut short? ({error})"
        ) from error
    if stored.ndim != 2:
        raise ValueError(f"{what} expected one slice, but {path} holds {stored.shape}.")
    slope = float(dataset.get("RescaleSlope", 1))
    return dataset, stored * slope + float(dataset.get("RescaleIntercept", 0))
