"""Non-Cartesian k-space cut into acquisitions."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.mri_acquire import LONGEST, finished
from jaxrecon.data.mri_header import MRIHeader
from jaxrecon.data.mri_raw import HEAD, RawData


def noncartesian_raw(
    kspace: Any,
    positions: Any,
    header: MRIHeader,
    *,
    counters: dict[str, Any] | None = None,
    noise: Any = None,
    dwell_time: float = 0,
) -> RawData:
    """Non-Cartesian acquisitions for :func:`write_ismrmrd`, with positions in cycles per pixel.

    Args:
        kspace: complex (coil, acquisition, sample).
        positions: (acquisition, sample, d) in cycles per pixel, in the order (z, y, x) or (y, x).
        header: from :func:`mri_header`, with its trajectory.
        counters: integers (acquisition,) by name, e.g. {"repetition": frames}.
        noise: complex (coil, sample), written first and flagged as noise.
        dwell_time: time between samples in s.

    Raises:
        ValueError: shapes that do not fit each other, an unknown counter or one out of range.
        TypeError: k-space that is not complex.
    """
    what = "noncartesian_raw"
    kspace, positions = np.asarray(kspace), np.asarray(positions)
    if kspace.dtype.kind != "c":
        raise TypeError(f"{what} expected complex k-space, got {kspace.dtype}.")
    if kspace.ndim != 3 or positions.shape not in [(*kspace.shape[1:], d) for d in (2, 3)]:
        raise ValueError(
            f"{what} expected k-space (coil, acquisition, sample) and positions (acquisition, "
            f"sample, 2 or 3), got {kspace.shape} and {positions.shape}."
        )
    if kspace.shape[2] > LONGEST:
        raise ValueError(
            f"{what} expected up to {LONGEST} samples a readout, got {kspace.shape[2]}."
        )
    heads = np.zeros(kspace.shape[1], HEAD)
    heads["center_sample"] = np.argmin(np.linalg.norm(positions, axis=-1), axis=-1)
    heads["idx"]["kspace_encode_step_1"] = np.arange(kspace.shape[1]) % (LONGEST + 1)
    names = tuple(heads["idx"].dtype.names or ())
    for name, values in (counters or {}).items():
        check_choice(name, names, what=what, argument="counters")
        values = np.asarray(values)
        if values.shape != heads.shape or values.min() < 0 or values.max() > LONGEST:
            raise ValueError(
                f"{what} expected {name} as {heads.shape} integers from 0 to {LONGEST}, got "
                f"{values.shape}."
            )
        heads["idx"][name] = values
    tracks = list(np.ascontiguousarray(positions[..., ::-1], np.float32))
    data = list(np.moveaxis(kspace, 1, 0).astype(np.complex64))
    return finished(header, heads, data, tracks, kspace.shape[0], noise, dwell_time, what)
