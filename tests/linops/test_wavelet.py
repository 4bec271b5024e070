"""Wavelets against PyWavelets: the same filters and the same coefficients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import pywt

from jaxrecon.linops import Wavelet, inverse_wavelet_transform, wavelet_filters, wavelet_transform
from jaxrecon.linops.wavelet import NAMES

G = np.random.default_rng(0)


@pytest.mark.parametrize("name", NAMES)
def test_filters_are_those_of_pywavelets(name):
    low, high = wavelet_filters(name)
    reference = pywt.Wavelet(name)
    np.testing.assert_allclose(low, reference.dec_lo, atol=1e-13)
    np.testing.assert_allclose(high, reference.dec_hi, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_filters_are_orthonormal(name):
    low, high = map(np.array, wavelet_filters(name))
    for m in range(len(low) // 2):
        shifted = slice(0, len(low) - 2 * m), slice(2 * m, None)
        for a, b, expected in ((low, low, m == 0), (high, high, m == 0), (low, high, 0)):
            assert abs(a[shifted[0]] @ b[shifted[1]] - expected) < 1e-14


@pytest.mark.parametrize(
    ("shape", "name", "levels"),
    [
        ((32,), "db8", 3),
        ((64, 48), "db4", 3),
        ((16, 8), "db6", 2),
        ((8, 16), "haar", 3),
        ((8, 16, 8), "db2", 2),
    ],
)
def test_coefficients_are_those_of_pywavelets(shape, name, levels):
    x = G.standard_normal(shape)
    nested = pywt.wavedecn(x, name, "periodization", level=levels)
    expected = pywt.coeffs_to_array(nested)[0]
    with jax.enable_x64(True):
        y = wavelet_transform(x, name, levels)
        back = inverse_wavelet_transform(y, name, levels)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    np.testing.assert_allclose(back, x, atol=1e-12)


@pytest.mark.parametrize(("shape", "name"), [((4, 2), "db5"), ((16, 4), "db4")])
def test_orthonormal_also_where_the_filter_wraps_around(shape, name):
    """The matrix of the transform, W W^T = I, where the filter is longer than the axis."""
    with jax.enable_x64(True):
        size = int(np.prod(shape))
        basis = jnp.eye(size).reshape(size, *shape)
        matrix = jax.vmap(lambda e: wavelet_transform(e, name, 1))(basis).reshape(size, size)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-13)


def test_polynomials_have_no_details():
    """dbN annihilates polynomials of degree below N, away from the wrap-around."""
    with jax.enable_x64(True):
        y = wavelet_transform(jnp.linspace(-1, 1, 64) ** 3, "db4", 1)
    assert np.abs(y[32 + 4 : -4]).max() < 1e-12


def test_details_leave_the_approximation_out():
    w = Wavelet((16, 8), "haar", 2)
    details = w.details()
    assert details.shape == (16, 8)
    assert not details[:4, :2].any()
    assert details.sum() == 16 * 8 - 8
    flat = w(jnp.ones((16, 8)))
    np.testing.assert_allclose(np.where(details, flat, 0), 0, atol=1e-6)


def test_refuses():
    with pytest.raises(ValueError, match=r"multiples of 2\*\*levels = 8, got \(12, 16\)"):
        Wavelet((12, 16), "db4", 3)
    with pytest.raises(ValueError, match="expected one of"):
        Wavelet((16, 16), "db11")
    with pytest.raises(ValueError, match="levels"):
        Wavelet((16, 16), levels=0)
    Wavelet((3, 16), axes=(1,))  # axes that are not transformed may have any length


def test_the_same_inside_a_loop():
    """The compiler once overwrote the corner of an array in place while it was still read."""
    w = Wavelet((16,), "db4", 2)
    x = jnp.asarray(G.standard_normal((3, 16)), jnp.float32)
    for function in (w.apply, w.adjoint):
        expected = jnp.stack([function(row) for row in x])
        np.testing.assert_allclose(jax.lax.map(function, x), expected, atol=1e-6)
