"""A CT volume from a folder of DICOM slices, as attenuation in 1/mm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrecon.data.ct_slice import WATER, attenuation_from_hounsfield
from jaxrecon.data.dicom import read_ct

_TOLERANCE = 0.05
"""Deviations of slice positions that are put up with, in units of the distance of slices."""


class Volume(NamedTuple):
    """A CT volume in physical units."""

    attenuation: np.ndarray
    """(slices, rows, columns), float32, 1/mm; 0 is air"""
    voxel_size: tuple[float, float, float]
    """(dz, dy, dx) in mm"""
    origin: tuple[float, float, float]
    """position of the first voxel in the patient, (x, y, z) of DICOM in mm"""


def ct_series(
    source: str | os.PathLike | list[Any], series: str | None = None, water: float = WATER
) -> Volume:
    """The slices of one DICOM series, ordered along the normal of the slices.

    Slices go from the smallest position along the normal (rows x columns of the patient
    orientation) to the largest: from the feet up for axial slices.

    Args:
        source: a folder, of which all files named ``*.dcm`` are read, or all files when none is
            named so; or a list of files.
        series: the SeriesInstanceUID to read, for a folder with several series.
        water: attenuation of water in 1/mm that Hounsfield units are converted with.

    Raises:
        ImportError: pydicom is missing (extra "files").
        FileNotFoundError: there is no such folder or file, or no file in it.
        ValueError: files that are no CT slices; several series; slices of different size, spacing
            or orientation; a missing or doubled slice; slices displaced sideways (a tilted gantry).
    """
    what = "ct_series"
    slices = [(path, *read_ct(path, what=what)) for path in _paths(source)]
    if series is not None:
        slices = [s for s in slices if s[1].get("SeriesInstanceUID") == series]
        if not slices:
            raise ValueError(f"{what} found no slice of the series {series} in {source}.")
    found = {str(dataset.get("SeriesInstanceUID")) for _, dataset, _ in slices}
    if len(found) > 1:
        raise ValueError(f"{what} expected one series, got {sorted(found)}: choose one of them.")
    for path, dataset, _ in slices:
        for name in ("ImagePositionPatient", "ImageOrientationPatient"):
            if name not in dataset:
                raise ValueError(f"{what} needs {name} to order the slices; {path} has none.")
    first = slices[0][1]
    for path, dataset, image in slices:
        for name in ("PixelSpacing", "ImageOrientationPatient"):
            if not np.allclose(_numbers(dataset, name), _numbers(first, name), atol=1e-4):
                raise ValueError(f"{what}: {path} differs from {slices[0][0]} in {name}.")
        if image.shape != slices[0][2].shape:
            raise ValueError(
                f"{what}: {path} has {image.shape} pixels, {slices[0][0]} has {slices[0][2].shape}."
            )

    rows, columns = _numbers(first, "ImageOrientationPatient").reshape(2, 3)
    normal = np.cross(rows, columns)
    slices.sort(key=lambda s: float(normal @ _numbers(s[1], "ImagePositionPatient")))
    positions = np.array([_numbers(s[1], "ImagePositionPatient") for s in slices])
    dz = _spacing(positions, normal, [s[0] for s in slices], first.get("SliceThickness"))
    dy, dx = (float(v) for v in _numbers(first, "PixelSpacing"))
    volume = np.stack([s[2] for s in slices])
    return Volume(
        np.asarray(attenuation_from_hounsfield(volume, water)),
        (dz, dy, dx),
        tuple(float(v) for v in positions[0]),  # type: ignore[arg-type]
    )


def _spacing(positions: np.ndarray, normal: np.ndarray, paths: list[Any], thickness: Any) -> float:
    """Distance of the slices, which must be the same everywhere and along the normal."""
    what = "ct_series"
    if len(positions) == 1:
        if thickness is None:
            raise ValueError(f"{what}: one slice without SliceThickness has no spacing along z.")
        return float(thickness)
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    dz = float(np.median(along))
    for i, step in enumerate(along):
        if step < _TOLERANCE * abs(dz) or abs(step - dz) > _TOLERANCE * dz:
            cause = "two at the same place" if step < dz else "a slice is missing between them"
            raise ValueError(
                f"{what} expected slices {dz:g} mm apart, got {step:g} mm between {paths[i]} and "
                f"{paths[i + 1]}: {cause}."
            )
    sideways = np.abs(steps - along[:, None] * normal).max()
    if sideways > _TOLERANCE * dz:
        raise ValueError(
            f"{what} expected slices stacked along their normal, got a step sideways of "
            f"{sideways:g} mm. Was the gantry tilted?"
        )
    return dz


def _paths(source: Any) -> list[Any]:
    if isinstance(source, list | tuple):
        paths = list(source)
    else:
        folder = Path(source)
        if not folder.is_dir():
            raise FileNotFoundError(f"ct_series found no folder {folder}.")
        files = sorted(p for p in folder.iterdir() if p.is_file())
        paths = [p for p in files if p.suffix.lower() == ".dcm"] or files
    if not paths:
        raise FileNotFoundError(f"ct_series found no file in {source}.")
    return paths


def _numbers(dataset: Any, name: str) -> np.ndarray:
    return np.array([float(v) for v in dataset[name].value])
