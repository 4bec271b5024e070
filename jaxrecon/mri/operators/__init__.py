"""Encoding operators of MRI: coils, trajectories, precession, subspaces."""

from jaxrecon.mri.operators.nonuniform_sense import NonuniformSense
from jaxrecon.mri.operators.off_resonance import OffResonance, exact_signal, off_resonance
from jaxrecon.mri.operators.sense import Sense
from jaxrecon.mri.operators.subspace import Subspace, SubspaceSense, temporal_basis

__all__ = [
    "NonuniformSense",
    "OffResonance",
    "Sense",
    "Subspace",
    "SubspaceSense",
    "exact_signal",
    "off_resonance",
    "temporal_basis",
]
