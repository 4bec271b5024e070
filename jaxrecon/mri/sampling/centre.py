"""The fully sampled centre of k-space, along one axis."""

from __future__ import annotations

import numpy as np


def centre(n: int, count: int) -> np.ndarray:
    """(n,) booleans: `count` entries around the origin, entry n // 2."""
    index = np.arange(n) - (n // 2 - count // 2)
    return (index >= 0) & (index < count)
