"""The projector against exact integrals, its adjoint, and its derivatives in the geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct, struct
from jaxrecon.data import line_integrals, phantoms

project = jax.jit(ct.project, static_argnames="model")
backproject = jax.jit(ct.backproject, static_argnames="model")
planar = pytest.mark.parametrize("model", ["fourier", "shear"])


def relative(x, y):
    return float(jnp.linalg.norm(x - y) / jnp.linalg.norm(y))


@pytest.mark.parametrize(
    ("beam", "model", "tolerance"),
    [
        ("parallel", "fourier", 0.012),
        ("parallel", "strip", 0.016),
        ("parallel", "shear", 0.015),
        ("flat", "fourier", 0.012),
        ("curved", "fourier", 0.012),
        ("flat", "joseph", 0.015),
    ],
)
def test_shepp_logan_against_exact_integrals(beam, model, tolerance):
    geometry = ct.parallel_beam((256, 256), 180)
    if beam != "parallel":
        geometry = ct.fan_beam((256, 256), 180, 500.0, 300.0, detector=beam)
    phantom = phantoms.shepp_logan(256.0)
    image = phantoms.rasterise(phantom, (256, 256), 1.0, 8)
    exact = line_integrals(phantom, *geometry.rays())
    assert relative(project(image, geometry, model), exact) < tolerance


@pytest.mark.slow
@planar
def test_error_falls_with_resolution(model):
    errors = []
    for n in (24, 48, 96):
        geometry = ct.parallel_beam((n, n), 20, pixel_size=1 / n)
        phantom = phantoms.shepp_logan(1.0)
        image = phantoms.rasterise(phantom, (n, n), 1 / n, 8)
        exact = phantoms.radon(phantom, geometry.angles, geometry.positions)
        errors.append(relative(project(image, geometry, model), exact))
    assert errors[1] < 0.65 * errors[0]
    assert errors[2] < 0.65 * errors[1]


def test_the_fourier_model_integrates_a_band_limited_image_to_fourth_order():
    """Gaussian blobs: the error is that of the splines, which falls with the fourth power."""
    middle = (2.3, -1.7)
    angles = np.linspace(0, 2 * np.pi, 43)

    def error(geometry, sigma):
        y, x = (np.asarray(a) for a in geometry.pixel_positions())
        r2 = (y[:, None] - middle[1]) ** 2 + (x - middle[0]) ** 2
        blob = jnp.asarray(np.exp(-r2 / (2 * sigma**2)))
        point, direction = (np.asarray(a) for a in geometry.rays())
        gap = point - np.array(middle)
        distance = gap[..., 0] * direction[..., 1] - gap[..., 1] * direction[..., 0]
        exact = np.sqrt(2 * np.pi) * sigma * np.exp(-(distance**2) / (2 * sigma**2))
        return np.abs(project(blob, geometry) - exact).max() / exact.max()

    with jax.enable_x64(True):
        size, centre = (0.8, 1.1), (0.5, -0.3)
        parallel = ct.ParallelGeometry((64, 49), angles, 120, size, 0.37, 0.2, centre)
        fan = ct.FanGeometry(
            (64, 49), angles, 90, 90.0, 60.0, size, 0.9, 0.2, 0.4, tilt=0.1, centre=centre
        )
        for geometry in (parallel, fan):
            fine, coarse = error(geometry, 4.8), error(geometry, 2.4)
            assert coarse < 1e-3
            assert fine < coarse / 10


@planar
def test_centroid_of_a_disc_is_right_at_every_angle(model):
    disc = phantoms.Ellipses(jnp.ones(1), jnp.zeros((1, 2)), jnp.full((1, 2), 20.0), jnp.zeros(1))
    geometry = ct.parallel_beam((64, 64), 61, arc=2 * np.pi)
    sinogram = np.asarray(project(phantoms.rasterise(disc, (64, 64), 1.0, 16), geometry, model))
    centroid = sinogram @ np.asarray(geometry.positions) / sinogram.sum(1)
    assert np.abs(centroid).max() < 0.01
    np.testing.assert_allclose(sinogram.sum(1), np.pi * 400, rtol=2e-3)
    chord = project(jnp.ones((64, 64)), geometry.replace(angles=jnp.zeros(1)), model)
    rounding = 1e-5 if model == "fourier" else 1e-6  # of an FFT, or of a sum
    np.testing.assert_allclose(chord[0, geometry.bins // 2], 64.0, rtol=rounding)


@pytest.mark.parametrize(
    ("shape", "pixel_size", "pitch", "offset"),
    [((64, 64), 1.0, 1.0, 0.0), ((64, 49), (0.8, 1.3), 0.7, 3.1), ((51, 66), 0.9, 1.2, -1.7)],
)
def test_mass_and_centroid_of_a_blob_at_every_angle(shape, pixel_size, pitch, offset):
    """Linear interpolation keeps both, for any pixel size, pitch and offset, to 0.007 bin."""
    dy, dx = np.broadcast_to(pixel_size, 2)
    y = dy * (np.arange(shape[0]) - (shape[0] - 1) / 2)[:, None] + 1.7
    x = dx * (np.arange(shape[1]) - (shape[1] - 1) / 2) - 2.3
    blob = jnp.asarray(np.exp(-(x**2 + y**2) / (2 * 3.5**2)), jnp.float32)
    angles = jnp.linspace(0, 2 * jnp.pi, 61)
    geometry = ct.ParallelGeometry(shape, angles, 120, pixel_size, pitch, offset)
    sinogram = np.asarray(project(blob, geometry))
    centroid = sinogram @ np.asarray(geometry.positions) / sinogram.sum(1)
    np.testing.assert_allclose(sinogram.sum(1) * pitch, 2 * np.pi * 3.5**2, rtol=2e-3)
    np.testing.assert_allclose(centroid, 2.3 * np.cos(angles) - 1.7 * np.sin(angles), atol=5e-3)


def test_uniform_square_does_not_ripple():
    geometry = ct.ParallelGeometry((64, 64), jnp.deg2rad(jnp.array([30.0])), 9)
    inner = project(jnp.ones((64, 64)), geometry)[0]
    np.testing.assert_allclose(inner, 64 / np.cos(np.pi / 6), rtol=0.01)


def test_orientation():
    """A point on the first row, right of the middle: s = x at theta = 0, s = y at theta = pi/2."""
    image = jnp.zeros((31, 31)).at[3, 20].set(1.0)
    geometry = ct.ParallelGeometry((31, 31), jnp.array([0.0, jnp.pi / 2]), 31)
    sinogram = project(image, geometry)
    assert int(sinogram[0].argmax()) == 20
    assert int(sinogram[1].argmax()) == 3
    np.testing.assert_allclose(sinogram.sum(1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("side", [60, 64])
def test_a_corner_is_not_seen_from_the_other_corner(side):
    """At 45 degrees q is as long as its grid: the taps beyond its ends must not wrap around."""
    image = jnp.zeros((side, side)).at[0, 0].set(1.0)
    geometry = ct.ParallelGeometry((side, side), jnp.array([jnp.pi / 4]), 480, pitch=0.25)
    p = np.abs(project(image, geometry, "fourier")[0])
    far = np.asarray(geometry.positions) > side / 2
    assert p.max() > 1
    assert p[far].max() < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 3), (3, 2)])
def test_tiny_images(shape):
    """Everything is seen, and the adjoint is one."""
    image = jnp.ones(shape)
    for geometry in (
        ct.parallel_beam(shape, 6, bins=12, pitch=0.5),
        ct.fan_beam(shape, 6, 30.0, 20.0, bins=16, pitch=0.6),
    ):
        p = project(image, geometry)
        q = jax.random.normal(jax.random.key(0), p.shape)
        gap = float(jnp.vdot(p, q) - jnp.vdot(image, backproject(q, geometry)))
        assert abs(gap) < 1e-6 * float(jnp.linalg.norm(p) * jnp.linalg.norm(q)) + 1e-6
        assert float(p.max()) > 0.8


@pytest.mark.slow
def test_oblong_pixels_of_a_fan():
    """Slopes and positions count in pixels, so that their ratio does not matter: here 1 to 5."""
    with jax.enable_x64(True):
        fan = ct.fan_beam((120, 24), 8, 90.0, 60.0, pixel_size=(0.4, 2.0), dtype=jnp.float64)
        assert ct.XRayTransform(fan).model == "fourier"
        y, x = fan.pixel_positions()
        blob = jnp.exp(-((y[:, None] - 2.3) ** 2 + (x + 1.7) ** 2) / (2 * 4.0**2))
        point, direction = fan.rays()
        gap = point - jnp.array([-1.7, 2.3])
        distance = gap[..., 0] * direction[..., 1] - gap[..., 1] * direction[..., 0]
        exact = np.sqrt(2 * np.pi) * 4 * jnp.exp(-(distance**2) / (2 * 4.0**2))
        assert relative(project(blob, fan), exact) < 1e-3
        data = jax.random.normal(jax.random.key(0), exact.shape, jnp.float64)
        gap = jnp.vdot(exact, data) - jnp.vdot(blob, backproject(data, fan))
        assert abs(float(gap)) < 1e-3 * float(jnp.linalg.norm(exact) * jnp.linalg.norm(data))


def test_half_turn_mirrors_the_detector():
    image = jax.random.uniform(jax.random.key(0), (20, 33))
    angles = jnp.array([0.3, 0.3 + jnp.pi])
    sinogram = project(image, ct.ParallelGeometry((20, 33), angles, 41))
    np.testing.assert_allclose(sinogram[0], sinogram[1, ::-1], atol=2e-4)


# square and oblong ones are in the law table
CASES = {
    "shifted": {"image_shape": (30, 11), "bins": 20, "offset": 4.3, "pitch": 1.9},
    "one pixel": {"image_shape": (1, 1), "bins": 5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_dot_test_in_both_precisions(name):
    for x64, tolerance in ((False, 1e-6), (True, 1e-14)):
        with jax.enable_x64(x64):
            dtype = jnp.float64 if x64 else jnp.float32
            angles = jnp.linspace(0, 2 * jnp.pi, 17, dtype=dtype)
            geometry = ct.ParallelGeometry(angles=angles, **CASES[name])
            keys = jax.random.split(jax.random.key(1))
            for draw in (jax.random.normal, jax.random.uniform):
                x = draw(keys[0], geometry.image_shape, dtype)
                y = draw(keys[1], geometry.sinogram_space.shape, dtype)
                ax, aty = project(x, geometry), backproject(y, geometry)
                assert ax.dtype == aty.dtype == dtype
                gap = abs(float(jnp.vdot(ax, y) - jnp.vdot(x, aty)))
                assert gap < tolerance * float(jnp.linalg.norm(ax) * jnp.linalg.norm(y))


def test_weights_are_non_negative():
    geometry = ct.parallel_beam((9, 9), 12)
    columns = jax.vmap(lambda e: ct.project(e.reshape(9, 9), geometry, "shear"))(jnp.eye(81))
    assert float(columns.min()) >= 0


def test_complex_images_and_batches():
    geometry = ct.parallel_beam((16, 16), 7)
    parts = jax.random.normal(jax.random.key(0), (2, 16, 16))
    both = jax.jit(jax.vmap(ct.project, in_axes=(0, None)))(parts, geometry)
    np.testing.assert_allclose(both[1], project(parts[1], geometry), rtol=1e-5, atol=1e-5)
    got = project(parts[0] + 1j * parts[1], geometry)
    np.testing.assert_allclose(got, both[0] + 1j * both[1], rtol=1e-5, atol=1e-5)
    back = backproject(got, geometry)
    np.testing.assert_allclose(back.imag, backproject(both[1], geometry), rtol=1e-4, atol=1e-4)


def test_batches_of_geometries():
    image = jax.random.uniform(jax.random.key(0), (16, 16))
    offsets = jnp.array([0.0, 1.5])
    angles = jnp.linspace(0, 3, 5)

    def of(offset):
        return ct.project(image, ct.ParallelGeometry((16, 16), angles, 21, 1.0, 1.0, offset))

    batch = jax.jit(jax.vmap(of))(offsets)
    np.testing.assert_allclose(batch[1], jax.jit(of)(1.5), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_derivatives_through_nested_batches():
    images = jax.random.uniform(jax.random.key(0), (2, 3, 10, 10))
    geometry = ct.parallel_beam((10, 10), 4)

    def loss(images, geometry):
        batch = jax.vmap(jax.vmap(ct.project, (0, None)), (0, None))
        return 0.5 * jnp.sum(batch(images, geometry) ** 2)

    by_image, by_geometry = jax.jit(jax.grad(loss, (0, 1)))(images, geometry)
    one = images[1, 2]
    expected = backproject(project(one, geometry), geometry)
    np.testing.assert_allclose(by_image[1, 2], expected, rtol=1e-4)
    gradient = jax.jit(jax.grad(lambda g, f: 0.5 * jnp.sum(ct.project(f, g) ** 2)))
    total = np.sum([gradient(geometry, f).angles for f in images.reshape(6, 10, 10)], axis=0)
    np.testing.assert_allclose(by_geometry.angles, total, rtol=2e-3, atol=2e-2)


def test_gradients_in_the_geometry_match_finite_differences():
    with jax.enable_x64(True):
        n = 24
        r2 = (jnp.arange(n)[:, None] - 10.0) ** 2 + (jnp.arange(n) - 13.0) ** 2
        image = jnp.exp(-r2 / 20)
        angles = jnp.array([0.11, 0.72, 1.3, 2.9])
        base = ct.ParallelGeometry((n, n), angles, 31, (1.1, 0.9), 0.8, 0.37)
        weights = jax.random.normal(jax.random.key(0), base.sinogram_space.shape, jnp.float64)

        @jax.jit
        def loss(geometry):
            return jnp.vdot(weights, ct.project(image, geometry))

        @jax.jit
        def adjoint_loss(geometry):
            return jnp.vdot(image, ct.backproject(weights, geometry))

        gradient = jax.jit(jax.grad(loss))(base)
        other = jax.jit(jax.grad(adjoint_loss))(base)
        step = 1e-7
        for name in ("angles", "offset", "pitch", "pixel_size"):
            value = getattr(base, name)
            for index in np.ndindex(value.shape):
                up = base.replace(**{name: value.at[index].add(step)})
                down = base.replace(**{name: value.at[index].add(-step)})
                expected = float(loss(up) - loss(down)) / (2 * step)
                assert float(getattr(gradient, name)[index]) == pytest.approx(expected, rel=1e-5)
                assert float(getattr(other, name)[index]) == pytest.approx(expected, rel=1e-5)


def test_new_angles_do_not_recompile():
    count = 0

    @jax.jit
    def traced(image, geometry):
        nonlocal count
        count += 1
        return ct.project(image, geometry)

    for offset in (0.0, 1.0):
        traced(jnp.ones((8, 8)), ct.parallel_beam((8, 8), 3, bins=12, offset=offset))
    assert count == 1


def test_lowers_for_accelerators():
    geometry = ct.parallel_beam((16, 16), 5)
    for function, space in (
        (ct.project, geometry.image_space),
        (ct.backproject, geometry.sinogram_space),
        (ct.filtered_backprojection, geometry.sinogram_space),
        (lambda x, g: jax.vmap(ct.project, (0, None))(x, g), struct((2, 16, 16))),
    ):
        exported = jax.export.export(
            jax.jit(lambda x, f=function: f(x, geometry)), platforms=["cuda", "tpu"]
        )(space)
        assert exported.platforms == ("cuda", "tpu")


def test_bad_input_is_explained():
    geometry = ct.parallel_beam((8, 9), 4)
    with pytest.raises(ValueError, match=r"float32\[8,9\].*reversed"):
        ct.project(jnp.ones((9, 8)), geometry)
    with pytest.raises(ValueError, match=r"vmap"):
        ct.project(jnp.ones((2, 8, 9)), geometry)
    with pytest.raises(TypeError, match=r"float32"):
        ct.project(jnp.ones((8, 9), jnp.int32), geometry)
    with pytest.raises(ValueError, match="sinogram"):
        ct.backproject(jnp.ones((4, 4)), geometry)
    with pytest.raises(ValueError, match="model"):
        ct.project(jnp.ones((8, 9)), geometry, "strips")
    fan = ct.fan_beam((8, 9), 4, 50.0, 50.0)
    with pytest.raises(ValueError, match=r"'shear' does not serve a FanGeometry.*joseph"):
        ct.XRayTransform(fan, "shear")
    with pytest.raises(TypeError, match="parallel_beam"):
        ct.XRayTransform(jnp.ones(3))  # type: ignore[arg-type]
