"""The fastMRI data sets, read from the HDF5 files that a user has downloaded.

One volume a file: "kspace", complex64, (slice, coil, readout, phase) or without coils (slice,
readout, phase); "ismrmrd_header", XML; in training and validation files "reconstruction_rss" and,
single-coil, "reconstruction_esc", (slice, y, x); in test files "mask", (phase,). Images are the
centred orthonormal inverse FFT of k-space, cut to the middle of the size that the header gives.
Source: Knoll et al. 2020, doi:10.1148/ryai.2020190007; Zbontar et al. 2018, arXiv:1811.08839.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.hdf5 import open_hdf5
from jaxrecon.data.stream import Indexed

_SPACE = "{http://www.ismrm.org/ISMRMRD}"
_TARGETS = ("reconstruction_rss", "reconstruction_esc")


class FastMRIHeader(NamedTuple):
    """What the header and the attributes of a file say.

    Sizes are (z, y, x) of the header: y is the phase and x the readout direction, which are the
    columns and the rows of the arrays in the file.
    """

    encoded_shape: tuple[int, int, int]
    """of k-space: (partitions, phase, readout)"""
    encoded_size: tuple[float, float, float]
    """field of view in mm"""
    image_shape: tuple[int, int, int]
    """of the reconstruction"""
    image_size: tuple[float, float, float]
    """field of view in mm"""
    phase_centre: int
    """line of the measured ones that is the centre of k-space"""
    phase_count: int
    """how many phase lines were measured, the last of them plus one"""
    acquisition: str
    """e.g. CORPD_FBK (knee, proton density) or AXT2 (brain)"""
    maximum: float | None
    """largest value of the reconstruction: the data range of published PSNR and SSIM"""
    norm: float | None
    """Euclidean norm of the reconstruction"""
    patient: str

    @property
    def padding(self) -> tuple[int, int]:
        """(first phase line that was measured, one after the last); the others are zeros."""
        left = self.encoded_shape[1] // 2 - self.phase_centre
        return left, left + self.phase_count


class FastMRIVolume(NamedTuple):
    """What :func:`fastmri_volume` returns."""

    kspace: np.ndarray
    """complex64 (slice, coil, readout, phase); one coil in single-coil files"""
    target: np.ndarray | None
    """float32 (slice, y, x), or None in test files"""
    mask: np.ndarray | None
    """booleans (phase,), the lines of an undersampled test file, else None"""
    header: FastMRIHeader


def fastmri_volume(
    path: str | Path, *, slices: slice | int = slice(None), target: str | None = None
) -> FastMRIVolume:
    """Read one volume, or some of its slices.

    Args:
        path: the .h5 file.
        slices: which; a number gives an axis of one slice too.
        target: "reconstruction_rss" or "reconstruction_esc"; the one that the file has by default,
            "reconstruction_esc" first.

    Raises:
        ImportError: h5py is missing (extra "files").
        FileNotFoundError: there is no such file.
        ValueError: not a fastMRI file, a target that it has not, a header or data that cannot be
            read.
        TypeError: k-space that is not complex.
    """
    what = "fastmri_volume"
    if target is not None:
        check_choice(target, _TARGETS, what=what, argument="target")
    if isinstance(slices, int):
        slices = slice(slices, slices + 1 or None)
    with open_hdf5(path, what=what) as file:
        space = _kspace(file, path)
        name = target or next((t for t in reversed(_TARGETS) if t in file), None)
        if name is not None and name not in file:
            raise ValueError(f"{what} expected '{name}' in {path}; it has {sorted(file)}.")
        try:
            kspace = np.asarray(space[slices], np.complex64)
            image = None if name is None else np.asarray(file[name][slices], np.float32)
            mask = file["mask"][()] != 0 if "mask" in file else None
        except OSError as error:
            raise ValueError(
                f"{what} could not read {path}; was it cut short? ({error})"
            ) from error
        header = _header(file, path)
    return FastMRIVolume(kspace if kspace.ndim == 4 else kspace[:, None], image, mask, header)


def fastmri_stream(
    folder: str | Path,
    batch_size: int,
    *,
    shape: tuple[int, ...] | None = None,
    shuffle: bool = True,
) -> Indexed:
    """Slices of all volumes in a folder as a stream of (k-space, target).

    Args:
        folder: with .h5 files that have targets.
        batch_size: slices a step.
        shape: (coil, readout, phase) of the files to use; the others are left out. Without it all
            files must have one shape, as the slices of a batch are stacked. Volumes differ, so
            make a stream for each shape, or `batch_size=1` and a stream for each file.
        shuffle: see :class:`Indexed`.

    Returns:
        A stream of (complex64 (batch, coil, readout, phase), float32 (batch, y, x)).

    Raises:
        FileNotFoundError: no .h5 files, or none of that shape.
        ValueError: files of several shapes, or that cannot be read: it names them.
    """
    what = "fastmri_stream"
    files = sorted(Path(folder).glob("*.h5"))
    used, counts, shapes = [], [], {}
    for path in files:
        with open_hdf5(path, what=what) as file:
            size = _kspace(file, path).shape
            sides = tuple(size[1:]) if len(size) == 4 else (1, *size[1:])
            name = next((t for t in reversed(_TARGETS) if t in file), None)
            if name is None:
                raise ValueError(f"{what} expected a reconstruction in {path}; is it a test file?")
            if shape in (None, sides):
                used.append(path)
                counts.append(size[0])
                shapes.setdefault((sides, file[name].shape[1:]), path)
    if not used:
        raise FileNotFoundError(f"{what} found no .h5 files of the shape {shape} in '{folder}'.")
    if len(shapes) > 1:
        found = "; ".join(
            f"{p.name} has {sides} and {image}" for (sides, image), p in shapes.items()
        )
        raise ValueError(f"{what} expected slices of one shape, but {found}. Choose one by shape.")
    return Indexed(_Slices(used, counts), sum(counts), batch_size, shuffle)


class _Slices:
    """Reads (k-space, target) of slices by their numbers over all files."""

    def __init__(self, files: list[Path], counts: list[int]):
        self.files = files
        self.starts = np.concatenate([[0], np.cumsum(counts)])

    def __call__(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pairs = []
        for n in numbers:
            k = int(np.searchsorted(self.starts, n, side="right")) - 1
            volume = fastmri_volume(self.files[k], slices=int(n - self.starts[k]))
            assert volume.target is not None
            pairs.append((volume.kspace[0], volume.target[0]))
        kspace, target = zip(*pairs, strict=True)
        return np.stack(kspace), np.stack(target)


def _kspace(file: Any, path: str | Path) -> Any:
    found = file.get("kspace")
    if found is None or getattr(found, "ndim", 0) not in (3, 4):
        raise ValueError(
            f"fastMRI: expected 'kspace' with 3 or 4 axes in {path}; it has {sorted(file)}. Is it "
            "another data set?"
        )
    if found.dtype.kind != "c":
        raise TypeError(f"fastMRI: expected complex k-space in {path}, got {found.dtype}.")
    if 0 in found.shape:
        raise ValueError(f"fastMRI: expected slices in 'kspace' of {path}, got {found.shape}.")
    return found


def _header(file: Any, path: str | Path) -> FastMRIHeader:
    try:
        text = file["ismrmrd_header"][()]
        root = ElementTree.fromstring(text)

        def number(place: str) -> str:
            found = root.find("/".join(_SPACE + part for part in place.split("/")))
            if found is None or not found.text:
                raise ValueError(f"it has no {place}")
            return found.text

        def three(place: str, kind: Any) -> Any:
            return tuple(kind(number(f"encoding/{place}/{axis}")) for axis in "zyx")

        limits = "encoding/encodingLimits/kspace_encoding_step_1"
        attributes = file.attrs
        return FastMRIHeader(
            three("encodedSpace/matrixSize", int),
            three("encodedSpace/fieldOfView_mm", float),
            three("reconSpace/matrixSize", int),
            three("reconSpace/fieldOfView_mm", float),
            int(number(f"{limits}/center")),
            int(number(f"{limits}/maximum")) + 1,
            str(attributes.get("acquisition", "")),
            float(attributes["max"]) if "max" in attributes else None,
            float(attributes["norm"]) if "norm" in attributes else None,
            str(attributes.get("patient_id", "")),
        )
    except (KeyError, ValueError, ElementTree.ParseError) as error:
        raise ValueError(
            f"fastMRI: could not read 'ismrmrd_header' of {path} ({error})."
        ) from error
