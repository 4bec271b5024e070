"""What disturbs CT data, and what is done about it: metal, beam hardening, rings, two energies."""

from jaxrecon.ct.corrections.beam_hardening import (
    WATER_BONE,
    apply_polynomial,
    correct_bone,
    polychromatic_projection,
    water_polynomial,
)
from jaxrecon.ct.corrections.dual_energy import (
    alvarez_macovski_basis,
    decompose_data,
    decompose_images,
    decomposition_covariance,
    dual_energy_data,
    virtual_monoenergetic,
)
from jaxrecon.ct.corrections.metal import (
    interpolate_trace,
    metal_trace,
    normalised_interpolation,
    tissue_prior,
    trace_weights,
)
from jaxrecon.ct.corrections.rings import remove_rings_by_sorting, remove_rings_by_wavelets

__all__ = [
    "WATER_BONE",
    "alvarez_macovski_basis",
    "apply_polynomial",
    "correct_bone",
    "decompose_data",
    "decompose_images",
    "decomposition_covariance",
    "dual_energy_data",
    "interpolate_trace",
    "metal_trace",
    "normalised_interpolation",
    "polychromatic_projection",
    "remove_rings_by_sorting",
    "remove_rings_by_wavelets",
    "tissue_prior",
    "trace_weights",
    "virtual_monoenergetic",
    "water_polynomial",
]
