"""Rings from bins that are off: how far they go down, and what that costs a phantom without any."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import pywt
from scipy.ndimage import median_filter

from jaxrecon import ct
from jaxrecon.data import line_integrals, rasterise, shepp_logan

SIDE = 128
AMPLITUDE = 0.2  # of line integrals up to 0.7
fbp = jax.jit(lambda sinogram, geometry: ct.filtered_backprojection(sinogram, geometry, "hann"))


@cache
def scan():
    """Exact sinogram of the Shepp-Logan head, offsets of every ninth bin, the image, its disc."""
    geometry = ct.parallel_beam((SIDE, SIDE), 180)
    phantom = shepp_logan(float(SIDE))
    phantom = phantom.replace(value=0.02 * phantom.value)
    sinogram = line_integrals(phantom, *geometry.rays())
    rng = np.random.default_rng(0)
    bins = np.arange(38, 146, 9)
    offsets = np.zeros(geometry.bins, np.float32)
    offsets[bins] = AMPLITUDE * rng.uniform(0.5, 1.5, bins.size) * rng.choice([-1, 1], bins.size)
    y, x = (np.asarray(position) for position in geometry.pixel_positions())
    inside = np.hypot(y[:, None], x) < 60
    return (
        geometry,
        sinogram,
        jnp.asarray(offsets),
        rasterise(phantom, (SIDE, SIDE), 1.0, 4),
        inside,
    )


def rms(image):
    return float(np.sqrt(np.mean(np.asarray(image)[scan()[-1]] ** 2)))


@pytest.mark.slow
@pytest.mark.parametrize("stripes", ["full", "partial"])
@pytest.mark.parametrize(
    ("name", "factors", "cost"),
    # by how much full and partial rings fall at least (over five draws of the offsets they fall by
    # 4.1 and 2.1, 4.5 and 2.3 or more), and by how much the error of a phantom without rings grows
    [("sorting", (4.0, 2.0), 1.06), ("wavelets", (4.0, 2.2), 1.3)],
)
def test_rings_fall_and_the_phantom_stays(name, factors, cost, stripes):
    geometry, sinogram, offsets, truth, _ = scan()
    remove = {"sorting": ct.remove_rings_by_sorting, "wavelets": ct.remove_rings_by_wavelets}[name]
    part = jnp.arange(geometry.views)[:, None] < geometry.views * (1 if stripes == "full" else 0.5)
    spoilt = sinogram + offsets * part
    clean, before = fbp(sinogram, geometry), fbp(spoilt, geometry)
    unspoilt, after = (fbp(remove(data), geometry) for data in (sinogram, spoilt))
    assert rms(after - unspoilt) < rms(before - clean) / factors[stripes == "partial"]
    assert rms(after - truth) < rms(before - truth) * (0.75 if stripes == "full" else 0.95)
    assert rms(unspoilt - truth) < cost * rms(clean - truth)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_sorting_is_that_of_scipys_median(size):
    rng = np.random.default_rng(0)
    sinogram = rng.normal(size=(20, 31)).astype(np.float32)
    order = np.argsort(sinogram, axis=0)
    smooth = median_filter(np.take_along_axis(sinogram, order, 0), (1, size))  # mirrored ends
    expected = np.empty_like(sinogram)
    np.put_along_axis(expected, order, smooth, 0)
    result = ct.remove_rings_by_sorting(sinogram, size)
    np.testing.assert_array_equal(result, expected)
    if size == 1:
        np.testing.assert_array_equal(result, sinogram)


def reference(sinogram, sigma, levels, name):
    """Muench et al. with PyWavelets, for views and bins that are multiples of 2**levels."""
    views, bins = sinogram.shape
    x = np.concatenate([sinogram, sinogram[::-1]])
    x = np.pad(x, ((0, 0), (2**levels, 2**levels)), mode="edge")

    def damp(x, levels):
        a, (across_views, stripes, both) = pywt.dwt2(x, name, "periodization")
        k = np.abs(np.fft.fftfreq(stripes.shape[0], 1 / stripes.shape[0])) / 2  # cycles per scan
        damping = 1 - np.exp(-(k**2) / (2 * sigma**2))
        stripes = np.fft.ifft(np.fft.fft(stripes, axis=0) * damping[:, None], axis=0).real
        a = damp(a, levels - 1) if levels > 1 else a
        return pywt.idwt2((a, (across_views, stripes, both)), name, "periodization")

    return damp(x, levels)[:views, 2**levels : 2**levels + bins]


def test_wavelets_are_those_of_pywavelets():
    with jax.enable_x64(True):
        sinogram = np.random.default_rng(0).normal(size=(24, 40))
        result = ct.remove_rings_by_wavelets(sinogram, 1.7, 2, "db3")
        assert result.dtype == jnp.float64
        np.testing.assert_allclose(result, reference(sinogram, 1.7, 2, "db3"), atol=1e-10)


def test_what_does_not_vary_across_the_bins_stays():
    views = jnp.cos(jnp.arange(45.0) / 7)[:, None]
    flat = jnp.broadcast_to(views, (45, 37))
    for remove in map(jax.jit, (ct.remove_rings_by_sorting, ct.remove_rings_by_wavelets)):
        np.testing.assert_allclose(remove(flat), flat, atol=1e-5)


@pytest.mark.slow
def test_detector_rows_are_alone_and_the_derivatives_are_right():
    volume = jax.random.normal(jax.random.key(0), (21, 2, 30))
    for remove in map(jax.jit, (ct.remove_rings_by_sorting, ct.remove_rings_by_wavelets)):
        rows = jnp.stack([remove(volume[:, i]) for i in range(2)], axis=1)
        np.testing.assert_allclose(remove(volume), rows, atol=1e-5)
    with jax.enable_x64(True):
        data, direction = np.random.default_rng(0).normal(size=(2, 21, 30))

        @jax.jit
        def loss(data, sigma):
            return jnp.sum(ct.remove_rings_by_wavelets(data, sigma, 1, "db2") ** 4)

        h = 1e-5
        gradient, by_sigma = jax.jit(jax.grad(loss, argnums=(0, 1)))(data, 1.3)
        numeric = (loss(data + h * direction, 1.3) - loss(data - h * direction, 1.3)) / (2 * h)
        assert float(jnp.vdot(gradient, direction)) == pytest.approx(float(numeric), rel=1e-6)
        numeric = (loss(data, 1.3 + h) - loss(data, 1.3 - h)) / (2 * h)
        assert float(by_sigma) == pytest.approx(float(numeric), rel=1e-6)


def test_bad_input_is_explained():
    sinogram = jnp.ones((8, 16))
    with pytest.raises(ValueError, match="odd size"):
        ct.remove_rings_by_sorting(sinogram, 4)
    with pytest.raises(ValueError, match="up to the 16 bins"):
        ct.remove_rings_by_sorting(sinogram, 17)
    with pytest.raises(ValueError, match=r"\(views, ..., bins\)"):
        ct.remove_rings_by_sorting(sinogram[0])
    with pytest.raises(TypeError, match="floating-point sinogram"):
        ct.remove_rings_by_wavelets(sinogram.astype(int))
    with pytest.raises(TypeError, match="real sinogram"):
        ct.remove_rings_by_wavelets(sinogram + 0j)
    with pytest.raises(ValueError, match="sigma >= 0"):
        ct.remove_rings_by_wavelets(sinogram, -1.0)
    with pytest.raises(ValueError, match="expected one of"):
        ct.remove_rings_by_wavelets(sinogram, name="db99")
