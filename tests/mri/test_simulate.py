"""Simulated k-space, coils, noise, fields and motion against sums and formulas done by hand."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.data import (
    Ellipses,
    Ellipsoids,
    forbild_head,
    rasterise,
    rasterise_volume,
    rotations,
    shepp_logan,
)
from jaxrecon.linops.fourier import fft_centred
from jaxrecon.mri import simulate
from jaxrecon.mri.simulate.ball_transform import (
    ball_transforms,
    monomial_exponents,
    monomial_transforms,
)


@pytest.mark.parametrize("dimension", [2, 3])
def test_transforms_of_the_ball_are_bessel_functions(dimension):
    from scipy.special import gamma, jv

    with jax.enable_x64(True):
        x = np.concatenate([np.linspace(0.5, 60, 3001), np.geomspace(60, 900, 500)])
        got = ball_transforms(jnp.asarray(np.r_[0.0, x]), dimension, 3)
        single = ball_transforms(jnp.asarray(x, jnp.float32), dimension, 3)
    for m in range(4):
        order = dimension / 2 + m
        expected = (2 * np.pi) ** (dimension / 2) * jv(order, x) / x**order
        at_0 = (2 * np.pi) ** (dimension / 2) / (2**order * gamma(order + 1))
        np.testing.assert_allclose(got[m][0], at_0, rtol=1e-14)
        np.testing.assert_allclose(got[m][1:], expected, rtol=0, atol=2e-14 * at_0)
        np.testing.assert_allclose(single[m], expected, rtol=0, atol=2e-6 * at_0)


def test_transforms_of_monomials_are_integrals_over_the_disc():
    exponents = monomial_exponents(2, 3)
    kappa = np.array([[0.0, 0.0], [1.5, -2.0], [0.3, 7.0]])
    # exact rules: Gauss in the radius, equal steps in the angle
    r, w = np.polynomial.legendre.leggauss(40)
    r, w = (r + 1) / 2, w / 2
    angle = 2 * np.pi * np.arange(80) / 80
    x, y = r[:, None] * np.cos(angle), r[:, None] * np.sin(angle)
    area = (w * r)[:, None] * 2 * np.pi / 80
    got = monomial_transforms(jnp.asarray(kappa, jnp.float32), exponents)
    for e, values in zip(exponents, np.asarray(got), strict=True):
        waves = np.exp(-1j * (kappa[:, 0, None, None] * x + kappa[:, 1, None, None] * y))
        expected = np.sum(area * x ** e[0] * y ** e[1] * waves, axis=(1, 2))
        np.testing.assert_allclose(values, expected, atol=3e-6)


def coils_for(shape, pixel_size, kind):
    maps = simulate.loop_maps(3, shape, pixel_size, radius=60.0, distance=140.0, normalise="peak")
    if kind == "exponentials":
        return simulate.fit_exponentials(maps, pixel_size, harmonics=1)
    return simulate.fit_polynomials(maps, pixel_size, degree=2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [None, "exponentials", "polynomials"])
def test_kspace_is_the_limit_of_transforms_of_ever_finer_images(kind):
    shape = (24, 21)  # even and odd
    size = (200 / 24, 200 / 21)
    phantom = shepp_logan(190.0)
    coils = kind and coils_for((12, 12), 200 / 12, kind)
    errors = []
    for fine in (5, 15):
        many, small = tuple(fine * n for n in shape), tuple(s / fine for s in size)
        image = rasterise(phantom, many, small, 2) + 0j
        if coils is not None:
            image = image * simulate.sensitivity_maps(coils, many, small)
        spectrum = fft_centred(image, (-2, -1))
        low = tuple(slice(n // 2 - 8, n // 2 + 8) for n in many)
        k = simulate.cartesian_positions(many)[low]
        got = simulate.phantom_kspace(phantom, k, many, small, coils)
        expected = spectrum[(..., *low)]
        assert got.shape == expected.shape
        errors.append(float(jnp.linalg.norm(got - expected) / jnp.linalg.norm(expected)))
    assert errors[1] < 0.004
    assert errors[1] < errors[0] / 2


def test_kspace_off_the_grid_has_the_scale_of_the_nonuniform_transform():
    phantom = shepp_logan(60.0)
    k = np.random.default_rng(0).uniform(-0.03, 0.03, (40, 2)).astype(np.float32)
    image = np.asarray(rasterise(phantom, (192, 191), 0.35, 3))
    y, x = np.arange(192) - 96, np.arange(191) - 95
    rows, columns = (np.exp(-2j * np.pi * k[:, i, None] * c) for i, c in enumerate((y, x)))
    expected = np.einsum("jy,jx,yx->j", rows, columns, image, optimize=True) / np.sqrt(192 * 191)
    got = simulate.phantom_kspace(phantom, k, (192, 191), 0.35)
    assert np.linalg.norm(got - expected) < 0.005 * np.linalg.norm(expected)


@pytest.mark.parametrize("kind", [None, "exponentials", "polynomials"])
def test_kspace_of_ellipsoids_in_space(kind):
    turn = rotations(jnp.array([[0.5, 0.9, -0.3], [0.0, 0.4, 0.0]]))
    phantom = Ellipsoids(
        jnp.array([1.0, -0.5]),
        jnp.array([[3.0, -4.0, 2.0], [-8.0, 5.0, 0.0]]),
        jnp.array([[14.0, 8.0, 10.0], [5.0, 6.0, 4.0]]),
        turn,
    )
    rng = np.random.default_rng(0)
    coils = None
    if kind == "exponentials":
        values = rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))
        coils = simulate.Exponentials(values.astype(np.complex64), rng.normal(size=(3, 3)) / 80)
    elif kind == "polynomials":
        exponents = tuple(monomial_exponents(3, 2))
        values = rng.normal(size=(2, 10)) + 1j * rng.normal(size=(2, 10))
        coils = simulate.Polynomials(values.astype(np.complex64), exponents, 20.0)
    many, size = (36, 40, 44), (1.1, 1.0, 0.9)
    image = rasterise_volume(phantom, many, size, 3) + 0j
    if coils is not None:
        image = image * simulate.sensitivity_maps(coils, many, size)
    low = tuple(slice(n // 2 - 3, n // 2 + 3) for n in many)
    expected = fft_centred(image, (-3, -2, -1))[(..., *low)]
    k = simulate.cartesian_positions(many)[low]
    got = simulate.phantom_kspace(phantom, k, many, size, coils)
    assert float(jnp.linalg.norm(got - expected) / jnp.linalg.norm(expected)) < 0.01


def test_kspace_is_differentiable_in_the_phantom_and_at_the_centre():
    phantom = Ellipses(
        jnp.ones(1), jnp.array([[2.0, 1.0]]), jnp.array([[5.0, 3.0]]), jnp.array([0.2])
    )
    k = jnp.array([[0.0, 0.0], [0.1, -0.05]])

    def power(axes):
        y = simulate.phantom_kspace(phantom.replace(semi_axes=axes), k, (16, 16), 1.0)
        return jnp.abs(y) ** 2

    along = jnp.array([[1.0, 0.0]])
    got = jax.jvp(power, (phantom.semi_axes,), (along,))[1]
    area = np.pi * 15 / 16
    assert got[0] == pytest.approx(2 * area * np.pi * 3 / 16, rel=1e-4)
    step = 1e-2 * along
    numeric = (power(phantom.semi_axes + step) - power(phantom.semi_axes - step)) / 2e-2
    np.testing.assert_allclose(got, numeric, rtol=1e-3)


def test_a_phantom_without_closed_form_is_refused():
    with pytest.raises(TypeError, match="not known in closed form"):
        simulate.phantom_kspace(forbild_head(), jnp.zeros((1, 2)), (8, 8), 1.0)
    with pytest.raises(ValueError, match="shape of 2 axes"):
        simulate.phantom_kspace(shepp_logan(9.0), jnp.zeros((1, 3)), (8, 8, 8), 1.0)
    with pytest.raises(TypeError, match="expected complex"):
        simulate.Exponentials(jnp.ones((2, 1)), jnp.zeros((1, 2)))


def test_fits_reproduce_what_they_can_represent():
    exponents = tuple(monomial_exponents(2, 2))
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(2, 6)) + 1j * rng.normal(size=(2, 6))).astype(np.complex64)
    truth = simulate.Polynomials(values, exponents, 20.0)
    maps = simulate.sensitivity_maps(truth, (16, 20), 2.0)
    got = simulate.fit_polynomials(maps, 2.0, degree=2)
    np.testing.assert_allclose(got.coefficients, values, atol=1e-3)
    loops = simulate.loop_maps(4, (24, 24), 8.0, radius=60.0, distance=150.0)
    fitted = simulate.fit_exponentials(loops, 8.0, harmonics=2)
    error = simulate.sensitivity_maps(fitted, (24, 24), 8.0) - loops
    assert float(jnp.linalg.norm(error) / jnp.linalg.norm(loops)) < 0.1


def test_the_field_on_the_axis_of_a_loop_is_that_of_the_textbook():
    # one loop facing along -x: on its axis B = mu_0 a^2 / (2 (a^2 + z^2)^(3/2)) for 1 A
    a, distance = 40.0, 90.0
    maps = simulate.loop_maps(1, (1, 41), 2.0, radius=a, distance=distance)
    x = 2.0 * (np.arange(41) - 20)
    z = (distance - x) * 1e-3
    expected = 4e-7 * np.pi * 0.04**2 / (2 * (0.04**2 + z**2) ** 1.5) * 1e6 / 2
    np.testing.assert_allclose(np.abs(maps[0, 0]), expected, rtol=2e-3)
    np.testing.assert_allclose(maps[0, 0].imag, 0, atol=1e-4)


def test_loops_are_rotated_copies_and_rings_alternate():
    maps = np.asarray(simulate.loop_maps(4, (9, 9), 10.0, radius=50.0, distance=100.0))
    np.testing.assert_allclose(np.abs(maps[1]), np.rot90(np.abs(maps[0]), -1), rtol=1e-4)
    volume = simulate.loop_maps(
        4, (5, 7, 7), 10.0, radius=40.0, distance=100.0, rings=2, ring_spacing=60.0,
        normalise="rss",
    )  # fmt: skip
    np.testing.assert_allclose(jnp.sum(jnp.abs(volume) ** 2, axis=0), 1, rtol=1e-5)
    low, high = np.abs(volume[0]), np.abs(volume[2])
    assert low[0].sum() > low[-1].sum()
    assert high[0].sum() < high[-1].sum()
    with pytest.raises(ValueError, match="multiple of rings"):
        simulate.loop_maps(4, (5, 5), 1.0, radius=1.0, distance=9.0, rings=3)


def test_noise_has_its_covariance():
    covariance = simulate.ring_covariance(5, 0.5, 0.4 + 0.2j)
    matrix = np.asarray(covariance)
    assert matrix[1, 0] == pytest.approx(0.5 * (0.4 + 0.2j))
    assert matrix[0, 4] == pytest.approx(matrix[1, 0])
    n = np.asarray(simulate.coil_noise(jax.random.key(0), jnp.zeros((5, 40000), complex), matrix))
    np.testing.assert_allclose(n @ n.conj().T / 40000, matrix, atol=0.02)
    np.testing.assert_allclose(n @ n.T / 40000, 0, atol=0.02)  # circular
    alone = simulate.coil_noise(jax.random.key(1), jnp.zeros((2, 20000), jnp.complex64), 4.0)
    assert float(jnp.mean(jnp.abs(alone) ** 2)) == pytest.approx(4, rel=0.03)


def test_bad_covariances_are_refused():
    y = jnp.zeros((2, 3), jnp.complex64)
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="Hermitian"):
        simulate.coil_noise(key, y, jnp.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="positive definite"):
        simulate.coil_noise(key, y, jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="holds the coils"):
        simulate.coil_noise(key, y, jnp.eye(3))
    with pytest.raises(TypeError, match="complex kspace"):
        simulate.coil_noise(key, y.real, 1.0)


def test_the_field_of_a_sphere_is_a_dipole():
    field = simulate.sphere_field(
        (9, 9, 9), 5.0, (0.0, 0.0, 0.0), 7.0, susceptibility=9.4, field_strength=3.0
    )
    pole = 42.577478518e6 * 3 * 9.4e-6 / 3 * (7 / 10) ** 3 * 2
    assert float(field[6, 4, 4]) == pytest.approx(pole, rel=1e-5)
    assert float(field[4, 6, 4]) == pytest.approx(-pole / 2, rel=1e-5)
    assert float(field[4, 4, 5]) == 0
    far = np.asarray(
        simulate.sphere_field(
            (5, 5, 5), 1.0, (30.0, 10.0, -5.0), 7.0, susceptibility=900.0, field_strength=3.0
        ),
        np.float64,
    )
    second = [np.diff(far, 2, axis=i)[tuple(slice(0 if j == i else 1, 3 if j == i else 4)
              for j in range(3))] for i in range(3)]  # fmt: skip
    assert np.abs(sum(second)).max() < 0.03 * np.abs(second[0]).max()  # harmonic
    plane = simulate.sphere_field(
        (9, 9), 5.0, (0.0, 0.0), 7.0, susceptibility=9.4, field_strength=3.0
    )
    np.testing.assert_allclose(plane, field[4], rtol=1e-6)


def test_polynomial_and_random_fields():
    field = simulate.polynomial_field((5, 3), {(0, 0): 2.0, (1, 0): 3.0, (0, 2): -4.0})
    y, x = np.linspace(-1, 1, 5)[:, None], np.linspace(-1, 1, 3)
    np.testing.assert_allclose(field, 2 + 3 * y - 4 * x**2, atol=1e-6)
    keys = jax.random.split(jax.random.key(0), 3)
    fields = jax.vmap(lambda k: simulate.random_field(k, (24, 20), peak=80.0))(keys)
    np.testing.assert_allclose(jnp.max(jnp.abs(fields), axis=(1, 2)), 80, rtol=1e-5)
    assert float(jnp.abs(jnp.diff(fields, axis=1)).max()) < 40
    assert float(jnp.linalg.norm(fields[0] - fields[1])) > 100
    with pytest.raises(ValueError, match="tuples of 2 exponents"):
        simulate.polynomial_field((5, 3), {(1,): 2.0})


def test_a_moved_phantom_is_drawn_where_it_should_be():
    phantom = Ellipses(jnp.ones(1), jnp.array([[10.0, 0.0]]), jnp.array([[6.0, 3.0]]), jnp.zeros(1))
    quarter = simulate.plane_rotation(np.pi / 2)  # from +x to +y
    there = simulate.moved(phantom, quarter, jnp.array([0.0, -4.0]))
    expected = np.rot90(np.asarray(rasterise(phantom, (48, 48), 1.0)), -1)
    got = np.asarray(rasterise(there, (48, 48), 1.0))
    np.testing.assert_array_equal(got, np.roll(expected, -4, axis=1))
    ball = Ellipsoids(jnp.ones(1), jnp.array([[8.0, 0.0, 0.0]]), jnp.array([[5.0, 2.0, 3.0]]))
    about_z = jnp.eye(3).at[1:, 1:].set(quarter)
    volume = rasterise_volume(simulate.moved(ball, about_z, jnp.array([3.0, 0, 0])), (24,) * 3, 1)
    before = np.asarray(rasterise_volume(ball, (24,) * 3, 1))
    expected = np.roll(np.rot90(before, -1, axes=(1, 2)), 3, axis=0)
    np.testing.assert_array_equal(volume, expected)


def test_motion_of_a_phantom_and_of_its_transform_are_the_same():
    shape, size = (15, 15), 2.0  # odd: the middle of the image is the transform's origin
    phantom = shepp_logan(26.0)
    k = jax.random.uniform(jax.random.key(0), (2, 30, 2), minval=-0.5, maxval=0.5)
    rotations_ = simulate.plane_rotation(jnp.array([0.3, -1.0]))
    shifts = jnp.array([[1.0, -2.0], [0.5, 3.0]])  # pixels
    got = simulate.moving_phantom_kspace(phantom, k, shape, size, rotations_, shifts * size)
    there, factor = simulate.motion_terms(k, rotations_, shifts)
    expected = factor * simulate.phantom_kspace(phantom, there, shape, size)
    np.testing.assert_allclose(got, expected, atol=2e-5 * float(jnp.abs(got).max()))
    with pytest.raises(ValueError, match="as many"):
        simulate.moving_phantom_kspace(phantom, k, shape, size, rotations_[:1], shifts)


@pytest.mark.slow
def test_coils_stand_still_while_a_phantom_moves():
    shape, size, phantom = (15, 15), 2.0, shepp_logan(26.0)
    k = jax.random.uniform(jax.random.key(0), (2, 30, 2), minval=-0.5, maxval=0.5)
    rotations_ = simulate.plane_rotation(jnp.array([0.3, -1.0]))
    shifts = jnp.array([[1.0, -2.0], [0.5, 3.0]])
    wave = jnp.array([0.004, -0.01])  # cycles per mm: a coil that stands still moves k
    coils = simulate.Exponentials(jnp.full((1, 1), 2j), wave[None])
    seen = simulate.moving_phantom_kspace(phantom, k, shape, size, rotations_, shifts * size, coils)
    moved_k = k - wave * size
    expected = 2j * simulate.moving_phantom_kspace(
        phantom, moved_k, shape, size, rotations_, shifts * size
    )
    np.testing.assert_allclose(seen[0], expected, atol=4e-5 * float(jnp.abs(expected).max()))


def test_signals_follow_the_spin_echo():
    grey, white, fluid = simulate.spin_echo_signals(0.5, 0.01)
    assert white > grey > fluid
    grey, white, fluid = simulate.spin_echo_signals(4.0, 0.1)
    assert fluid > grey > white
    assert fluid == pytest.approx((1 - np.exp(-4 / 2.569)) * np.exp(-0.1 / 0.329))


has_brain = importlib.util.find_spec("nilearn") is not None


@pytest.mark.skipif(has_brain, reason="the extra is installed")
def test_the_missing_extra_is_named():
    with pytest.raises(ImportError, match=r"jaxrecon\[brain\]"):
        simulate.brain_slices([90])


@pytest.mark.skipif(not has_brain, reason="needs the extra brain")
def test_brain_slices_are_upright_and_complex():
    maps = simulate.brain_maps()
    assert {a.shape for a in maps} == {(189, 233, 197)}
    total = maps.grey + maps.white + maps.fluid
    assert total[maps.t1 > 0].min() > 0.9
    images = simulate.brain_slices([25, 90], shape=(128, 96), reduction=2, key=jax.random.key(0))
    assert images.shape == (2, 128, 96)
    assert images.dtype == jnp.complex64
    magnitude = np.abs(images)
    assert 0.8 < magnitude.max() <= 1 + 1e-6
    # left and right alike, front and back not: low down there is mostly cerebellum
    mirrored = magnitude[1, :, ::-1]
    assert np.abs(magnitude[1] - mirrored).mean() < 0.2 * magnitude[1].mean()
    low = magnitude[0].sum(axis=1)
    assert low @ np.arange(128) / low.sum() > 70
    fluid = simulate.brain_slices([90], signals=simulate.spin_echo_signals(4.0, 0.1))
    grey = simulate.brain_slices([90], signals=(1.0, 0.0, 0.0))
    assert float(jnp.abs(fluid).max()) > 0.9
    np.testing.assert_allclose(grey[0, 11:244, 29:226], maps.grey[90], atol=1e-6)
    with pytest.raises(ValueError, match="0 to 188"):
        simulate.brain_slices([189])


def test_real_slices_keep_their_field_of_view_and_values():
    pytest.importorskip("data_store")
    full = simulate.mr_slice("abdomen")
    assert full.image.shape == (484, 484)
    np.testing.assert_allclose(full.pixel_size, 0.72314, rtol=1e-5)
    assert float(jnp.abs(full.image).max()) == pytest.approx(1, rel=1e-6)
    coarse = simulate.mr_slice("abdomen", shape=(121, 242))
    np.testing.assert_allclose(coarse.pixel_size, (4 * 0.72314, 2 * 0.72314), rtol=1e-5)
    assert complex(coarse.image.mean()) == pytest.approx(complex(full.image.mean()), rel=1e-5)
    blocks = full.image.reshape(121, 4, 242, 2).mean((1, 3))
    liver = np.s_[50:60, 80:90]
    assert float(coarse.image[liver].real.mean()) == pytest.approx(
        float(blocks[liver].real.mean()), rel=0.02
    )
    turned = simulate.mr_slice("abdomen", shape=(121, 242), key=jax.random.key(0), phase=0.4)
    np.testing.assert_allclose(jnp.abs(turned.image), jnp.abs(coarse.image), atol=1e-6)
    angle = jnp.angle(turned.image / coarse.image)[jnp.abs(coarse.image) > 0.1]
    assert 0.05 < float(jnp.abs(angle).max()) <= 0.4 + 1e-5


def test_real_slices_refuse(tmp_path):
    data_store = pytest.importorskip("data_store")
    with pytest.raises(ValueError, match=r"at most \(484, 484\)"):
        simulate.mr_slice("abdomen", shape=(500, 100))
    with pytest.raises(ValueError, match="modality CT"):
        simulate.mr_slice(path=data_store.DataStore().get_path("693_UNCR.dcm"))
    with pytest.raises(FileNotFoundError, match="no file at"):
        simulate.mr_slice(path=tmp_path / "none.dcm")
