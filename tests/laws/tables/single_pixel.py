"""Operators of single-pixel imaging."""

import numpy as np

from jaxrecon.single_pixel import HadamardSubsampling, SplitHadamard, sequency_order_2d
from tests.laws.cases import OperatorCase


def subsampling(dtype):
    return HadamardSubsampling(sequency_order_2d((8, 16))[:37], (8, 16), np.dtype(dtype))


OPERATORS = [
    OperatorCase("HadamardSubsampling", subsampling),
    OperatorCase("SplitHadamard", lambda dtype: SplitHadamard(subsampling(dtype))),
]
