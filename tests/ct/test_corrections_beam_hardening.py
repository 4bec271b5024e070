"""Water without cupping, no dark band between bones, and gradients of the polychromatic model."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import Ellipses, line_integrals, rasterise

SHAPE, PIXEL = (96, 96), 2.5
NAMES = ("water", "cortical bone")
BONES = [[-50.0, 0.0], [50.0, 0.0]]
fbp = jax.jit(lambda sinogram, geometry: ct.filtered_backprojection(sinogram, geometry, "hann"))


@cache
def scan():
    spectrum = ct.tube_spectrum(120).detected("integrating")
    energy = spectrum.mean_energy()
    geometry = ct.parallel_beam(SHAPE, 120, pixel_size=PIXEL)
    return spectrum, energy, geometry, ct.water_polynomial(spectrum, energy, 300.0)


def discs(values, centres, radii):
    axes = jnp.repeat(jnp.array(radii)[:, None], 2, axis=1)
    return Ellipses(jnp.array(values), jnp.array(centres), axes, jnp.zeros(len(values)))


def water_and_bone():
    """A disc of water with two rods of bone."""
    water = discs([1.0, -1.0, -1.0], [[0.0, 0.0], *BONES], [100.0, 18.0, 18.0])
    return water, discs([1.0, 1.0], BONES, [18.0, 18.0])


def from_centre():
    _, _, geometry, _ = scan()
    y, x = (np.asarray(position) for position in geometry.pixel_positions())
    return y[:, None], x, np.hypot(y[:, None], x)


@pytest.mark.slow
def test_polynomial_and_projections_of_lead_are_finite():
    spectrum = ct.tube_spectrum(80)
    assert np.all(np.isfinite(ct.water_polynomial(spectrum, 60.0, 60.0, material="lead")))
    geometry = ct.parallel_beam((8, 8), 3, pixel_size=8.0)
    table = ct.attenuation_table(["lead"], spectrum)

    def total(fractions):
        return ct.polychromatic_projection(fractions, geometry, spectrum, table).sum()

    value, slope = jax.jit(jax.value_and_grad(total))(jnp.ones((1, 8, 8)))
    assert np.isfinite(value)
    assert np.all(np.isfinite(slope))


def test_polynomial_makes_one_energy_of_water():
    spectrum, energy, _, coefficients = scan()
    lengths = jnp.linspace(0, 300, 77)  # others than those of the fit
    table = ct.attenuation_table(["water"], spectrum)
    data = -jnp.log(ct.polychromatic_transmission(lengths[None], spectrum, table))
    ideal = ct.linear_attenuation("water", energy) * lengths
    errors = []
    for degree in (1, 2, 3, 4, 5):
        fit = ct.water_polynomial(spectrum, energy, 300.0, degree)
        assert fit.shape == (degree,)
        errors.append(float(jnp.abs(ct.apply_polynomial(data, fit) - ideal).max() / ideal[-1]))
    assert np.all(np.diff(errors) < 0)
    assert errors[0] > 0.01
    assert errors[3] < 3e-4
    one = ct.water_polynomial(ct.monochromatic(60.0), 90.0, 300.0, 3)  # only another scale
    ratio = ct.linear_attenuation("water", 90.0) / ct.linear_attenuation("water", 60.0)
    np.testing.assert_allclose(one, [ratio, 0, 0], atol=1e-4)
    assert ct.apply_polynomial(jnp.zeros(3), coefficients).tolist() == [0, 0, 0]


def test_polynomial_has_derivatives_in_energy_and_filtration():
    with jax.enable_x64(True):
        spectrum = ct.tube_spectrum(80, dtype=jnp.float64)

        @jax.jit
        def fit(energy, copper):
            return ct.water_polynomial(spectrum.filtered({"copper": copper}), energy, 200.0, 3)

        by_energy, by_copper = jax.jit(jax.jacfwd(fit, argnums=(0, 1)))(
            63.0, 0.1
        )  # between two of the table
        h = 1e-4
        numeric = (fit(63 + h, 0.1) - fit(63 - h, 0.1)) / (2 * h)
        np.testing.assert_allclose(by_energy, numeric, rtol=1e-6)
        numeric = (fit(63.0, 0.1 + h) - fit(63.0, 0.1 - h)) / (2 * h)
        np.testing.assert_allclose(by_copper, numeric, rtol=1e-5)


def test_uniform_water_is_flat():
    spectrum, energy, geometry, coefficients = scan()
    lengths = line_integrals(discs([1.0], [[0.0, 0.0]], [100.0]), *geometry.rays())
    table = ct.attenuation_table(["water"], spectrum)
    measured = -jnp.log(ct.polychromatic_transmission(lengths[None], spectrum, table))
    mu = float(ct.linear_attenuation("water", energy))
    _, _, radius = from_centre()
    centre, rim = radius < 30, (radius > 75) & (radius < 88)

    def cupping(sinogram):
        image = np.asarray(fbp(sinogram, geometry)) / mu
        return image[rim].mean() - image[centre].mean(), image[radius < 88].mean()

    before, _ = cupping(measured)
    after, mean = cupping(ct.apply_polynomial(measured, coefficients))
    assert before > 0.025
    assert abs(after) < 0.002
    assert mean == pytest.approx(1, abs=0.002)


@pytest.mark.slow
def test_no_dark_band_between_bones():
    spectrum, energy, geometry, coefficients = scan()
    water, bone = water_and_bone()
    lengths = jnp.stack([line_integrals(part, *geometry.rays()) for part in (water, bone)])
    mu = ct.attenuation_table(NAMES, ct.monochromatic(energy))[:, 0]
    measured = -jnp.log(
        ct.polychromatic_transmission(lengths, spectrum, ct.attenuation_table(NAMES, spectrum))
    )
    ideal = fbp(jnp.tensordot(mu, lengths, 1), geometry)
    y, x, radius = from_centre()
    middle = (np.abs(y) < 12) & (np.abs(x) < 25)
    soft = (radius < 90) & (np.hypot(y, np.abs(x) - 50) > 26)

    def errors(sinogram):
        error = np.asarray(fbp(sinogram, geometry) - ideal) / float(mu[0])
        return error[middle].mean(), np.sqrt(np.mean(error[soft] ** 2))

    def corrected(iterations):
        return jax.jit(ct.correct_bone, static_argnames="iterations")(
            measured, geometry, spectrum, energy, coefficients=coefficients, iterations=iterations
        )

    band, rms = errors(ct.apply_polynomial(measured, coefficients))
    first_band, first_rms = errors(corrected(1))
    second_band, second_rms = errors(corrected(2))
    assert band < -0.03  # 30 HU
    assert abs(first_band) < abs(band) / 5
    assert abs(second_band) < 0.002
    assert first_rms < rms / 4
    assert second_rms < rms / 8


def test_water_alone_is_left_as_the_polynomial_makes_it():
    spectrum, energy, geometry, coefficients = scan()
    lengths = line_integrals(discs([1.0], [[20.0, 0.0]], [80.0]), *geometry.rays())
    table = ct.attenuation_table(["water"], spectrum)
    measured = -jnp.log(ct.polychromatic_transmission(lengths[None], spectrum, table))
    first = ct.apply_polynomial(measured, coefficients)
    result = ct.correct_bone(
        measured,
        geometry,
        spectrum,
        energy,
        coefficients=coefficients,
        iterations=1,
        reconstruct=lambda sinogram: fbp(sinogram, geometry),
    )
    assert float(jnp.abs(result - first).max()) < 2e-3 * float(first.max())


def test_model_of_pixels_is_near_the_exact_data():
    spectrum, _, geometry, _ = scan()
    table = ct.attenuation_table(NAMES, spectrum)
    parts = water_and_bone()
    lengths = jnp.stack([line_integrals(part, *geometry.rays()) for part in parts])
    exact = -jnp.log(ct.polychromatic_transmission(lengths, spectrum, table))
    images = jnp.stack([rasterise(part, SHAPE, PIXEL, 8) for part in parts])
    model = ct.polychromatic_projection(images, geometry, spectrum, table)
    assert float(jnp.linalg.norm(model - exact) / jnp.linalg.norm(exact)) < 0.01


@pytest.mark.slow
def test_gradient_through_the_split_of_one_image():
    with jax.enable_x64(True):
        spectrum = ct.tube_spectrum(80, dtype=jnp.float64)
        geometry = ct.parallel_beam((12, 12), 9, pixel_size=10.0, dtype=jnp.float64)
        table = ct.attenuation_table(NAMES, spectrum)
        water, bone = ct.attenuation_table(NAMES, ct.monochromatic(60.0))[:, 0]
        key, other = jax.random.split(jax.random.key(0))
        image = 0.05 * jax.random.uniform(key, (12, 12))
        direction = 1e-6 * jax.random.normal(other, (12, 12))

        @jax.jit
        def misfit(image):
            parts = ct.split_water_bone(image, water, bone)
            return jnp.sum(ct.polychromatic_projection(parts, geometry, spectrum, table) ** 2)

        numeric = float(misfit(image + direction) - misfit(image - direction)) / 2
        assert float(jnp.vdot(jax.grad(misfit)(image), direction)) == pytest.approx(
            numeric, rel=1e-5
        )


@pytest.mark.slow
def test_reconstruction_by_gradients_of_the_polychromatic_model():
    """Accelerated gradient steps from the water-corrected image remove the band between bones."""
    spectrum, energy, _, coefficients = scan()
    geometry = ct.parallel_beam((64, 64), 90, pixel_size=4.0)
    table = ct.attenuation_table(NAMES, spectrum)
    mu = ct.attenuation_table(NAMES, ct.monochromatic(energy))[:, 0]
    lengths = jnp.stack([line_integrals(part, *geometry.rays()) for part in water_and_bone()])
    measured = -jnp.log(ct.polychromatic_transmission(lengths, spectrum, table))
    ideal = fbp(jnp.tensordot(mu, lengths, 1), geometry)
    start = fbp(ct.apply_polynomial(measured, coefficients), geometry)

    def misfit(image):
        parts = ct.split_water_bone(image, *mu)
        return jnp.sum(
            (ct.polychromatic_projection(parts, geometry, spectrum, table) - measured) ** 2
        )

    @jax.jit
    def descend(image, step):
        def update(carry, k):
            image, before = carry
            ahead = image + k / (k + 3) * (image - before)
            value, gradient = jax.value_and_grad(misfit)(ahead)
            return (ahead - step * gradient, image), value

        (image, _), values = jax.lax.scan(update, (image, image), jnp.arange(30.0))
        return image, values

    # norm of the projector squared, about views x side of the image, and a safety factor
    image, values = descend(start, 1 / (4 * geometry.views * 256.0 * 4.0))
    y, x = (np.asarray(position) for position in geometry.pixel_positions())
    middle = (np.abs(y)[:, None] < 12) & (np.abs(x) < 22)
    band = lambda image: np.asarray(image - ideal)[middle].mean() / float(mu[0])  # noqa: E731
    assert float(values[-1]) < 0.1 * float(values[0])
    assert band(start) < -0.03
    assert abs(band(image)) < 0.3 * abs(band(start))


def test_bad_input_is_explained():
    spectrum, energy, geometry, coefficients = scan()
    with pytest.raises(ValueError, match="longest > 0"):
        ct.water_polynomial(spectrum, energy, 0.0)
    with pytest.raises(ValueError, match="degree of 1 to 8"):
        ct.water_polynomial(spectrum, energy, 300.0, 12)
    with pytest.raises(ValueError, match=r"\(degree,\)"):
        ct.apply_polynomial(jnp.ones(3), 1.0)
    with pytest.raises(TypeError, match="floating-point sinogram"):
        ct.apply_polynomial(jnp.ones(3, int), coefficients)
    data = jnp.zeros(geometry.sinogram_space.shape)
    with pytest.raises(ValueError, match="reversed"):
        ct.correct_bone(data.T, geometry, spectrum, energy, coefficients=coefficients)
    with pytest.raises(ValueError, match="two materials"):
        ct.correct_bone(
            data, geometry, spectrum, energy, coefficients=coefficients, materials=["water"]
        )
