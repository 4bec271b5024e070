"""Coil sensitivities as a few exponentials or polynomials: k-space stays in closed form."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import complex_dtype, real_dtype
from jaxrecon.core.products import einsum, matmul
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.mri.simulate.ball_transform import monomial_exponents


class Exponentials(Pytree):
    r"""S_c(r) = sum_l a_cl exp(2 pi i w_l . r), which moves k-space by w_l.

    Args:
        coefficients: (coil, terms), complex.
        frequencies: (terms, d), cycles per mm, in the order of the image axes.

    Raises:
        ValueError: shapes that do not match. TypeError: coefficients that are not complex.
    """

    coefficients: Any
    frequencies: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        a = jnp.asarray(self.coefficients)
        w = jnp.asarray(self.frequencies)
        _check_complex(a, "Exponentials")
        if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[0]:
            raise ValueError(
                "Exponentials expected coefficients (coil, terms) and frequencies (terms, d), got "
                f"{a.shape} and {w.shape}."
            )
        self._set("coefficients", a)
        self._set("frequencies", w.astype(real_dtype(a.dtype)))

    @property
    def dimension(self) -> int:
        return self.frequencies.shape[1]

    def at(self, r: Any) -> jax.Array:
        """Values at points (*points, d) in mm from the middle of the image: (coil, *points)."""
        turns = einsum("...d,ld->...l", r, self.frequencies)
        turns = 2 * np.pi * (turns - jnp.round(turns))
        waves = jax.lax.complex(jnp.cos(turns), jnp.sin(turns))
        return einsum("cl,...l->c...", self.coefficients, waves)


class Polynomials(Pytree):
    r"""S_c(r) = sum_l a_cl prod_i (r_i / scale)^(e_li).

    Args:
        coefficients: (coil, terms), complex.
        exponents: static, a tuple of tuples of d integers, in the order of the image axes.
        scale: mm, a number; half the field of view keeps the coefficients of one size.

    Raises:
        ValueError: shapes that do not match. TypeError: coefficients that are not complex.
    """

    coefficients: Any
    exponents: tuple[tuple[int, ...], ...] = static()
    scale: Any = 1.0

    def __post_init__(self) -> None:
        a = jnp.asarray(self.coefficients)
        _check_complex(a, "Polynomials")
        exponents = tuple(tuple(int(e) for e in term) for term in self.exponents)
        if a.ndim != 2 or a.shape[1] != len(exponents) or len({len(e) for e in exponents}) != 1:
            raise ValueError(
                "Polynomials expected coefficients (coil, terms) and a tuple of d exponents for "
                f"each term, got {a.shape} and {self.exponents}."
            )
        self._set("coefficients", a)
        self._set("exponents", exponents)
        self._set("scale", jnp.asarray(self.scale, real_dtype(a.dtype)))
        super().__post_init__()

    @property
    def dimension(self) -> int:
        return len(self.exponents[0])

    @property
    def degree(self) -> int:
        return max(sum(e) for e in self.exponents)

    def at(self, r: Any) -> jax.Array:
        """Values at points (*points, d) in mm from the middle of the image: (coil, *points)."""
        monomials = monomials_at(r / self.scale, self.exponents)
        return einsum("cl,...l->c...", self.coefficients, monomials.astype(self.coefficients.dtype))


Sensitivities = Exponentials | Polynomials


def monomials_at(u: Any, exponents: Any) -> jax.Array:
    """u^e for each tuple of exponents along a new last axis."""
    return jnp.stack(
        [jnp.prod(jnp.stack([u[..., i] ** p for i, p in enumerate(e)]), axis=0) for e in exponents],
        axis=-1,
    )


def pixel_centres(shape: tuple[int, ...], pixel_size: Any, dtype: Any) -> jax.Array:
    """(*shape, d) in mm from the middle of the image, as phantoms are drawn."""
    sizes = jnp.broadcast_to(jnp.asarray(pixel_size, dtype), (len(shape),))
    axes = [sizes[i] * jnp.asarray(np.arange(n) - (n - 1) / 2, dtype) for i, n in enumerate(shape)]
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)


def sensitivity_maps(
    sensitivities: Sensitivities, shape: tuple[int, ...], pixel_size: Any
) -> jax.Array:
    """The sensitivities at pixel centres: (coil, *shape), complex.

    Args:
        sensitivities: :class:`Exponentials` or :class:`Polynomials`.
        shape: static shape of the image, (y, x) or (z, y, x).
        pixel_size: mm, one number or one for each axis.

    Raises:
        ValueError: sensitivities of another dimension.
    """
    if len(shape) != sensitivities.dimension:
        raise ValueError(
            f"sensitivity_maps expected a shape of {sensitivities.dimension} axes, got {shape}."
        )
    dtype = real_dtype(sensitivities.coefficients.dtype)
    return sensitivities.at(pixel_centres(shape, pixel_size, dtype))


def fit_exponentials(
    maps: Any, pixel_size: Any, *, harmonics: int = 2, period: float = 1.6, weights: Any = None
) -> Exponentials:
    r"""Least-squares fit of maps by the exponentials of a Fourier series with a longer period.

    Frequencies h / (period times the field of view), h = -harmonics to harmonics on each axis. A
    period above 1 lets the series take different values at opposite sides. Ridge of 1e-6 (float32)
    or 1e-12 times the largest eigenvalue of the normal equations.

    Args:
        maps: (coil, *image), complex.
        pixel_size: mm, one number or one for each axis.
        harmonics: static; (2 harmonics + 1)^d terms.
        period: in fields of view.
        weights: (*image), real, >= 0: where the fit matters, e.g. 1 in the object; 1 by default.

    Returns:
        :class:`Exponentials`, differentiable in the maps.

    Raises:
        TypeError: maps that are not complex.

    Source: Guerquin-Kern et al. 2012, doi:10.1109/TMI.2011.2174158.
    """
    maps = jnp.asarray(maps)
    _check_complex(maps, "fit_exponentials")
    shape, dtype = maps.shape[1:], real_dtype(maps.dtype)
    sizes = np.broadcast_to(np.asarray(pixel_size, np.float64), (len(shape),))
    steps = [
        np.arange(-harmonics, harmonics + 1) / (period * n * s)
        for n, s in zip(shape, sizes, strict=True)
    ]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, len(shape))
    frequencies = jnp.asarray(grid, dtype)
    eye = jnp.eye(len(grid), dtype=maps.dtype)
    basis = Exponentials(eye, frequencies).at(pixel_centres(shape, pixel_size, dtype))
    return Exponentials(_fit(basis, maps, weights), frequencies)


def fit_polynomials(
    maps: Any, pixel_size: Any, *, degree: int = 3, weights: Any = None
) -> Polynomials:
    r"""Least-squares fit of maps by all monomials up to a total degree.

    Args:
        maps: (coil, *image), complex.
        pixel_size: mm, one number or one for each axis.
        degree: static; above 5 or so float32 runs out of digits.
        weights: (*image), real, >= 0: where the fit matters; 1 by default.

    Returns:
        :class:`Polynomials` with half the longest side as scale, differentiable in the maps.

    Raises:
        TypeError: maps that are not complex.

    Source: Guerquin-Kern et al. 2012, doi:10.1109/TMI.2011.2174158.
    """
    maps = jnp.asarray(maps)
    _check_complex(maps, "fit_polynomials")
    shape, dtype = maps.shape[1:], real_dtype(maps.dtype)
    exponents = tuple(monomial_exponents(len(shape), degree))
    scale = float(np.max(np.asarray(shape) * np.asarray(pixel_size)) / 2)
    points = pixel_centres(shape, pixel_size, dtype) / scale
    basis = jnp.moveaxis(monomials_at(points, exponents), -1, 0).astype(maps.dtype)
    return Polynomials(_fit(basis, maps, weights), exponents, scale)


@jax.jit
def _fit(basis: jax.Array, maps: jax.Array, weights: Any) -> jax.Array:
    """(coil, terms) that minimise the weighted squares of maps - coefficients basis."""
    b = basis.reshape(len(basis), -1)
    y = maps.reshape(len(maps), -1)
    if weights is not None:
        b_weighted = b * jnp.asarray(weights, real_dtype(maps.dtype)).ravel()
    else:
        b_weighted = b
    gram = matmul(b_weighted, b.conj().T)  # (terms, terms)
    ridge = 1e-12 if real_dtype(maps.dtype) == jnp.float64 else 1e-6
    largest = jnp.max(jnp.sum(jnp.abs(gram), axis=1))
    right = matmul(y, b_weighted.conj().T)
    system = gram.T + ridge * largest * jnp.eye(len(gram), dtype=gram.dtype)
    return jnp.linalg.solve(system, right.T).T


def _check_complex(a: jax.Array, what: str) -> None:
    if not jnp.issubdtype(a.dtype, jnp.complexfloating):
        raise TypeError(
            f"{what} expected complex values, got {a.dtype}. Convert with "
            f"x.astype({complex_dtype(a.dtype)})."
        )
