"""Operators of Cartesian MRI."""

import numpy as np

from jaxrecon.core.checks import complex_dtype
from jaxrecon.mri.operators.multislice import MultiSlice
from jaxrecon.mri.operators.sense import Sense
from tests.laws.cases import OperatorCase
from tests.laws.tables.linops import numbers


def mask(*shape):
    return np.random.default_rng(3).random(shape) < 0.6


def sense(maps, mask=None, **options):
    return lambda d: Sense(numbers(maps, complex_dtype(d)), mask, **options)


def slices(d):
    phases = np.random.default_rng(4).uniform(-3, 3, (3, 4, 1)).astype(d)
    return MultiSlice(numbers((3, 2, 4, 5), complex_dtype(d)), phases, mask(4, 5))


OPERATORS = [
    OperatorCase("mri.Sense", sense((2, 4, 5), mask(4, 5))),
    OperatorCase("mri.Sense lines", sense((2, 4, 6), mask(4, 1))),
    OperatorCase("mri.Sense columns", sense((2, 4, 6), mask(6)), variant=True),
    OperatorCase("mri.Sense 3-D", sense((2, 3, 4, 2), mask(3, 4, 1)), variant=True),
    OperatorCase("mri.Sense without mask", sense((2, 4, 5)), variant=True),
    OperatorCase(
        "mri.Sense sets, frames", sense((2, 3, 4, 6), mask(3, 1, 4, 6), soft=True), variant=True
    ),
    OperatorCase("mri.MultiSlice", slices),
]
