"""Operators of jaxrecon.ct."""

from functools import partial

import numpy as np

from jaxrecon import ct
from tests.laws.cases import OperatorCase


def turned(geometry, model):
    """By an odd angle: linear interpolation has kinks where bins meet pixels, as at angle 0."""
    return ct.XRayTransform(geometry.replace(angles=geometry.angles + 0.13), model)


def square(dtype, model=None):
    return turned(ct.parallel_beam((12, 12), 7, offset=0.07, dtype=dtype), model)


def oblong(dtype, model=None):
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
        ),
        model,
    )


# Tiny, and odd numbers: a ray that passes through a pixel centre is at a kink of the interpolation,
# and the more samples, the likelier one crosses a centre within a finite difference.
def fan(dtype, model=None):
    angles = np.asarray([0.13, 1.3, 2.9, 4.7], dtype)
    geometry = ct.FanGeometry(
        (5, 6),
        angles,
        7,
        9.3,
        6.1,
        pixel_size=(1.1, 0.9),
        pitch=1.37,
        offset=0.23,
        axis_shift=0.17,
        tilt=0.05,
        detector="curved",
    )
    return ct.XRayTransform(geometry, model)


def planar_vectors(dtype):
    """Oblong pixels: with square ones shears along x and y meet at 45 degrees, a kink."""
    geometry = ct.fan_beam((5, 6), 4, 9.3, 6.1, bins=7, pixel_size=(1.1, 0.9), dtype=dtype)
    return ct.XRayTransform(ct.as_vectors(geometry))


def cone(dtype, **changes):
    options = {
        "pixel_size": (1.2, 1.1, 0.9),
        "pitch": (1.31, 1.43),
        "offset": (0.11, 0.23),
        "axis_shift": 0.17,
        "source_z": np.asarray([-0.6, 0.13, 0.7], dtype),
        "centre": (0.07, -0.12, 0.09),
        **changes,
    }
    angles = np.asarray([0.53, 2.13, 4.31], dtype)
    return ct.XRayTransform(ct.ConeGeometry((3, 4, 5), angles, (3, 5), 9.3, 6.1, **options))


def laminography(dtype):
    geometry = ct.ParallelGeometry3D(
        (3, 4, 5),
        np.asarray([0.23, 1.93, 4.31], dtype),
        (3, 4),
        pixel_size=(1.2, 1.1, 0.9),
        pitch=(1.31, 1.23),
        offset=(0.11, 0.23),
        tilt=0.61,
        centre=(0.07, -0.12, 0.09),
    )
    return ct.XRayTransform(geometry)


def vectors(dtype):
    """Each view with a source, a detector and detector axes of its own; the first along z."""
    return ct.XRayTransform(
        ct.VectorGeometry(
            (3, 4, 5),
            np.asarray([[0.4, 0.3, -9.1], [-8.7, 1.3, 0.6], [2.3, 9.2, -1.1]], dtype),
            np.asarray([[-0.2, 0.1, 5.3], [5.1, -0.4, 0.3], [-1.1, -5.7, 0.2]], dtype),
            np.asarray([[1.3, 0.2, 0.1], [0.1, 1.4, 0.2], [-1.2, 0.3, 0.1]], dtype),
            np.asarray([[0.1, 1.2, -0.1], [0.2, 0.1, 1.3], [0.1, 0.2, 1.1]], dtype),
            (3, 4),
            pixel_size=(1.2, 1.1, 0.9),
        )
    )


OPERATORS = [
    OperatorCase("ct.XRayTransform square", square),
    OperatorCase("ct.XRayTransform oblong", oblong, variant=True),
    OperatorCase("ct.XRayTransform strip", partial(oblong, model="strip"), variant=True),
    OperatorCase("ct.XRayTransform square shear", partial(square, model="shear")),
    OperatorCase("ct.XRayTransform oblong shear", partial(oblong, model="shear"), variant=True),
    OperatorCase("ct.XRayTransform fan", fan),
    OperatorCase("ct.XRayTransform fan joseph", partial(fan, model="joseph"), variant=True),
    OperatorCase("ct.XRayTransform planar vectors", planar_vectors, variant=True),
    OperatorCase("ct.XRayTransform cone planes", cone),
    OperatorCase("ct.XRayTransform cone curved", partial(cone, detector="curved"), variant=True),
    OperatorCase(
        "ct.XRayTransform cone tilted", partial(cone, tilt=(0.03, -0.05, 0.04)), variant=True
    ),
    OperatorCase("ct.XRayTransform laminography", laminography, variant=True),
    OperatorCase("ct.XRayTransform vectors", vectors),
]
