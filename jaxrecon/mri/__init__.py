"""Magnetic resonance imaging, from raw k-space to images.

Images are (y, x) or (z, y, x), k-space is (coil, y, x) on a grid and (coil, *samples) along a
trajectory, complex. Transforms are centred and orthonormal; positions are in cycles per pixel, in
the order of the image axes; times in s, frequencies in Hz, lengths in mm, angles in radians.

- encoding: Sense, NonuniformSense, MultiSlice, off_resonance, Subspace, SubspaceSense
- where k-space is measured: sampling (masks), trajectories, density (its compensation)
- coils: espirit, walsh, nlinv, jsense; compression, prewhitening
- direct reconstruction: gridding, zero_filled, roemer, grappa, spirit, homodyne, pocs, g-factors
- simulate: k-space in closed form, coils, noise, field maps, motion, brains
- volume_quality: PSNR, SSIM and NMSE as the fastMRI challenges have them

Everything else is what the library has for all modalities: :mod:`jaxrecon.solvers` for CG-SENSE and
penalties, :mod:`jaxrecon.nn` for networks, :mod:`jaxrecon.data` for files.
"""

from jaxrecon.mri import coils, density, direct, operators, sampling, simulate, trajectories
from jaxrecon.mri.coils import espirit, jsense, nlinv, walsh
from jaxrecon.mri.direct import (
    grappa,
    gridding,
    homodyne,
    pocs,
    roemer,
    root_sum_of_squares,
    spirit,
    zero_filled,
)
from jaxrecon.mri.metrics import VolumeQuality, volume_quality
from jaxrecon.mri.operators import (
    MultiSlice,
    NonuniformSense,
    OffResonance,
    Sense,
    Subspace,
    SubspaceSense,
    off_resonance,
    temporal_basis,
)

__all__ = [
    "MultiSlice",
    "NonuniformSense",
    "OffResonance",
    "Sense",
    "Subspace",
    "SubspaceSense",
    "VolumeQuality",
    "coils",
    "density",
    "direct",
    "espirit",
    "grappa",
    "gridding",
    "homodyne",
    "jsense",
    "nlinv",
    "off_resonance",
    "operators",
    "pocs",
    "roemer",
    "root_sum_of_squares",
    "sampling",
    "simulate",
    "spirit",
    "temporal_basis",
    "trajectories",
    "volume_quality",
    "walsh",
    "zero_filled",
]
