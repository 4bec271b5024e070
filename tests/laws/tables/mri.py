"""Operators of MRI beyond Cartesian sampling: precession, subspaces, non-uniform samples."""

import numpy as np

from jaxrecon.core.checks import complex_dtype
from jaxrecon.linops import Matrix
from jaxrecon.linops.frames import Frames
from jaxrecon.linops.nonuniform_fourier import NonuniformFourier
from jaxrecon.mri.operators.nonuniform_sense import NonuniformSense
from jaxrecon.mri.operators.off_resonance import off_resonance
from jaxrecon.mri.operators.sense import Sense
from jaxrecon.mri.operators.subspace import Subspace, SubspaceSense
from tests.laws.cases import OperatorCase
from tests.laws.tables.linops import numbers


def precession(decay):
    def make(d):
        encoding = Matrix(numbers((12, 20), complex_dtype(d)), (4, 5), (3, 4))
        rates = np.linspace(10, 50, 20).reshape(4, 5).astype(d) if decay else None
        times = np.linspace(0, 0.01, 4)
        return off_resonance(encoding, field((4, 5), d), times, decay=rates, tolerance=0.01)

    return make


def field(shape, d):
    return np.linspace(-40, 60, np.prod(shape)).reshape(shape).astype(d)


def precession_in_coils(d):
    times = np.linspace(0, 0.01, 5)
    return off_resonance(nonuniform()(d), field((6, 5), d), times, tolerance=0.01)


def nonuniform(*sets, accuracy=1e-10, **options):
    def make(d):
        positions = np.random.default_rng(4).uniform(-0.5, 0.5, (3, 5, 2)).astype(d)
        least = 1e-6 if d == np.float32 else accuracy  # slopes are those of the exact sum
        fourier = NonuniformFourier(
            positions, (6, 5), accuracy=least, dtype=complex_dtype(d), **options
        )
        return NonuniformSense(numbers((*sets, 2, 6, 5), complex_dtype(d)), fourier)

    return make


def precession_in_a_volume(d):
    positions = np.random.default_rng(4).uniform(-0.5, 0.5, (3, 5, 3)).astype(d)
    least = 1e-6 if d == np.float32 else 1e-10
    fourier = NonuniformFourier(positions, (3, 4, 5), accuracy=least, dtype=complex_dtype(d))
    coils = NonuniformSense(numbers((2, 3, 4, 5), complex_dtype(d)), fourier)
    times = np.linspace(0, 0.01, 5)
    return off_resonance(coils, field((3, 4, 5), d), times, tolerance=0.01)


def masks(*shape):
    return np.random.default_rng(2).random(shape) < 0.5


def frames(together):
    def make(d):
        return Frames(Matrix(numbers((2, 3), d)), {"matrix": numbers((4, 2, 3), d)}, together)

    return make


def frames_of_sense(d):
    lines = masks(3, 4, 1)
    return Frames(Sense(numbers((2, 4, 5), complex_dtype(d)), lines[0]), {"mask": lines})


OPERATORS = [
    OperatorCase("frames", frames(None)),
    OperatorCase("frames_in_turn", frames(3), variant=True),
    OperatorCase("frames of mri.Sense", frames_of_sense, variant=True),
    OperatorCase("mri.NonuniformSense", nonuniform()),
    OperatorCase("mri.NonuniformSense sets", nonuniform(2), variant=True),
    OperatorCase(
        "mri.NonuniformSense toeplitz",
        nonuniform(accuracy=1e-12, normal_by_toeplitz=True),
        float64_tolerance=4e-12,  # A^H A twice, each as accurate as A^H and A: 1e-12
        variant=True,
    ),
    OperatorCase("mri.OffResonance", precession(decay=False), variant=True),
    OperatorCase("mri.OffResonance coils", precession_in_coils, variant=True),
    OperatorCase("mri.OffResonance decay", precession(decay=True)),
    OperatorCase("mri.OffResonance 3-D", precession_in_a_volume, variant=True),
    OperatorCase(
        "mri.SubspaceSense 3-D",
        lambda d: SubspaceSense(
            numbers((2, 3, 4, 5), complex_dtype(d)),
            masks(4, 3, 4, 5),
            numbers((4, 2), complex_dtype(d)),
        ),
        variant=True,
    ),
    OperatorCase("mri.Subspace", lambda d: Subspace(numbers((6, 2), d), (4, 3), complex_dtype(d))),
    OperatorCase(
        "mri.SubspaceSense",
        lambda d: SubspaceSense(
            numbers((2, 6, 5), complex_dtype(d)),
            masks(4, 6, 5),
            numbers((4, 2), complex_dtype(d)),
        ),
    ),
    OperatorCase(
        "mri.SubspaceSense lines",
        lambda d: SubspaceSense(
            numbers((2, 4, 6), complex_dtype(d)), masks(5, 4, 1), numbers((5, 3), d)
        ),
        variant=True,
    ),
]
