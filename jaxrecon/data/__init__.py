"""Phantoms, images that ship in packages, and loaders of public data sets from local files."""

from jaxrecon.data.ct_slice import (
    Slice,
    attenuation_from_hounsfield,
    ct_slice,
    hounsfield_from_attenuation,
)
from jaxrecon.data.images import TEST_IMAGES, TRAINING_IMAGES, natural_patches, packaged_image
from jaxrecon.data.phantoms import Ellipses, radon, random_ellipses, rasterise, shepp_logan
from jaxrecon.data.stl10 import stl10_batches, stl10_colour, stl10_labels

__all__ = [
    "TEST_IMAGES",
    "TRAINING_IMAGES",
    "Ellipses",
    "Slice",
    "attenuation_from_hounsfield",
    "ct_slice",
    "hounsfield_from_attenuation",
    "natural_patches",
    "packaged_image",
    "radon",
    "random_ellipses",
    "rasterise",
    "shepp_logan",
    "stl10_batches",
    "stl10_colour",
    "stl10_labels",
]
