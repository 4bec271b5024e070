"""Non-Cartesian acquisitions with their positions in k-space, and the units of these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.mri_header import Encoding
from jaxrecon.data.mri_raw import RawData, choose

UNITS = ("pixel", "fov", "radian", "mm", "m")
_EDGE = 0.5 * 1.05
"""Positions that are put up with, in cycles per pixel: trajectories may overshoot the edge."""


class NonCartesianKSpace(NamedTuple):
    """What :func:`noncartesian_kspace` returns."""

    kspace: np.ndarray
    """complex64 (coil, acquisition, sample)"""
    positions: np.ndarray
    """float32 (acquisition, sample, d), in cycles per pixel, in the order (z, y, x) or (y, x)"""
    extra: np.ndarray | None
    """float32 (acquisition, sample): the column after the positions, where some software keeps
    weights of the sampling density; None without one"""
    heads: np.ndarray
    """structured (acquisition,): the heads, with the counters in heads["idx"]"""


def noncartesian_kspace(
    raw: RawData,
    *,
    lines: str | np.ndarray = "imaging",
    units: str = "pixel",
    dimensions: int | None = None,
    encoding: int = 0,
) -> NonCartesianKSpace:
    r"""Samples and their positions in cycles per pixel (the Nyquist limit is 1/2).

    ISMRMRD stores the columns kx, ky(, kz) and leaves their unit open: the converter that wrote the
    file chose it. With the pixels Delta (mm) and the encoded matrix n of each axis,

        k [cycles per pixel] = k, k / n, k / (2 pi), k Delta or k Delta / 1000

    for `units` "pixel", "fov" (cycles per encoded field of view: integers at Cartesian positions),
    "radian" (per pixel, up to pi), "mm" (cycles per mm) and "m" (cycles per m, as Pulseq). Pixels
    are those of the encoded space, its field of view by its matrix.

    Args:
        raw: from :func:`read_ismrmrd`. Frames of a series: first `raw.select(...)` those with, say,
            one raw.heads["idx"]["repetition"].
        lines: "imaging", "calibration" or "all" (see :meth:`RawData.lines`), or booleans
            (acquisition,).
        units: of the positions in the file.
        dimensions: how many columns are positions, 2 or 3. By default those there are, but 2 for
            the 3 columns of a matrix with one partition.
        encoding: number of the encoding space; acquisitions of others are left out.

    Raises:
        ValueError: no such acquisitions, or without positions; acquisitions of different length;
            positions beyond the Nyquist limit by more than 5 %, which another unit may explain.
    """
    what = "noncartesian_kspace"
    check_choice(units, UNITS, what=what, argument="units")
    space = raw.encoding(encoding)
    raw = choose(raw, lines, encoding, what)
    cuts = [
        slice(int(head["discard_pre"]), block.shape[1] - int(head["discard_post"]))
        for head, block in zip(raw.heads, raw.data, strict=True)
    ]
    data = [block[:, cut] for block, cut in zip(raw.data, cuts, strict=True)]
    tracks = [track[cut] for track, cut in zip(raw.trajectories, cuts, strict=True)]
    for name, shapes in (
        ("coils and samples", {block.shape for block in data}),
        ("samples and dimensions of the trajectory", {track.shape for track in tracks}),
    ):
        if len(shapes) > 1:
            raise ValueError(
                f"{what} expected acquisitions with the same {name}, got {sorted(shapes)[:4]}: "
                "choose by `lines`."
            )
    columns = tracks[0].shape[1]
    if columns < 2:
        raise ValueError(
            f"{what} expected positions of 2 or 3 columns with each acquisition, got {columns}. Is "
            "it Cartesian, or were the positions left out when it was converted?"
        )
    d = dimensions or (2 if space.encoded_shape[0] == 1 else min(columns, 3))
    if not 2 <= d <= min(columns, 3):
        raise ValueError(f"{what} expected dimensions between 2 and {min(columns, 3)}, got {d}.")
    track = np.stack(tracks)
    positions = track[..., d - 1 :: -1] * _scale(space, units)[3 - d :]
    positions = positions.astype(np.float32)
    largest = np.abs(positions).max()
    if not largest <= _EDGE:
        found = track[..., :d]
        raise ValueError(
            f"{what} expected positions up to 0.5 cycles per pixel, got {largest:.4g} with units="
            f"'{units}' (up to {np.abs(found).max():.4g} in the file): {_hint(found, space)}"
        )
    rest = track[..., d] if columns > d else None
    if rest is not None and not rest.any():
        rest = None  # kz of a plane
    return NonCartesianKSpace(np.stack(data, axis=1), positions, rest, raw.heads)


def _scale(space: Encoding, units: str) -> np.ndarray:
    """Cycles per pixel in one unit, along (z, y, x)."""
    n = np.array(space.encoded_shape, float)
    pixel = np.array(space.encoded_size) / n
    return {
        "pixel": np.ones(3),
        "fov": 1 / n,
        "radian": np.full(3, 1 / (2 * np.pi)),
        "mm": pixel,
        "m": pixel / 1e3,
    }[units]


def _hint(track: np.ndarray, space: Encoding) -> str:
    d = track.shape[-1]
    largest = np.abs(track.reshape(-1, d)).max(axis=0)[::-1]
    reach = {u: float((largest * _scale(space, u)[3 - d :]).max()) for u in UNITS}
    fit = [u for u in UNITS if 0.2 <= reach[u] <= _EDGE]
    if not fit:
        return "is the matrix or the field of view in the header wrong?"
    return "units that would reach the edge of k-space: " + ", ".join(f"'{u}'" for u in fit) + "."
