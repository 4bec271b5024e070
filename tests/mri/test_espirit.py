"""ESPIRiT against its textbook form, against true maps, and where the object folds over."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.core import FunctionOperator, struct
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.linops import fft_centred, ifft_centred
from jaxrecon.mri.coils import calibration_region, espirit
from tests.laws.cases import quick_jit
from tests.mri.coil_cases import angles, body, fft, ifft, kspace, maps


def textbook(calibration, shape, kernel, threshold):
    """Singular vectors of all windows, each transformed to the image; G(r) at all pixels."""
    region = calibration.shape[1:]
    starts = np.ndindex(*(m - k + 1 for m, k in zip(region, kernel, strict=True)))
    windows = []
    for start in starts:
        cut = tuple(slice(i, i + k) for i, k in zip(start, kernel, strict=True))
        windows.append(calibration[(slice(None), *cut)].ravel())
    u, s, _ = np.linalg.svd(np.stack(windows, axis=1), full_matrices=False)
    u = u[:, s > threshold * s[0]].T.reshape(-1, len(calibration), *kernel)
    for axis, n in enumerate(shape, 2):
        k = u.shape[axis]
        wave = np.exp(2j * np.pi * np.outer(np.arange(k), np.arange(n) - n // 2) / n)
        u = np.moveaxis(np.tensordot(u, wave, ((axis,), (0,))), -1, axis)
    return np.einsum("kc...,kd...->...cd", u, u.conj()) / np.prod(kernel)


@pytest.mark.parametrize(
    ("coils", "region", "shape", "kernel"),
    [(3, (9, 8), (12, 9), (3, 4)), (6, (7, 6), (9, 8), (4, 4)), (2, (4, 5, 4), (5, 7, 4), 2)],
)
def test_it_is_the_textbook_form(coils, region, shape, kernel):
    rng = np.random.default_rng(1)
    calibration = rng.normal(size=(coils, *region)) + 1j * rng.normal(size=(coils, *region))
    calibration *= np.linspace(0.1, 2, region[-1]) ** 3
    with jax.enable_x64(True):
        run = quick_jit(
            partial(
                espirit, shape=shape, kernel=kernel, threshold=0.3, crop=0, sets=2, iterations=2000
            )
        )
        found, values = map(np.asarray, run(calibration))
    assert found.dtype == np.complex128
    assert values.dtype == np.float64
    kernel = (kernel,) * len(shape) if isinstance(kernel, int) else kernel
    matrices = textbook(calibration, shape, kernel, 0.3)
    expected, vectors = np.linalg.eigh(matrices)
    np.testing.assert_allclose(np.moveaxis(values, 0, -1), expected[..., :-3:-1], atol=1e-5)
    apart = expected[..., -1] - expected[..., -2] > 0.05
    leading = np.moveaxis(vectors[..., -1], -1, 0)
    assert apart.sum() > 10
    assert angles(found[0], leading)[apart].max() < 1e-3


@pytest.mark.parametrize("shape", [(48, 40), pytest.param((20, 24, 24), marks=pytest.mark.slow)])
def test_maps_are_the_true_ones(shape):
    coils = 8
    data = kspace(shape, coils).astype(np.complex64)
    run = quick_jit(partial(espirit, shape=shape, kernel=5))
    found, values = map(np.asarray, run(calibration_region(data, (24,) * len(shape))))
    assert found.dtype == np.complex64
    inside = np.abs(body(shape)) > 0
    error = angles(found, maps(shape, coils))[inside]
    assert np.median(error) < 0.5
    assert np.percentile(error, 95) < 1.5
    assert np.percentile(values[inside], 5) > 0.99
    assert values.max() < 1 + 1e-5
    far = np.abs(np.indices(shape)[-1] - shape[-1] // 2) > 0.95 * shape[-1] // 2
    far &= np.abs(np.indices(shape)[-2] - shape[-2] // 2) > 0.9 * shape[-2] // 2
    assert far.any()
    assert values[far].max() < 0.9
    assert not found[:, far].any()
    np.testing.assert_allclose(np.linalg.norm(found[:, inside], axis=0), 1, atol=1e-5)


def test_the_phase_is_that_of_the_reference():
    shape = (24, 20)
    calibration = calibration_region(kspace(shape, 4).astype(np.complex64), 16)
    run = partial(espirit, shape=shape, kernel=4, crop=0)
    first = np.asarray(quick_jit(partial(run, reference=0))(calibration).maps)
    assert np.abs(first[0].imag).max() < 1e-6
    assert first[0].real.min() >= 0
    principal = np.linalg.svd(calibration.reshape(4, -1))[0][:, 0]
    virtual = np.asarray(quick_jit(partial(run, rows=5))(calibration).maps)
    seen = np.tensordot(principal.conj(), virtual, 1)
    seen *= np.conj(seen[12, 10]) / np.abs(seen[12, 10])
    assert np.abs(seen.imag).max() < 1e-5
    assert seen.real.min() > -1e-6
    assert angles(first, virtual).max() < 0.2


def test_two_sets_where_the_object_folds_over():
    shape, coils = (32, 32), 8
    wide = kspace((64, 32), coils, stretch=0.7)  # 0.56 of twice the field of view
    data = wide[:, ::2].astype(np.complex64)  # every second line: half the field of view
    mask = np.zeros((32, 1), bool)
    mask[::2] = mask[10:22] = True
    coil_images = ifft(data)

    def reconstruct(sets, data):
        found = espirit(calibration_region(data, (12, 24)), shape, kernel=5, sets=sets, crop=0.5)

        def forward(x):
            return mask * fft_centred((found.maps * x[:, None]).sum(0), (1, 2))

        def backward(y):
            return (found.maps.conj() * ifft_centred(mask * y, (1, 2))).sum(1)

        A = FunctionOperator(forward, struct((sets, *shape), np.complex64), backward)
        images = solve_normal(A, backward(mask * data), damping=1e-4, iterations=40, tolerance=1e-5)
        known = (found.maps.conj() * ifft_centred(data, (1, 2))).sum(1)
        expand = [(found.maps * x[:, None]).sum(0) for x in (known, images)]
        return *expand, found.eigenvalues

    def error(images):
        return np.linalg.norm(images - coil_images) / np.linalg.norm(coil_images)

    projected, one, _ = quick_jit(partial(reconstruct, 1))(data)
    assert error(projected) > 0.09  # one set does not describe what folds over
    projected, two, values = quick_jit(partial(reconstruct, 2))(data)
    assert error(projected) < 0.03
    assert error(two) < error(one) / 3
    assert error(two) < error(ifft(mask * data)) / 2
    assert values[1, 1, 16] > 0.9  # parts from above and below
    assert values[1, 16, 16] < 0.5  # one part only


def test_maps_are_those_of_sigpy():
    """The file holds k-space of coil_cases.kspace((32, 28), 4) with noise of 0.01 in each part
    (default_rng(0)), and what SigPy 0.1.27 made of it: EspiritCalib(kspace, calib_width=16,
    thresh=0.02, kernel_width=5, crop=0, max_iter=100)."""
    with np.load(Path(__file__).parent / "data" / "espirit_sigpy.npz") as file:
        data, theirs = file["kspace"], file["maps"]
    run = quick_jit(
        lambda y: espirit(
            calibration_region(y, 16), (32, 28), kernel=5, crop=0, iterations=100, reference=0
        )
    )
    found = np.asarray(run(data).maps, np.complex128)
    theirs = theirs / np.linalg.norm(theirs.astype(np.complex128), axis=0)
    along = (theirs.conj() * found).sum(0)
    across = np.linalg.norm(found - along * theirs, axis=0)  # exact for small angles
    angle = np.degrees(np.arctan2(across, np.abs(along)))[np.abs(body((32, 28))) > 0]
    assert np.percentile(angle, 95) < 5e-4


@pytest.mark.slow
def test_the_derivative_is_right():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(3, 3, 6, 5)) + 1j * rng.normal(size=(3, 3, 6, 5))
    calibration, direction, weights = numbers
    calibration = calibration * np.linspace(0.2, 2, 5) ** 2
    with jax.enable_x64(True):

        def loss(calibration):
            found = espirit(calibration, (6, 5), kernel=3, threshold=0.3, crop=0, iterations=60)
            return jnp.vdot(weights, found.maps).real + found.eigenvalues.sum()

        gradient = quick_jit(jax.grad(loss))(calibration)
        h, value = 1e-6, quick_jit(loss)
        up, down = value(calibration + h * direction), value(calibration - h * direction)
        moved = float(jnp.sum(gradient * direction).real)
        assert moved == pytest.approx(float(up - down) / (2 * h), rel=1e-5)


def test_nothing_gives_nothing():
    run = quick_jit(partial(espirit, shape=(8, 8), kernel=3))
    found = run(jnp.zeros((2, 6, 6), jnp.complex64))
    assert not np.asarray(found.maps).any()
    assert np.isfinite(np.asarray(found.eigenvalues)).all()


def test_the_centre_is_cut_about_the_origin():
    image = np.random.default_rng(0).normal(size=(2, 9, 8))
    data = fft(image + 0j)
    cut = np.asarray(calibration_region(data.astype(np.complex64), (4, 20)))
    assert cut.shape == (2, 4, 8)
    np.testing.assert_allclose(cut[:, 2, 4], data[:, 4, 4], rtol=1e-5)


def test_bad_input_is_explained():
    data = jnp.ones((4, 8, 8), jnp.complex64)
    with pytest.raises(TypeError, match="complex calibration"):
        espirit(data.real, (8, 8))
    with pytest.raises(ValueError, match="region of at least"):
        espirit(data, (8, 8), kernel=9)
    with pytest.raises(ValueError, match="region of at most"):
        espirit(data, (8, 6))
    with pytest.raises(ValueError, match="Use jax"):
        espirit(data[:, None], (8, 8))
    with pytest.raises(ValueError, match="at most 4 sets"):
        espirit(data, (8, 8), sets=5)
    with pytest.raises(ValueError, match="reference among 4 coils"):
        espirit(data, (8, 8), reference=4)
    with pytest.raises(ValueError, match="one kernel"):
        espirit(data, (8, 8), kernel=(3, 3, 3))
