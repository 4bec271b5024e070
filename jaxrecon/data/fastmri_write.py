"""Data of one's own in the format of fastMRI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.fastmri import FastMRIHeader, FastMRIVolume
from jaxrecon.data.mri_header import mri_header
from jaxrecon.data.mri_header_xml import header_xml

_TARGETS = ("reconstruction_rss", "reconstruction_esc")


def fastmri_from_kspace(
    kspace: Any,
    size: tuple[float, float, float],
    *,
    image_shape: tuple[int, int, int] | None = None,
    phase_lines: tuple[int, int] | None = None,
    mask: Any = None,
    target: bool = True,
    acquisition: str = "",
    patient: str = "",
) -> FastMRIVolume:
    r"""A volume as fastMRI has them, with the target computed as fastMRI computes it.

    The target is the root of the sum of squares over the coils of the centred orthonormal inverse
    FFT of each slice, cut to its middle; for one coil that is the magnitude.

    Args:
        kspace: complex (slice, coil, readout, phase), the origin of k-space at entry n // 2.
        size: (z, y, x) field of view in mm of k-space: slice thickness, phase, readout.
        image_shape: (z, y, x) of the reconstruction, y and x at most as large as k-space; of
            k-space by default. Its field of view follows from `size`.
        phase_lines: (first, one after the last) of the phase lines that were measured, if others
            are zeros that fill k-space up.
        mask: booleans (phase,) of the lines of an undersampled test file.
        target: whether to compute it; test files have none.
        acquisition: e.g. AXT2.
        patient: an identifier without names.

    Raises:
        ValueError: k-space of another number of axes; an image larger than k-space; a mask of
            another length; phase lines that do not hold the centre.
        TypeError: k-space that is not complex.
    """
    what = "fastmri_from_kspace"
    kspace = np.asarray(kspace)
    if kspace.dtype.kind != "c":
        raise TypeError(f"{what} expected complex k-space, got {kspace.dtype}.")
    if kspace.ndim != 4 or 0 in kspace.shape:
        raise ValueError(
            f"{what} expected k-space (slice, coil, readout, phase), got {kspace.shape}."
        )
    kspace = kspace.astype(np.complex64)
    rows, columns = kspace.shape[-2:]
    shape = (1, columns, rows)
    z, y, x = image_shape or shape
    image_shape = (int(z), int(y), int(x))
    if image_shape[1] > columns or image_shape[2] > rows or min(image_shape) < 1:
        raise ValueError(
            f"{what} expected image_shape (z, y, x) up to {shape}, the size of k-space, got "
            f"{image_shape}."
        )
    first, end = phase_lines or (0, columns)
    centre = columns // 2 - first
    if not (0 <= first < end <= columns and 0 <= centre < end - first):
        raise ValueError(
            f"{what} expected phase_lines within {columns} lines around the centre "
            f"{columns // 2}, got {phase_lines}."
        )
    if mask is not None:
        mask = np.asarray(mask) != 0
        if mask.shape != (columns,):
            raise ValueError(f"{what} expected a mask of ({columns},), got {mask.shape}.")
    image = _root_sum_of_squares(kspace, image_shape) if target else None
    depth, height, width = (float(v) for v in size)
    z, y, x = (
        v * m / n if m > 1 else v
        for v, m, n in zip((depth, height, width), image_shape, shape, strict=True)
    )
    header = FastMRIHeader(
        shape,
        (depth, height, width),
        image_shape,
        (z, y, x),
        centre,
        end - first,
        acquisition,
        None if image is None else float(image.max()),
        None if image is None else float(np.linalg.norm(image)),
        patient,
    )
    return FastMRIVolume(kspace, image, mask, header)


def write_fastmri(
    path: str | Path, volume: FastMRIVolume, *, target: str = "reconstruction_rss"
) -> None:
    """Write a volume as a fastMRI file. A file that is there is replaced.

    Args:
        path: the .h5 file.
        volume: from :func:`fastmri_from_kspace`, or a changed one from :func:`fastmri_volume`.
        target: name of the reconstruction in the file: "reconstruction_rss" or, for one coil, whose
            k-space is then stored without its axis, "reconstruction_esc".

    Raises:
        ImportError: h5py is missing (extra "files").
        ValueError: several coils for "reconstruction_esc"; arrays that do not fit each other.
        TypeError: k-space that is not complex.
    """
    what = "write_fastmri"
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{what} needs h5py: pip install 'jaxrecon[files]'") from error
    check_choice(target, _TARGETS, what=what, argument="target")
    kspace, image, mask, header = volume
    if np.asarray(kspace).dtype.kind != "c":
        raise TypeError(f"{what} expected complex k-space, got {np.asarray(kspace).dtype}.")
    if kspace.ndim != 4:
        raise ValueError(
            f"{what} expected k-space (slice, coil, readout, phase), got {kspace.shape}."
        )
    if target == "reconstruction_esc":
        if kspace.shape[1] != 1:
            raise ValueError(f"{what} expected one coil for '{target}', got {kspace.shape[1]}.")
        kspace = kspace[:, 0]
    if image is not None and (image.ndim != 3 or len(image) != len(kspace)):
        raise ValueError(
            f"{what} expected a target ({len(kspace)}, y, x), one image a slice, got {image.shape}."
        )
    if mask is not None and mask.shape != kspace.shape[-1:]:
        raise ValueError(f"{what} expected a mask of {kspace.shape[-1:]}, got {mask.shape}.")
    with h5py.File(path, "w") as file:
        file["kspace"] = np.asarray(kspace, np.complex64)
        file["ismrmrd_header"] = _xml(header)
        file.attrs["acquisition"], file.attrs["patient_id"] = header.acquisition, header.patient
        if image is not None:
            file[target] = np.asarray(image, np.float32)
        if mask is not None:
            file["mask"] = np.asarray(mask, np.float32)
        for key, value in (("max", header.maximum), ("norm", header.norm)):
            if value is not None:
                file.attrs[key] = value


def _xml(header: FastMRIHeader) -> bytes:
    full = mri_header(
        header.encoded_shape,
        header.encoded_size,
        image_shape=header.image_shape,
        image_size=header.image_size,
        patient=header.patient,
        protocol=header.acquisition,
    )
    space = full.encodings[0]
    limits = dict(space.limits)
    limits["kspace_encoding_step_1"] = (0, header.phase_count - 1, header.phase_centre)
    return header_xml(full._replace(encodings=(space._replace(limits=limits),))).encode()


def _root_sum_of_squares(kspace: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray:
    """(slice, y, x), cut to the middle as fastMRI does."""
    axes = (-2, -1)
    image = np.fft.ifft2(np.fft.ifftshift(kspace, axes), axes=axes, norm="ortho")
    image = np.fft.fftshift(image, axes)
    rows, columns = image_shape[2], image_shape[1]
    top, left = (kspace.shape[-2] - rows) // 2, (kspace.shape[-1] - columns) // 2
    image = image[..., top : top + rows, left : left + columns]
    return np.sqrt(np.sum(np.abs(image) ** 2, axis=1)).astype(np.float32)
