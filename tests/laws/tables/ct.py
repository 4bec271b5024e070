"""Operators of jaxrecon.ct."""

import numpy as np

from jaxrecon import ct
from tests.laws.cases import OperatorCase


def square(dtype):
    return ct.ParallelBeam(ct.equispaced((12, 12), 7, dtype=dtype))


def oblong(dtype):
    """Oblong pixels and image, shifted detector, full turn."""
    return ct.ParallelBeam(
        ct.equispaced(
            (9, 14),
            8,
            arc=2 * np.pi,
            bins=21,
            pixel_size=(1.3, 0.6),
            pitch=0.8,
            offset=0.9,
            dtype=dtype,
        )
    )


OPERATORS = [
    OperatorCase("ct.ParallelBeam square", square),
    OperatorCase("ct.ParallelBeam oblong", oblong),
]
