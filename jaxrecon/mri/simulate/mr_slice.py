"""Real MR slices that ship in the package pydicom-data, as complex images. No network."""

from __future__ import annotations

import os
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.dicom import packaged, read_slice
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri.simulate.field_map import random_field

_SLICES = {"shoulder": "MR2_UNCR.dcm", "abdomen": "MR-SIEMENS-DICOM-WithOverlays.dcm"}


class MRSlice(NamedTuple):
    """An MR slice and the size of its pixels."""

    image: jax.Array
    """(rows, columns), complex64, magnitudes up to 1"""
    pixel_size: tuple[float, float]
    """(dy, dx) in mm"""


def mr_slice(
    name: str = "shoulder",
    *,
    shape: tuple[int, int] | None = None,
    key: jax.Array | None = None,
    phase: float = 0.5,
    path: str | os.PathLike | None = None,
) -> MRSlice:
    r"""A real MR slice m as a complex image m exp(i p).

    "shoulder" is a spin echo of a shoulder (1024 x 1024 pixels of 0.195 mm, 1.5 T, TR 350 ms, TE 27
    ms), "abdomen" a gradient echo of an abdomen after contrast (484 x 484 pixels of 0.723 mm, 1.5
    T, TR 5.5 ms, TE 2.8 ms). Both are read from the wheel of pydicom-data; nothing is downloaded.
    Scanners store magnitudes, interpolated and filtered: k-space of these images is no raw data
    (Shimron et al. 2022, doi:10.1073/pnas.2117203119), so that reconstructions look better on it.

    Args:
        name: "shoulder" or "abdomen".
        shape: (rows, columns) of the same field of view with larger pixels, by keeping the middle
            of k-space, as a scan of that resolution does; the stored shape by default.
        key: JAX random key of a smooth phase p; None for real values, which ringing of a smaller
            shape makes slightly negative at edges.
        phase: largest |p| in radians.
        path: a DICOM file of one MR slice to read instead.

    Raises:
        ImportError: pydicom or pydicom-data is missing (they come with the extra "examples").
        FileNotFoundError: there is no file at the path.
        ValueError: an unknown name, a file that is no MR slice, a shape larger than the slice.
    """
    check_choice(name, tuple(_SLICES), what="mr_slice", argument="name")
    path = packaged(_SLICES[name], what="mr_slice") if path is None else os.fspath(path)
    dataset, stored = read_slice(path, "MR", what="mr_slice", extra="examples")
    image = jnp.asarray(stored / max(stored.max(), 1e-12), jnp.complex64)
    sides = [n * float(d) for n, d in zip(image.shape, dataset.PixelSpacing, strict=True)]
    if shape is not None:
        image = _coarser(image, shape)
    if key is not None:
        p = random_field(key, image.shape, peak=phase)
        image = image * jax.lax.complex(jnp.cos(p), jnp.sin(p))
    dy, dx = (side / n for side, n in zip(sides, image.shape, strict=True))
    return MRSlice(image, (dy, dx))


def _coarser(image: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """The image of the middle of k-space, with its values."""
    full = image.shape
    if len(shape) != 2 or not all(0 < n <= most for n, most in zip(shape, full, strict=True)):
        raise ValueError(f"mr_slice expected a shape of at most {full}, got {shape}.")
    kspace = fft_centred(image)
    for axis, n in enumerate(shape):
        first = full[axis] // 2 - n // 2
        kspace = jax.lax.slice_in_dim(kspace, first, first + n, axis=axis)
    scale = np.sqrt(np.prod(shape) / image.size)
    return ifft_centred(kspace) * jnp.asarray(scale, jnp.float32)
