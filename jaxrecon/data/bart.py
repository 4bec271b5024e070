"""Arrays of the BART toolbox: a text file .hdr with sizes, and a file .cfl with complex64 numbers.

The numbers are little-endian and column-major, over 16 dimensions of which most have size 1.
Source: https://bart-doc.readthedocs.io/en/latest/data.html.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

BART_DIMS = (
    "read", "phase1", "phase2", "coil", "maps", "te", "coeff", "coeff2",
    "iter", "cshift", "time", "time2", "level", "slice", "average", "batch",
)  # fmt: skip
"""Names of BART's dimensions 0 to 15: read, phase1 and phase2 are x, y and z of images."""


def read_bart(
    path: str | os.PathLike,
    *,
    axes: tuple[str, ...] | None = None,
    raw: bool = False,
    mmap: bool = False,
) -> np.ndarray:
    """An array of BART, with its axes in the order of this package.

    K-space is (coil, kz, ky, kx) and an image (z, y, x): the dimensions of BART in reverse.
    A trajectory has other axes; see :func:`~jaxrecon.data.bart_positions.positions_from_bart`.

    Args:
        path: of the .cfl or the .hdr file, or without ending.
        axes: names from :data:`BART_DIMS` of the axes to return, from the outermost, e.g. ("coil",
            "phase1", "read"); all others must have size 1. By default those of size above 1 in the
            reverse order of BART, so that k-space of one coil loses its axis.
        raw: the 16 dimensions as BART has them, column-major.
        mmap: do not read the file, but map it (read only); for arrays larger than the memory.

    Returns:
        complex64.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: a header without sizes; a .cfl of another length than they say; unknown axes,
            or axes left out that are larger than 1; several arrays in one file.
    """
    what = "read_bart"
    header, values = _paths(path, what)
    dims = _sizes(header, what)
    if "MultiDimensions" in _sections(header, what):
        raise ValueError(f"{what} found several arrays in {values}: use read_bart_multi.")
    _check_length(values, int(np.prod(dims)), what)
    if mmap:
        array = np.memmap(values, "<c8", "r", shape=dims, order="F")
    else:
        array = np.fromfile(values, "<c8").reshape(dims, order="F")
    if raw:
        return array
    array = array.transpose()  # the dimensions of BART in reverse, in the order of memory
    names = BART_DIMS[::-1]
    if axes is None:
        return array.reshape([n for n in array.shape if n > 1])
    _check_axes(axes, what)
    left = {n: s for n, s in zip(names, array.shape, strict=True) if n not in axes and s > 1}
    if left:
        raise ValueError(
            f"{what} expected all axes but {axes} of size 1 in {values}, got {left}: name them too."
        )
    kept = [n for n in names if n in axes]
    array = array.reshape([s for n, s in zip(names, array.shape, strict=True) if n in axes])
    return array.transpose([kept.index(n) for n in axes])


def read_bart_multi(path: str | os.PathLike) -> list[np.ndarray]:
    """All arrays of a BART file with several, each as :func:`read_bart` returns it.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_bart`.
    """
    what = "read_bart_multi"
    header, values = _paths(path, what)
    sections = _sections(header, what)
    if "MultiDimensions" not in sections:
        raise ValueError(f"{what} expected several arrays in {values}, got one: use read_bart.")
    try:
        shapes = [[int(n) for n in line.split()] for line in sections["MultiDimensions"]]
    except ValueError as error:
        raise ValueError(f"{what} could not read the sizes in {header} ({error}).") from error
    counts = [int(np.prod(shape)) for shape in shapes]
    _check_length(values, sum(counts), what)
    flat = np.split(np.fromfile(values, "<c8"), np.cumsum(counts)[:-1])
    return [
        a.reshape(s, order="F").transpose().reshape([n for n in reversed(s) if n > 1])
        for a, s in zip(flat, shapes, strict=True)
    ]


def write_bart(path: str | os.PathLike, array: Any, *, axes: tuple[str, ...]) -> None:
    """Write an array as `path`.cfl and `path`.hdr. Files that are there are replaced.

    Args:
        path: with the ending .cfl or .hdr, or without one.
        array: complex or real; complex64 in the file.
        axes: names from :data:`BART_DIMS` of its axes, e.g. ("coil", "phase1", "read").

    Raises:
        ValueError: unknown or repeated axes, another number of them than the array has.
    """
    what = "write_bart"
    array = np.asarray(array)
    _check_axes(axes, what)
    if len(axes) != array.ndim:
        raise ValueError(
            f"{what} expected one name for each of the {array.ndim} axes of the array, got {axes}."
        )
    order = [axes.index(name) for name in reversed(BART_DIMS) if name in axes]
    sizes = [array.shape[axes.index(name)] if name in axes else 1 for name in BART_DIMS]
    base = _base(path)
    lines = "# Dimensions\n" + " ".join(map(str, sizes)) + " \n"
    Path(f"{base}.hdr").write_text(lines, encoding="ascii")
    np.ascontiguousarray(array.transpose(order), "<c8").tofile(f"{base}.cfl")


def _base(path: str | os.PathLike) -> str:
    text = os.fspath(path)
    return text[:-4] if text.endswith((".cfl", ".hdr")) else text


def _paths(path: str | os.PathLike, what: str) -> tuple[str, str]:
    base = _base(path)
    for ending in (".hdr", ".cfl"):
        if not os.path.isfile(base + ending):
            raise FileNotFoundError(
                f"{what} found no file at {base}{ending}; an array of BART is a pair of .hdr and "
                ".cfl."
            )
    return base + ".hdr", base + ".cfl"


def _sections(header: str, what: str) -> dict[str, list[str]]:
    """Lines of the header under each title."""
    sections: dict[str, list[str]] = {}
    title = ""
    for line in Path(header).read_bytes().decode("utf-8", "replace").splitlines():
        if line.startswith("#"):
            title = line[1:].strip()
        elif line.strip():
            sections.setdefault(title, []).append(line)
    if "Dimensions" not in sections:
        raise ValueError(
            f"{what} expected a line '# Dimensions' with sizes after it in {header}, got "
            f"{sorted(sections) or 'an empty file'}. Is it the header of another format?"
        )
    return sections


def _sizes(header: str, what: str) -> tuple[int, ...]:
    line = _sections(header, what)["Dimensions"][0]
    try:
        sizes = [int(n) for n in line.split()]
    except ValueError:
        sizes = []
    if not 0 < len(sizes) <= len(BART_DIMS) or min(sizes) < 1:
        raise ValueError(
            f"{what} expected up to {len(BART_DIMS)} sizes of 1 or more in {header}, got '{line}'."
        )
    return tuple(sizes + [1] * (len(BART_DIMS) - len(sizes)))


def _check_length(values: str, count: int, what: str) -> None:
    found = os.path.getsize(values)
    if found != 8 * count:
        cause = "Was it cut short?" if found < 8 * count else "Does the .hdr belong to it?"
        raise ValueError(
            f"{what} expected {8 * count} bytes ({count} numbers of complex64) in {values}, got "
            f"{found}. {cause}"
        )


def _check_axes(axes: tuple[str, ...], what: str) -> None:
    unknown = [name for name in axes if name not in BART_DIMS]
    if unknown or len(set(axes)) < len(axes):
        raise ValueError(f"{what} expected different axes from {BART_DIMS}, got {axes}.")
