"""Phantoms, images that ship in packages, and loaders of public data sets from local files."""

from jaxrecon.data.augment import (
    random_crops,
    random_flips,
    random_orientations,
    random_quarter_turns,
    random_shifts,
)
from jaxrecon.data.clipped_ellipses import ClippedEllipses
from jaxrecon.data.ct_series import Volume, ct_series
from jaxrecon.data.ct_slice import (
    Slice,
    attenuation_from_hounsfield,
    ct_slice,
    hounsfield_from_attenuation,
)
from jaxrecon.data.dival_ellipses import dival_ellipses, random_dival_ellipses
from jaxrecon.data.ellipsoids import (
    Ellipsoids,
    ball,
    rasterise_volume,
    rotations,
    shepp_logan_3d,
)
from jaxrecon.data.fastmri import (
    FastMRIHeader,
    FastMRIVolume,
    fastmri_stream,
    fastmri_volume,
)
from jaxrecon.data.folder import folder_stream
from jaxrecon.data.forbild import forbild_head
from jaxrecon.data.hdf5_stream import hdf5_stream
from jaxrecon.data.images import TEST_IMAGES, TRAINING_IMAGES, natural_patches, packaged_image
from jaxrecon.data.line_integrals import Phantom, line_integrals
from jaxrecon.data.lodopab import lodopab_batches
from jaxrecon.data.phantoms import Ellipses, radon, random_ellipses, rasterise, shepp_logan
from jaxrecon.data.projections import Scan, data_exchange, tiff_stack
from jaxrecon.data.random_phantoms import random_phantoms
from jaxrecon.data.stl10 import stl10_batches, stl10_colour, stl10_labels
from jaxrecon.data.stream import Arrays, Generated, Indexed, Numbered, Passes, Stream

__all__ = [
    "TEST_IMAGES",
    "TRAINING_IMAGES",
    "Arrays",
    "ClippedEllipses",
    "Ellipses",
    "Ellipsoids",
    "FastMRIHeader",
    "FastMRIVolume",
    "Generated",
    "Indexed",
    "Numbered",
    "Passes",
    "Phantom",
    "Scan",
    "Slice",
    "Stream",
    "Volume",
    "attenuation_from_hounsfield",
    "ball",
    "ct_series",
    "ct_slice",
    "data_exchange",
    "dival_ellipses",
    "fastmri_stream",
    "fastmri_volume",
    "folder_stream",
    "forbild_head",
    "hdf5_stream",
    "hounsfield_from_attenuation",
    "line_integrals",
    "lodopab_batches",
    "natural_patches",
    "packaged_image",
    "radon",
    "random_crops",
    "random_dival_ellipses",
    "random_ellipses",
    "random_flips",
    "random_orientations",
    "random_phantoms",
    "random_quarter_turns",
    "random_shifts",
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
