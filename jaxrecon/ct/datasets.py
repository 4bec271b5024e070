"""Scan geometries of public data sets, so that results can be compared with published ones."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon.ct.geometry import ParallelGeometry


def lodopab_geometry(dtype: Any = None) -> ParallelGeometry:
    """LoDoPaB-CT: images of 362 x 362 pixels over 260 x 260 mm, 1000 views over pi, 513 bins.

    Views are at (i + 1/2) pi / 1000; the bins cover the diagonal of the image, 367.7 mm. Data and
    images come from :func:`jaxrecon.data.lodopab_batches`. The published data were simulated on
    images interpolated to 1000 x 1000 pixels, with 4096 photons per bin.

    Source: Leuschner, Schmidt, Otero Baguer and Maass 2021, doi:10.1038/s41597-021-00893-z.
    """
    return _over_the_diagonal(362, 260.0, 1000, 513, dtype)


def ellipses_geometry(dtype: Any = None) -> ParallelGeometry:
    """The random ellipses of DIVal: 128 x 128 pixels of 1 mm, 30 views over pi, 183 bins.

    Views are at (i + 1/2) pi / 30; the bins cover the diagonal of the image, 181 mm. The published
    data were simulated on images interpolated to 400 x 400 pixels, with white noise of 2.5 % of the
    mean of the absolute data.

    Source: Baguer, Leuschner and Schmidt 2020, doi:10.1088/1361-6420/aba415.
    """
    return _over_the_diagonal(128, 128.0, 30, 183, dtype)


def _over_the_diagonal(
    pixels: int, side: float, views: int, bins: int, dtype: Any
) -> ParallelGeometry:
    angles = (np.arange(views) + 0.5) * np.pi / views
    return ParallelGeometry(
        (pixels, pixels),
        jnp.asarray(angles, jnp.float32 if dtype is None else dtype),
        bins,
        pixel_size=side / pixels,
        pitch=side * 2**0.5 / bins,
    )
