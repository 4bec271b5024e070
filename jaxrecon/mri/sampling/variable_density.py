"""Random samples, denser at the origin of k-space."""

from __future__ import annotations

import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.mri.sampling.centre import centre
from jaxrecon.mri.sampling.checks import as_pair, check_acceleration, check_calibration


def variable_density_lines(
    lines: int, acceleration: float, *, power: float = 3.0, calibration: int = 0, seed: int = 0
) -> np.ndarray:
    r"""Random lines with a density that falls like (1 - |k|)^power towards the edge.

    The density is min(1, c + (1 - r)^power), r from 0 at the origin to 1 at the edge, with the
    constant c, which may be negative (then the density is cut off at 0), such that
    lines / acceleration of them are measured. Exactly so many are (rounded), each with its density
    as its probability.

    Args:
        lines: of k-space; the origin is line lines // 2.
        acceleration: lines over measured ones, calibration included.
        power: at least 0; 0 is uniform.
        calibration: lines around the origin, all measured.
        seed: of the random numbers; the same seed gives the same lines.

    Returns:
        (lines,) booleans.

    Raises:
        ValueError: an acceleration below 1, or a calibration region larger than what it leaves.

    Source: Lustig, Donoho and Pauly 2007, doi:10.1002/mrm.21391.
    """
    what = "variable_density_lines"
    n = check_positive_int(lines, what=what, argument="lines")
    radius = np.abs(np.arange(n) - n // 2) / max(n // 2, 1)
    fixed = centre(n, int(calibration))
    return _drawn(radius, fixed, acceleration, power, seed, what)


def variable_density(
    shape: tuple[int, int],
    acceleration: float,
    *,
    power: float = 3.0,
    calibration: int | tuple[int, int] = 0,
    elliptical: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Random points of the plane of two phase encodings; :func:`variable_density_lines` in 2-D.

    Args:
        shape: (z, y) of k-space, or (y, x) in simulations.
        acceleration, power, seed: as for :func:`variable_density_lines`.
        calibration: size of the fully sampled centre, one number or one for each axis.
        elliptical: nothing outside of the ellipse that touches the edges of k-space is measured;
            the acceleration still counts all entries.

    Returns:
        Booleans of that shape.

    Raises:
        ValueError: as :func:`variable_density_lines`.

    Source: Lustig, Donoho and Pauly 2007, doi:10.1002/mrm.21391.
    """
    what = "variable_density"
    ny, nx = (check_positive_int(n, what=what, argument="shape") for n in shape)
    cy, cx = as_pair(calibration, what=what, argument="calibration")
    y, x = (np.abs(np.arange(n) - n // 2) / max(n // 2, 1) for n in (ny, nx))
    radius = np.hypot(y[:, None], x)
    if not elliptical:
        radius = radius / np.sqrt(2)
    fixed = centre(ny, cy)[:, None] & centre(nx, cx)
    return _drawn(radius, fixed, acceleration, power, seed, what)


def _drawn(
    radius: np.ndarray,
    fixed: np.ndarray,
    acceleration: float,
    power: float,
    seed: int,
    what: str,
) -> np.ndarray:
    """Exactly size / acceleration entries: the fixed ones, and others by their density."""
    wanted = round(radius.size / check_acceleration(acceleration, what=what))
    check_calibration(int(fixed.sum()), wanted, what=what)
    free = ~fixed & (radius <= 1)
    if wanted - fixed.sum() > free.sum():
        raise ValueError(
            f"{what}: the ellipse has {int((free | fixed).sum())} entries, fewer than the {wanted} "
            "that the acceleration asks for."
        )
    falling = (1 - np.minimum(radius[free], 1)) ** power
    density = _shifted(falling, wanted - int(fixed.sum()))
    mask = fixed.copy()
    mask[free] = _systematic(density, np.random.default_rng(seed))
    return mask


def _shifted(falling: np.ndarray, total: int) -> np.ndarray:
    """clip(c + falling, 0, 1) with the c for which it sums to the total."""
    low, high = -1.0, 1.0
    for _ in range(60):
        c = (low + high) / 2
        if np.clip(c + falling, 0, 1).sum() < total:
            low = c
        else:
            high = c
    return np.clip(high + falling, 0, 1)


def _systematic(probability: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Booleans with these probabilities, as many as their sum: a comb through a random order.

    Source: Madow 1949, doi:10.1214/aoms/1177729988.
    """
    order = random.permutation(probability.size)
    ends = np.cumsum(probability[order])
    ends = ends * (round(ends[-1]) / max(ends[-1], 1e-12)) + random.uniform()
    chosen = np.floor(ends) > np.floor(
        np.concatenate([[ends[0] - probability[order[0]]], ends[:-1]])
    )
    result = np.zeros(probability.size, bool)
    result[order] = chosen
    return result
