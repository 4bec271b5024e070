"""Phantoms, images that ship in packages, and loaders of public data sets from local files."""

from jaxrecon.data.clipped_ellipses import ClippedEllipses
from jaxrecon.data.ct_series import Volume, ct_series
from jaxrecon.data.ct_slice import (
    Slice,
    attenuation_from_hounsfield,
    ct_slice,
    hounsfield_from_attenuation,
)
from jaxrecon.data.ellipsoids import (
    Ellipsoids,
    ball,
    rasterise_volume,
    rotations,
    shepp_logan_3d,
)
from jaxrecon.data.forbild import forbild_head
from jaxrecon.data.images import TEST_IMAGES, TRAINING_IMAGES, natural_patches, packaged_image
from jaxrecon.data.line_integrals import Phantom, line_integrals
from jaxrecon.data.lodopab import lodopab_batches
from jaxrecon.data.phantoms import Ellipses, radon, random_ellipses, rasterise, shepp_logan
from jaxrecon.data.projections import Scan, data_exchange, tiff_stack
from jaxrecon.data.stl10 import stl10_batches, stl10_colour, stl10_labels

__all__ = [
    "TEST_IMAGES",
    "TRAINING_IMAGES",
    "ClippedEllipses",
    "Ellipses",
    "Ellipsoids",
    "Phantom",
    "Scan",
    "Slice",
    "Volume",
    "attenuation_from_hounsfield",
    "ball",
    "ct_series",
    "ct_slice",
    "data_exchange",
    "forbild_head",
    "hounsfield_from_attenuation",
    "line_integrals",
    "lodopab_batches",
    "natural_patches",
    "packaged_image",
    "radon",
    "random_ellipses",
    "rasterise",
    "rasterise_volume",
    "rotations",
    "shepp_logan",
    "shepp_logan_3d",
    "stl10_batches",
    "stl10_colour",
    "stl10_labels",
    "tiff_stack",
]
