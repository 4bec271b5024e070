"""The model "planes" of cone beams: exact integrals, and agreement with "joseph" to rounding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.ct.projectors import cone
from jaxrecon.ct.projectors.joseph import joseph_pair
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
project = quick_jit(partial(ct.project, model="planes"))
backproject = quick_jit(partial(ct.backproject, model="planes"))


def beam(shape=(16, 18, 15), views=6, detector_shape=(20, 23), dtype=np.float32, **changes):
    options = {
        "source_distance": 60.0,
        "detector_distance": 35.0,
        "pixel_size": (1.1, 0.9, 1.2),
        "pitch": (1.7, 1.6),
        "offset": (0.3, -0.7),
        "axis_shift": 0.4,
        "centre": (0.3, -0.2, 0.5),
        **changes,
    }
    angles = np.asarray(np.arange(views) * 2 * np.pi / views + 0.13, dtype)
    return ct.ConeGeometry(shape, angles, detector_shape, **options)


HELIX = {"source_z": np.linspace(-9, 9, 6)}
CASES = {
    "circle": {},
    "curved": {"detector": "curved"},
    "helix": HELIX,
    "curved helix": {**HELIX, "detector": "curved"},
    "many columns to a voxel": {"pitch": (2.2, 0.5), "detector_shape": (14, 70)},
    "many voxels to a column": {"pitch": (0.6, 4.3), "detector_shape": (61, 9)},
    "many voxels to a row": {"pitch": (6.0, 1.6), "detector_shape": (5, 23)},
    "both axes dominant in one view": {"pitch": (1.7, 5.1), "offset": (0, 11.0)},
    "a corner passes the source": {"source_distance": 12.1, "pitch": (0.4, 2.2)},
    "one row": {"shape": (1, 8, 9), "detector_shape": (1, 13), "centre": 0.0, "offset": 0.0},
}


@quick_jit
def both_models(geometry, x, y):
    raw_forward, raw_adjoint = joseph_pair(axes=(1, 2))
    planes = cone._forward(geometry, x), cone._adjoint(geometry, y)
    return planes, (raw_forward(geometry, x), raw_adjoint(geometry, y))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_agrees_with_joseph(name):
    with jax.enable_x64(True):
        geometry = beam(dtype=np.float64, **CASES[name])
        generator = np.random.default_rng(0)
        x = jnp.asarray(generator.standard_normal(geometry.image_shape))
        y = jnp.asarray(generator.standard_normal(geometry.sinogram_space.shape))
        for planes, joseph in zip(*both_models(geometry, x, y), strict=True):
            assert relative(planes, joseph) < 1e-12


def test_default_agrees_with_joseph_where_no_ray_is_steep():
    with jax.enable_x64(True):
        geometry = beam(dtype=np.float64)
        x = smooth_image(geometry)
        by_rays = quick_jit(partial(ct.project, model="joseph"))
        assert relative(quick_jit(ct.project)(x, geometry), by_rays(x, geometry)) < 1e-12


@pytest.mark.parametrize("name", ["circle", "curved", "helix"])
def test_exact_integrals_of_a_blob_and_an_ellipsoid(name):
    """As in test_joseph.py."""
    changes = {"pixel_size": 1.0, "pitch": 1.4, "detector_shape": (38, 40), **CASES[name]}
    geometry = beam((24, 24, 24), **changes)
    middle, semi_axes = (0.7, -0.6, 0.9), (9.6, 7.2, 8.4)
    image, exact = blob(geometry, middle, np.full(3, 3.0))
    assert relative(project(image, geometry), exact) < 0.02
    got = np.asarray(project(sampled(geometry, middle, semi_axes), geometry))
    exact = chords(geometry, middle, semi_axes)
    assert relative(got, exact) < 0.06
    inner = exact > 0.8 * exact.max()
    assert abs((got[inner] / exact[inner]).mean() - 1) < 0.008


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_adjoint(dtype, tolerance, nonnegative):
    with jax.enable_x64(dtype == np.float64):
        geometry = beam(dtype=dtype)
        forward, adjoint = (jax.jit(partial(f, model="planes")) for f in PAIR)
        assert dot_error(forward, adjoint, geometry, nonnegative) < tolerance


def test_matrix_is_nonnegative():
    geometry = beam((3, 4, 5), 3, (4, 6))
    images = jnp.eye(60).reshape(60, 3, 4, 5)
    matrix = jax.vmap(lambda x: project(x, geometry))(images)
    data = jnp.eye(72).reshape(72, 3, 4, 6)
    transpose = jax.vmap(lambda y: backproject(y, geometry))(data)
    assert float(matrix.min()) >= 0
    assert float(transpose.min()) >= 0
    np.testing.assert_allclose(matrix.reshape(60, 72), transpose.reshape(72, 60).T, atol=2e-6)


def test_chunks_do_not_change_the_result(monkeypatch):
    geometry = beam((37, 9, 10), 2)
    x = smooth_image(geometry)
    y = project(x, geometry)
    x_back = backproject(y, geometry)
    monkeypatch.setattr(cone, "CHUNK", 4000)
    np.testing.assert_allclose(
        quick_jit(lambda g: cone._forward(g, x))(geometry), y, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        quick_jit(lambda g: cone._adjoint(g, y))(geometry), x_back, rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow
def test_gradients_in_all_fields():
    with jax.enable_x64(True):
        geometry = beam((8, 9, 10), 2, (10, 12), np.float64)
        x = smooth_image(geometry)
        y = jnp.asarray(np.random.default_rng(1).random(geometry.sinogram_space.shape))

        def measure(g):
            p = ct.project(x, g)
            return jnp.sum((p - y) ** 2) + jnp.vdot(x**2, ct.backproject(p, g))

        assert max(gradient_errors(measure, geometry)) < 1e-5


def test_complex_images_and_batches():
    geometry = beam((5, 6, 7), 3, (6, 7))
    parts = np.random.default_rng(2).normal(size=(2, 3, *geometry.image_shape)).astype(np.float32)
    images = jnp.asarray(parts[0] + 1j * parts[1])
    batch = jax.vmap(lambda x: project(x, geometry))(images)
    for image, got in zip(images, batch, strict=True):
        expected = project(image.real, geometry) + 1j * project(image.imag, geometry)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)
    y = batch[0]
    expected = backproject(y.real, geometry) + 1j * backproject(y.imag, geometry)
    np.testing.assert_allclose(backproject(y, geometry), expected, rtol=1e-4, atol=1e-3)


def test_subsets_of_views_are_scanned():
    geometry = beam(**HELIX)
    x = smooth_image(geometry)
    whole = project(x, geometry)
    subsets = jnp.arange(6).reshape(3, 2).T
    traces = []

    @jax.jit
    def run(geometry, subsets):
        traces.append(1)
        step = lambda _, index: (None, ct.project(x, geometry.take(index)))  # noqa: E731
        return jax.lax.scan(step, None, subsets)[1]

    np.testing.assert_allclose(run(geometry, subsets), whole[subsets], rtol=1e-5, atol=1e-5)
    run(geometry.replace(source_distance=70.0), subsets[::-1])
    assert len(traces) == 1


def test_lowers_for_accelerators():
    geometry = beam()
    x, y = geometry.image_space, geometry.sinogram_space
    for function, argument in ((project, x), (backproject, y)):
        exported = jax.export.export(function, platforms=["cuda", "tpu"])(argument, geometry)
        assert exported.platforms == ("cuda", "tpu")


def test_geometry_that_is_not_a_number_ends():
    """The number of taps depends on the geometry; NaN must not make it endless."""
    geometry = beam(views=2)
    bad = geometry.replace(angles=geometry.angles)._with(angles=jnp.full(2, jnp.nan))
    x = smooth_image(geometry)
    y = project(x, bad)
    assert y.shape == geometry.sinogram_space.shape
    assert backproject(y, bad).shape == geometry.image_shape
