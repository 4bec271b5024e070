"""The weight of a penalty, chosen without the true image.

A reconstruction is here a pure function, weight -> image for the rules that look at solutions only,
and data -> image, at one weight, for those that need its derivative in the data:

- `discrepancy_principle`: the residual is as large as the noise; needs the noise level
- `l_curve`: the corner of log penalty against log residual; needs nothing
- `gcv`: generalised cross-validation; needs no noise level, but white noise
- `sure`, `projected_sure`: unbiased estimates of the error, for Gaussian noise of known variance;
  `pure` for counts

`path` reconstructs with many weights in one call, `best_on_path` and `best_weight` take the least
of a criterion, and `TikhonovSpectrum` has all of these exactly where a singular value decomposition
or an FFT solves the problem.
"""

from jaxrecon.parameter_choice.best import Best, best_on_path, best_weight
from jaxrecon.parameter_choice.degrees_of_freedom import degrees_of_freedom
from jaxrecon.parameter_choice.discrepancy import Discrepancy, discrepancy_principle
from jaxrecon.parameter_choice.gcv import gcv
from jaxrecon.parameter_choice.l_curve import LCurve, l_curve
from jaxrecon.parameter_choice.path import Path, path
from jaxrecon.parameter_choice.projected_sure import projected_sure
from jaxrecon.parameter_choice.sure import Risk, pure, sure
from jaxrecon.parameter_choice.tikhonov_spectrum import (
    TikhonovSpectrum,
    fourier_spectrum,
    singular_spectrum,
)

__all__ = [
    "Best",
    "Discrepancy",
    "LCurve",
    "Path",
    "Risk",
    "TikhonovSpectrum",
    "best_on_path",
    "best_weight",
    "degrees_of_freedom",
    "discrepancy_principle",
    "fourier_spectrum",
    "gcv",
    "l_curve",
    "path",
    "projected_sure",
    "pure",
    "singular_spectrum",
    "sure",
]
