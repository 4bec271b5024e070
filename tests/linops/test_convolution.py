"""Convolution against direct sums, in all boundaries, by both ways of computing it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from jaxrecon.linops import Convolution, convolve, transfer_function

G = np.random.default_rng(0)
SMALL, LARGE = (3, 4), (6, 7)  # by shifted sums, and by FFT


@pytest.mark.parametrize("kernel_shape", [SMALL, LARGE])
@pytest.mark.parametrize("boundary", ["full", "valid"])
def test_full_and_valid_equal_scipy(kernel_shape, boundary):
    x, k = G.standard_normal((9, 10)), G.standard_normal(kernel_shape)
    with jax.enable_x64(True):
        got = convolve(x, k, boundary)
    np.testing.assert_allclose(got, scipy.signal.convolve2d(x, k, boundary), atol=1e-12)


@pytest.mark.parametrize("kernel_shape", [SMALL, LARGE, (5, 3)])
@pytest.mark.parametrize(("boundary", "outside"), [("zero", 0), ("periodic", None)])
def test_same_size_is_the_sum_in_the_docstring(kernel_shape, boundary, outside):
    x, k = G.standard_normal((8, 9)), G.standard_normal(kernel_shape)
    expected = np.zeros_like(x)
    for n in np.ndindex(x.shape):
        for m in np.ndindex(k.shape):
            at = tuple(i - j + c // 2 for i, j, c in zip(n, m, k.shape, strict=True))
            if outside is None:
                expected[n] += k[m] * x[tuple(np.mod(at, x.shape))]
            elif all(0 <= i < size for i, size in zip(at, x.shape, strict=True)):
                expected[n] += k[m] * x[at]
    with jax.enable_x64(True):
        got = convolve(x, k, boundary)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("kernel_shape", [SMALL, LARGE])
@pytest.mark.parametrize("boundary", ["zero", "periodic"])
def test_a_point_at_the_centre_is_the_identity(kernel_shape, boundary):
    point = np.zeros(kernel_shape)
    point[tuple(n // 2 for n in kernel_shape)] = 1
    x = G.standard_normal((8, 9))
    with jax.enable_x64(True):
        np.testing.assert_allclose(convolve(x, point, boundary), x, atol=1e-12)


def test_odd_kernels_agree_with_scipy_ndimage():
    x, k = G.standard_normal((8, 9)), G.standard_normal((3, 5))
    with jax.enable_x64(True):
        got = convolve(x, k, "periodic")
    np.testing.assert_allclose(got, scipy.ndimage.convolve(x, k, mode="wrap"), atol=1e-12)


def test_transfer_function_gives_the_eigenvalues():
    k, x = G.standard_normal((3, 4)), G.standard_normal((6, 7))
    with jax.enable_x64(True):
        transfer = transfer_function(k, (6, 7))
        got = np.fft.ifftn(transfer * np.fft.fftn(x)).real
        np.testing.assert_allclose(got, convolve(x, k), atol=1e-12)


def test_refuses():
    k = jnp.ones((3, 3))
    with pytest.raises(ValueError, match=r"kernel with 3 axes.*vmap"):
        Convolution(k, (4, 4, 4))
    with pytest.raises(ValueError, match="within the image"):
        Convolution(k, (2, 5))
    with pytest.raises(ValueError, match="boundary to be one of"):
        Convolution(k, (4, 4), "same")
    with pytest.raises(TypeError, match="complex64 kernel would turn"):
        Convolution(1j * k, (4, 4), dtype=jnp.float32)
