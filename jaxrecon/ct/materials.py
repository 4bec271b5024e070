"""X-ray attenuation of materials from their composition, 10 to 200 keV."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_real

ENERGY_RANGE = (10.0, 200.0)
"""Lowest and highest tabulated energy in keV."""

_NUMBERS = {
    **{"H": 1, "C": 6, "N": 7, "O": 8, "F": 9, "Na": 11, "Mg": 12, "Al": 13, "Si": 14, "P": 15},
    **{"S": 16, "Cl": 17, "Ar": 18, "K": 19, "Ca": 20, "Ti": 22, "Fe": 26, "Cu": 29, "Zn": 30},
    **{"Sn": 50, "I": 53, "Gd": 64, "W": 74, "Pb": 82},
}


class Material(NamedTuple):
    """What a material is made of."""

    density: float
    """g/cm3"""
    composition: Mapping[str, float]
    """fractions by weight of the elements, by their symbols"""


def _compound(density: float, **composition: float) -> Material:
    return Material(density, composition)


MATERIALS: dict[str, Material] = {
    "water": _compound(1.0, H=0.111898, O=0.888102),
    "air": _compound(1.205e-3, C=0.000124, N=0.755268, O=0.231781, Ar=0.012827),
    "soft tissue": _compound(
        1.06, H=0.102, C=0.143, N=0.034, O=0.708, Na=0.002, P=0.003, S=0.003, Cl=0.002, K=0.003
    ),
    "muscle": _compound(
        1.05, H=0.102, C=0.143, N=0.034, O=0.710, Na=0.001, P=0.002, S=0.003, Cl=0.001, K=0.004
    ),
    "adipose tissue": _compound(
        0.95, H=0.114, C=0.598, N=0.007, O=0.278, Na=0.001, S=0.001, Cl=0.001
    ),
    "blood": _compound(
        1.06,
        **{"H": 0.102, "C": 0.110, "N": 0.033, "O": 0.745, "Na": 0.001, "P": 0.001},
        **{"S": 0.002, "Cl": 0.003, "K": 0.002, "Fe": 0.001},
    ),
    "brain": _compound(
        1.04, H=0.107, C=0.145, N=0.022, O=0.712, Na=0.002, P=0.004, S=0.002, Cl=0.003, K=0.003
    ),
    "lung tissue": _compound(
        1.05, H=0.103, C=0.105, N=0.031, O=0.749, Na=0.002, P=0.002, S=0.003, Cl=0.003, K=0.002
    ),
    "cortical bone": _compound(
        1.92, H=0.034, C=0.155, N=0.042, O=0.435, Na=0.001, Mg=0.002, P=0.103, S=0.003, Ca=0.225
    ),
    "acrylic": _compound(1.19, H=0.080541, C=0.599846, O=0.319613),
    "polyethylene": _compound(0.93, H=0.143716, C=0.856284),
    "teflon": _compound(2.25, C=0.240183, F=0.759818),
    "gadolinium oxysulfide": _compound(7.44, O=0.084527, S=0.084704, Gd=0.830769),
    "aluminium": _compound(2.699, Al=1.0),
    "titanium": _compound(4.54, Ti=1.0),
    "iron": _compound(7.874, Fe=1.0),
    "copper": _compound(8.96, Cu=1.0),
    "zinc": _compound(7.133, Zn=1.0),
    "tin": _compound(7.31, Sn=1.0),
    "iodine": _compound(4.93, I=1.0),
    "gadolinium": _compound(7.90, Gd=1.0),
    "tungsten": _compound(19.30, W=1.0),
    "lead": _compound(11.35, Pb=1.0),
}
"""Densities and compositions of tables 1 and 2 of NISTIR 5632 (tissues after ICRU Report 44)."""


def linear_attenuation(material: str | Material, energy: Any) -> jax.Array:
    r"""mu(E) = density sum_k w_k (mu/rho)_k(E), in 1/mm.

    The table of the elements is interpolated linearly in the logarithms, edges included; it
    follows NISTIR 5632 within 0.1 %. A material of another density is ``MATERIALS[name]._replace(
    density=...)``; its attenuation is proportional to the density.

    Args:
        material: a name of :data:`MATERIALS`, or a :class:`Material`.
        energy: keV, any shape, from 10 to 200; differentiable.

    Returns:
        1/mm, in the shape and dtype of the energy (float32 for integers).

    Raises:
        ValueError: unknown material or element, an energy out of range (outside of jit).
        TypeError: complex energy.

    Sources: Hubbell and Seltzer, NISTIR 5632, doi:10.18434/T4D01F; Elam, Ravel and Sieber 2002,
    doi:10.1016/S0969-806X(01)00227-4.
    """
    material = material_of(material)
    energy = jnp.asarray(energy)
    check_real(energy, what="linear_attenuation", argument="energy")
    if not jnp.issubdtype(energy.dtype, jnp.floating):
        energy = energy.astype(jnp.float32)
    low, high = ENERGY_RANGE
    if not isinstance(energy, Tracer):
        values = np.asarray(energy)
        if not np.all((values >= low) & (values <= high)):
            raise ValueError(
                f"linear_attenuation expected an energy from {low:g} to {high:g} keV, got "
                f"{values.min():g} to {values.max():g}. Is it in eV or MeV?"
            )
    tables = _mass_attenuation()
    total = jnp.zeros_like(energy)
    for element, fraction in material.composition.items():
        grid, values = (jnp.asarray(a, energy.dtype) for a in tables[_NUMBERS[element]])
        total = total + fraction * jnp.exp(jnp.interp(jnp.log(energy), grid, values))
    return material.density / 10 * total  # cm2/g times g/cm3 is 1/cm


def material_of(material: str | Material) -> Material:
    """The :class:`Material` of a name; one that is made already is checked.

    Raises:
        ValueError: unknown name or element, density not positive.
    """
    if isinstance(material, str):
        if material not in MATERIALS:
            raise ValueError(f"no material '{material}'; known ones: {', '.join(MATERIALS)}.")
        return MATERIALS[material]
    unknown = set(material.composition) - set(_NUMBERS)
    if unknown:
        raise ValueError(f"no table for {sorted(unknown)}; known elements: {', '.join(_NUMBERS)}.")
    if not material.density > 0:
        raise ValueError(f"expected a density > 0 g/cm3, got {material.density}.")
    return material


def mixture(parts: Mapping[str, float]) -> Material:
    """A mixture or solution, from the mass in g of each of its parts in 1 cm3.

    ``mixture({"blood": 1.06, "iodine": 0.010})`` is blood with 10 mg/ml of iodine.

    Raises:
        ValueError: unknown material, masses not positive, nothing to mix.
    """
    if not parts or not all(mass > 0 for mass in parts.values()):
        raise ValueError(f"mixture expected parts with masses > 0 g/cm3, got {dict(parts)}.")
    density = sum(parts.values())
    composition: dict[str, float] = {}
    for name, mass in parts.items():
        for element, fraction in material_of(name).composition.items():
            composition[element] = composition.get(element, 0.0) + fraction * mass / density
    return Material(density, composition)


def split_water_bone(
    attenuation: Any, water: Any, bone: Any, thresholds: tuple[float, float] = (1.1, 1.5)
) -> jax.Array:
    r"""Volume fractions of water and bone in each pixel, f_w water + f_b bone = attenuation.

    The bone share s rises from 0 to 1 between the two thresholds, and f_b = s mu / bone,
    f_w = (1 - s) mu / water. Line integrals of the fractions are the lengths that
    :func:`polychromatic_line_integrals` takes.

    Args:
        attenuation: image in 1/mm, any shape, at the energy of the next two.
        water, bone: attenuation of water and of bone in 1/mm.
        thresholds: in units of water, 0 < low < high.

    Returns:
        (2, ...): water, bone.

    Raises:
        ValueError: thresholds not increasing.
        TypeError: complex image.

    Source: Joseph and Spital 1978, doi:10.1097/00004728-197801000-00017.
    """
    attenuation = jnp.asarray(attenuation)
    check_real(attenuation, what="split_water_bone", argument="attenuation")
    low, high = thresholds
    if not 0 < low < high:
        raise ValueError(f"split_water_bone expected thresholds 0 < low < high, got {thresholds}.")
    share = jnp.clip((attenuation / water - low) / (high - low), 0, 1)
    return jnp.stack([(1 - share) * attenuation / water, share * attenuation / bone])


@lru_cache
def _mass_attenuation() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Of each element, by atomic number: log of keV, log of cm2/g."""
    with (files("jaxrecon.ct") / "tables" / "mass_attenuation.txt").open() as file:
        table = np.loadtxt(file)
    logarithms = np.log(table[:, 1:])
    return {
        int(z): (logarithms[table[:, 0] == z, 0], logarithms[table[:, 0] == z, 1])
        for z in np.unique(table[:, 0])
    }
