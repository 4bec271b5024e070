"""Every R-th line, and a fully sampled centre."""

from __future__ import annotations

import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.mri.sampling.centre import centre
from jaxrecon.mri.sampling.checks import as_pair


def uniform_lines(
    lines: int, acceleration: int, *, calibration: int = 0, offset: int = 0
) -> np.ndarray:
    """Lines offset, offset + R, offset + 2 R, ..., and `calibration` lines around the origin.

    Args:
        lines: of k-space along the phase-encoding axis; the origin is line lines // 2.
        acceleration: R, a whole number.
        calibration: lines in the middle, all measured.
        offset: the first line.

    Returns:
        (lines,) booleans; ``mask[:, None]`` for k-space (y, x) with lines along y.

    Raises:
        ValueError: numbers that are not whole and positive.

    Source: Pruessmann, Weiger, Scheidegger and Boesiger 1999,
    doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S; calibration lines, Griswold
    et al. 2002, doi:10.1002/mrm.10171.
    """
    what = "uniform_lines"
    n = check_positive_int(lines, what=what, argument="lines")
    step = check_positive_int(acceleration, what=what, argument="acceleration")
    return ((np.arange(n) - offset) % step == 0) | centre(n, int(calibration))


def caipirinha(
    shape: tuple[int, int],
    acceleration: tuple[int, int],
    *,
    shift: int = 0,
    calibration: int | tuple[int, int] = 0,
    offset: tuple[int, int] = (0, 0),
) -> np.ndarray:
    r"""2-D CAIPIRINHA: a lattice in the plane of both phase encodings, sheared by `shift`.

    (z, y) is measured where (z - offset_z) is a multiple k R_z and
    (y - offset_y - k shift) a multiple of R_y. The total acceleration is R_z R_y; the shift moves
    the aliases so that they overlap less, and the coils differ more between them. shift = 0 is the
    plain lattice.

    Args:
        shape: (z, y) of k-space.
        acceleration: (R_z, R_y), whole numbers.
        shift: along y from one measured plane z to the next, in samples.
        calibration: size of the fully sampled centre, one number or (z, y).
        offset: of the lattice along (z, y).

    Returns:
        (z, y) booleans.

    Raises:
        ValueError: numbers that are not whole and positive.

    Source: Breuer et al. 2006, doi:10.1002/mrm.20787.
    """
    what = "caipirinha"
    nz, ny = (check_positive_int(n, what=what, argument="shape") for n in shape)
    rz, ry = (check_positive_int(r, what=what, argument="acceleration") for r in acceleration)
    cz, cy = as_pair(calibration, what=what, argument="calibration")
    z, y = np.arange(nz)[:, None] - offset[0], np.arange(ny)[None] - offset[1]
    lattice = (z % rz == 0) & ((y - shift * (z // rz)) % ry == 0)
    return lattice | (centre(nz, cz)[:, None] & centre(ny, cy))


def partial_fourier(lines: int, fraction: float, *, last: bool = True) -> np.ndarray:
    """The last lines of k-space, or the first: a given fraction of all.

    What is missing follows from conjugate symmetry, as far as the phase of the image is smooth: see
    :mod:`jaxrecon.mri.direct`. At least a few lines beyond the origin have to be measured.

    Args:
        lines: of k-space; the origin is line lines // 2.
        fraction: of the lines, above 1/2 and at most 1; 5/8 to 7/8 are common.
        last: keep the last lines, or the first.

    Returns:
        (lines,) booleans.

    Raises:
        ValueError: a fraction that is not above 1/2 and at most 1.

    Source: Noll, Nishimura and Macovski 1991, doi:10.1109/42.79473.
    """
    n = check_positive_int(lines, what="partial_fourier", argument="lines")
    if not 0.5 < fraction <= 1:
        raise ValueError(
            f"partial_fourier expected a fraction above 1/2 and at most 1, got {fraction!r}: with "
            "half or less the origin of k-space and the phase would be lost."
        )
    index = np.arange(n)
    count = round(fraction * n)
    return index >= n - count if last else index < count
