"""Raw projections from files: HDF5 in the Data Exchange format, and stacks of TIFF images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrecon.data.hdf5 import dataset_of, open_hdf5, read


class Scan(NamedTuple):
    """Raw readings of an area detector.

    ``ct.log_transform(scan.projections, flat - dark, dark=dark)``, with flat and dark the means of
    the frames over their first axis, gives line integrals.
    """

    projections: np.ndarray
    """(views, rows, columns), float32"""
    flat: np.ndarray
    """(frames, rows, columns), float32: with beam, without object"""
    dark: np.ndarray
    """(frames, rows, columns), float32: without beam"""
    angles: np.ndarray
    """(views,), float64, radians"""


def data_exchange(
    path: str | os.PathLike,
    *,
    views: slice = slice(None),
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> Scan:
    """A tomographic scan in the Data Exchange format (DXchange), or a part of it.

    The file has ``exchange/data`` (views, rows, columns), ``exchange/data_white`` and
    ``exchange/data_dark`` (frames, rows, columns), and ``exchange/theta`` (views,) in degrees, or
    in what its attribute ``units`` says. Only the part that is asked for is read.

    Args:
        path: HDF5 file.
        views, rows, columns: which to read.

    Raises:
        ImportError: h5py is missing (extra "files").
        FileNotFoundError: there is no file at the path.
        ValueError: no HDF5 or one cut short, a missing key, shapes that do not fit, unknown units.
        TypeError: data that are no real numbers.

    Source: De Carlo et al. 2014, Scientific data exchange, doi:10.1107/S160057751401604X.
    """
    what = "data_exchange"
    with open_hdf5(path, what=what) as file:
        data, flat, dark = (
            dataset_of(file, f"exchange/{key}", 3, what=what)
            for key in ("data", "data_white", "data_dark")
        )
        theta = dataset_of(file, "exchange/theta", 1, what=what)
        for frames in (flat, dark):
            if frames.shape[1:] != data.shape[1:]:
                raise ValueError(
                    f"{what} expected frames of {data.shape[1:]} pixels as in exchange/data, got "
                    f"{frames.shape[1:]} in {frames.name} of {path}."
                )
        if theta.shape[0] != data.shape[0]:
            raise ValueError(
                f"{what} expected one angle per view, got {theta.shape[0]} in exchange/theta and "
                f"{data.shape[0]} views in {path}."
            )
        angles = np.asarray(theta[views], np.float64) * _radians(theta, what)
        window = (slice(None), rows, columns)
        return Scan(
            read(data, (views, rows, columns), what=what),
            read(flat, window, what=what),
            read(dark, window, what=what),
            angles,
        )


def _radians(theta: Any, what: str) -> float:
    units = theta.attrs.get("units", "deg")
    units = units.decode() if isinstance(units, bytes) else str(units)
    if units.lower().startswith("deg"):
        return np.pi / 180
    if units.lower().startswith("rad"):
        return 1.0
    raise ValueError(f"{what} expected theta in degrees or radians, got the units '{units}'.")


def tiff_stack(source: str | os.PathLike | list[Any]) -> np.ndarray:
    """Images of equal size from TIFF files, in the order of the numbers in their names.

    Args:
        source: a file with several pages; a folder, of which all ``*.tif`` and ``*.tiff`` are read;
            or a list of files, in their order.

    Returns:
        float32 (images, rows, columns); integers keep their values up to 2^24.

    Raises:
        ImportError: tifffile is missing (extra "files").
        FileNotFoundError: there is no such file or folder, or no TIFF in it.
        ValueError: a file that is no TIFF or is cut short, images of different size.
        TypeError: colour or complex images.
    """
    what = "tiff_stack"
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(f"{what} needs tifffile: pip install 'jaxrecon[files]'") from error
    stacks: list[np.ndarray] = []
    for path in _tiff_paths(source, what):
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{what} found no file at {path}.")
        try:
            with tifffile.TiffFile(path) as file:
                colours = {page.samplesperpixel for page in file.pages}  # type: ignore[union-attr]
                found = [series.asarray() for series in file.series]
        except Exception as error:  # the decoders of the compressions raise errors of their own
            raise ValueError(
                f"{what} could not read {path}; is it no TIFF, or was it cut short? ({error})"
            ) from error
        for images in found:
            if colours != {1} or images.dtype.kind not in "iufb":
                raise TypeError(
                    f"{what} expected grey images of real numbers, got {images.dtype} of shape "
                    f"{images.shape} in {path}."
                )
            stack = images.reshape(-1, *images.shape[-2:]).astype(np.float32)
            if stacks and stack.shape[1:] != stacks[0].shape[1:]:
                raise ValueError(
                    f"{what} expected images of {stacks[0].shape[1:]} pixels, got "
                    f"{stack.shape[1:]} in {path}."
                )
            stacks.append(stack)
    return np.concatenate(stacks)


def _tiff_paths(source: Any, what: str) -> list[Any]:
    if isinstance(source, list | tuple):
        paths = list(source)
    elif Path(source).is_dir():
        found = [p for p in Path(source).iterdir() if p.suffix.lower() in (".tif", ".tiff")]
        paths = sorted(found, key=_by_number)
    else:
        return [source]
    if not paths:
        raise FileNotFoundError(f"{what} found no TIFF file in {source}.")
    return paths


def _by_number(path: Path) -> tuple:
    """Sorts view2.tif before view10.tif."""
    parts, digits = [], ""
    for character in path.stem + "\0":
        if character.isdigit():
            digits += character
        else:
            if digits:
                parts.append((0, int(digits), ""))
                digits = ""
            parts.append((1, 0, character))
    return tuple(parts)
