"""Attenuation tables against NIST's printed values, spectra, and beam hardening."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.ct.materials import MATERIALS

# mu/rho in cm2/g as printed in tables 3 and 4 of NISTIR 5632, at 20, 30, 60, 100 and 150 keV
PRINTED = {
    "water": (0.8096, 0.3756, 0.2059, 0.1707, 0.1505),
    "cortical bone": (4.001, 1.331, 0.3148, 0.1855, 0.1480),
    "soft tissue": (0.8230, 0.3790, 0.2048, 0.1693, 0.1492),
    "air": (0.7779, 0.3538, 0.1875, 0.1541, 0.1356),
    "aluminium": (3.441, 1.128, 0.2778, 0.1704, 0.1378),
    "iron": (25.68, 8.176, 1.205, 0.3717, 0.1964),
    "titanium": (15.85, 4.972, 0.7661, 0.2721, 0.1649),
    "iodine": (25.43, 8.561, 7.579, 1.942, 0.6978),
}


@pytest.mark.parametrize("name", PRINTED)
def test_tables_are_those_of_nist(name):
    energy = jnp.array([20.0, 30.0, 60.0, 100.0, 150.0])
    got = 10 * ct.linear_attenuation(name, energy) / MATERIALS[name].density
    np.testing.assert_allclose(got, PRINTED[name], rtol=2e-3)


def test_energies_between_those_of_the_table_and_the_edge_of_iodine():
    # printed in NISTIR 5632 for 80 keV, which lies between entries; the edge is at 33.169 keV
    assert 10 * float(ct.linear_attenuation("water", 80)) == pytest.approx(0.1837, rel=1e-3)
    below, above = ct.linear_attenuation("iodine", jnp.array([33.1, 33.2]))
    assert float(above / below) == pytest.approx(35.82 / 6.55, rel=0.02)


def test_compositions_add_up_and_air_is_light():
    for name, material in MATERIALS.items():
        assert sum(material.composition.values()) == pytest.approx(1, abs=2e-3), name
    assert float(ct.linear_attenuation("air", 70.0)) < 3e-5


def test_solutions():
    contrast = ct.mixture({"water": 1.0, "iodine": 0.01})
    assert contrast.density == pytest.approx(1.01)
    energy = jnp.array([40.0, 90.0])
    expected = ct.linear_attenuation("water", energy) + (
        0.01 / MATERIALS["iodine"].density * ct.linear_attenuation("iodine", energy)
    )
    np.testing.assert_allclose(ct.linear_attenuation(contrast, energy), expected, rtol=1e-5)


def test_attenuation_is_differentiable_in_the_energy_and_keeps_the_dtype():
    with jax.enable_x64(True):
        energy = jnp.array(63.0)
        assert ct.linear_attenuation("water", energy).dtype == jnp.float64
        mu = lambda e: ct.linear_attenuation("water", e)  # noqa: E731
        numeric = (mu(energy + 1e-4) - mu(energy - 1e-4)) / 2e-4
        assert float(jax.jit(jax.grad(mu))(energy)) == pytest.approx(float(numeric), rel=1e-6)


def test_tube_spectra():
    spectrum = ct.tube_spectrum(120)
    # SpekPy filters with other attenuation tables and gets 54.45 keV behind 2.5 mm of aluminium
    assert float(spectrum.mean_energy()) == pytest.approx(54.45, rel=2e-3)
    assert float(spectrum.energy.max()) < 120
    # the K lines of tungsten stand out, K alpha 1 at 59.3 keV
    lines = spectrum.weight[spectrum.energy == 59.5]
    assert float(lines[0]) > 1.3 * float(spectrum.weight[spectrum.energy == 62.5][0])
    energies = [float(ct.tube_spectrum(kv).mean_energy()) for kv in (60, 80, 150)]
    assert energies == sorted(energies)
    hard = ct.tube_spectrum(120, {"aluminium": 2.5, "copper": 0.5})
    assert float(hard.mean_energy()) > float(spectrum.mean_energy()) + 5
    np.testing.assert_allclose(
        hard.weight, spectrum.filtered({"copper": 0.5}).weight, rtol=1e-5, atol=1e-20
    )


def test_detectors_weigh_the_energies():
    spectrum = ct.Spectrum(jnp.array([30.0, 90.0]), jnp.array([1.0, 1.0]))
    np.testing.assert_allclose(spectrum.detected("integrating").weight, [30, 90])
    np.testing.assert_allclose(spectrum.detected("counting").weight, [1, 1])
    thin = spectrum.detected("counting", {"gadolinium oxysulfide": 0.1})
    mu = ct.linear_attenuation("gadolinium oxysulfide", spectrum.energy)
    np.testing.assert_allclose(thin.weight, 1 - np.exp(-0.1 * np.asarray(mu)), rtol=1e-5)


def test_one_energy_is_beer_and_lambert_exactly():
    beam = ct.monochromatic(60.0)
    lengths = jnp.array([[0.0, 10.0, 300.0], [0.0, 5.0, 20.0]])
    mu = ct.attenuation_table(["water", "cortical bone"], beam)
    transmission = ct.polychromatic_transmission(lengths, beam, mu)
    np.testing.assert_allclose(-jnp.log(transmission), mu[:, 0] @ lengths, rtol=1e-5, atol=1e-7)


def test_the_beam_hardens():
    """-log T / l falls from the mean attenuation towards the smallest one, for each material."""
    spectrum = ct.tube_spectrum(120).detected("integrating")
    lengths = jnp.array([[1e-2, 1.0, 10.0, 50.0, 100.0, 300.0]])
    for name in ("water", "cortical bone", "iron"):
        mu = ct.attenuation_table([name], spectrum)
        with jax.enable_x64(True):
            transmission = ct.polychromatic_transmission(
                np.asarray(lengths, np.float64), spectrum, mu
            )
            effective = np.asarray(-jnp.log(transmission) / lengths[0])
        mean = float(jnp.sum(spectrum.weight * mu[0]) / jnp.sum(spectrum.weight))
        assert np.all(np.diff(effective) < 0), name
        assert effective[0] == pytest.approx(mean, rel=0.05)
        assert effective[-1] > float(mu.min())


def test_transmission_is_the_sum_over_energies():
    spectrum = ct.tube_spectrum(80)
    mu = ct.attenuation_table(["water", "iodine"], spectrum)
    lengths = (
        np.random.default_rng(0).uniform(0, 1, (2, 3, 4)) * np.array([200, 0.2])[:, None, None]
    )
    weight, mu64 = np.asarray(spectrum.weight, np.float64), np.asarray(mu, np.float64)
    depth = np.tensordot(mu64, lengths, axes=(0, 0))  # (energies, 3, 4)
    expected = np.tensordot(weight / weight.sum(), np.exp(-depth), axes=(0, 0))
    got = ct.polychromatic_transmission(jnp.asarray(lengths, jnp.float32), spectrum, mu)
    np.testing.assert_allclose(got, expected, rtol=2e-5)


def test_derivatives_with_respect_to_lengths_and_spectrum():
    with jax.enable_x64(True):
        spectrum = ct.tube_spectrum(80, dtype=jnp.float64)
        mu = ct.attenuation_table(["water", "cortical bone"], spectrum)

        def log_transmission(lengths, copper):
            beam = spectrum.filtered({"copper": copper})
            return -jnp.log(ct.polychromatic_transmission(lengths, beam, mu)).sum()

        at = jnp.array([[20.0, 200.0], [5.0, 30.0]]), 0.1
        gradients = jax.jit(jax.grad(log_transmission, argnums=(0, 1)))(*at)
        h = 1e-5
        for i in range(2):
            step = jnp.zeros((2, 2)).at[i, 1].set(h)
            numeric = log_transmission(at[0] + step, 0.1) - log_transmission(at[0] - step, 0.1)
            assert float(gradients[0][i, 1]) == pytest.approx(float(numeric) / (2 * h), rel=1e-6)
        numeric = log_transmission(at[0], 0.1 + h) - log_transmission(at[0], 0.1 - h)
        assert float(gradients[1]) == pytest.approx(float(numeric) / (2 * h), rel=1e-6)


def test_line_integrals_are_finite_where_nothing_passes():
    """Lead, against the logarithm of the sum in double precision, and their derivatives."""
    spectrum = ct.tube_spectrum(80)
    weight = spectrum.weight.at[-3:].set(0)  # the energies that lead lets pass best
    spectrum = spectrum.replace(weight=weight)
    mu = ct.attenuation_table(["lead"], spectrum)
    lengths = jnp.array([[0.0, 0.1, 2.0, 60.0, 500.0]])
    exponent = -np.asarray(mu, np.float64).T * np.asarray(lengths[0], np.float64)
    share = np.asarray(weight, np.float64)[:, None]
    largest = exponent[:-3].max(axis=0)
    terms = share * np.exp(np.where(share > 0, exponent - largest, 0))
    expected = -largest - np.log(terms.sum(axis=0) / share.sum())

    def total(lengths, spectrum, mu):
        return ct.polychromatic_line_integrals(lengths, spectrum, mu).sum()

    got = ct.polychromatic_line_integrals(lengths, spectrum, mu)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    slope, by_spectrum, by_table = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(
        lengths, spectrum, mu
    )
    mean = np.sum(terms * np.asarray(mu).T, axis=0) / terms.sum(axis=0)
    np.testing.assert_allclose(slope[0], mean, rtol=1e-4)
    assert np.all(np.isfinite(by_spectrum.weight))
    part = terms / terms.sum(axis=0) * np.asarray(lengths)
    np.testing.assert_allclose(by_table[0], part.sum(axis=1), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(ct.polychromatic_transmission(lengths, spectrum, mu)[3:], 0)


def test_memory_is_that_of_a_few_sinograms():
    spectrum = ct.tube_spectrum(120)
    mu = ct.attenuation_table(["water", "cortical bone"], spectrum)
    lengths = jax.ShapeDtypeStruct((2, 180, 364), jnp.float32)

    def loss(lengths):
        return ct.polychromatic_line_integrals(lengths, spectrum, mu).sum()

    compiled = jax.jit(jax.grad(loss)).lower(lengths).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * 180 * 364 * 4  # of 110 energies


def test_water_and_bone_add_up_to_the_image():
    image = jnp.array([0.0, 0.01, 0.0192, 0.0212, 0.025, 0.035, 0.06])
    water, bone = ct.split_water_bone(image, 0.0192, 0.0573)
    np.testing.assert_allclose(water * 0.0192 + bone * 0.0573, image, rtol=1e-6)
    np.testing.assert_allclose(bone[:3], 0, atol=0)
    np.testing.assert_allclose(water[-2:], 0, atol=0)
    assert 0 < float(bone[4]) < float(image[4] / 0.0573)


def test_bad_input_is_explained():
    spectrum = ct.tube_spectrum(80)
    with pytest.raises(ValueError, match="no material 'plutonium'"):
        ct.linear_attenuation("plutonium", 60.0)
    with pytest.raises(ValueError, match="eV or MeV"):
        ct.linear_attenuation("water", 60_000.0)
    with pytest.raises(ValueError, match=r"no table for \['Xx'\]"):
        ct.linear_attenuation(ct.Material(1.0, {"Xx": 1.0}), 60.0)
    with pytest.raises(ValueError, match="density > 0"):
        ct.linear_attenuation(ct.Material(0.0, {"H": 1.0}), 60.0)
    with pytest.raises(ValueError, match="masses > 0"):
        ct.mixture({"water": -1.0})
    with pytest.raises(ValueError, match="kilovolts"):
        ct.tube_spectrum(85)
    with pytest.raises(ValueError, match="detector"):
        spectrum.detected("film")
    with pytest.raises(ValueError, match="same shape"):
        ct.Spectrum(jnp.ones(2), jnp.ones(3))
    with pytest.raises(ValueError, match="too thick"):
        ct.Spectrum(jnp.ones(2), jnp.zeros(2))
    with pytest.raises(ValueError, match="weight >= 0"):
        ct.Spectrum(jnp.ones(2), -jnp.ones(2))
    with pytest.raises(ValueError, match="Materials come first"):
        ct.polychromatic_transmission(jnp.ones((4, 2)), spectrum, jnp.ones((2, 70)))
    with pytest.raises(TypeError, match="floating-point lengths"):
        ct.polychromatic_transmission(jnp.ones((1, 2), int), spectrum, jnp.ones((1, 70)))
    with pytest.raises(ValueError, match="low < high"):
        ct.split_water_bone(jnp.ones(2), 0.02, 0.05, (1.5, 1.2))
