"""Images in NIfTI files, versions 1 and 2, plain or compressed."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from jaxrecon.core.checks import check_choice

_MM = {"meter": 1e3, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_LARGEST = 32767
"""side of an image of version 1"""


class NiftiImage(NamedTuple):
    """What :func:`read_nifti` returns."""

    image: np.ndarray
    """(z, y, x), or (..., time, z, y, x) with further axes"""
    voxel_size: tuple[float, float, float]
    """(dz, dy, dx) in mm"""
    affine: np.ndarray
    """float64 (4, 4): position (right, front, up) in mm = affine @ (x, y, z, 1) of the indices;
    the order of the columns is x, y, z"""
    time_step: float | None
    """between images of a series in s; None if the file has none, or another unit"""


def read_nifti(path: str | os.PathLike, *, dtype: Any = None) -> NiftiImage:
    """An image from a .nii, .nii.gz or .hdr/.img file.

    The axes of the file are turned round, so that x, its fastest, comes last; nothing is mirrored
    or resampled: the affine says where the image lies. Scaling by scl_slope and scl_inter is
    applied, and lengths are converted to mm (a file without unit counts as mm).

    Args:
        path: the file.
        dtype: of the image; float32, or complex64 for complex files, by default.

    Raises:
        ImportError: nibabel is missing (extra "files").
        FileNotFoundError: there is no file at the path.
        ValueError: no NIfTI; cut short; an empty image.
        TypeError: colour images; complex ones for a real dtype.
    """
    what, name = "read_nifti", os.fspath(path)
    nibabel = _nibabel(what)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{what} found no file at {name}.")
    try:
        file: Any = nibabel.load(path)
    except Exception as error:  # of the format, of the compression or of the header
        raise ValueError(
            f"{what} could not read {name} as NIfTI; is it another format, or was it cut short? "
            f"({error})"
        ) from error
    if not isinstance(file, nibabel.nifti1.Nifti1Pair):
        raise ValueError(f"{what} expected NIfTI, but {name} is {type(file).__name__}.")
    stored = file.header.get_data_dtype()
    if stored.kind not in "iufc":
        raise TypeError(f"{what} expected numbers in {name}, got {stored}. Is it a colour image?")
    complex_file = stored.kind == "c"
    dtype = np.dtype(dtype or (np.complex64 if complex_file else np.float32))
    if complex_file and dtype.kind != "c":
        raise TypeError(f"{what} expected a complex dtype for {name}, got {dtype}.")
    if not file.shape or 0 in file.shape:
        raise ValueError(f"{what} expected an image in {name}, got the shape {file.shape}.")
    try:
        values = np.asarray(file.dataobj, dtype)
    except Exception as error:
        raise ValueError(
            f"{what} could not read the {file.shape} values of {name}; was it cut short? ({error})"
        ) from error
    image = np.array(values.transpose(), dtype, order="C")  # a copy, as values may map the file
    image = image.reshape((1,) * (3 - image.ndim) + image.shape)
    space, time = file.header.get_xyzt_units()
    scale = _MM.get(space, 1.0)
    zooms = [float(v) for v in file.header.get_zooms()]
    size = [v * scale for v in zooms[:3]] + [1.0] * (3 - len(zooms[:3]))
    step = zooms[3] * _SECONDS[time] if len(zooms) > 3 and time in _SECONDS else None
    affine = np.diag([scale, scale, scale, 1.0]) @ file.affine
    return NiftiImage(image, (size[2], size[1], size[0]), affine, step)


def write_nifti(
    path: str | os.PathLike,
    image: Any,
    voxel_size: tuple[float, float, float],
    *,
    affine: Any = None,
    time_step: float | None = None,
    version: int | None = None,
) -> None:
    """Write an image as .nii or .nii.gz, in its own dtype. A file that is there is replaced.

    Args:
        path: with one of these two endings.
        image: (y, x), (z, y, x) or (..., time, z, y, x), real or complex; booleans become uint8.
        voxel_size: (dz, dy, dx) in mm.
        affine: (4, 4) as :class:`NiftiImage` has it. By default x, y and z point to the left, the
            back and the head of the patient, as in DICOM and ISMRMRD, with the middle at 0.
        time_step: between images of a series in s.
        version: 1 or 2; 1 by default, 2 for images with a side above 32767.

    Raises:
        ImportError: nibabel is missing (extra "files").
        ValueError: another ending; no image; lengths that are not above 0; an affine of another
            shape, or one that does not fit the voxel size.
        TypeError: a dtype that the format has not, such as int64 or float16.
    """
    what = "write_nifti"
    nibabel = _nibabel(what)
    if not os.fspath(path).endswith((".nii", ".nii.gz")):
        raise ValueError(f"{what} expected a path that ends in .nii or .nii.gz, got {path}.")
    image = np.asarray(image)
    image = image.astype(np.uint8) if image.dtype == bool else image
    if image.ndim < 2 or image.ndim > 7 or 0 in image.shape:
        raise ValueError(f"{what} expected an image of 2 to 7 axes, got the shape {image.shape}.")
    if image.dtype.name not in (
        "uint8", "int8", "uint16", "int16", "uint32", "int32",
        "float32", "float64", "complex64", "complex128",
    ):  # fmt: skip
        raise TypeError(
            f"{what} expected numbers that programs read from NIfTI, got {image.dtype}: convert "
            "with image.astype, e.g. to float32 or int32."
        )
    size = np.asarray(voxel_size, float)
    if size.shape != (3,) or not np.all(size > 0):
        raise ValueError(
            f"{what} expected voxel_size as three lengths in mm > 0, got {voxel_size}."
        )
    image = image[None] if image.ndim == 2 else image
    values = image.transpose()
    if version is None:
        version = 2 if max(image.shape) > _LARGEST else 1
    check_choice(version, (1, 2), what=what, argument="version")
    if version == 1 and max(image.shape) > _LARGEST:
        raise ValueError(
            f"{what} expected sides up to {_LARGEST} for version 1, got {image.shape}."
        )
    if affine is None:
        affine = np.diag([-size[2], -size[1], size[0], 1.0])
        affine[:3, 3] = -affine[:3, :3] @ (np.array(values.shape[:3]) - 1) / 2
    affine = np.asarray(affine, float)
    if affine.shape != (4, 4):
        raise ValueError(f"{what} expected an affine of (4, 4), got {affine.shape}.")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
    if not np.allclose(lengths, size, rtol=1e-3):
        raise ValueError(
            f"{what} expected the columns of affine to have the lengths of voxel_size "
            f"{tuple(size.tolist())} (z, y, x), got {tuple(lengths.tolist())}."
        )
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    file = kind(values, affine)
    file.header.set_xyzt_units("mm", "sec")
    if time_step is not None and values.ndim > 3:
        file.header.set_zooms((*file.header.get_zooms()[:3], time_step, *[1] * (values.ndim - 4)))
    nibabel.save(file, path)


def _nibabel(what: str) -> Any:
    try:
        import nibabel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"{what} needs nibabel: pip install 'jaxrecon[files]'") from error
    return nibabel
