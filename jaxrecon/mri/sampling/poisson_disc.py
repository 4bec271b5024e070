"""Poisson-disc sampling: random, with a least distance between neighbours."""

from __future__ import annotations

import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.mri.sampling.centre import centre
from jaxrecon.mri.sampling.checks import as_pair, check_acceleration, check_calibration


def poisson_disc(
    shape: tuple[int, int],
    acceleration: float,
    *,
    calibration: int | tuple[int, int] = 0,
    variable: bool = True,
    elliptical: bool = True,
    tolerance: float = 0.02,
    seed: int = 0,
) -> np.ndarray:
    r"""Random points that keep a distance, which grows from the centre of k-space outwards.

    Points are tried in a random order, and each is taken if no one taken before is nearer than the
    distance that holds there: a maximal Poisson-disc pattern. In units of samples the distance is
    1 + s r, r from 0 at the calibration region to 1 at the edge (s everywhere, where not
    `variable`), with the s that meets the acceleration, exactly. Distances along an axis of fewer
    samples count as on a square of the longer one.

    Args:
        shape: (z, y) of k-space, or (y, x) in simulations.
        acceleration: all entries of k-space over measured ones, calibration included.
        calibration: size of the fully sampled centre, one number or one for each axis.
        variable: whether the density falls towards the edge.
        elliptical: leave out the corners beyond the ellipse that touches the edges.
        tolerance: the search of s ends with a pattern of at most so many samples too much, as a
            share of them; those are taken out at random. On a grid distances jump from 1 to
            sqrt(2), so that at accelerations below 3 more are taken out.
        seed: of the random numbers; the same seed gives the same pattern.

    Returns:
        Booleans of that shape. 256 x 256 at acceleration 4 takes about a second.

    Raises:
        ValueError: an acceleration below 1 or one that the corners left out exceed already, a
            calibration region larger than what it leaves.

    Source: Bridson 2007, doi:10.1145/1278780.1278807; for parallel imaging, Lustig and Pauly 2010,
    doi:10.1002/mrm.22428.
    """
    what = "poisson_disc"
    ny, nx = (check_positive_int(n, what=what, argument="shape") for n in shape)
    cy, cx = as_pair(calibration, what=what, argument="calibration")
    wanted = ny * nx / check_acceleration(acceleration, what=what)
    fixed = centre(ny, cy)[:, None] & centre(nx, cx)
    check_calibration(int(fixed.sum()), wanted, what=what)
    y, x = (np.abs(np.arange(n) - n // 2) / max(n // 2, 1) for n in (ny, nx))
    inside = (np.hypot(y[:, None], x) <= 1) if elliptical else np.ones((ny, nx), bool)
    if (inside | fixed).sum() < wanted:
        raise ValueError(
            f"{what}: within the ellipse there are {int(inside.sum())} samples, fewer than the "
            f"{wanted:.0f} of acceleration {acceleration}; pass elliptical=False."
        )
    radius = np.hypot(*np.meshgrid(_beyond(y, cy / ny), _beyond(x, cx / nx), indexing="ij"))
    order = np.random.default_rng(seed).permutation(np.flatnonzero(inside & ~fixed))
    low, high = 0.0, float(np.sqrt(4 * acceleration)) + 2
    while _pattern(radius, high, order, fixed, variable).sum() > wanted:
        high *= 2
    best = inside | fixed
    for _ in range(20):
        if best.sum() <= (1 + tolerance) * wanted:
            break
        s = (low + high) / 2
        mask = _pattern(radius, s, order, fixed, variable)
        if mask.sum() >= wanted:
            best, low = mask, s
        else:
            high = s
    return _thinned(best, fixed, round(wanted), seed)


def _thinned(mask: np.ndarray, fixed: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Points beside the fixed ones left out at random, until as many as wanted are there."""
    loose = np.flatnonzero(mask & ~fixed)
    out = np.random.default_rng((seed, 1)).permutation(loose)[: max(mask.sum() - wanted, 0)]
    mask = mask.copy()
    mask.ravel()[out] = False
    return mask


def _beyond(along: np.ndarray, calibration: float) -> np.ndarray:
    """Distance from the calibration region along one axis, 1 at the edge."""
    return np.maximum(along - calibration, 0) / max(1 - calibration, 1e-6)


def _pattern(
    radius: np.ndarray, s: float, order: np.ndarray, fixed: np.ndarray, variable: bool
) -> np.ndarray:
    """One maximal pattern: a point that is taken shadows the others in its disc."""
    ny, nx = radius.shape
    distance = np.maximum(1 + s * radius if variable else np.full_like(radius, s), 1e-6).ravel()
    longest = max(ny, nx)
    reach_y = np.ceil(distance * ny / longest).astype(int)
    reach_x = np.ceil(distance * nx / longest).astype(int)
    most_y, most_x = int(reach_y.max()), int(reach_x.max())
    dy, dx = np.mgrid[-most_y : most_y + 1, -most_x : most_x + 1]
    square = (dy * longest / ny) ** 2 + (dx * longest / nx) ** 2
    free = np.pad(~fixed, ((most_y, most_y), (most_x, most_x)), constant_values=False)
    taken = fixed.copy()
    flat = taken.ravel()
    width = free.shape[1]
    open_points = free.ravel()
    home = (order // nx + most_y) * width + order % nx + most_x
    for point, place in zip(order.tolist(), home.tolist(), strict=True):
        if not open_points[place]:
            continue
        flat[point] = True
        ry, rx, d = reach_y[point], reach_x[point], distance[point]
        top, left = place // width - ry, place % width - rx
        window = free[top : top + 2 * ry + 1, left : left + 2 * rx + 1]
        near = square[most_y - ry : most_y + ry + 1, most_x - rx : most_x + rx + 1] < d * d
        window &= ~near
    return taken
