"""Geometries in the conventions of other toolboxes, and back; no toolbox needs to be installed.

docs/ct_conventions.md has the table of axes, units, signs and data orders.
"""

from jaxrecon.ct.convert.astra import from_astra, to_astra
from jaxrecon.ct.convert.leap import from_leap, to_leap
from jaxrecon.ct.convert.odl import from_odl, to_odl
from jaxrecon.ct.convert.tigre import from_tigre, to_tigre

__all__ = [
    "from_astra",
    "from_leap",
    "from_odl",
    "from_tigre",
    "to_astra",
    "to_leap",
    "to_odl",
    "to_tigre",
]
