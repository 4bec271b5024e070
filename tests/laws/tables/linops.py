"""Operators that belong to no modality. Odd and even sizes, real and complex, 1 to 3 dimensions."""

import jax
import numpy as np

from jaxrecon import struct
from jaxrecon.core.checks import complex_dtype
from jaxrecon.linops import (
    Convolution,
    Crop,
    Diagonal,
    Downsample,
    FiniteDifference,
    Fourier,
    Mask,
    Matrix,
    Pad,
    Resize,
    Sample,
    WalshHadamard,
    Wavelet,
)
from jaxrecon.testing import random_element
from tests.laws.cases import OperatorCase


def numbers(shape, dtype, seed=1):
    return random_element(jax.random.key(seed), struct(shape, dtype))


def checkerboard(*shape):
    return np.indices(shape).sum(0) % 3 > 0


def difference(shape, boundary, axes=None, spacing=1.0, kind=lambda d: d):
    return lambda d: FiniteDifference(shape, axes, boundary, spacing, kind(d))


def convolution(kernel, shape, boundary, kind=lambda d: d):
    return lambda d: Convolution(numbers(kernel, kind(d)), shape, boundary)


def wavelet(shape, name, levels, axes=None, kind=lambda d: d):
    return lambda d: Wavelet(shape, name, levels, axes, kind(d))


DENSE = [
    OperatorCase("matrix", lambda d: Matrix(numbers((5, 7), d))),
    OperatorCase(
        "matrix_complex", lambda d: Matrix(numbers((5, 7), complex_dtype(d))), variant=True
    ),
    OperatorCase("matrix_on_images", lambda d: Matrix(numbers((4, 6), d), (2, 3), (2, 2))),
    OperatorCase(
        "matrix_real_on_complex",
        lambda d: Matrix(numbers((5, 7), d), dtype=complex_dtype(d)),
        variant=True,
    ),
    OperatorCase("diagonal", lambda d: Diagonal(numbers((5, 1), d), (5, 4))),
    OperatorCase(
        "diagonal_complex", lambda d: Diagonal(numbers((5, 4), complex_dtype(d))), variant=True
    ),
    OperatorCase(
        "diagonal_real_on_complex",
        lambda d: Diagonal(numbers((4,), d), (5, 4), complex_dtype(d)),
        variant=True,
    ),
]

SAMPLING = [
    OperatorCase("mask", lambda d: Mask(checkerboard(5, 4), dtype=d)),
    OperatorCase(
        "mask_broadcast_complex",
        lambda d: Mask(checkerboard(4), (5, 4), complex_dtype(d)),
        variant=True,
    ),
    OperatorCase("sample", lambda d: Sample(np.array([7, 0, 3, 11]), (3, 4), d)),
    OperatorCase(
        "sample_repeated_complex",
        lambda d: Sample(np.array([2, 2, 5]), (3, 4), complex_dtype(d)),
    ),
]

TRANSFORMS = [
    OperatorCase("fourier", lambda d: Fourier((6, 5), dtype=complex_dtype(d))),
    OperatorCase("fourier_axes", lambda d: Fourier((3, 6, 4), (-1, 1), complex_dtype(d))),
    OperatorCase("fourier_real", lambda d: Fourier((6, 5), dtype=d)),
    OperatorCase("hadamard", lambda d: WalshHadamard((4, 8), dtype=d)),
    OperatorCase(
        "hadamard_natural_complex",
        lambda d: WalshHadamard((3, 8), (1,), "natural", complex_dtype(d)),
        variant=True,
    ),
    OperatorCase("wavelet_haar", wavelet((8, 4), "haar", 2)),
    OperatorCase("wavelet_db4_1d", wavelet((16,), "db4", 2), variant=True),
    OperatorCase("wavelet_db8_short_axis", wavelet((4,), "db8", 1), variant=True),
    OperatorCase("wavelet_axes_complex", wavelet((8, 3, 4), "db2", 1, (0, -1), complex_dtype)),
    OperatorCase("wavelet_haar_3d", wavelet((4, 2, 2), "haar", 1), variant=True),
]

FILTERS = [
    OperatorCase("difference_1d_zero", difference((7,), "zero")),
    OperatorCase("difference_replicate", difference((5, 6), "replicate")),
    OperatorCase(
        "difference_periodic_axes", difference((5, 6), "periodic", (1,), 0.5), variant=True
    ),
    OperatorCase(
        "difference_3d_complex",
        difference((3, 4, 5), "replicate", None, (3.0, 1.0, 0.5), complex_dtype),
        variant=True,
    ),
    OperatorCase("difference_single_pixel_axis", difference((1, 4), "periodic"), variant=True),
    OperatorCase(
        "convolution_periodic_small", convolution((3, 4), (8, 7), "periodic"), variant=True
    ),
    OperatorCase("convolution_periodic", convolution((6, 7), (8, 7), "periodic")),
    OperatorCase(
        "convolution_periodic_complex",
        convolution((7, 6), (7, 9), "periodic", complex_dtype),
        variant=True,
    ),
    OperatorCase("convolution_zero_small", convolution((4, 3), (6, 5), "zero"), variant=True),
    OperatorCase("convolution_zero_larger_kernel", convolution((8, 7), (6, 5), "zero")),
    OperatorCase("convolution_full", convolution((6, 6), (7, 8), "full")),
    OperatorCase("convolution_full_1d", convolution((4,), (7,), "full"), variant=True),
    OperatorCase("convolution_valid_complex", convolution((6, 6), (9, 8), "valid", complex_dtype)),
    OperatorCase("convolution_valid_3d", convolution((2, 3, 2), (4, 5, 3), "valid"), variant=True),
    OperatorCase(
        "convolution_real_on_complex",
        lambda d: Convolution(numbers((6, 6), d), (8, 8), dtype=complex_dtype(d)),
        variant=True,
    ),
]

GRIDS = [
    OperatorCase("downsample", lambda d: Downsample((6, 8), (3, 2), d)),
    OperatorCase(
        "downsample_3d_complex", lambda d: Downsample((4, 2, 6), 2, complex_dtype(d)), variant=True
    ),
    OperatorCase("resize_linear_finer", lambda d: Resize((4, 5), (7, 9), dtype=d)),
    OperatorCase("resize_cubic_coarser", lambda d: Resize((9, 8), (4, 5), "cubic", dtype=d)),
    OperatorCase(
        "resize_complex", lambda d: Resize((6, 5), (4, 7), antialias=False, dtype=complex_dtype(d))
    ),
    OperatorCase("crop", lambda d: Crop((7, 6), (4, 3), dtype=d)),
    OperatorCase("crop_at", lambda d: Crop((7, 6), (4, 3), (0, 2), complex_dtype(d)), variant=True),
    OperatorCase("pad_zero", lambda d: Pad((3, 4), 2, dtype=d)),
    OperatorCase(
        "pad_replicate", lambda d: Pad((3, 4), ((2, 1), (0, 3)), "replicate", d), variant=True
    ),
    OperatorCase("pad_reflect", lambda d: Pad((5, 4), ((2, 1), (0, 3)), "reflect", d)),
    OperatorCase(
        "pad_periodic_complex", lambda d: Pad((3, 4), 2, "periodic", complex_dtype(d)), variant=True
    ),
]

OPERATORS = DENSE + SAMPLING + TRANSFORMS + FILTERS + GRIDS
