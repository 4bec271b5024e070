"""Coil sensitivities from the data, and coils made fewer or of independent noise.

- maps from calibration data: espirit (several sets too); from coil images: walsh, inati
- maps and image at once: nlinv, jsense
- virtual coils: svd_compression, geometric_compression, compress_coils; noise_covariance,
  whitening_matrix, prewhiten
"""

from jaxrecon.mri.coils.calibration import calibration_region
from jaxrecon.mri.coils.compression import (
    compress_coils,
    geometric_compression,
    svd_compression,
)
from jaxrecon.mri.coils.espirit import EspiritMaps, espirit
from jaxrecon.mri.coils.jsense import CoilEncoding, PolynomialCoils, jsense
from jaxrecon.mri.coils.nlinv import BilinearDerivative, JointReconstruction, nlinv
from jaxrecon.mri.coils.prewhitening import noise_covariance, prewhiten, whitening_matrix
from jaxrecon.mri.coils.walsh import inati, walsh

__all__ = [
    "BilinearDerivative",
    "CoilEncoding",
    "EspiritMaps",
    "JointReconstruction",
    "PolynomialCoils",
    "calibration_region",
    "compress_coils",
    "espirit",
    "geometric_compression",
    "inati",
    "jsense",
    "nlinv",
    "noise_covariance",
    "prewhiten",
    "svd_compression",
    "walsh",
    "whitening_matrix",
]
