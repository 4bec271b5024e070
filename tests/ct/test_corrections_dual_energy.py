"""Two spectra give two materials: exactly without noise, with the predicted variance with noise."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import Ellipses, line_integrals

NAMES = ("water", "cortical bone")
RAYS = 10_000


@cache
def two_spectra(dtype=jnp.float32):
    spectra = tuple(ct.tube_spectrum(kv, dtype=dtype).detected("integrating") for kv in (80, 140))
    return spectra, tuple(ct.attenuation_table(NAMES, spectrum) for spectrum in spectra)


def random_lengths(dtype):
    """Up to 0.5 m of water and 80 mm of bone, and none at all."""
    lengths = np.random.default_rng(0).uniform(0, 1, (2, RAYS)) * np.array([[500.0], [80.0]])
    lengths[:, :10] = 0
    return jnp.asarray(lengths, dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 2e-3), (jnp.float64, 1e-11)])
def test_lengths_come_back_to_rounding(dtype, tolerance):
    with jax.enable_x64(dtype == jnp.float64):
        spectra, tables = two_spectra(dtype)
        lengths = random_lengths(dtype)
        data = ct.dual_energy_data(lengths, spectra, tables)
        result = ct.decompose_data(data, spectra, tables)
        assert result.dtype == dtype
        # the rounding of data of up to 15, times the entries of the inverse Jacobian of up to 200
        assert float(jnp.abs(result - lengths).max()) < tolerance


def test_noise_is_that_of_the_predicted_covariance():
    spectra, tables = two_spectra()
    photons = 1e6
    one = jnp.array([200.0, 15.0])
    lengths = jnp.tile(one[:, None], (1, RAYS))
    data = ct.dual_energy_data(lengths, spectra, tables)
    counts = ct.transmission_counts(jax.random.key(0), data, photons)
    noisy, variance = ct.log_transform(counts, photons)
    result = np.asarray(ct.decompose_data(noisy, spectra, tables), np.float64)
    covariance = ct.decomposition_covariance(lengths, variance, spectra, tables)
    covariance = np.asarray(covariance.mean(axis=-1), np.float64)
    # a sample variance of n normal numbers has a relative deviation of sqrt(2 / n), 1.4 %
    np.testing.assert_allclose(np.cov(result), covariance, rtol=4 * np.sqrt(2 / RAYS))
    assert covariance[0, 1] < -0.9 * np.sqrt(covariance[0, 0] * covariance[1, 1])
    bias = result.mean(axis=1) - np.asarray(one)
    assert np.all(np.abs(bias) < 4 * np.sqrt(np.diag(covariance) / RAYS) + 0.01)
    # the noise of a single energy is lower than anticorrelated lengths suggest
    mu = ct.attenuation_table(NAMES, ct.monochromatic(70.0))[:, 0]
    mono = np.asarray(ct.virtual_monoenergetic(jnp.asarray(result, jnp.float32), mu), np.float64)
    predicted = np.asarray(mu) @ covariance @ np.asarray(mu)
    assert mono.var() == pytest.approx(predicted, rel=4 * np.sqrt(2 / RAYS))
    assert predicted < 0.2 * np.diag(covariance) @ np.asarray(mu) ** 2


@pytest.mark.slow
def test_derivatives_are_those_of_the_solution():
    with jax.enable_x64(True):
        spectra, tables = two_spectra(jnp.float64)
        lengths = jnp.array([150.0, 20.0])
        data = ct.dual_energy_data(lengths, spectra, tables)

        def bone_of(data, step):  # along a direction in data and filtration at once
            beam = spectra[0].filtered({"copper": step})
            data = data + step * jnp.array([1.0, -0.5])
            return ct.decompose_data(data, (beam, spectra[1]), tables, 7)[1]

        forward = jax.jacfwd(ct.dual_energy_data)(lengths, spectra, tables)
        first = jax.jit(jax.grad(bone_of, argnums=(0, 1)))
        by_data, by_step = first(data, 0.0)
        np.testing.assert_allclose(forward.T @ by_data, [0, 1], atol=1e-9)

        h, value = 1e-4, jax.jit(bone_of)
        middle, before, after = (float(value(data, step)) for step in (0.0, -h, h))
        assert float(by_step) == pytest.approx((after - before) / (2 * h), rel=1e-5)
        second = jax.jit(jax.jacfwd(jax.grad(bone_of, argnums=1), argnums=1))(data, 0.0)
        assert float(second) == pytest.approx((after - 2 * middle + before) / h**2, rel=1e-3)


def test_starved_rays_stay_finite_and_leave_the_others_alone():
    spectra, tables = two_spectra()
    lengths = random_lengths(jnp.float32)
    data = ct.dual_energy_data(lengths, spectra, tables)
    counts = ct.transmission_counts(jax.random.key(1), data, 300.0)
    noisy, _ = ct.log_transform(counts, 300.0)
    assert bool(jnp.any(counts == 0))
    result = ct.decompose_data(noisy, spectra, tables)
    assert bool(jnp.all(jnp.isfinite(result)))
    solved = jnp.abs(ct.dual_energy_data(result, spectra, tables) - noisy).max(axis=0) < 1e-4
    assert float(solved.mean()) > 0.9
    mapped = jax.vmap(lambda d: ct.decompose_data(d, spectra, tables), 1, 1)(noisy[:, 20:24])
    np.testing.assert_allclose(mapped, result[:, 20:24], rtol=1e-5, atol=2e-3)


def test_basis_of_alvarez_and_macovski():
    # the total Klein-Nishina cross-section at 511 keV is 0.4307 of that at low energy
    basis = ct.alvarez_macovski_basis(jnp.array([510.99895, 20.0]), 2.0)
    at_two = 1 - 2 * 2 / 511 + 5.2 * (2 / 511) ** 2  # its expansion at low energies
    assert float(basis[1, 0]) == pytest.approx(0.43073 / at_two, rel=1e-5)
    assert float(basis[0, 1]) == pytest.approx(1e-3)
    energy = jnp.linspace(40, 140, 51)
    for name in ("water", "acrylic", "aluminium"):
        mu = np.asarray(ct.linear_attenuation(name, energy))
        table = np.asarray(ct.alvarez_macovski_basis(energy)).T
        fit, *_ = np.linalg.lstsq(table / mu[:, None], np.ones_like(mu), rcond=None)
        np.testing.assert_allclose(table @ fit, mu, rtol=0.02)


@pytest.mark.slow
def test_any_material_at_any_energy_from_two_others():
    """Water, acrylic and aluminium, seen as photoelectric effect and scattering."""
    spectra, _ = two_spectra()
    tables = tuple(ct.alvarez_macovski_basis(s.energy) for s in spectra)
    names = ["water", "acrylic", "aluminium"]
    lengths = jnp.array([[100.0, 0.0, 80.0], [0.0, 120.0, 40.0], [0.0, 0.0, 15.0]])
    data = jnp.stack(
        [
            -jnp.log(ct.polychromatic_transmission(lengths, s, ct.attenuation_table(names, s)))
            for s in spectra
        ]
    )
    basis = ct.decompose_data(data, spectra, tables)
    energy = jnp.array([60.0, 80.0, 100.0])
    mono = ct.virtual_monoenergetic(basis, ct.alvarez_macovski_basis(energy))
    mu = jnp.stack([ct.linear_attenuation(name, energy) for name in names])
    np.testing.assert_allclose(mono, mu.T @ lengths, rtol=0.01)


@pytest.mark.slow
def test_images_without_beam_hardening():
    geometry = ct.parallel_beam((64, 64), 90, pixel_size=4.0)
    holes = jnp.array([[-45.0, 10.0], [45.0, -10.0]])
    disc = lambda value, centre, radius: Ellipses(  # noqa: E731
        jnp.array(value),
        jnp.array(centre),
        jnp.full((len(value), 2), radius),
        jnp.zeros(len(value)),
    )
    outer, bone = disc([1.0], [[0.0, 0.0]], 100.0), disc([1.0, 1.0], holes, 24.0)
    bones = line_integrals(bone, *geometry.rays())
    lengths = jnp.stack([line_integrals(outer, *geometry.rays()) - bones, bones])
    spectra, tables = two_spectra()
    data = ct.dual_energy_data(lengths, spectra, tables)
    decomposed = ct.decompose_data(data, spectra, tables)
    fractions = jax.vmap(lambda s: ct.filtered_backprojection(s, geometry, "hann"))(decomposed)
    mu = ct.attenuation_table(NAMES, ct.Spectrum(jnp.array([50.0, 100.0]), jnp.ones(2)))
    images = ct.virtual_monoenergetic(fractions, mu)
    y, x = (np.asarray(p) for p in geometry.pixel_positions())
    middle = (np.abs(y)[:, None] < 10) & (np.abs(x) < 12)  # dark without correction
    inside = np.hypot(y[:, None] - 10, x + 45) < 14
    for image, (water, solid) in zip(np.asarray(images), np.asarray(mu).T, strict=True):
        assert image[middle].mean() == pytest.approx(water, rel=5e-3)
        assert image[inside].mean() == pytest.approx(solid, rel=1e-2)
    # two images of single energies are one linear system for each pixel
    np.testing.assert_allclose(ct.decompose_images(images, mu.T), fractions, atol=2e-4)


def test_bad_input_is_explained():
    spectra, tables = two_spectra()
    with pytest.raises(ValueError, match=r"data of shape \(2, ...\)"):
        ct.decompose_data(jnp.ones((3, 4)), spectra, tables)
    with pytest.raises(TypeError, match="floating-point data"):
        ct.decompose_data(jnp.ones((2, 4), int), spectra, tables)
    with pytest.raises(ValueError, match="two spectra"):
        ct.decompose_data(jnp.ones((2, 4)), spectra[:1], tables)
    with pytest.raises(ValueError, match="Materials come first"):
        ct.decompose_data(jnp.ones((2, 4)), spectra, tables[::-1])
    with pytest.raises(ValueError, match="iterations"):
        ct.decompose_data(jnp.ones((2, 4)), spectra, tables, 0)
    with pytest.raises(ValueError, match="same shape"):
        ct.decomposition_covariance(jnp.ones((2, 4)), jnp.ones((2, 3)), spectra, tables)
    with pytest.raises(ValueError, match="variance >= 0"):
        ct.decomposition_covariance(jnp.ones((2, 4)), -jnp.ones((2, 4)), spectra, tables)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        ct.decompose_images(jnp.ones((2, 4)), jnp.ones(2))
    with pytest.raises(ValueError, match="materials"):
        ct.virtual_monoenergetic(jnp.ones((2, 4)), jnp.ones(3))
