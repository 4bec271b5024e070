"""Operators of single-pixel imaging."""

import numpy as np

from jaxrecon.single_pixel import HadamardSubsampling, SplitHadamard, sequency_order_2d
from tests.laws.cases import OperatorCase


def subsampling(dtype, count=37, shape=(8, 16)):
    return HadamardSubsampling(sequency_order_2d(shape)[:count], shape, np.dtype(dtype))


OPERATORS = [
    OperatorCase("HadamardSubsampling", subsampling),
    OperatorCase("HadamardSubsampling of sums", lambda dtype: subsampling(dtype, 9)),
    OperatorCase("HadamardSubsampling of many", lambda dtype: subsampling(dtype, 400, (256, 2))),
    OperatorCase("SplitHadamard", lambda dtype: SplitHadamard(subsampling(dtype))),
]
