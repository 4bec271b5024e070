"""Acquisitions of one's own: what their heads say besides their place in k-space."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon.data.mri_header import MRIHeader
from jaxrecon.data.mri_raw import FLAGS, HEAD, RawData

LONGEST = 65535
"""samples of a readout, and largest counter, that a head can hold"""


def finished(
    header: MRIHeader,
    heads: np.ndarray,
    data: list[np.ndarray],
    trajectories: list[np.ndarray] | None,
    coils: int,
    noise: Any,
    dwell_time: float,
    what: str,
) -> RawData:
    """Raw data with the noise first and all that heads say of sizes, coils and directions."""
    if trajectories is None:
        trajectories = [np.zeros((block.shape[1], 0), np.float32) for block in data]
    if noise is not None:
        noise = np.asarray(noise)
        if noise.ndim != 2 or noise.shape[0] != coils:
            raise ValueError(f"{what} expected noise of ({coils}, samples), got {noise.shape}.")
        starts = range(0, noise.shape[1], LONGEST)
        blocks = [noise[:, k : k + LONGEST].astype(np.complex64) for k in starts]
        heads = np.concatenate([np.zeros(len(blocks), HEAD), heads])
        set_flag(heads, np.arange(len(heads)) < len(blocks), "noise")
        data = [*blocks, *data]
        trajectories = [*(np.zeros((b.shape[1], 0), np.float32) for b in blocks), *trajectories]
    set_flag(heads, np.arange(len(heads)) == len(heads) - 1, "last_in_measurement")
    heads["version"] = 1
    heads["scan_counter"] = np.arange(len(heads))
    heads["number_of_samples"] = [block.shape[1] for block in data]
    heads["trajectory_dimensions"] = [t.shape[1] for t in trajectories]
    heads["active_channels"] = heads["available_channels"] = coils
    heads["sample_time_us"] = dwell_time * 1e6
    for name, direction in zip(("read_dir", "phase_dir", "slice_dir"), np.eye(3), strict=True):
        heads[name] = direction
    return RawData(header._replace(coils=coils), heads, data, trajectories)


def set_flag(heads: np.ndarray, where: np.ndarray, name: str) -> None:
    """Set a flag in the heads that booleans choose."""
    heads["flags"][where] |= np.uint64(1 << (FLAGS[name] - 1))
