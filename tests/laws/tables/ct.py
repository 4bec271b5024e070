"""Operators of jaxrecon.ct."""

import numpy as np

from jaxrecon import ct
from tests.laws.cases import OperatorCase


def turned(geometry):
    """By an odd angle: linear interpolation has kinks where bins meet pixels, as at angle 0."""
    return ct.XRayTransform(geometry.replace(angles=geometry.angles + 0.13))


def square(dtype):
    return turned(ct.parallel_beam((12, 12), 7, offset=0.07, dtype=dtype))


def oblong(dtype):
    """Oblong pixels and image, shifted detector, full turn."""
    return turned(
        ct.parallel_beam(
            (9, 14),
            8,
            arc=0.97 * 2 * np.pi,
            bins=21,
            pixel_size=(1.3, 0.6),
            pitch=0.83,
            offset=0.9,
            dtype=dtype,
        )
    )


OPERATORS = [
    OperatorCase("ct.XRayTransform square", square),
    OperatorCase("ct.XRayTransform oblong", oblong),
]
