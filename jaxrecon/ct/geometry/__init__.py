"""Where the rays run: scan geometries as pytrees, in the plane and in space."""

from jaxrecon.ct.geometry.base import Geometry
from jaxrecon.ct.geometry.cone import ConeGeometry, cone_beam
from jaxrecon.ct.geometry.fan import FanGeometry, fan_beam, short_scan_arc
from jaxrecon.ct.geometry.parallel import ParallelGeometry, ParallelGeometry3D, parallel_beam
from jaxrecon.ct.geometry.vector import VectorGeometry, as_vectors

__all__ = [
    "ConeGeometry",
    "FanGeometry",
    "Geometry",
    "ParallelGeometry",
    "ParallelGeometry3D",
    "VectorGeometry",
    "as_vectors",
    "cone_beam",
    "fan_beam",
    "parallel_beam",
    "short_scan_arc",
]
