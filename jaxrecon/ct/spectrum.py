"""X-ray spectra, and what a spectrum of energies does to a measurement: beam hardening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_choice, check_inexact, check_nonnegative, check_real
from jaxrecon.core.pytree import Pytree
from jaxrecon.ct.materials import Material, linear_attenuation

Layers = Mapping[str, Any]
"""Thickness in mm of each material that the beam passes, by name."""


class Spectrum(Pytree):
    """The share of each energy in what a detector would measure without an object.

    Args:
        energy: (n,), keV.
        weight: (n,), not negative, in any unit: photons, or the signal that they make.

    Raises:
        ValueError: shapes that differ, negative or only zero weights, energies not positive (where
            values are known).
        TypeError: complex values.
    """

    energy: Any
    weight: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        energy, weight = jnp.asarray(self.energy), jnp.asarray(self.weight)
        for name, array in (("energy", energy), ("weight", weight)):
            check_real(array, what="Spectrum", argument=name)
        dtype = jnp.result_type(energy, weight, jnp.float32)
        if energy.ndim != 1 or energy.shape != weight.shape or energy.size == 0:
            raise ValueError(
                "Spectrum expected energy and weight of the same shape (n,), got "
                f"{energy.shape} and {weight.shape}."
            )
        check_nonnegative(weight, what="Spectrum", argument="weight")
        if not isinstance(weight, Tracer) and not np.asarray(weight).sum() > 0:
            raise ValueError("Spectrum expected a weight > 0 somewhere. Is the filter too thick?")
        if not isinstance(energy, Tracer) and not np.all(np.asarray(energy) > 0):
            raise ValueError("Spectrum expected energies > 0 keV.")
        self._set("energy", energy.astype(dtype))
        self._set("weight", weight.astype(dtype))

    def mean_energy(self) -> jax.Array:
        """Weighted mean of the energy, keV."""
        return jnp.sum(self.energy * self.weight) / jnp.sum(self.weight)

    def filtered(self, layers: Layers) -> Spectrum:
        """Behind layers of materials: weight times exp(-sum_m mu_m(E) thickness_m).

        Args:
            layers: thickness in mm by material, e.g. ``{"aluminium": 2.5, "copper": 0.1}``.
        """
        return self.replace(weight=self.weight * jnp.exp(-self._depth(layers)))

    def detected(self, detector: str, absorber: Layers | None = None) -> Spectrum:
        """The signal that a detector makes of it.

        Args:
            detector: "integrating" (a photon counts by its energy) or "counting" (as one).
            absorber: thickness in mm by material of the layer that absorbs the photons, e.g.
                ``{"gadolinium oxysulfide": 1.4}``; everything is absorbed when not given.

        Raises:
            ValueError: unknown detector or material.
        """
        check_choice(detector, ("integrating", "counting"), what="detected", argument="detector")
        signal = self.weight * self.energy if detector == "integrating" else self.weight
        if absorber is not None:
            signal = signal * -jnp.expm1(-self._depth(absorber))
        return self.replace(weight=signal)

    def _depth(self, layers: Layers) -> Any:
        return sum(
            linear_attenuation(material, self.energy) * thickness
            for material, thickness in layers.items()
        )


TUBE_VOLTAGES = (40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150)
"""Tube voltages in kV for which a spectrum is tabulated."""


def tube_spectrum(kilovolts: int, layers: Layers | None = None, dtype: Any = None) -> Spectrum:
    """Photons of an X-ray tube with a tungsten anode at 12 degrees, in bins of 1 keV from 10 keV.

    Args:
        kilovolts: one of :data:`TUBE_VOLTAGES`.
        layers: filters, thickness in mm by material; 2.5 mm of aluminium when not given.
        dtype: float32 when not given.

    Returns:
        weights in photons per cm2, keV and mAs at a distance of 1 m.

    Raises:
        ValueError: another voltage, unknown material.

    Source: computed with SpekPy 2.5.4 (Poludniowski, Omar, Bujila and Andreo 2021,
    doi:10.1002/mp.14945); what is exactly in the table stands at the head of its file.
    """
    check_choice(kilovolts, TUBE_VOLTAGES, what="tube_spectrum", argument="kilovolts")
    dtype = jnp.float32 if dtype is None else dtype
    table = _tube_table()
    rows = table[:, 0] < kilovolts
    energy, weight = table[rows, 0], table[rows, 1 + TUBE_VOLTAGES.index(kilovolts)]
    spectrum = Spectrum(jnp.asarray(energy, dtype), jnp.asarray(weight, dtype))
    return spectrum.filtered({"aluminium": 2.5} if layers is None else layers)


def monochromatic(energy: Any) -> Spectrum:
    """A single energy in keV: Beer and Lambert's law holds."""
    energy = jnp.asarray(energy).reshape(1)
    return Spectrum(energy, jnp.ones_like(energy))


def attenuation_table(materials: Sequence[str | Material], spectrum: Spectrum) -> jax.Array:
    """mu_m(E) of several materials at the energies of a spectrum: (materials, energies), 1/mm.

    Raises:
        ValueError: unknown material, energies out of the tables.
    """
    return jnp.stack([linear_attenuation(material, spectrum.energy) for material in materials])


def polychromatic_line_integrals(lengths: Any, spectrum: Spectrum, attenuation: Any) -> jax.Array:
    r"""p = -log T, T = sum_E w(E) exp(-sum_m mu_m(E) l_m) / sum_E w(E): what a scanner measures.

    It takes the place of the line integral of one energy, and grows less than linearly with the
    lengths (beam hardening). ``transmission_counts(key, p, photons)`` makes counts of it. It is
    finite, and so are its derivatives, also where T rounds to 0: the largest term is taken out of
    the sum. Energies are scanned and recomputed in the derivative, so memory is that of a few
    sinograms.

    Args:
        lengths: l_m, (materials, ...) in mm: line integrals of the volume fraction of each
            material, e.g. its projections.
        spectrum: w, as detected.
        attenuation: mu_m(E), (materials, energies) in 1/mm, see :func:`attenuation_table`.

    Returns:
        (...), in the dtype of the lengths, without unit. Differentiable in all arguments.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: complex or integer lengths.

    Source: Alvarez and Macovski 1976, doi:10.1088/0031-9155/21/5/002.
    """
    what = "polychromatic_line_integrals"
    lengths = jnp.asarray(lengths)
    check_real(lengths, what=what, argument="lengths")
    check_inexact(lengths, what=what, argument="lengths")
    attenuation = jnp.asarray(attenuation, lengths.dtype)
    expected = (lengths.shape[0] if lengths.ndim else 0, spectrum.energy.shape[0])
    if attenuation.shape != expected:
        raise ValueError(
            f"{what} expected attenuation of shape (materials, energies) = {expected} for lengths "
            f"{lengths.shape}, got {attenuation.shape}. Materials come first in both."
        )
    weight = jnp.asarray(spectrum.weight, lengths.dtype)
    return _line_integrals(lengths, weight / jnp.sum(weight), attenuation)


def polychromatic_transmission(lengths: Any, spectrum: Spectrum, attenuation: Any) -> jax.Array:
    r"""T = sum_E w(E) exp(-sum_m mu_m(E) l_m) / sum_E w(E), the share that passes the object.

    For -log T take :func:`polychromatic_line_integrals`, which is finite where T rounds to 0. Its
    arguments and errors are the same.

    Returns:
        (...), in the dtype of the lengths, from 0 to 1. Differentiable in all arguments.
    """
    return jnp.exp(-polychromatic_line_integrals(lengths, spectrum, attenuation))


@jax.jit
def _line_integrals(lengths: jax.Array, weight: jax.Array, attenuation: jax.Array) -> jax.Array:
    r"""m - log sum_E w exp(m - depth) with m the least depth - log w, which any m leaves equal."""
    most = -jnp.log(jnp.finfo(lengths.dtype).tiny)  # m - depth <= -log w; more only where w = 0
    energies = weight, attenuation.T

    def depth(mu: jax.Array) -> jax.Array:
        return sum((mu[m] * lengths[m] for m in range(lengths.shape[0])), start=zero)

    def least(m: jax.Array, one: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        share, mu = one
        return jnp.minimum(m, depth(mu) - jnp.log(share)), None

    @jax.checkpoint
    def add(total: jax.Array, one: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        share, mu = one
        return total + share * jnp.exp(jnp.minimum(m - depth(mu), most)), None

    zero = jnp.zeros(lengths.shape[1:], lengths.dtype)
    m = jax.lax.stop_gradient(jax.lax.scan(least, zero + jnp.inf, energies)[0])
    return m - jnp.log(jax.lax.scan(add, zero, energies)[0])


@lru_cache
def _tube_table() -> np.ndarray:
    with (files("jaxrecon.ct") / "tables" / "tungsten_spectra.txt").open() as file:
        return np.loadtxt(file)
