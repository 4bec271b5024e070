"""Simulated scans: phantoms in closed form, coils, noise, field maps, motion, brains, slices."""

from jaxrecon.mri.simulate.brain import BrainMaps, brain_maps, brain_slices, spin_echo_signals
from jaxrecon.mri.simulate.coil_maps import loop_maps
from jaxrecon.mri.simulate.field_map import polynomial_field, random_field, sphere_field
from jaxrecon.mri.simulate.motion import (
    motion_terms,
    moved,
    moving_phantom_kspace,
    plane_rotation,
)
from jaxrecon.mri.simulate.mr_slice import MRSlice, mr_slice
from jaxrecon.mri.simulate.noise import coil_noise, ring_covariance
from jaxrecon.mri.simulate.phantom import cartesian_positions, phantom_kspace
from jaxrecon.mri.simulate.sensitivities import (
    Exponentials,
    Polynomials,
    Sensitivities,
    fit_exponentials,
    fit_polynomials,
    sensitivity_maps,
)

__all__ = [
    "BrainMaps",
    "Exponentials",
    "MRSlice",
    "Polynomials",
    "Sensitivities",
    "brain_maps",
    "brain_slices",
    "cartesian_positions",
    "coil_noise",
    "fit_exponentials",
    "fit_polynomials",
    "loop_maps",
    "motion_terms",
    "moved",
    "moving_phantom_kspace",
    "mr_slice",
    "phantom_kspace",
    "plane_rotation",
    "polynomial_field",
    "random_field",
    "ring_covariance",
    "sensitivity_maps",
    "sphere_field",
    "spin_echo_signals",
]
