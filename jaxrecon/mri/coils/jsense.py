"""JSENSE: image and coil maps in turn, the maps as polynomials."""

from __future__ import annotations

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, iterate, static, struct
from jaxrecon.core.checks import Space, check_positive_int, real_dtype
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.core.products import tensordot
from jaxrecon.mri.coils.calibration import complex_coils
from jaxrecon.mri.coils.nlinv import JointReconstruction, normalised, sampling_operator


def jsense(
    kspace: Any,
    *,
    mask: Any = None,
    operator: LinearOperator | None = None,
    degree: int = 6,
    iterations: int = 10,
    inner_iterations: int = 10,
    damping: Any = 1e-3,
) -> JointReconstruction:
    r"""min over image m and coefficients a of sum_j ||P F (s_j m) - y_j||^2, in turns.

    The maps are s_j(r) = sum_k a_jk p_k(r), polynomials up to a total degree. In turn the maps are
    fitted with the image held, and the image (SENSE) with the maps held; each is a linear least
    squares problem, of which `inner_iterations` conjugate gradient steps are taken from where the
    last ones ended. The sum never rises but for the damping. The first image is the root of the sum
    of squares of the coils, filled up with zeros.

    Against :func:`nlinv`: few unknowns for the maps, no choice of smoothness, but a polynomial
    follows maps that vary fast only at high degrees, and is free where there is no object.

    Args:
        kspace: (coil, y, x) or (coil, z, y, x), complex, 0 where not sampled; with an operator
            (coil, *its codomain).
        mask: of the samples, broadcasting to (y, x), boolean, traced; None: all are sampled.
        operator: P F for one coil, from the image to its samples; then without a mask.
        degree: static; of the polynomials in all axes together. Legendre polynomials over the field
            of view are the basis.
        iterations: static; of both turns.
        inner_iterations: static; conjugate gradient steps in each turn.
        damping: of both problems, relative to the squared norm of the other factor in a pixel,
            traced.

    Returns:
        :class:`JointReconstruction`.

    Raises:
        ValueError, TypeError: as :func:`nlinv`.

    Source: Ying and Sheng 2007, doi:10.1002/mrm.21245.
    """
    what = "jsense"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *samples)")
    degree = check_positive_int(degree, what=what, argument="degree")
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    sampling = sampling_operator(kspace, mask, operator, what=what)
    dtype = kspace.dtype
    basis = legendre_basis(sampling.domain.shape, degree).astype(real_dtype(dtype))

    def solve(operator: LinearOperator, x0: jax.Array, size: jax.Array) -> jax.Array:
        return solve_normal(
            operator,
            operator.adjoint(kspace),
            x0,
            damping=damping * size,
            iterations=inner_iterations,
            tolerance=1e-6,
        )

    def step(state: tuple) -> tuple:
        image, coefficients = state
        fitted = PolynomialCoils(sampling, basis, image, kspace.shape[0])
        coefficients = solve(fitted, coefficients, jnp.mean(_square(image)))
        sense = CoilEncoding(sampling, tensordot(coefficients, basis, 1))
        image = solve(sense, image, jnp.mean(_square(sense.maps).sum(0)))
        return image, coefficients

    coil_images = jax.vmap(sampling.adjoint)(kspace)
    image = jnp.sqrt(_square(coil_images).sum(0)).astype(dtype)
    start = (image, jnp.zeros((kspace.shape[0], basis.shape[0]), dtype))
    (image, coefficients), _ = iterate(step, start, iterations)
    return normalised(image, tensordot(coefficients, basis, 1))


def legendre_basis(shape: tuple[int, ...], degree: int) -> jax.Array:
    """Products of Legendre polynomials with a total degree up to `degree`, (term, *shape).

    Each is scaled to a root mean square of about 1 over the field of view, from -1 to 1.
    """
    axes = [
        np.polynomial.legendre.legvander(np.linspace(-1, 1, n) if n > 1 else np.zeros(1), degree)
        * np.sqrt(2 * np.arange(degree + 1) + 1)
        for n in shape
    ]
    terms = []
    for powers in product(range(degree + 1), repeat=len(shape)):
        if sum(powers) <= degree:
            term = np.ones((1,) * len(shape))
            for axis, (table, power) in enumerate(zip(axes, powers, strict=True)):
                outward = [-1 if i == axis else 1 for i in range(len(shape))]
                term = term * table[:, power].reshape(outward)
            terms.append(term)
    return jnp.asarray(np.stack(terms))


class PolynomialCoils(LinearOperator):
    """a -> P F (m sum_k a_jk p_k), of the samples of all coils.

    Args:
        sampling: P F for one coil, from (*image) to (*samples).
        basis: p, real, (term, *image).
        image: m, complex, (*image).
        coils: static; number of coils.

    Domain: a, (coil, term), complex. Codomain: (coil, *samples), complex, in the dtype of
    `sampling`, which is that of the image. Not checked: :func:`jsense` makes it.

    Source: Ying and Sheng 2007, doi:10.1002/mrm.21245.
    """

    sampling: LinearOperator
    basis: jax.Array
    image: jax.Array
    coils: int = static()

    @property
    def domain(self) -> Space:
        return struct((self.coils, self.basis.shape[0]), self.image.dtype)

    @property
    def codomain(self) -> Space:
        of_coil = self.sampling.codomain
        return struct((self.coils, *of_coil.shape), of_coil.dtype)

    def apply(self, x: Any) -> jax.Array:
        return jax.vmap(self.sampling.apply)(self.image * tensordot(x, self.basis, 1))

    def adjoint(self, y: Any) -> jax.Array:
        return self._gather(jax.vmap(self.sampling.adjoint)(y))

    def normal(self, x: Any) -> jax.Array:
        coil_images = self.image * tensordot(x, self.basis, 1)
        return self._gather(jax.vmap(self.sampling.normal)(coil_images))

    def _gather(self, coil_images: jax.Array) -> jax.Array:
        over = tuple(range(1, self.basis.ndim))
        return tensordot(self.image.conj() * coil_images, self.basis, (over, over))


class CoilEncoding(LinearOperator):
    """m -> P F (s_j m), of the samples of all coils.

    Args:
        sampling: P F for one coil, from (*image) to (*samples).
        maps: s, complex, (coil, *image).

    Domain: (*image), complex. Codomain: (coil, *samples), complex, in the dtype of `sampling`,
    which is that of the maps. Not checked: :func:`jsense` makes it. For reconstructions take
    :class:`jaxrecon.mri.Sense` or :class:`jaxrecon.mri.NonuniformSense`, which check.

    Source: Pruessmann, Weiger, Boernert and Boesiger 2001, doi:10.1002/mrm.1241.
    """

    sampling: LinearOperator
    maps: jax.Array

    @property
    def domain(self) -> Space:
        return struct(self.maps.shape[1:], self.maps.dtype)

    @property
    def codomain(self) -> Space:
        of_coil = self.sampling.codomain
        return struct((self.maps.shape[0], *of_coil.shape), of_coil.dtype)

    def apply(self, x: Any) -> jax.Array:
        return jax.vmap(self.sampling.apply)(self.maps * x)

    def adjoint(self, y: Any) -> jax.Array:
        return (self.maps.conj() * jax.vmap(self.sampling.adjoint)(y)).sum(0)

    def normal(self, x: Any) -> jax.Array:
        return (self.maps.conj() * jax.vmap(self.sampling.normal)(self.maps * x)).sum(0)


def _square(x: jax.Array) -> jax.Array:
    return x.real**2 + x.imag**2
