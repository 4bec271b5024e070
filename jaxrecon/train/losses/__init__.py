"""What is minimised in training: supervised losses, and self-supervised ones without truth.

All are pytrees that :func:`jaxrecon.train.fit` calls as loss(module, batch, key).
"""

from jaxrecon.train.losses.base import Loss
from jaxrecon.train.losses.deep_supervision import DeepSupervision, rising_weights
from jaxrecon.train.losses.distances import (
    InMeasurements,
    NormalisedL1L2,
    StructuralDissimilarity,
    Weighted,
    mean_absolute,
    mean_square,
)
from jaxrecon.train.losses.equivariant import EquivariantImaging
from jaxrecon.train.losses.noise2inverse import Noise2Inverse, sub_reconstructions
from jaxrecon.train.losses.noise2noise import Noise2Noise
from jaxrecon.train.losses.noisier2noise import Noisier2Noise
from jaxrecon.train.losses.recorrupted import Recorrupted, recorrupted_pair
from jaxrecon.train.losses.ssdu import SSDU, centre_mask
from jaxrecon.train.losses.stein import SURE, PoissonSURE
from jaxrecon.train.losses.supervised import Supervised
from jaxrecon.train.losses.total import WeightedLosses

__all__ = [
    "SSDU",
    "SURE",
    "DeepSupervision",
    "EquivariantImaging",
    "InMeasurements",
    "Loss",
    "Noise2Inverse",
    "Noise2Noise",
    "Noisier2Noise",
    "NormalisedL1L2",
    "PoissonSURE",
    "Recorrupted",
    "StructuralDissimilarity",
    "Supervised",
    "Weighted",
    "WeightedLosses",
    "centre_mask",
    "mean_absolute",
    "mean_square",
    "recorrupted_pair",
    "rising_weights",
    "sub_reconstructions",
]
