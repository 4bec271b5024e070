"""ISMRMRD files: raw MRI data of any vendor as acquisitions in HDF5, with a header in XML.

The group "dataset" holds "xml", one string, and "data", a table of acquisitions with "head" (the
AcquisitionHeader), "traj" (float32, positions of the samples) and "data" (float32, real and
imaginary parts in turn, coil by coil). Source: Inati et al. 2017, doi:10.1002/mrm.26089.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from jaxrecon.data.hdf5 import open_hdf5
from jaxrecon.data.mri_header import parse_header
from jaxrecon.data.mri_header_xml import header_xml
from jaxrecon.data.mri_raw import HEAD, RawData


def read_ismrmrd(path: str | os.PathLike, *, group: str = "dataset") -> RawData:
    """All acquisitions of an ISMRMRD file, in the order in which they were made.

    From a file to images::

        raw = read_ismrmrd("scan.h5")
        kspace = cartesian_kspace(raw).kspace[:, 0, 0, 0, 0, :, 0]  # (slice, coil, ky, kx)

    Args:
        path: the file.
        group: name of the group with the data.

    Raises:
        ImportError: h5py is missing (extra "files").
        FileNotFoundError: there is no file at the path.
        ValueError: no HDF5 or cut short; no such group, header or data; an empty one; a header
            that cannot be read; acquisitions with more or fewer numbers than their head says.
        TypeError: a table of another type than ISMRMRD's.
    """
    what, name = "read_ismrmrd", os.fspath(path)
    with open_hdf5(path, what=what) as file:
        if group not in file:
            raise ValueError(
                f"{what} expected the group '{group}' in {name}; it has {sorted(file)}. Is it "
                "another format, or has the group another name?"
            )
        for key in ("xml", "data"):
            if not hasattr(file[group], "keys") or key not in file[group]:
                found = sorted(file[group]) if hasattr(file[group], "keys") else "no group"
                raise ValueError(
                    f"{what} expected '{group}/{key}' in {name}; it has {found}. Was the file "
                    "written to its end?"
                )
        table = file[group]["data"]
        _check_table(table, what, name)
        try:
            xml = np.ravel(file[group]["xml"][()])
            rows = np.ravel(table[()])
        except OSError as error:
            raise ValueError(
                f"{what} could not read {name}; was it cut short? ({error})"
            ) from error
    if not len(rows):
        raise ValueError(f"{what} expected acquisitions in '{group}/data' of {name}, got none.")
    text = xml[0] if len(xml) else b""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    header = parse_header(text, what=what, name=name)
    heads = np.zeros(len(rows), HEAD)
    _copy(rows["head"], heads)
    data, tracks = [], []
    for k, (head, row) in enumerate(zip(heads, rows, strict=True)):
        coils, samples = int(head["active_channels"]), int(head["number_of_samples"])
        columns = int(head["trajectory_dimensions"])
        if row["data"].size != 2 * coils * samples or row["traj"].size != columns * samples:
            raise ValueError(
                f"{what} expected {2 * coils * samples} numbers ({coils} coils, {samples} samples) "
                f"and {columns * samples} of the trajectory in acquisition {k} of {name}, got "
                f"{row['data'].size} and {row['traj'].size}. Was the file written to its end?"
            )
        block = np.ascontiguousarray(row["data"], np.float32).view(np.complex64)
        data.append(block.reshape(coils, samples))
        tracks.append(np.asarray(row["traj"], np.float32).reshape(samples, columns))
    return RawData(header, heads, data, tracks, text)


def write_ismrmrd(path: str | os.PathLike, raw: RawData, *, group: str = "dataset") -> None:
    """An ISMRMRD file, as the official libraries write it. A file that is there is replaced.

    Args:
        path: the file to write.
        raw: from :func:`cartesian_raw`, :func:`noncartesian_raw` or a reader. The XML is `raw.xml`,
            or made from `raw.header` where that is empty.
        group: name of the group with the data.

    Raises:
        ImportError: h5py is missing (extra "files").
        ValueError: acquisitions whose shapes are not those of their heads, or none.
        TypeError: data that are not complex.
    """
    what = "write_ismrmrd"
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{what} needs h5py: pip install 'jaxrecon[files]'") from error
    if not len(raw.data):
        raise ValueError(f"{what} expected at least one acquisition, got none.")
    rows = np.empty(len(raw.data), _table_type(h5py))
    rows["head"] = raw.heads
    for k, (head, block, track) in enumerate(
        zip(raw.heads, raw.data, raw.trajectories, strict=True)
    ):
        if np.asarray(block).dtype.kind != "c":
            raise TypeError(f"{what} expected complex data in acquisition {k}, got {block.dtype}.")
        samples = int(head["number_of_samples"])
        expected = (
            (int(head["active_channels"]), samples),
            (
                samples,
                int(head["trajectory_dimensions"]),
            ),
        )
        if (np.shape(block), np.shape(track)) != expected:
            raise ValueError(
                f"{what} expected the shapes {expected} of data and trajectory in acquisition {k}, "
                f"as its head says, got {np.shape(block)} and {np.shape(track)}."
            )
        rows["data"][k] = np.ascontiguousarray(block, np.complex64).view(np.float32).ravel()
        rows["traj"][k] = np.ascontiguousarray(track, np.float32).ravel()
    text = raw.xml or header_xml(raw.header)
    with h5py.File(path, "w") as file:
        place = file.create_group(group)
        xml = place.create_dataset("xml", (1,), h5py.special_dtype(vlen=bytes))
        xml[0] = text.encode()
        place.create_dataset("data", data=rows, maxshape=(None,))


def _table_type(h5py: Any) -> np.dtype:
    floats = h5py.vlen_dtype(np.float32)
    return np.dtype([("head", HEAD), ("traj", floats), ("data", floats)])


def _check_table(table: Any, what: str, name: str) -> None:
    import h5py

    kind = getattr(table, "dtype", None)
    names = getattr(kind, "names", None) or ()
    missing = [key for key in ("head", "traj", "data") if key not in names]
    if kind is None or missing:
        raise TypeError(
            f"{what} expected a table of acquisitions (head, traj, data) in {name}, got "
            f"{kind or 'a group'}. Is it another format?"
        )
    for key in ("traj", "data"):
        if h5py.check_vlen_dtype(kind[key]) != np.float32:
            found = h5py.check_vlen_dtype(kind[key]) or kind[key]
            raise TypeError(
                f"{what} expected lists of float32 in the field '{key}' of {name}, got {found}."
            )
    lacking = _lacking(kind["head"], HEAD)
    if lacking:
        raise TypeError(
            f"{what} expected the head of ISMRMRD's acquisitions in {name}, but {lacking} is "
            "missing or of another size. Was it written by a version before 1.0?"
        )


def _lacking(found: np.dtype, expected: np.dtype) -> str:
    """A field that `found` has not, or in another shape; nothing if it has all."""
    for key in expected.names or ():
        if key not in (found.names or ()) or found[key].shape != expected[key].shape:
            return key
        if expected[key].names and (inner := _lacking(found[key], expected[key])):
            return f"{key}.{inner}"
    return ""


def _copy(source: np.ndarray, target: np.ndarray) -> None:
    """Fields by name, as files differ in how they align them."""
    for key in target.dtype.names or ():
        if target.dtype[key].names:
            _copy(source[key], target[key])
        else:
            target[key] = source[key]
