"""Operators of jaxrecon.mri.direct."""

from jaxrecon.core.checks import complex_dtype
from jaxrecon.mri.direct import SpiritConsistency, spirit_consistency
from tests.laws.cases import OperatorCase
from tests.laws.tables.linops import numbers

OPERATORS = [
    OperatorCase(
        "mri.SpiritConsistency",
        lambda d: SpiritConsistency(numbers((2, 2, 4, 5), complex_dtype(d))),
    ),
    OperatorCase(
        "mri.SpiritConsistency kernel",
        lambda d: spirit_consistency(numbers((3, 3, 1, 3, 3), complex_dtype(d)), (2, 5, 4)),
        variant=True,
    ),
]
