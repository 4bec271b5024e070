"""Which entries of Cartesian k-space are measured: boolean masks, made on the host from a seed."""

from jaxrecon.mri.sampling.fastmri import fastmri_equispaced_lines, fastmri_random_lines
from jaxrecon.mri.sampling.poisson_disc import poisson_disc
from jaxrecon.mri.sampling.uniform import caipirinha, partial_fourier, uniform_lines
from jaxrecon.mri.sampling.variable_density import variable_density, variable_density_lines

__all__ = [
    "caipirinha",
    "fastmri_equispaced_lines",
    "fastmri_random_lines",
    "partial_fourier",
    "poisson_disc",
    "uniform_lines",
    "variable_density",
    "variable_density_lines",
]
