"""Truncated data, continued smoothly beyond the ends of the detector."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int, check_space
from jaxrecon.ct.geometry import Geometry


def extrapolate(sinogram: Any, geometry: Any, bins: int) -> tuple[jax.Array, Geometry]:
    r"""The data on a detector with `bins` more columns at either end, for truncated projections.

    Where the object reaches out of the field of view the rows end in a step, which the ramp filter
    turns into a bright rim. Each row is continued by its end value times
    cos^2(pi/2 n / bins), n = 1, ..., bins. That takes the rim away; what is lost outside still
    leaves an offset that varies slowly within the field of view (a disc 1.4 times as wide as the
    detector comes back 8 % too low in a test, and 19 % too high without).

    Args:
        sinogram: (views, bins) or (views, rows, columns), in the dtype of the geometry.
        geometry: a parallel, fan or cone geometry.
        bins: columns added at either end; about half the width of the object's shadow outside.

    Returns:
        (sinogram, geometry) on the wider detector.

    Raises:
        ValueError, TypeError: the sinogram is not of geometry.sinogram_space; bins not positive.

    For the problem, and a scheme that adapts to each row: Ohnesorge et al., doi:10.1118/1.598855.
    """
    bins = check_positive_int(bins, what="extrapolate", argument="bins")
    sinogram = jnp.asarray(sinogram)
    check_space(sinogram, geometry.sinogram_space, what="extrapolate", argument="sinogram")
    taper = jnp.asarray(np.cos(np.pi / 2 * np.arange(1, bins + 1) / bins) ** 2, sinogram.dtype)
    left = sinogram[..., :1] * taper[::-1]
    right = sinogram[..., -1:] * taper
    wide = jnp.concatenate([left, sinogram, right], axis=-1)
    if hasattr(geometry, "bins"):
        return wide, geometry.replace(bins=geometry.bins + 2 * bins)
    rows, columns = geometry.detector_shape
    return wide, geometry.replace(detector_shape=(rows, columns + 2 * bins))
