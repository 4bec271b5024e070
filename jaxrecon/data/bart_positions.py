"""Trajectories of BART, in cycles per field of view, and positions in cycles per pixel."""

from __future__ import annotations

from typing import Any

import numpy as np


def positions_from_bart(trajectory: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Positions in cycles per pixel from a BART trajectory, which is in cycles per field of view.

    Args:
        trajectory: as `read_bart(path, axes=("phase2", "phase1", "read"))` returns it: (spoke,
            sample, 3) with the columns x, y, z; further axes may lead.
        shape: (z, y, x) or (y, x) of the image.

    Returns:
        float32 (..., spoke, sample, d) in the order of `shape`.

    Raises:
        ValueError: not three columns.
    """
    trajectory = np.asarray(trajectory)
    if trajectory.shape[-1:] != (3,):
        raise ValueError(
            f"positions_from_bart expected (..., sample, 3), got {trajectory.shape}. Is it k-space "
            "or read with other axes?"
        )
    columns = trajectory.real[..., : len(shape)][..., ::-1]
    return (columns / np.array(shape, float)).astype(np.float32)


def positions_to_bart(positions: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A BART trajectory, to write with axes ("phase2", "phase1", "read"): the inverse of
    :func:`positions_from_bart`.

    Args:
        positions: (..., spoke, sample, d) in cycles per pixel, in the order of `shape`.
        shape: (z, y, x) or (y, x) of the image.

    Returns:
        complex64 (..., spoke, sample, 3); z is 0 in two dimensions.

    Raises:
        ValueError: another number of columns than sizes.
    """
    positions = np.asarray(positions)
    if positions.shape[-1:] != (len(shape),):
        raise ValueError(
            f"positions_to_bart expected (..., sample, {len(shape)}), got {positions.shape}."
        )
    columns = (positions * np.array(shape, float))[..., ::-1]
    rest = [(0, 0)] * (positions.ndim - 1)
    return np.pad(columns, [*rest, (0, 3 - len(shape))]).astype(np.complex64)
