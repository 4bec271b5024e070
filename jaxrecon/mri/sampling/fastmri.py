"""The random and equispaced lines of the fastMRI data sets and challenges, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.mri.sampling.checks import check_acceleration


def fastmri_random_lines(
    lines: int, acceleration: float, centre_fraction: float, *, seed: Any = None
) -> np.ndarray:
    """Low frequencies, and others with one probability each: knee and brain at random.

    round(lines centre_fraction) lines in the middle are measured, and each other one with the
    probability that makes lines / acceleration of them in the mean.

    Args:
        lines: columns of k-space.
        acceleration: 4 with centre_fraction 0.08, 8 with 0.04 in the challenges.
        centre_fraction: of the lines in the middle.
        seed: as the reference implementation takes it, a number, or the characters of a file's name
            as numbers, ``tuple(map(ord, name))``: the lines of fastmri 0.3.0 come, of a mask
            function made with one fraction and one acceleration. With several it draws first.

    Returns:
        (lines,) booleans.

    Raises:
        ValueError: an acceleration below 1, or more low frequencies than it leaves.

    Source: Zbontar et al. 2018, arXiv:1811.08839.
    """
    what = "fastmri_random_lines"
    n, low, middle = _low_frequencies(lines, acceleration, centre_fraction, what)
    probability = (n / acceleration - low) / (n - low)
    return (np.random.RandomState(seed).uniform(size=n) < probability) | middle


def fastmri_equispaced_lines(
    lines: int,
    acceleration: float,
    centre_fraction: float,
    *,
    offset: int | None = None,
    seed: Any = None,
) -> np.ndarray:
    """Low frequencies, and others in equal steps, longer by what the low ones cost.

    The step (acceleration (low - lines)) / (low acceleration - lines) is rounded line by line, so
    that distances differ by one, as in the public multi-coil brain data.

    Args:
        lines, acceleration, centre_fraction, seed: as for :func:`fastmri_random_lines`.
        offset: first line; drawn by the seed unless given.

    Returns:
        (lines,) booleans.

    Raises:
        ValueError: as :func:`fastmri_random_lines`.

    Source: Muckley et al. 2021, doi:10.1109/TMI.2021.3075856.
    """
    what = "fastmri_equispaced_lines"
    n, low, middle = _low_frequencies(lines, acceleration, centre_fraction, what)
    step = acceleration * (low - n) / (low * acceleration - n)
    if offset is None:
        offset = np.random.RandomState(seed).randint(0, high=round(step))
    mask = middle.copy()
    mask[np.around(np.arange(offset, n - 1, step)).astype(int)] = True
    return mask


def _low_frequencies(
    lines: int, acceleration: float, fraction: float, what: str
) -> tuple[int, int, np.ndarray]:
    n = check_positive_int(lines, what=what, argument="lines")
    check_acceleration(acceleration, what=what)
    low = round(n * fraction)
    if not 0 <= low < n / acceleration:
        raise ValueError(
            f"{what} expected fewer low frequencies than lines / acceleration, got {low} of {n} "
            f"lines at acceleration {acceleration}."
        )
    index = np.arange(n) - (n - low + 1) // 2
    return n, low, (index >= 0) & (index < low)
