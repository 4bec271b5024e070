"""Changing the grid: averages, interpolation, windows and borders."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import Crop, Downsample, Pad, Resize, fft_centred

G = np.random.default_rng(0)


def test_downsample_averages_blocks():
    x = G.standard_normal((4, 6)).astype(np.float32)
    expected = [[x[2 * i : 2 * i + 2, 3 * j : 3 * j + 3].mean() for j in (0, 1)] for i in (0, 1)]
    np.testing.assert_allclose(Downsample((4, 6), (2, 3))(x), expected, atol=1e-6)
    with pytest.raises(ValueError, match="factor that divides"):
        Downsample((4, 5), 2)
    with pytest.raises(ValueError, match="factor that divides"):
        Downsample((4, 4), (2, 2, 2))


@pytest.mark.parametrize("method", ["linear", "cubic", "nearest"])
@pytest.mark.parametrize("size", [5, 11])
def test_resize_keeps_constants_and_positions(method, size):
    resize = Resize((8,), (size,), method)
    np.testing.assert_allclose(resize(jnp.ones(8)), np.ones(size), atol=1e-6)
    if method != "nearest" and size > 8:
        centres = (jnp.arange(8.0) + 0.5) / 8
        inside = slice(3, -3)
        expected = (np.arange(size) + 0.5) / size
        np.testing.assert_allclose(resize(centres)[inside], expected[inside], atol=1e-6)


def test_resize_refuses():
    with pytest.raises(ValueError, match="output_shape with 2 axes"):
        Resize((8, 8), (4,))
    with pytest.raises(ValueError, match="method to be one of"):
        Resize((8, 8), (4, 4), "lanczos")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("size", "window"), [(8, 4), (8, 5), (7, 4), (7, 3)])
def test_a_centred_crop_keeps_the_centre(size, window):
    """Entry n // 2 stays entry m // 2, so that a centred spectrum is cut at low frequencies."""
    point = jnp.zeros(size).at[size // 2].set(1.0)
    cropped = Crop((size,), (window,))(point)
    assert int(jnp.argmax(cropped)) == window // 2
    np.testing.assert_allclose(fft_centred(cropped).imag, 0, atol=1e-6)


def test_crop_refuses():
    with pytest.raises(ValueError, match="window within the image"):
        Crop((4, 4), (5, 2))
    with pytest.raises(ValueError, match="window within the image"):
        Crop((4, 4), (2, 2), (3, 0))


@pytest.mark.parametrize(
    ("boundary", "mode"),
    [("zero", "constant"), ("replicate", "edge"), ("reflect", "reflect"), ("periodic", "wrap")],
)
def test_pad_equals_numpy(boundary, mode):
    x = G.standard_normal((3, 4)).astype(np.float32)
    widths = ((1, 2), (0, 3))
    got = Pad((3, 4), widths, boundary)(x)
    np.testing.assert_array_equal(got, np.pad(x, widths, mode=mode))


def test_pad_refuses():
    with pytest.raises(ValueError, match="pair"):
        Pad((3, 4), ((1, 2),))
    with pytest.raises(ValueError, match="pair"):
        Pad((3, 4), -1)
