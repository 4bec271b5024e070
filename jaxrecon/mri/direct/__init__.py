"""Reconstructions without a variational problem, and the noise that they add.

- coil images into one: root_sum_of_squares, roemer; zero_filled, gridding
- missing samples from their neighbours: grappa (grappa_weights, grappa_fill), spirit
- half of k-space: homodyne, pocs
- g-factors: sense_g_factor, grappa_g_factor, pseudo_replica_g_factor
"""

from jaxrecon.mri.direct.combine import roemer, root_sum_of_squares
from jaxrecon.mri.direct.g_factor import (
    grappa_g_factor,
    pseudo_replica_g_factor,
    pseudo_replica_noise,
    sense_g_factor,
)
from jaxrecon.mri.direct.grappa import (
    GrappaWeights,
    grappa,
    grappa_fill,
    grappa_image_weights,
    grappa_weights,
)
from jaxrecon.mri.direct.gridding import gridding
from jaxrecon.mri.direct.partial_fourier import homodyne, pocs
from jaxrecon.mri.direct.spirit import (
    SpiritConsistency,
    spirit,
    spirit_consistency,
    spirit_kernel,
)
from jaxrecon.mri.direct.zero_filled import zero_filled

__all__ = [
    "GrappaWeights",
    "SpiritConsistency",
    "grappa",
    "grappa_fill",
    "grappa_g_factor",
    "grappa_image_weights",
    "grappa_weights",
    "gridding",
    "homodyne",
    "pocs",
    "pseudo_replica_g_factor",
    "pseudo_replica_noise",
    "roemer",
    "root_sum_of_squares",
    "sense_g_factor",
    "spirit",
    "spirit_consistency",
    "spirit_kernel",
    "zero_filled",
]
