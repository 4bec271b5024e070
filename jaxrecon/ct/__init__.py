"""X-ray computed tomography: geometry, projector, filtered backprojection and counts.

Lengths are in mm, angles in radians, attenuation in 1/mm; images are (y, x), sinograms (view, bin).
"""

from jaxrecon.ct.direct import angular_weights, backproject_pixels, filtered_backprojection
from jaxrecon.ct.filters import WINDOWS, filter_sinogram, ramp_response
from jaxrecon.ct.geometry import ParallelGeometry, equispaced
from jaxrecon.ct.operator import ParallelBeam
from jaxrecon.ct.projector import backproject, project
from jaxrecon.ct.simulate import log_transform, transmission_counts

__all__ = [
    "WINDOWS",
    "ParallelBeam",
    "ParallelGeometry",
    "angular_weights",
    "backproject",
    "backproject_pixels",
    "equispaced",
    "filter_sinogram",
    "filtered_backprojection",
    "log_transform",
    "project",
    "ramp_response",
    "transmission_counts",
]
