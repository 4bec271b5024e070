"""SPIRiT: every sample of k-space is a combination of all samples of all coils around it."""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve

from jaxrecon.core import Identity, LinearOperator, stack, struct
from jaxrecon.core.checks import Space, describe
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.core.products import matmul
from jaxrecon.core.vectors import real_like
from jaxrecon.linops import Diagonal, Fourier, Mask
from jaxrecon.linops.coefficients import as_coefficients
from jaxrecon.mri.coils.calibration import complex_coils, patches, per_axis
from jaxrecon.mri.direct.grappa import box_waves


def spirit_kernel(
    calibration: Any, *, kernel: int | tuple[int, ...] = 5, damping: Any = 1e-3
) -> jax.Array:
    r"""g with y_c(k) = sum_{c', d} g_{c, c', d} y_c'(k + d), fitted in the calibration data.

    The sum runs over all coils and steps d of the kernel but the sample itself. Of all windows of
    the region as columns, X, with rows x_j, g of one coil minimises

        ||x_t - g X||^2 + damping mean_j ||x_j||^2 ||g||^2,   g_t = 0,

    which is g_j = -P_tj / P_tt with P = (X X^H + damping mean_j ||x_j||^2 I)^-1, t the entry of
    that coil in the middle: one factorisation serves all coils.

    Args:
        calibration: (coil, *region), complex, fully sampled.
        kernel: static; samples along each axis, or for all, odd.
        damping: > 0, traced. In complex64 not below 1e-5.

    Returns:
        (coil, coil, *kernel), d = 0 in the middle. Differentiable.

    Raises:
        ValueError: an even kernel, or a region smaller than the kernel.
        TypeError: calibration data that are not complex.

    Source: Lustig and Pauly 2010, doi:10.1002/mrm.22428.
    """
    what = "spirit_kernel"
    calibration = complex_coils(
        calibration, what=what, argument="calibration", axes="(coil, *region)"
    )
    coils, region = calibration.shape[0], calibration.shape[1:]
    kernel = per_axis(kernel, len(region), what=what, argument="kernel")
    if any(k % 2 == 0 for k in kernel):
        raise ValueError(f"{what} expected a kernel of odd sizes, got {kernel}.")
    if any(k > m for k, m in zip(kernel, region, strict=True)):
        raise ValueError(f"{what} expected a region of at least {kernel} samples, got {region}.")
    windows = patches(calibration, kernel)
    gram = matmul(windows, windows.conj().T)
    level = real_like(damping, gram) * jnp.trace(gram).real / len(gram)
    factor = cho_factor(gram + level * jnp.eye(len(gram), dtype=gram.dtype), lower=True)
    middle = np.arange(coils) * prod(kernel) + prod(kernel) // 2
    columns = jnp.zeros((len(gram), coils), gram.dtype).at[middle, np.arange(coils)].set(1)
    inverse = cho_solve(factor, columns)  # P_jt
    own = inverse[middle, np.arange(coils)].real
    fitted = (-inverse / own).at[middle, np.arange(coils)].set(0)
    return fitted.conj().T.reshape(coils, coils, *kernel)


class SpiritConsistency(LinearOperator):
    r"""(G - I) x of coil images x: at each pixel a matrix of coils, 0 where x is consistent.

    Args:
        matrices: G(r) - I, (coil, coil, *image), complex, traced; see :func:`spirit_consistency`.

    Domain and codomain: coil images, (coil, *image), complex.

    Raises:
        ValueError: matrices that are not square. TypeError: matrices of integers.

    Source: Lustig and Pauly 2010, doi:10.1002/mrm.22428.
    """

    matrices: jax.Array

    def __post_init__(self) -> None:
        what = "SpiritConsistency"
        self._set("matrices", as_coefficients(self.matrices, what=what, argument="matrices"))
        shape = self.matrices.shape
        if len(shape) < 3 or shape[0] != shape[1]:
            raise ValueError(
                f"{what} expected matrices (coil, coil, *image), got "
                f"{describe(jax.typeof(self.matrices))}."
            )
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.matrices.shape[1:], self.matrices.dtype)

    @property
    def codomain(self) -> Space:
        return self.domain

    def apply(self, x: Any) -> jax.Array:
        return jnp.sum(self.matrices * x, axis=1)

    def adjoint(self, y: Any) -> jax.Array:
        return jnp.sum(self.matrices.conj() * y[:, None], axis=0)


def spirit_consistency(kernel: Any, shape: tuple[int, ...]) -> SpiritConsistency:
    r"""G - I in the image: G(r) = sum_d g_d exp(-2 pi i d . (r - n // 2) / n) at each pixel.

    This is the convolution of periodic k-space with the kernel. It also takes non-Cartesian data:
    stack it with an operator from coil images to samples. Memory is coil^2 images.

    Args:
        kernel: g of :func:`spirit_kernel`, (coil, coil, *kernel).
        shape: static, of the image.

    Raises:
        ValueError: a shape of other than the kernel's number of axes.

    Source: Lustig and Pauly 2010, doi:10.1002/mrm.22428.
    """
    kernel = jnp.asarray(kernel)
    if kernel.ndim != len(shape) + 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(
            "spirit_consistency expected a kernel (coil, coil, *kernel) with one axis for each of "
            f"the shape {shape}, got {kernel.shape}."
        )
    low = [-(k // 2) for k in kernel.shape[2:]]
    identity = jnp.eye(len(kernel), dtype=kernel.dtype).reshape(
        len(kernel), len(kernel), *[1] * len(shape)
    )
    return SpiritConsistency(box_waves(kernel, low, shape) - identity)


def spirit(
    kspace: Any,
    mask: Any,
    calibration: Any,
    *,
    kernel: int | tuple[int, ...] = 5,
    kernel_damping: Any = 1e-3,
    data_weight: Any = None,
    damping: Any = 0.0,
    iterations: int = 50,
    tolerance: float = 1e-4,
) -> jax.Array:
    r"""k-space of all coils that agrees with the data and with itself, by conjugate gradients.

    With x the k-space of all coils, F^-1 x its coil images and P the mask:

    - data_weight=None: min_x ||(G - I) F^-1 x||^2 + damping ||(I - P) x||^2 with P x = P y, over
      the samples that are missing;
    - else min_x ||(G - I) F^-1 x||^2 + data_weight ||P x - P y||^2 + damping ||x||^2, for noisy
      data.

    Any pattern, random ones too. Stopping early regularises, as the damping does.

    Args:
        kspace: y, (coil, *image), complex, its origin at entry n // 2.
        mask: boolean, traced; broadcasts to (*image).
        calibration: (coil, *region), fully sampled; for :func:`spirit_kernel`.
        kernel, kernel_damping: of :func:`spirit_kernel`.
        data_weight: > 0, traced, or None.
        damping: >= 0, traced.
        iterations: static; at most.
        tolerance: static; of the residual, relative to that of zero filling.

    Returns:
        (coil, *image), k-space; :func:`zero_filled` makes an image of it. Its derivatives are those
        of the converged solution.

    Raises:
        ValueError: calibration data of other coils, a mask that does not fit.
        TypeError: k-space that is not complex, a mask that is not boolean.

    Source: Lustig and Pauly 2010, doi:10.1002/mrm.22428.
    """
    what = "spirit"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *image)")
    fitted = spirit_kernel(calibration, kernel=kernel, damping=kernel_damping)
    if fitted.shape[0] != kspace.shape[0]:
        raise ValueError(
            f"{what} expected calibration data of {kspace.shape[0]} coils, got {fitted.shape[0]}."
        )
    shape, axes = kspace.shape, tuple(range(1, kspace.ndim))
    consistency = spirit_consistency(fitted.astype(kspace.dtype), shape[1:])
    measured = Mask(jnp.asarray(mask), shape, kspace.dtype)
    missing = Mask(~measured.mask, shape, kspace.dtype)
    defect = consistency @ Fourier(shape, axes, kspace.dtype).H
    data = measured.apply(kspace)
    gradient = defect.adjoint(defect.apply(data))
    options = {"iterations": iterations, "tolerance": tolerance}
    if data_weight is None:
        return data - solve_normal(
            defect @ missing, missing.apply(gradient), damping=damping, **options
        )
    damping = real_like(damping, kspace)
    weights = damping + real_like(data_weight, kspace) * measured.mask
    scale = jax.lax.rsqrt(1 + weights)  # so that heavy weights converge as fast
    operator = stack(defect, Identity(defect.domain)) @ Diagonal(scale, shape, kspace.dtype)
    rhs = scale * (gradient + damping * data)
    return data - scale * solve_normal(operator, rhs, weights=(1.0, weights), **options)
