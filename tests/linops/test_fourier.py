"""The centred Fourier transform against numpy's shifts."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import Fourier, fft_centred, ifft_centred

G = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "axes"), [((6,), None), ((5,), None), ((6, 7), None), ((3, 4, 6), (0, 2))]
)
def test_equals_shifted_fft(shape, axes):
    x = (G.standard_normal(shape) + 1j * G.standard_normal(shape)).astype(np.complex64)
    spectrum = np.fft.fftn(np.fft.ifftshift(x, axes), axes=axes, norm="ortho")
    expected = np.fft.fftshift(spectrum, axes)
    np.testing.assert_allclose(fft_centred(x, axes), expected, atol=1e-6)
    np.testing.assert_allclose(ifft_centred(expected, axes), x, atol=2e-6)


@pytest.mark.parametrize("shape", [(6, 5), (4, 8)])
def test_origin_is_the_central_entry(shape):
    point = jnp.zeros(shape).at[shape[0] // 2, shape[1] // 2].set(1.0)
    flat = fft_centred(point)
    np.testing.assert_allclose(flat, np.full(shape, 1 / np.sqrt(np.prod(shape))), atol=1e-7)
    np.testing.assert_allclose(ifft_centred(flat), point, atol=1e-6)


def test_real_images_have_a_complex_spectrum():
    f = Fourier((4, 5), dtype=jnp.float32)
    assert f.codomain.dtype == jnp.complex64
    assert f.domain.dtype == jnp.float32
    x = jnp.asarray(G.standard_normal((4, 5)), jnp.float32)
    np.testing.assert_allclose(f.H(f(x)), x, atol=1e-6)


def test_refuses():
    with pytest.raises(ValueError, match="axes within an array of 2 axes"):
        Fourier((4, 5), (2,))
    with pytest.raises(ValueError, match="each named once"):
        Fourier((4, 5), (0, -2))
    with pytest.raises(TypeError, match="floating dtype"):
        Fourier((4, 5), dtype=int)
    with pytest.raises(TypeError, match=r"astype\(complex64\)"):
        Fourier((4, 5))(jnp.ones((4, 5)))
