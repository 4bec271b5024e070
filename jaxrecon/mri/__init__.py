"""Magnetic resonance imaging, from raw k-space to images.

Images are (y, x) or (z, y, x), k-space is (coil, y, x) on a grid and (coil, *samples) along a
trajectory, complex. Transforms are centred and orthonormal; positions are in cycles per pixel, in
the order of the image axes; times in s, frequencies in Hz, lengths in mm, angles in radians.

- operators: Sense, NonuniformSense, off_resonance, SubspaceSense, MultiSlice
- sampling: masks of Cartesian scans; trajectories: radial, spiral, rosette, echo-planar, cones
- density: compensation of the sampling density; gridding
- coils: espirit, walsh, nlinv, compression, prewhitening
- direct: zero_filled, roemer, grappa, SPIRiT, partial Fourier
- simulate: k-space in closed form, coils, noise, field maps, motion, brains
"""

from jaxrecon.mri import coils, density, operators, sampling, simulate, trajectories
from jaxrecon.mri.coils import espirit, nlinv, walsh
from jaxrecon.mri.direct.gridding import gridding
from jaxrecon.mri.operators import (
    NonuniformSense,
    OffResonance,
    Sense,
    Subspace,
    SubspaceSense,
    off_resonance,
    temporal_basis,
)

__all__ = [
    "NonuniformSense",
    "OffResonance",
    "Sense",
    "Subspace",
    "SubspaceSense",
    "coils",
    "density",
    "espirit",
    "gridding",
    "nlinv",
    "off_resonance",
    "operators",
    "sampling",
    "simulate",
    "temporal_basis",
    "trajectories",
    "walsh",
]
