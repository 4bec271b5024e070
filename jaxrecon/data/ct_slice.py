"""Real CT slices that ship in the package pydicom-data, as attenuation in 1/mm. No network."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.dicom import packaged, read_ct

WATER = 0.0192
"""Attenuation of water in 1/mm at 70 keV, about the mean energy of a 120 kV spectrum."""

_SLICES = {"head": "693_UNCR.dcm", "abdomen": "explicit_VR-UN.dcm"}


class Slice(NamedTuple):
    """A CT slice in physical units."""

    attenuation: np.ndarray
    """(rows, columns), float32, 1/mm; 0 is air, :data:`WATER` is water"""
    pixel_size: tuple[float, float]
    """(dy, dx) in mm"""


def ct_slice(name: str = "head", path: str | os.PathLike | None = None) -> Slice:
    """A real CT slice of 512x512 pixels.

    "head" is slice 21 of subject 310 of CQ500 (0.479 mm pixels, 140 kV); "abdomen" has 0.859 mm
    pixels. Both are read from the wheel of pydicom-data; nothing is downloaded.

    Args:
        name: "head" or "abdomen".
        path: a DICOM file of one CT slice to read instead.

    Raises:
        ImportError: pydicom or pydicom-data is missing (they come with the extra "examples").
        FileNotFoundError: there is no file at the path.
        ValueError: an unknown name, or a file that is no CT slice.
    """
    check_choice(name, tuple(_SLICES), what="ct_slice", argument="name")
    path = packaged(_SLICES[name], what="ct_slice") if path is None else os.fspath(path)
    dataset, hounsfield = read_ct(path, what="ct_slice", extra="examples")
    dy, dx = (float(length) for length in dataset.PixelSpacing)
    return Slice(np.asarray(attenuation_from_hounsfield(hounsfield)), (dy, dx))


def attenuation_from_hounsfield(hounsfield: Any, water: Any = WATER) -> jax.Array:
    """mu = water (1 + HU / 1000) in 1/mm, and 0 where that is negative (padding of the scanner).

    Args:
        hounsfield: array of CT numbers; -1000 is air, 0 is water.
        water: attenuation of water in 1/mm at the energy wanted.
    """
    return jnp.maximum(water * (1 + jnp.asarray(hounsfield) / 1000), 0)


def hounsfield_from_attenuation(attenuation: Any, water: Any = WATER) -> jax.Array:
    """HU = 1000 (mu / water - 1), the inverse of :func:`attenuation_from_hounsfield` from 0 up."""
    return 1000 * (jnp.asarray(attenuation) / water - 1)
