"""X-ray computed tomography: geometry, projector, filtered backprojection and counts.

Lengths are in mm, angles in radians, attenuation in 1/mm; images are (y, x), sinograms (view, bin).
"""

from jaxrecon.ct.direct import angular_weights, backproject_pixels, filtered_backprojection
from jaxrecon.ct.filters import WINDOWS, filter_sinogram, ramp_response
from jaxrecon.ct.geometry import (
    ConeGeometry,
    FanGeometry,
    Geometry,
    ParallelGeometry,
    ParallelGeometry3D,
    VectorGeometry,
    as_vectors,
    cone_beam,
    fan_beam,
    parallel_beam,
    short_scan_arc,
)
from jaxrecon.ct.operator import XRayTransform
from jaxrecon.ct.projectors import backproject, project
from jaxrecon.ct.simulate import log_transform, transmission_counts

__all__ = [
    "WINDOWS",
    "ConeGeometry",
    "FanGeometry",
    "Geometry",
    "ParallelGeometry",
    "ParallelGeometry3D",
    "VectorGeometry",
    "XRayTransform",
    "angular_weights",
    "as_vectors",
    "backproject",
    "backproject_pixels",
    "cone_beam",
    "fan_beam",
    "filter_sinogram",
    "filtered_backprojection",
    "log_transform",
    "parallel_beam",
    "project",
    "ramp_response",
    "short_scan_arc",
    "transmission_counts",
]
