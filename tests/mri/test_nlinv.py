"""Image and coils at once, from undersampled data of known coils."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import Fourier, Sample
from jaxrecon.mri.coils import jsense, nlinv
from tests.laws.cases import quick_jit
from tests.mri.coil_cases import angles, body, ifft, kspace, lines, maps

SHAPE, COILS = (56, 56), 8
METHODS = {"nlinv": jax.jit(partial(nlinv, iterations=14)), "jsense": jax.jit(jsense)}


def truth():
    """The combination of fully sampled data with the true maps, which has their resolution."""
    s = maps(SHAPE, COILS)
    s = s / np.linalg.norm(s, axis=0)
    return np.abs((s.conj() * ifft(kspace(SHAPE, COILS))).sum(0))


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("acceleration", "error"), [(2, 0.01), (3, 0.025), (4, 0.04)])
def test_undersampled_data_with_24_lines_at_the_centre(method, acceleration, error):
    mask = lines(SHAPE[0], acceleration)
    data = (mask * kspace(SHAPE, COILS)).astype(np.complex64)
    image, found = map(np.asarray, METHODS[method](data, mask=mask))
    assert image.dtype == found.dtype == np.complex64
    zero_filled = np.linalg.norm(ifft(data), axis=0)
    assert relative(np.abs(image), truth()) < error
    assert relative(np.abs(image), truth()) < 0.6 * relative(zero_filled, truth())
    inside = np.abs(body(SHAPE)) > 0
    assert np.median(angles(found, maps(SHAPE, COILS))[inside]) < 1.5
    full = ifft(kspace(SHAPE, COILS))
    assert relative(found * image, full) < 0.7 * relative(ifft(data), full)


@pytest.mark.parametrize("method", [nlinv, jsense])
def test_any_operator_in_the_place_of_a_mask(method):
    shape = (12, 10)
    mask = np.broadcast_to(lines(12, 2, 6), shape)
    with jax.enable_x64(True):
        data = mask * kspace(shape, 3)
        A = Sample(np.flatnonzero(mask), shape, np.complex128) @ Fourier(shape, dtype=np.complex128)
        run = partial(method, iterations=4)
        listed = quick_jit(partial(run, operator=A))(data[:, mask])
        masked = quick_jit(partial(run, mask=mask))(data)
        assert listed.image.dtype == jnp.complex128
        np.testing.assert_allclose(listed.image, masked.image, atol=1e-6)
        np.testing.assert_allclose(listed.maps, masked.maps, atol=1e-5)


@pytest.mark.slow
def test_the_derivative_of_nlinv_is_right():
    shape = (8, 6)
    with jax.enable_x64(True):
        data = kspace(shape, 2)
        rng = np.random.default_rng(0)
        direction = rng.normal(size=data.shape) + 1j * rng.normal(size=data.shape)

        @jax.jit
        def loss(data):
            found = nlinv(data, iterations=3, inner_iterations=300, tolerance=1e-13)
            return jnp.sum(jnp.abs(found.image) ** 2) + jnp.sum(found.maps.real**3)

        h = 1e-6
        numeric = (loss(data + h * direction) - loss(data - h * direction)) / (2 * h)
        moved = jnp.sum(jax.grad(loss)(data) * direction).real
        assert float(moved) == pytest.approx(float(numeric), rel=1e-5)


def test_bad_input_is_explained():
    data = jnp.ones((2, 6, 6), jnp.complex64)
    for method in (nlinv, jsense):
        with pytest.raises(TypeError, match="complex kspace"):
            method(data.real)
        with pytest.raises(ValueError, match="mask or an operator"):
            method(data, mask=np.ones((6, 6), bool), operator=Fourier((6, 6), dtype=np.complex64))
        with pytest.raises(ValueError, match="kspace of a coil"):
            method(data, operator=Fourier((6, 5), dtype=np.complex64))
        with pytest.raises(TypeError, match="complex images"):
            method(data, operator=Fourier((6, 6), dtype=np.float32))
        with pytest.raises(ValueError, match="positive whole number for iterations"):
            method(data, iterations=0)
