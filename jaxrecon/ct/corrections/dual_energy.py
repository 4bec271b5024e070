"""Dual energy: from data of two spectra to two materials, and to images of any single energy."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_inexact, check_nonnegative, check_positive_int, check_real
from jaxrecon.core.products import tensordot
from jaxrecon.ct.spectrum import Spectrum, polychromatic_line_integrals

Pair = tuple[Any, Any]
"""One entry for each of the two spectra."""


def alvarez_macovski_basis(energy: Any, reference: Any = 60.0) -> jax.Array:
    r"""Photoelectric absorption and Compton scattering: (E0/E)^3 and f_KN(E) / f_KN(E0).

    f_KN(E) = 1/2 int_{-1}^{1} P^2 (P + 1/P - 1 + m^2) dm with P = 1 / (1 + e (1 - m)) and
    e = E / 511 keV is the function of Klein and Nishina; the integral over the cosine m of the
    scattering angle loses no digits at low energies, where its closed form does.

    Any material away from its edges is mu(E) = a_1 basis_1(E) + a_2 basis_2(E), where a_1 and a_2
    are its attenuation at E0 by the two effects, in 1/mm; line integrals of them have no unit.

    Args:
        energy: E in keV, (energies,).
        reference: E0 in keV.

    Returns:
        (2, energies), without unit, in the place of an :func:`attenuation_table`.

    Raises:
        TypeError: complex energies.

    Source: Alvarez and Macovski 1976, doi:10.1088/0031-9155/21/5/002.
    """
    energy = jnp.asarray(energy)
    check_real(energy, what="alvarez_macovski_basis", argument="energy")
    dtype = jnp.result_type(energy, jnp.float32)
    energy, reference = energy.astype(dtype), jnp.asarray(reference, dtype)
    compton = _klein_nishina(energy) / _klein_nishina(reference)
    return jnp.stack([(reference / energy) ** 3, compton])


@jax.jit
def dual_energy_data(lengths: Any, spectra: tuple[Spectrum, Spectrum], attenuation: Pair) -> Any:
    r"""p_i = -log T_i(l_1, l_2) for two spectra, the model that :func:`decompose_data` inverts.

    Args:
        lengths: line integrals of two materials, (2, ...), in mm (without unit for the basis of
            :func:`alvarez_macovski_basis`).
        spectra: as detected.
        attenuation: for each spectrum its table (2, energies), see :func:`attenuation_table`.

    Returns:
        (2, ...), the data of the first and of the second spectrum.

    Raises:
        ValueError, TypeError: as :func:`polychromatic_line_integrals`; not two spectra and tables.
    """
    _check_pairs(spectra, attenuation, "dual_energy_data")
    pairs = zip(spectra, attenuation, strict=True)
    data = [polychromatic_line_integrals(lengths, *pair) for pair in pairs]
    return jnp.stack(data)


@partial(jax.jit, static_argnames="iterations")
def decompose_data(
    data: Any, spectra: tuple[Spectrum, Spectrum], attenuation: Pair, iterations: int = 10
) -> jax.Array:
    r"""Line integrals of two materials from the data of two spectra, by Newton's method per ray.

    l <- l - J(l)^{-1} (p(l) - data) from l = 0, where J[i, m] = d p_i / d l_m is the mean of
    mu_m over the spectrum i behind the object. The number of correct digits doubles with each
    step; a step that does not reduce |p(l) - data| is halved. Derivatives, of any order, in the
    data, the spectra and the tables are those of the solution (implicit function theorem), not of
    the iteration.

    Args:
        data: p = -log T, (2, ...), e.g. (2, views, bins): first and second spectrum on the same
            rays.
        spectra: as detected; the more they differ the less noise.
        attenuation: for each spectrum its table (2, energies), see :func:`attenuation_table`.
        iterations: static number of Newton steps. Six do for 0.5 m of water with 80 mm of bone at
            80 and 140 kV. Noise can make data that no pair of lengths explains, mostly on rays
            with hardly any photons; they end at lengths that are finite, but mean little. Their
            variance is large, see :func:`decomposition_covariance`.

    Returns:
        (2, ...): l_1, l_2 in mm (without unit for the basis of :func:`alvarez_macovski_basis`), in
        the dtype of the data.

    Raises:
        ValueError: data, spectra or tables that are no pairs or do not fit each other.
        TypeError: data that are no real floating-point array.

    Source: Alvarez and Macovski 1976, doi:10.1088/0031-9155/21/5/002.
    """
    what = "decompose_data"
    data = _checked(data, what)
    _check_pairs(spectra, attenuation, what)
    iterations = check_positive_int(iterations, what=what, argument="iterations")

    def residual(lengths: jax.Array) -> jax.Array:
        return dual_energy_data(lengths, spectra, attenuation) - data

    def newton(residual: Any, lengths: jax.Array) -> jax.Array:
        def step(_: Any, state: tuple) -> tuple:
            lengths, update, error = state
            value, columns = _value_and_columns(residual, lengths - update)
            new = jnp.sum(value**2, axis=0)
            better = new < error
            return (
                jnp.where(better, lengths - update, lengths),
                jnp.where(better, _solve(columns, value), update / 2),
                jnp.where(better, new, error),
            )

        nothing = jnp.zeros_like(lengths), jnp.full_like(lengths[0], jnp.inf)
        return jax.lax.fori_loop(0, iterations + 1, step, (lengths, *nothing))[0]

    def tangent_solve(linear: Any, right: jax.Array) -> jax.Array:
        return _solve(tuple(linear(unit) for unit in _units(right)), right)

    return jax.lax.custom_root(residual, jnp.zeros_like(data), newton, tangent_solve)


def decomposition_covariance(
    lengths: Any, variance: Any, spectra: tuple[Spectrum, Spectrum], attenuation: Pair
) -> jax.Array:
    r"""Covariance J^{-1} diag(v_1, v_2) J^{-T} of decomposed line integrals, to first order.

    The two are strongly anticorrelated: use the whole matrix for weights, or for the variance
    m^T C m of a virtual monoenergetic sinogram with m = (mu_1(E), mu_2(E)).

    Args:
        lengths: (2, ...), see :func:`decompose_data`.
        variance: of the data, (2, ...), without unit; :func:`log_transform` returns it.
        spectra, attenuation: as in :func:`decompose_data`.

    Returns:
        (2, 2, ...), in mm^2.

    Raises:
        ValueError: shapes that do not fit, negative variance (outside of jit).
        TypeError: arrays that are not real and floating-point.
    """
    what = "decomposition_covariance"
    lengths, variance = _checked(lengths, what, "lengths"), _checked(variance, what, "variance")
    check_nonnegative(variance, what=what, argument="variance")
    if lengths.shape != variance.shape:
        raise ValueError(
            f"{what} expected lengths and variance of the same shape, got {lengths.shape} and "
            f"{variance.shape}."
        )
    _check_pairs(spectra, attenuation, what)
    return _covariance(lengths, variance, spectra, attenuation)


@jax.jit
def _covariance(lengths: jax.Array, variance: jax.Array, spectra: Pair, tables: Pair) -> jax.Array:
    _, columns = _value_and_columns(lambda x: dual_energy_data(x, spectra, tables), lengths)
    first, second = (_solve(columns, unit) for unit in _units(lengths))
    outer = [x[:, None] * x[None] for x in (first, second)]
    return variance[0] * outer[0] + variance[1] * outer[1]


def virtual_monoenergetic(materials: Any, attenuation: Any) -> jax.Array:
    r"""sum_m mu_m(E) x_m: what a single energy would show of an object of known materials.

    Args:
        materials: x, (materials, ...): images of volume fractions, or line integrals in mm.
        attenuation: mu(E) in 1/mm, (materials,) for one energy or (materials, energies), e.g.
            ``attenuation_table(names, monochromatic(70.0))``.

    Returns:
        (...), or (energies, ...): attenuation in 1/mm, or its line integrals.

    Raises:
        ValueError: the number of materials differs.
        TypeError: complex values.
    """
    materials, attenuation = jnp.asarray(materials), jnp.asarray(attenuation)
    for name, value in (("materials", materials), ("attenuation", attenuation)):
        check_real(value, what="virtual_monoenergetic", argument=name)
    shapes = attenuation.shape[:1], materials.shape[:1]
    if attenuation.ndim not in (1, 2) or shapes[0] != shapes[1]:
        raise ValueError(
            "virtual_monoenergetic expected attenuation of shape (materials,) or (materials, "
            f"energies) for materials {materials.shape}, got {attenuation.shape}."
        )
    return tensordot(attenuation.T.astype(materials.dtype), materials, axes=1)


def decompose_images(images: Any, attenuation: Any) -> jax.Array:
    r"""Volume fractions f of two materials from two images mu_i = sum_m M[i, m] f_m, per pixel.

    The linear, image-based decomposition: for images that are free of beam hardening, or corrected
    for it, as each has to stand for one energy. The covariance of f is M^{-1} diag(v) M^{-T}.

    Args:
        images: attenuation in 1/mm, (2, ...), of the first and the second spectrum.
        attenuation: M, (2, 2) in 1/mm: row i holds both materials at the energy of image i, e.g.
            ``attenuation_table(names, Spectrum(energies, ones)).T``.

    Returns:
        (2, ...): f_1, f_2 without unit, in the dtype of the images.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: images that are no real floating-point array.

    Source: Maass, Baer and Kachelriess 2009, doi:10.1118/1.3157235.
    """
    images = _checked(images, "decompose_images", "images")
    matrix = jnp.asarray(attenuation, images.dtype)
    if matrix.shape != (2, 2):
        raise ValueError(
            f"decompose_images expected attenuation of shape (2, 2), got {matrix.shape}."
        )
    return _solve((matrix[:, 0], matrix[:, 1]), images)


def _klein_nishina(energy: jax.Array) -> jax.Array:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    m, w = jnp.asarray(nodes, energy.dtype), jnp.asarray(weights, energy.dtype)
    ratio = 1 / (1 + energy[..., None] / 510.99895 * (1 - m))
    return jnp.sum(w / 2 * ratio**2 * (ratio + 1 / ratio - 1 + m**2), axis=-1)


def _units(like: jax.Array) -> tuple[jax.Array, jax.Array]:
    one, zero = jnp.ones_like(like[0]), jnp.zeros_like(like[0])
    return jnp.stack([one, zero]), jnp.stack([zero, one])


def _value_and_columns(f: Any, x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """f(x) and the columns of its 2 x 2 Jacobian at each ray."""
    value, derivative = jax.linearize(f, x)
    first, second = (derivative(unit) for unit in _units(x))
    return value, (first, second)


def _solve(columns: tuple[jax.Array, jax.Array], right: jax.Array) -> jax.Array:
    """Cramer's rule for the 2 x 2 system of each ray."""
    (a, c), (b, d) = columns
    determinant = a * d - b * c
    return jnp.stack([d * right[0] - b * right[1], a * right[1] - c * right[0]]) / determinant


def _checked(data: Any, what: str, argument: str = "data") -> jax.Array:
    data = jnp.asarray(data)
    check_real(data, what=what, argument=argument)
    check_inexact(data, what=what, argument=argument)
    if data.ndim == 0 or data.shape[0] != 2:
        raise ValueError(f"{what} expected {argument} of shape (2, ...), got {data.shape}.")
    return data


def _check_pairs(spectra: Any, attenuation: Any, what: str) -> None:
    for name, pair in (("spectra", spectra), ("attenuation", attenuation)):
        if len(pair) != 2:
            raise ValueError(f"{what} expected two {name}, got {len(pair)}.")
