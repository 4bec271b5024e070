"""Where k-space is sampled: trajectories in cycles per pixel, their gradients and their delays."""

from jaxrecon.mri.trajectories.cones import cones
from jaxrecon.mri.trajectories.delays import delayed, estimate_delays, phase_offset
from jaxrecon.mri.trajectories.echo_planar import echo_planar
from jaxrecon.mri.trajectories.gradients import GAMMA, Gradients, check_limits, gradients
from jaxrecon.mri.trajectories.radial import (
    golden_angles,
    golden_means_directions,
    phyllotaxis_directions,
    radial,
    radial_along,
    stack,
    uniform_angles,
)
from jaxrecon.mri.trajectories.rosette import rosette
from jaxrecon.mri.trajectories.spiral import spiral, spiral_readout
from jaxrecon.mri.trajectories.time_optimal import Readout, time_optimal

__all__ = [
    "GAMMA",
    "Gradients",
    "Readout",
    "check_limits",
    "cones",
    "delayed",
    "echo_planar",
    "estimate_delays",
    "golden_angles",
    "golden_means_directions",
    "gradients",
    "phase_offset",
    "phyllotaxis_directions",
    "radial",
    "radial_along",
    "rosette",
    "spiral",
    "spiral_readout",
    "stack",
    "time_optimal",
    "uniform_angles",
]
