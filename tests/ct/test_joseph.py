"""The model "joseph": exact integrals, its matrix, its adjoint and derivatives in any geometry."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.ct.projectors import joseph
from tests.ct.ellipsoids import (
    blob,
    chords,
    dot_error,
    gradient_errors,
    relative,
    sampled,
    smooth_image,
)
from tests.laws.cases import quick_jit

PAIR = (ct.project, ct.backproject)
project = quick_jit(partial(ct.project, model="joseph"))
backproject = quick_jit(partial(ct.backproject, model="joseph"))


def test_more_voxels_than_an_index_can_name_are_refused():
    geometry = ct.cone_beam((1400, 1400, 1400), 2, 4000.0, 1000.0, detector_shape=(4, 4))
    with pytest.raises(ValueError, match="at most 2\\^31 voxels"):
        ct.XRayTransform(geometry, "joseph")
    assert ct.XRayTransform(geometry).model == "planes"


def turn(n, dtype=np.float32):
    return np.asarray(np.arange(n) * 2 * np.pi / n + 0.13, dtype)


def tilted(n=24, views=5, dtype=np.float32):
    size = 24 / n
    return ct.ConeGeometry(
        (n, n, n), turn(views, dtype), (32, 34), 60.0, 40.0, size, 2.1, tilt=(0.06, -0.1, 0.15)
    )


def laminography(n=24, views=5, dtype=np.float32):
    size = (0.8, 1.0, 1.1)
    return ct.ParallelGeometry3D((n, n, n), turn(views, dtype), (34, 36), size, 0.9, tilt=0.6)


def flying_spot(n=24, views=5):
    """A cone beam whose source moves against the detector; the first view looks along z."""
    vectors = ct.as_vectors(ct.cone_beam((n, n, n), views, 60.0, 40.0, detector_shape=(34, 36)))
    spot = jnp.asarray(np.random.default_rng(0).normal(0, 1.5, (views, 3)), jnp.float32)
    moved = vectors.replace(source=vectors.source + spot)
    along_z = {
        "source": (0.3, 0.1, -55.0),
        "detector": (0.1, -0.2, 40.0),
        "column_axis": (1.6, 0.1, 0.0),
        "row_axis": (-0.1, 1.6, 0.1),
    }
    first = {k: getattr(moved, k).at[0].set(jnp.asarray(v)) for k, v in along_z.items()}
    return moved.replace(**first)


def fan(n=64, views=7):
    return ct.FanGeometry((n, n + 6), turn(views), 71, 90.0, 50.0, (1.0, 0.9), 1.7, 0.4, 0.8, 0.07)


GEOMETRIES = {
    "fan": fan(),
    "tilted": tilted(),
    "laminography": laminography(),
    "flying spot": flying_spot(),
}


@pytest.mark.parametrize("name", list(GEOMETRIES))
def test_exact_integrals_of_a_blob_and_an_ellipsoid(name):
    """The blob, 3 pixels wide, to 2 %: a shift by a tenth of a pixel would be seen.

    The ellipsoid has an edge, with an error of its own. Pixel and interpolation blur by a variance
    of 1/12 + 1/6 pixel^2, which takes 0.3 to 0.6 % off its longest chords (0.5 / R^2 and more).
    """
    geometry = GEOMETRIES[name]
    size = np.asarray(geometry.pixel_size, np.float64)[::-1]
    extent = size * geometry.image_shape[::-1]
    middle = 0.03 * extent * [1, -1, 2][: len(size)]
    image, exact = blob(geometry, middle, 3 * size)
    assert relative(project(image, geometry), exact) < 0.02
    semi_axes = extent * [0.4, 0.3, 0.35][: len(size)]
    got = np.asarray(project(sampled(geometry, middle, semi_axes), geometry))
    exact = chords(geometry, middle, semi_axes)
    assert relative(got, exact) < 0.06
    inner = exact > 0.8 * exact.max()
    assert abs((got[inner] / exact[inner]).mean() - 1) < 0.008


@pytest.mark.slow
def test_error_falls_with_resolution():
    errors = []
    for n in (12, 24, 48):
        geometry = tilted(n, views=2)
        middle, semi_axes = (0.5, -0.3, 0.7), (9.0, 7.0, 8.0)
        image = sampled(geometry, middle, semi_axes)
        errors.append(relative(project(image, geometry), chords(geometry, middle, semi_axes)))
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]


def test_agrees_with_shear_within_the_interpolation_error():
    geometry = ct.parallel_beam((60, 52), 9, pixel_size=(1.1, 0.9), pitch=0.8, offset=0.3)
    image = smooth_image(geometry)
    assert relative(project(image, geometry), ct.project(image, geometry, "shear")) < 5e-4


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_adjoint(dtype, tolerance, nonnegative):
    with jax.enable_x64(dtype == np.float64):
        geometry = tilted(16, 3, dtype)
        forward, adjoint = (jax.jit(partial(f, model="joseph")) for f in PAIR)
        assert dot_error(forward, adjoint, geometry, nonnegative) < tolerance


def test_matrix_is_nonnegative_and_adjoint_its_transpose():
    geometry = laminography(4, 3)
    pixels, bins = 4**3, geometry.sinogram_space.shape
    forward = jax.vmap(lambda x: project(x, geometry))(jnp.eye(pixels).reshape(-1, 4, 4, 4))
    some = np.random.default_rng(0).choice(int(np.prod(bins)), 80, replace=False)
    unit = jnp.zeros((80, int(np.prod(bins)))).at[jnp.arange(80), some].set(1).reshape(80, *bins)
    backward = jax.vmap(lambda y: backproject(y, geometry))(unit)
    assert float(forward.min()) >= 0
    assert float(forward.max()) > 0
    np.testing.assert_allclose(
        forward.reshape(pixels, -1)[:, some].T, backward.reshape(80, -1), atol=1e-6
    )


@pytest.mark.parametrize("chunk", [1, 3000])
def test_chunks_do_not_change_the_result(monkeypatch, chunk):
    geometry = tilted(8, 5)
    x = smooth_image(geometry)
    y = project(x, geometry)
    x_back = backproject(y, geometry)
    monkeypatch.setattr(joseph, "CHUNK", chunk)
    forward, adjoint = joseph.joseph_pair()
    np.testing.assert_allclose(quick_jit(forward)(geometry, x), y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(quick_jit(adjoint)(geometry, y), x_back, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [tilted, laminography], ids=["tilted", "laminography"])
def test_gradients_in_all_fields(make):
    with jax.enable_x64(True):
        geometry = make(12, 2, np.float64)
        x = smooth_image(geometry)
        y = jnp.asarray(np.random.default_rng(1).random(geometry.sinogram_space.shape))

        def measure(g):
            p = ct.project(x, g, "joseph")
            return jnp.sum((p - y) ** 2) + jnp.vdot(x**2, ct.backproject(p, g, "joseph"))

        assert max(gradient_errors(measure, geometry)) < 1e-5


def test_complex_images_and_batches():
    geometry = fan(12, 3)
    parts = np.random.default_rng(2).normal(size=(2, 3, *geometry.image_shape)).astype(np.float32)
    images = jnp.asarray(parts[0] + 1j * parts[1])
    batch = jax.vmap(lambda x: project(x, geometry))(images)
    for image, got in zip(images, batch, strict=True):
        expected = project(image.real, geometry) + 1j * project(image.imag, geometry)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    y = batch[0]
    expected = backproject(y.real, geometry) + 1j * backproject(y.imag, geometry)
    np.testing.assert_allclose(backproject(y, geometry), expected, rtol=1e-4, atol=1e-4)


def test_subsets_of_views_are_scanned():
    geometry = laminography(8, 6)
    x = smooth_image(geometry)
    whole = project(x, geometry)
    subsets = jnp.arange(6).reshape(3, 2).T.reshape(2, 3)
    traces = []

    @jax.jit
    def run(geometry, subsets):
        traces.append(1)
        step = lambda _, index: (None, ct.project(x, geometry.take(index), "joseph"))  # noqa: E731
        return jax.lax.scan(step, None, subsets)[1]

    np.testing.assert_allclose(run(geometry, subsets), whole[subsets], rtol=1e-5, atol=1e-5)
    run(geometry.replace(tilt=0.3), subsets[::-1])
    assert len(traces) == 1


def test_lowers_for_accelerators():
    geometry = tilted(8, 3)
    x, y = geometry.image_space, geometry.sinogram_space
    for function, argument in ((project, x), (backproject, y)):
        exported = jax.export.export(function, platforms=["cuda", "tpu"])(argument, geometry)
        assert exported.platforms == ("cuda", "tpu")


def test_defaults_and_models_that_do_not_serve():
    flat = ct.cone_beam((4, 4, 4), 3, 20.0, 10.0)
    assert ct.XRayTransform(flat).model == "planes"
    assert ct.XRayTransform(flat.replace(tilt=(0.1, 0, 0))).model == "joseph"
    assert ct.XRayTransform(ct.as_vectors(flat)).model == "joseph"
    with pytest.raises(
        ValueError, match=r"'planes' does not serve a ConeGeometry .* with a tilt; "
    ):
        ct.XRayTransform(flat.replace(tilt=(0.1, 0, 0)), "planes")
    with pytest.raises(ValueError, match=r"\('planes', 'joseph'\) do"):
        ct.project(jnp.zeros((4, 4, 4)), flat, "shear")
    with pytest.raises(ValueError, match="expected model to be one of"):
        ct.project(jnp.zeros((4, 4, 4)), flat, "siddon")
