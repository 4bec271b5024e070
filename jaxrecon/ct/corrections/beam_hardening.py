"""Beam hardening: a polynomial for water, a correction for bone, the polychromatic model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.scipy.linalg import solve_triangular

from jaxrecon.core.checks import check_inexact, check_positive_int, check_real, check_space
from jaxrecon.core.products import matmul
from jaxrecon.ct.direct import filtered_backprojection
from jaxrecon.ct.geometry import Geometry
from jaxrecon.ct.materials import Material, linear_attenuation, split_water_bone
from jaxrecon.ct.projectors import project
from jaxrecon.ct.spectrum import Spectrum, attenuation_table, polychromatic_line_integrals

WATER_BONE: tuple[str, str] = ("water", "cortical bone")
"""The two materials that the body is taken for."""


def water_polynomial(
    spectrum: Spectrum,
    energy: Any,
    longest: Any,
    degree: int = 4,
    material: str | Material = "water",
) -> jax.Array:
    r"""Coefficients c of sum_k c_k p^k = mu(E) l, from the polychromatic p = -log T(l) of water.

    They are fitted by least squares to 256 thicknesses l from 0 to `longest`. There is no constant
    term: nothing stays nothing.

    Args:
        spectrum: as detected.
        energy: E in keV of the monochromatic data that are wanted; ``spectrum.mean_energy()`` does.
        longest: mm, the longest way through the object, > 0.
        degree: static; 3 to 5 do for a body.
        material: another one than water, for an object of a single material.

    Returns:
        (degree,): c_1, c_2, ... in the dtype of the spectrum, without unit. Differentiable in the
        spectrum and the energy.

    Raises:
        ValueError: unknown material, energy out of the tables, a degree below 1 or above 8, a
            length that is not positive (outside of jit).

    Source: Herman 1979, doi:10.1088/0031-9155/24/1/008.
    """
    what = "water_polynomial"
    degree = check_positive_int(degree, what=what, argument="degree")
    if degree > 8:
        raise ValueError(f"{what} expected a degree of 1 to 8, got {degree}.")
    if not isinstance(longest, Tracer) and not float(longest) > 0:
        raise ValueError(f"{what} expected longest > 0 mm, got {longest}.")
    dtype = spectrum.weight.dtype
    lengths = jnp.asarray(longest, dtype) * jnp.linspace(0, 1, 256, dtype=dtype)
    table = attenuation_table([material], spectrum)
    measured = polychromatic_line_integrals(lengths[None], spectrum, table)
    wanted = linear_attenuation(material, jnp.asarray(energy, dtype)) * lengths
    largest = measured[-1]
    powers = jnp.arange(1, degree + 1)
    q, r = jnp.linalg.qr((measured / largest)[:, None] ** powers)
    return solve_triangular(r, matmul(q.T, wanted)) / largest**powers


def apply_polynomial(sinogram: Any, coefficients: Any) -> jax.Array:
    r"""sum_k c_k p^k for k = 1, 2, ...: data of one energy from measured line integrals p.

    Args:
        sinogram: p = -log T, any shape.
        coefficients: c, (degree,), see :func:`water_polynomial`.

    Returns:
        as the sinogram.

    Raises:
        ValueError: coefficients that are no vector.
        TypeError: a complex or integer sinogram.
    """
    sinogram = jnp.asarray(sinogram)
    check_real(sinogram, what="apply_polynomial", argument="sinogram")
    check_inexact(sinogram, what="apply_polynomial", argument="sinogram")
    coefficients = jnp.asarray(coefficients, sinogram.dtype)
    if coefficients.ndim != 1 or coefficients.size == 0:
        raise ValueError(
            f"apply_polynomial expected coefficients of shape (degree,), got {coefficients.shape}."
        )
    total = jnp.zeros_like(sinogram)
    for k in reversed(range(coefficients.shape[0])):
        total = (total + coefficients[k]) * sinogram
    return total


def polychromatic_projection(
    fractions: Any,
    geometry: Geometry,
    spectrum: Spectrum,
    attenuation: Any,
    model: str | None = None,
) -> jax.Array:
    r"""p = -log T(P f_1, P f_2, ...): what a scanner measures of images of several materials.

    Differentiable in the images, the geometry, the spectrum and the attenuation, so
    ``1/2 ||p(f) - m||^2`` can be minimised by gradients, with the images as unknowns or with one
    image that :func:`split_water_bone` splits.

    Args:
        fractions: volume fraction of each material, (materials, *geometry.image_shape).
        geometry: the rays.
        spectrum: as detected.
        attenuation: (materials, energies) in 1/mm, see :func:`attenuation_table`.
        model: of the projector, see :func:`project`.

    Returns:
        of geometry.sinogram_space, without unit.

    Raises:
        ValueError, TypeError: shapes or dtypes that do not fit.

    Source: De Man, Nuyts, Dupont, Marchal and Suetens 2001, doi:10.1109/42.959297.
    """
    lengths = jax.vmap(partial(project, geometry=geometry, model=model))(jnp.asarray(fractions))
    return polychromatic_line_integrals(lengths, spectrum, attenuation)


def correct_bone(
    sinogram: Any,
    geometry: Geometry,
    spectrum: Spectrum,
    energy: Any,
    *,
    coefficients: Any,
    iterations: int = 2,
    materials: Sequence[str | Material] = WATER_BONE,
    thresholds: tuple[float, float] = (1.1, 1.5),
    reconstruct: Callable[[jax.Array], jax.Array] | None = None,
    model: str | None = None,
) -> jax.Array:
    r"""Data of one energy from polychromatic data of an object of water and bone.

    With W the polynomial for water, the image mu_n of q_n is split into water and bone
    (:func:`split_water_bone`), and l are their line integrals:

    q_0 = W(p),   q_{n+1} = W(p) + mu_w(E) l_w + mu_b(E) l_b - W(-log T(l_w, l_b)).

    The added term vanishes where there is no bone, whatever the errors of l_w.

    Args:
        sinogram: measured p = -log T, of geometry.sinogram_space.
        geometry: the rays.
        spectrum: as detected.
        energy: E in keV, that of the polynomial.
        coefficients: those of W, from :func:`water_polynomial` with the same spectrum and energy.
        iterations: static; 1 or 2 do.
        materials: water and bone.
        thresholds: of the split, in units of water.
        reconstruct: from sinogram to image in 1/mm; :func:`filtered_backprojection` with its
            defaults when not given.
        model: of the projector, see :func:`project`.

    Returns:
        the corrected sinogram, as the given one.

    Raises:
        ValueError, TypeError: a sinogram that does not fit the geometry, unknown materials,
            thresholds not increasing.

    Source: Joseph and Spital 1978, doi:10.1097/00004728-197801000-00017.
    """
    what = "correct_bone"
    sinogram = jnp.asarray(sinogram)
    check_space(sinogram, geometry.sinogram_space, what=what, argument="sinogram")
    iterations = check_positive_int(iterations, what=what, argument="iterations")
    if len(materials) != 2:
        raise ValueError(f"{what} expected two materials, water and bone, got {materials}.")
    if reconstruct is None:
        reconstruct = partial(filtered_backprojection, geometry=geometry)  # type: ignore[arg-type]
    dtype = sinogram.dtype
    table = attenuation_table(materials, spectrum).astype(dtype)
    energy = jnp.asarray(energy, dtype)
    water, bone = (linear_attenuation(material, energy) for material in materials)
    first = apply_polynomial(sinogram, coefficients)

    def step(current: jax.Array, _: None) -> tuple[jax.Array, None]:
        fractions = split_water_bone(reconstruct(current), water, bone, thresholds)
        lengths = jax.vmap(partial(project, geometry=geometry, model=model))(fractions)
        hardened = polychromatic_line_integrals(lengths, spectrum, table)
        ideal = water * lengths[0] + bone * lengths[1]
        return first + ideal - apply_polynomial(hardened, coefficients), None

    return jax.lax.scan(step, first, None, length=iterations)[0]
