"""Phantoms, images that ship in packages, and loaders of public data sets from local files."""

from jaxrecon.data.augment import (
    random_crops,
    random_flips,
    random_orientations,
    random_quarter_turns,
    random_shifts,
)
from jaxrecon.data.bart import BART_DIMS, read_bart, read_bart_multi, write_bart
from jaxrecon.data.bart_positions import positions_from_bart, positions_to_bart
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
from jaxrecon.data.fastmri_write import fastmri_from_kspace, write_fastmri
from jaxrecon.data.folder import folder_stream
from jaxrecon.data.forbild import forbild_head
from jaxrecon.data.hdf5_stream import hdf5_stream
from jaxrecon.data.images import TEST_IMAGES, TRAINING_IMAGES, natural_patches, packaged_image
from jaxrecon.data.ismrmrd import read_ismrmrd, write_ismrmrd
from jaxrecon.data.line_integrals import Phantom, line_integrals
from jaxrecon.data.lodopab import lodopab_batches, lodopab_stream
from jaxrecon.data.mri_cartesian import CartesianKSpace, cartesian_kspace
from jaxrecon.data.mri_cartesian_raw import cartesian_raw
from jaxrecon.data.mri_header import Encoding, MRIHeader, mri_header
from jaxrecon.data.mri_noise import noise_samples
from jaxrecon.data.mri_noncartesian import NonCartesianKSpace, noncartesian_kspace
from jaxrecon.data.mri_noncartesian_raw import noncartesian_raw
from jaxrecon.data.mri_raw import RawData
from jaxrecon.data.nifti import NiftiImage, read_nifti, write_nifti
from jaxrecon.data.phantoms import Ellipses, radon, random_ellipses, rasterise, shepp_logan
from jaxrecon.data.projections import Scan, data_exchange, tiff_stack
from jaxrecon.data.random_phantoms import random_phantoms
from jaxrecon.data.stl10 import stl10_batches, stl10_colour, stl10_labels, stl10_stream
from jaxrecon.data.stream import Arrays, Generated, Indexed, Numbered, Passes, Stream
from jaxrecon.data.twix import read_twix

__all__ = [
    "BART_DIMS",
    "TEST_IMAGES",
    "TRAINING_IMAGES",
    "Arrays",
    "CartesianKSpace",
    "ClippedEllipses",
    "Ellipses",
    "Ellipsoids",
    "Encoding",
    "FastMRIHeader",
    "FastMRIVolume",
    "Generated",
    "Indexed",
    "MRIHeader",
    "NiftiImage",
    "NonCartesianKSpace",
    "Numbered",
    "Passes",
    "Phantom",
    "RawData",
    "Scan",
    "Slice",
    "Stream",
    "Volume",
    "attenuation_from_hounsfield",
    "ball",
    "cartesian_kspace",
    "cartesian_raw",
    "ct_series",
    "ct_slice",
    "data_exchange",
    "dival_ellipses",
    "fastmri_from_kspace",
    "fastmri_stream",
    "fastmri_volume",
    "folder_stream",
    "forbild_head",
    "hdf5_stream",
    "hounsfield_from_attenuation",
    "line_integrals",
    "lodopab_batches",
    "lodopab_stream",
    "mri_header",
    "natural_patches",
    "noise_samples",
    "noncartesian_kspace",
    "noncartesian_raw",
    "packaged_image",
    "positions_from_bart",
    "positions_to_bart",
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
    "read_bart",
    "read_bart_multi",
    "read_ismrmrd",
    "read_nifti",
    "read_twix",
    "rotations",
    "shepp_logan",
    "shepp_logan_3d",
    "stl10_batches",
    "stl10_colour",
    "stl10_labels",
    "stl10_stream",
    "tiff_stack",
    "write_bart",
    "write_fastmri",
    "write_ismrmrd",
    "write_nifti",
]
