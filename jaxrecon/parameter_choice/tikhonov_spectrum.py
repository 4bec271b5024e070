"""Tikhonov problems in the basis that solves them, where every rule is exact."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, Pytree, static
from jaxrecon.core.checks import check_space
from jaxrecon.core.products import matmul
from jaxrecon.core.vectors import zeros_like
from jaxrecon.direct.dense import as_matrix
from jaxrecon.functionals import LeastSquares, SquaredL2
from jaxrecon.parameter_choice.gcv import cross_validation
from jaxrecon.solvers.fourier_quadratic import fourier_quadratic


class TikhonovSpectrum(Pytree):
    r"""x_lambda = argmin_x ||A x - m||^2 + lambda ||L x||^2 where A and L are both diagonal.

    With gains g_i = |a_i|^2, penalties p_i = |l_i|^2 and coefficients c_i of the data,
    the filter factors f_i = g_i / (g_i + lambda p_i) give all that the rules need:

        ||A x - m||^2 = sum_i (1 - f_i)^2 |c_i|^2 + rest,   freedom = sum_i f_i,
        ||L x||^2 = sum_i p_i f_i^2 |c_i|^2 / g_i.

    Made by :func:`singular_spectrum` or :func:`fourier_spectrum`; the methods take one weight, and
    a path of them under :func:`jax.vmap`. lambda is that of ``LeastSquares(A, m) + lambda *
    SquaredL2() @ L`` and of :func:`jaxrecon.direct.tikhonov`::

        spectrum = singular_spectrum(A, m)
        best_weight(spectrum.gcv, 1e-6, 1e2)
        l_curve(weights, jax.vmap(spectrum.residual)(weights), jax.vmap(spectrum.penalty)(weights))
    """

    gains: jax.Array
    """g >= 0"""
    penalties: jax.Array
    """p >= 0, like the gains"""
    powers: jax.Array
    """|c|^2, like the gains"""
    rest: jax.Array
    """||m||^2 of what A does not reach."""
    count: int = static()
    """number of real data"""
    multiplicity: int = static(default=1)
    """real numbers for each coefficient: 2 where data are complex"""

    def _filter(self, weight: Any) -> jax.Array:
        total = self.gains + weight * self.penalties
        return jnp.where(total > 0, self.gains / jnp.where(total > 0, total, 1), 0)

    def residual(self, weight: Any) -> jax.Array:
        """||A x - m||^2."""
        return jnp.sum((1 - self._filter(weight)) ** 2 * self.powers) + self.rest

    def penalty(self, weight: Any) -> jax.Array:
        """||L x||^2."""
        passed = self.gains > 0
        amplified = self._filter(weight) ** 2 * self.powers / jnp.where(passed, self.gains, 1)
        return jnp.sum(jnp.where(passed, self.penalties * amplified, 0))

    def freedom(self, weight: Any) -> jax.Array:
        """Degrees of freedom of A x, between 0 and `count`."""
        return self.multiplicity * jnp.sum(self._filter(weight))

    def gcv(self, weight: Any) -> jax.Array:
        """As the value of :func:`jaxrecon.parameter_choice.gcv`."""
        n = self.count
        return cross_validation(self.residual(weight) / n, self.freedom(weight) / n)

    def sure(self, weight: Any, variance: Any) -> jax.Array:
        """As the value of :func:`jaxrecon.parameter_choice.sure`, for one variance of all data."""
        n = self.count
        return (self.residual(weight) + 2 * variance * self.freedom(weight)) / n - variance


def singular_spectrum(operator: LinearOperator, data: Any) -> TikhonovSpectrum:
    r"""For L = I, by the singular value decomposition A = U S V^H: g = S^2, c = U^H m.

    Dense: for operators of up to a few thousand rows or columns.

    Args:
        operator: A, one image to one array.
        data: m, in the codomain of A.

    Raises:
        ValueError, TypeError: data that are not in the codomain of A.

    Source: Hansen 1998, section 4.2, doi:10.1137/1.9780898719697.
    """
    check_space(data, operator.codomain, what="singular_spectrum", argument="data")
    data = jnp.asarray(data)
    left, values, _ = jnp.linalg.svd(as_matrix(operator), full_matrices=False)
    flat = data.ravel()
    coefficients = matmul(left.conj().T, flat)
    beyond = flat - matmul(left, coefficients)
    multiplicity = 2 if jnp.iscomplexobj(data) else 1
    return TikhonovSpectrum(
        values**2,
        jnp.ones_like(values),
        _power(coefficients),
        jnp.sum(_power(beyond)),
        multiplicity * data.size,
        multiplicity,
    )


def fourier_spectrum(
    operator: LinearOperator, data: Any, penalty: LinearOperator | None = None
) -> TikhonovSpectrum:
    r"""For A and L that commute with shifts, by the FFT: deblurring of images of any size.

    Args:
        operator: A, from one image to one array of the same shape, a periodic convolution.
        data: m, in the codomain of A.
        penalty: L, say ``FiniteDifference(shape, boundary="periodic")``; None is the identity.

    Raises:
        ValueError: A or L does not commute with shifts (where concrete), A maps to another shape;
            data that are not in the codomain of A.
        TypeError: data of another dtype.

    Source: Hansen, Nagy and O'Leary 2006, chapter 6, doi:10.1137/1.9780898718874.
    """
    what = "fourier_spectrum"
    check_space(data, operator.codomain, what=what, argument="data")
    data, space = jnp.asarray(data), operator.domain
    if operator.codomain.shape != space.shape:
        raise ValueError(
            f"{what} expected A from images {space.shape} to data of the same shape, got "
            f"{operator.codomain.shape}. For other A take singular_spectrum, or gcv and sure."
        )
    gains = _eigenvalues(LeastSquares(operator, zeros_like(operator.codomain)), space)
    if penalty is None:
        penalties = jnp.ones_like(gains)
    else:
        penalties = _eigenvalues(SquaredL2() @ penalty, space)
    powers = _power(jnp.fft.fftn(data, norm="ortho"))
    multiplicity = 2 if jnp.iscomplexobj(data) else 1
    count = multiplicity * data.size
    rest = jnp.zeros((), powers.dtype)
    return TikhonovSpectrum(gains, penalties, powers, rest, count, multiplicity)


def _eigenvalues(f: Any, space: Any) -> jax.Array:
    """Of the Hessian, in the order of ``jnp.fft.fftn``; a real image stores half of them, and the
    others are its mirror image about the origin."""
    values = fourier_quadratic(f, space).eigenvalues
    if values.shape == space.shape:
        return values
    last = space.shape[-1]
    mirrored = jnp.roll(jnp.flip(values), 1, axis=tuple(range(values.ndim - 1)))
    return jnp.concatenate([values, mirrored[..., last % 2 == 0 : values.shape[-1] - 1]], -1)


def _power(c: jax.Array) -> jax.Array:
    return c.real**2 + c.imag**2 if jnp.iscomplexobj(c) else c**2
