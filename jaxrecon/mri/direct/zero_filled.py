"""The image of Cartesian k-space with zeros for what was not measured."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.linops.fourier import ifft_centred
from jaxrecon.mri.coils.calibration import complex_coils
from jaxrecon.mri.direct.combine import roemer, root_sum_of_squares


def zero_filled(kspace: Any, maps: Any = None, *, noise_covariance: Any = None) -> jax.Array:
    r"""The centred orthonormal inverse transform of each coil, combined.

    Without maps :func:`root_sum_of_squares`, the image of fastMRI and of the fully sampled
    reference; with maps :func:`roemer`, sum_c conj(s_c) x_c / sum_c |s_c|^2. Missing samples count
    as 0: uniform undersampling folds the image, random undersampling adds an error like noise, and
    of R-fold undersampling the values are too small by about R.

    Args:
        kspace: (coil, *image), complex, 0 where not measured; the origin is at entry n // 2.
        maps: (coil, *image), complex, or None.
        noise_covariance: (coil, coil), for the combination with maps; None is I.

    Returns:
        (*image), real without maps, complex with maps.

    Raises:
        ValueError: maps of another shape than k-space, or a covariance without maps.
        TypeError: k-space that is not complex.

    Source: Roemer, Edelstein, Hayes, Souza and Mueller 1990, doi:10.1002/mrm.1910160203.
    """
    what = "zero_filled"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *image)")
    if maps is None and noise_covariance is not None:
        raise ValueError(
            f"{what} expected maps with a noise_covariance; prewhiten k-space for a root of the "
            "sum of squares that is weighted by the noise."
        )
    images = ifft_centred(kspace, tuple(range(1, kspace.ndim)))
    return root_sum_of_squares(images) if maps is None else roemer(images, maps, noise_covariance)
