"""Encoding operators of MRI: coils, trajectories, precession, subspaces, simultaneous slices."""

from jaxrecon.mri.operators.multislice import MultiSlice, caipi_phases
from jaxrecon.mri.operators.nonuniform_sense import NonuniformSense
from jaxrecon.mri.operators.off_resonance import OffResonance, exact_signal, off_resonance
from jaxrecon.mri.operators.sense import Sense
from jaxrecon.mri.operators.subspace import Subspace, SubspaceSense, temporal_basis

__all__ = [
    "MultiSlice",
    "NonuniformSense",
    "OffResonance",
    "Sense",
    "Subspace",
    "SubspaceSense",
    "caipi_phases",
    "exact_signal",
    "off_resonance",
    "temporal_basis",
]
