"""Checks of what is asked of a sampling pattern, in plain words."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_pair(value: Any, *, what: str, argument: str) -> tuple[int, int]:
    """One number for both axes, or two; each at least 0."""
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2 or any(int(v) != v or v < 0 for v in pair):
        raise ValueError(f"{what} expected {argument} as one or two whole numbers, got {value!r}.")
    return int(pair[0]), int(pair[1])


def check_acceleration(acceleration: Any, *, what: str) -> float:
    """A number of at least 1."""
    if not float(acceleration) >= 1:
        raise ValueError(
            f"{what} expected an acceleration of at least 1, the entries of k-space over those "
            f"measured, got {acceleration!r}."
        )
    return float(acceleration)


def check_calibration(count: int, wanted: float, *, what: str) -> None:
    """Raise when the calibration region alone is more than what may be measured."""
    if count > wanted:
        raise ValueError(
            f"{what}: the calibration region has {count} entries, more than the {wanted:.0f} that "
            "the acceleration leaves."
        )
