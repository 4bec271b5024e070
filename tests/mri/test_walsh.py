"""Maps from coil images against a plain eigendecomposition, and against the true ones."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxrecon.mri.coils import inati, walsh
from tests.laws.cases import quick_jit
from tests.mri.coil_cases import angles, body, ifft, kspace, maps


def covariance(images, pixel, window):
    """Sum of x x^H over the pixels of a window, those inside of the image."""
    near = tuple(
        slice(max(p - w // 2, 0), p + w // 2 + 1) for p, w in zip(pixel, window, strict=True)
    )
    x = images[(slice(None), *near)].reshape(len(images), -1)
    return x @ x.conj().T


@pytest.mark.parametrize("shape", [(7, 9), (4, 5, 6)])
def test_walsh_is_the_leading_eigenvector(shape):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, *shape)) + 1j * rng.normal(size=(3, *shape))
    window = (3, 5, 3)[: len(shape)]
    with jax.enable_x64(True):
        found = np.asarray(quick_jit(partial(walsh, window=window, iterations=3000))(images))
    assert found.dtype == np.complex128
    for pixel in [(0,) * len(shape), (2, 3, 4)[: len(shape)]]:
        leading = np.linalg.eigh(covariance(images, pixel, window))[1][:, -1]
        at = found[(slice(None), *pixel)]
        assert np.abs(np.vdot(leading, at)) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("method", [walsh, inati])
def test_maps_are_the_true_ones(method):
    shape, coils = (48, 40), 6
    images = ifft(kspace(shape, coils)).astype(np.complex64)
    found = np.asarray(quick_jit(partial(method, window=3))(images))
    assert found.dtype == np.complex64
    inside = np.abs(body(shape)) > 0
    error = angles(found, maps(shape, coils))[inside]
    assert np.median(error) < 0.4
    assert np.percentile(error, 95) < 2
    np.testing.assert_allclose(np.linalg.norm(found[:, inside], axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("method", [walsh, inati])
def test_nothing_gives_nothing(method):
    assert not np.asarray(quick_jit(method)(np.zeros((2, 5, 6), np.complex64))).any()


def test_bad_input_is_explained():
    images = np.ones((2, 5, 6), np.complex64)
    for method in (walsh, inati):
        with pytest.raises(TypeError, match="complex images"):
            method(images.real)
        with pytest.raises(ValueError, match="odd sizes"):
            method(images, window=4)
    with pytest.raises(ValueError, match="reference among 2"):
        walsh(images, reference=-1)
