"""NLINV: image and coil maps at once, by regularised nonlinear inversion."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, iterate, struct
from jaxrecon.core.checks import Space, check_positive_int, check_space, is_complex, real_dtype
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.core.vectors import norm, real_like
from jaxrecon.linops import Fourier, Mask
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri.coils.calibration import complex_coils


class JointReconstruction(NamedTuple):
    """Image (*image) and coil maps (coil, *image), unit vectors over the coils.

    The image carries the root of the sum of squares of the coils: image * maps are the coil images.
    """

    image: jax.Array
    maps: jax.Array


def nlinv(
    kspace: Any,
    *,
    mask: Any = None,
    operator: LinearOperator | None = None,
    iterations: int = 10,
    damping: Any = 1.0,
    reduction: Any = 0.5,
    inner_iterations: int = 30,
    tolerance: float = 0.1,
    smoothness: tuple[Any, Any] = (220.0, 32.0),
) -> JointReconstruction:
    r"""min over image m and coils c of sum_j ||P F (c_j m) - y_j||^2, by Gauss-Newton steps.

    The coils are smooth: c_j = F^-1 W a_j with W(k) = (1 + s |k|^2)^(-p/2) and the penalty
    ||a||^2, a Sobolev norm of c. Step n of the iteratively regularised Gauss-Newton method solves

    min_x ||y - G(x_n) - G'(x_n) (x - x_n)||^2 + damping reduction^n ||x - x_0||^2

    for x = (m, a) by conjugate gradients, from x_0, the image 1 and coils 0. The data are scaled to
    the norm 100 first. Each step sharpens the image and, where there is noise, lets more of it in:
    `iterations` is what regularises, 8 for noisy data to 14 for clean ones. The centre of k-space
    must be sampled densely.

    Args:
        kspace: (coil, y, x) or (coil, z, y, x), complex, 0 where not sampled; with an operator
            (coil, *its codomain).
        mask: of the samples, broadcasting to (y, x), boolean, traced; None: all are sampled. Give
            it: unsampled zeros are no data.
        operator: P F for one coil, from the image to its samples, any complex operator such as a
            :class:`NonuniformFourier` (times weights on both sides); then without a mask.
        iterations: static; Gauss-Newton steps.
        damping: regularisation of the first step, traced.
        reduction: its factor from each step to the next, traced.
        inner_iterations: static; at most so many conjugate gradient steps in each.
        tolerance: static; relative residual at which they stop.
        smoothness: s and p of the Sobolev norm, k in cycles per pixel, traced. Smoother maps: both
            larger.

    Returns:
        :class:`JointReconstruction`. Smooth phases go to the maps. Differentiable, with the
        derivatives of :func:`solve_normal`, which suppose that each solve has converged: for
        gradients take a small tolerance and many inner iterations.

    Raises:
        ValueError, TypeError: k-space that is not complex or does not fit the mask or the operator,
            both a mask and an operator.

    Source: Uecker, Hohage, Block and Frahm 2008, doi:10.1002/mrm.21691.
    """
    what = "nlinv"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *samples)")
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    sampling = sampling_operator(kspace, mask, operator, what=what)
    shape, dtype = sampling.domain.shape, kspace.dtype
    real = real_dtype(dtype)
    weights = sobolev_weights(shape, *smoothness).astype(real)
    size = norm(kspace)
    scale = real_like(100, kspace) / jnp.where(size > 0, size, 1)
    data = scale * kspace
    dampings = jnp.asarray(damping, real) * jnp.asarray(reduction, real) ** jnp.arange(iterations)

    def step(x: tuple, damping: jax.Array) -> tuple:
        image, coils = x[0], smooth_coils(x[1], weights)
        slope = BilinearDerivative(sampling, weights, image, coils)
        residual = data - jax.vmap(sampling.apply)(coils * image)
        fall = jax.tree.map(lambda a, b: damping * (a - b), start, x)
        rhs = jax.tree.map(jnp.add, slope.adjoint(residual), fall)
        change = solve_normal(
            slope, rhs, damping=damping, iterations=inner_iterations, tolerance=tolerance
        )
        return jax.tree.map(jnp.add, x, change)

    start = (jnp.ones(shape, dtype), jnp.zeros((kspace.shape[0], *shape), dtype))
    (image, amplitudes), _ = iterate(step, start, xs=dampings)
    return normalised(image / scale, smooth_coils(amplitudes, weights))


def normalised(image: jax.Array, coils: jax.Array) -> JointReconstruction:
    """The same coil images, from maps of norm 1 over the coils (0 where all vanish)."""
    square = (coils.real**2 + coils.imag**2).sum(0)
    present = square > 0
    size = jnp.sqrt(jnp.where(present, square, 1))
    return JointReconstruction(
        jnp.where(present, size * image, 0), jnp.where(present, coils / size, 0)
    )


def sampling_operator(
    kspace: jax.Array, mask: Any, operator: LinearOperator | None, *, what: str
) -> LinearOperator:
    """The operator of one coil, from an image to the samples, and a check that data fit it.

    Raises:
        ValueError, TypeError: they do not; both a mask and an operator.
    """
    shape, dtype = kspace.shape[1:], kspace.dtype
    if operator is None:
        fourier = Fourier(shape, dtype=dtype)
        return fourier if mask is None else Mask(mask, shape, dtype) @ fourier
    if mask is not None:
        raise ValueError(f"{what} takes a mask or an operator: an operator holds its own sampling.")
    if not is_complex(operator.domain.dtype):
        raise TypeError(
            f"{what} expected an operator on complex images, got {operator!r}: maps and images have"
            " phases."
        )
    coil = jax.ShapeDtypeStruct(shape, dtype)
    check_space(coil, operator.codomain, what=what, argument="kspace of a coil")
    return operator


def sobolev_weights(shape: tuple[int, ...], scale: Any, power: Any) -> jax.Array:
    """W(k) = (1 + scale |k|^2)^(-power / 2), k in cycles per pixel, its origin at n // 2."""
    axes = [(np.arange(n) - n // 2) / n for n in shape]
    square = sum(k**2 for k in np.meshgrid(*axes, indexing="ij", sparse=True))
    return (1 + scale * jnp.asarray(square)) ** (-jnp.asarray(power) / 2)


def smooth_coils(amplitudes: jax.Array, weights: jax.Array) -> jax.Array:
    """c_j = F^-1 W a_j."""
    return ifft_centred(weights * amplitudes, tuple(range(1, amplitudes.ndim)))


class BilinearDerivative(LinearOperator):
    r"""G'(m, a): (dm, da) -> P F (c_j dm + m F^-1 W da_j), of the samples of all coils.

    Args:
        sampling: P F for one coil.
        weights: W, real, (*image).
        image: m, complex, (*image).
        coils: c = F^-1 W a, complex, (coil, *image).

    Domain: a pair of (*image) and (coil, *image), complex. Codomain: (coil, *samples), complex, in
    the dtype of `sampling`, which is that of image and coils. The adjoint and A^H A are exact, the
    latter through that of `sampling`. Not checked: :func:`nlinv` makes it.

    Source: Uecker, Hohage, Block and Frahm 2008, doi:10.1002/mrm.21691.
    """

    sampling: LinearOperator
    weights: jax.Array
    image: jax.Array
    coils: jax.Array

    @property
    def domain(self) -> Space:
        image = struct(self.image.shape, self.image.dtype)
        return image, struct(self.coils.shape, self.coils.dtype)

    @property
    def codomain(self) -> Space:
        of_coil = self.sampling.codomain
        return struct((self.coils.shape[0], *of_coil.shape), of_coil.dtype)

    def apply(self, x: Any) -> jax.Array:
        return jax.vmap(self.sampling.apply)(self._coil_images(x))

    def adjoint(self, y: Any) -> tuple[jax.Array, jax.Array]:
        return self._gather(jax.vmap(self.sampling.adjoint)(y))

    def normal(self, x: Any) -> tuple[jax.Array, jax.Array]:
        return self._gather(jax.vmap(self.sampling.normal)(self._coil_images(x)))

    def _coil_images(self, x: Any) -> jax.Array:
        return self.coils * x[0] + self.image * smooth_coils(x[1], self.weights)

    def _gather(self, coil_images: jax.Array) -> tuple[jax.Array, jax.Array]:
        axes = tuple(range(1, coil_images.ndim))
        amplitudes = self.weights * fft_centred(self.image.conj() * coil_images, axes)
        return (self.coils.conj() * coil_images).sum(0), amplitudes
