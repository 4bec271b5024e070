"""Filtered backprojection is quantitative; its filter keeps the mean; weights of the views."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import line_integrals, phantoms

fbp = jax.jit(ct.filtered_backprojection, static_argnames=("window", "scan"))


def disc(radius, value, centre=(0.0, 0.0)):
    return phantoms.Ellipses(
        jnp.array([value]), jnp.array([centre]), jnp.full((1, 2), radius), jnp.zeros(1)
    )


def inside(shape, pixel_size, radius, centre):
    y = pixel_size * (np.arange(shape[0]) - (shape[0] - 1) / 2)[:, None] - centre[1]
    x = pixel_size * (np.arange(shape[1]) - (shape[1] - 1) / 2) - centre[0]
    return x**2 + y**2 < (0.85 * radius) ** 2


SCANS = [
    (1.0, 1.0, 120, np.pi, 0.0),
    (0.4, 0.3, 150, np.pi, 0.0),
    (0.7, 1.0, 121, 2 * np.pi, 1.3),
    (2.0, 1.1, 240, 2 * np.pi, 0.0),
]


@pytest.mark.parametrize(
    ("pixel_size", "pitch", "views", "arc", "offset", "window"),
    [(*scan, "ram-lak") for scan in SCANS] + [(*SCANS[2], window) for window in ct.WINDOWS[1:]],
)
def test_a_disc_comes_back_with_its_attenuation(pixel_size, pitch, views, arc, offset, window):
    shape, mu = (64, 56), 0.0192
    radius = 20 * pixel_size
    centre = (3 * pixel_size, -4 * pixel_size)
    geometry = ct.parallel_beam(
        shape, views, arc=arc, pixel_size=pixel_size, pitch=pitch, offset=offset
    )
    sinogram = phantoms.radon(disc(radius, mu, centre), geometry.angles, geometry.positions)
    image = np.asarray(fbp(sinogram, geometry, window=window))
    values = image[inside(shape, pixel_size, radius, centre)]
    assert values.mean() == pytest.approx(mu, rel=0.01)
    assert values.std() < 0.03 * mu


def test_shepp_logan_error_is_that_of_the_best_peers():
    geometry = ct.parallel_beam((256, 256), 180)
    phantom = phantoms.shepp_logan(256.0)
    truth = phantoms.rasterise(phantom, (256, 256), 1.0, 8)
    image = fbp(phantoms.radon(phantom, geometry.angles, geometry.positions), geometry)
    assert float(jnp.linalg.norm(image - truth) / jnp.linalg.norm(truth)) < 0.095


def fans(detector):
    """Name -> (geometry, scan): every kind of fan-beam scan of 64x56 pixels of 0.7 mm."""
    fan = ct.fan_beam((64, 56), 180, 150.0, 90.0, pixel_size=0.7, detector=detector)
    arc = float(ct.short_scan_arc(fan))

    def short(longer):
        return ct.fan_beam(
            (64, 56), 140, 150.0, 90.0, arc=arc + longer, pixel_size=0.7, detector=detector
        )

    reversed_short = short(0.2).replace(angles=2.0 - short(0.2).angles)
    bins = fan.bins // 2 + 12
    half = fan.replace(bins=bins, offset=(fan.bins - bins) / 2 * fan.pitch)
    return {
        "full": (fan, "full"),
        "two turns": (fan.replace(angles=2 * fan.angles - 2 * np.pi), "full"),
        "short": (short(0.0), "short"),
        "over-scan": (short(0.4), "short"),
        "backwards": (reversed_short, "short"),
        "offset detector": (half, "offset"),
        "offset to the other side": (half.replace(offset=-half.offset), "offset"),
        "quarter offset and axis shift": (
            fan.replace(offset=fan.pitch / 4, axis_shift=2.0),
            "full",
        ),
        "offset detector and axis shift": (half.replace(axis_shift=3.0), "offset"),
        "in any order": (fan.replace(angles=fan.angles[jnp.arange(180) * 7 % 180]), "full"),
        "region of interest": (
            fan.replace(image_shape=(40, 30), pixel_size=0.5, centre=(4.0, -5.0)),
            "full",
        ),
    }


@pytest.mark.parametrize("name", list(fans("flat")))
@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_a_disc_comes_back_from_every_fan(detector, name):
    geometry, scan = fans(detector)[name]
    mu, radius, centre = 0.0192, 13.0, (3.0, -4.0)
    sinogram = line_integrals(disc(radius, mu, centre), *geometry.rays())
    image = np.asarray(fbp(sinogram, geometry, scan=scan))
    y, x = geometry.pixel_positions()
    values = image[np.hypot(x - centre[0], y[:, None] - centre[1]) < 0.85 * radius]
    assert values.mean() == pytest.approx(mu, rel=0.01)
    assert values.std() < 0.03 * mu


def test_a_tilted_flat_detector_of_a_fan():
    geometry = ct.fan_beam((64, 56), 180, 150.0, 90.0).replace(tilt=0.2, bins=190)
    sinogram = line_integrals(disc(20.0, 0.0192, (3.0, -4.0)), *geometry.rays())
    values = np.asarray(fbp(sinogram, geometry))[inside((64, 56), 1.0, 20.0, (3.0, -4.0))]
    assert values.mean() == pytest.approx(0.0192, rel=0.01)
    with pytest.raises(ValueError, match="untilted"):
        fbp(sinogram, geometry.replace(detector="curved"))


@pytest.mark.parametrize("scan", ["full", "short", "offset"])
def test_every_line_counts_once(scan):
    """w(view, g) and that of the same line from the other side sum to 1."""
    with jax.enable_x64(True):
        arc = np.pi + 0.9 if scan == "short" else 2 * np.pi
        views = 400
        geometry = ct.FanGeometry(
            (8, 8),
            np.arange(views) * arc / views,
            65,
            100.0,
            50.0,
            detector="curved",
            offset=11.0 if scan == "offset" else 0.0,
        )
        w = np.asarray(ct.redundancy_weights(geometry, scan))
        g = np.asarray(geometry.positions) / 150.0
        b = np.asarray(geometry.angles) + arc / views / 2
        for column in (12, 30, 50):
            if -g[column] < g[0]:
                np.testing.assert_allclose(w[:, column], 1.0)  # no other ray on these lines
                continue
            for view in range(0, views, 23):
                other = b[view] + np.pi - 2 * g[column]
                other = other % (2 * np.pi) if scan != "short" else other
                opposite = np.argmin(np.abs(g + g[column]))
                if scan == "short" and other > arc:
                    other -= 2 * np.pi
                seen = 0 <= other <= arc
                there = np.interp(other, b, w[:, opposite]) if seen else 0.0
                assert w[view, column] + there == pytest.approx(1.0, abs=2e-2)


@pytest.mark.parametrize(
    ("angles", "scan", "message"),
    [
        ([0.3], "full", "two views"),
        (np.linspace(0, np.pi, 60), "full", "scan='short'"),
        (np.linspace(0, 2 * np.pi, 60) ** 1.3, "full", "irregular"),
        (np.linspace(0, 2.0, 60), "short", "limited angle"),
        (np.linspace(3, 3 + np.pi + 1.5, 60) % (2 * np.pi), "short", "unwrap"),
        (np.linspace(0, np.pi, 60), "offset", "full turns"),
    ],
)
def test_angles_that_do_not_fit_the_scan_are_explained(angles, scan, message):
    geometry = ct.fan_beam((8, 8), 60, 50.0, 50.0).replace(angles=jnp.asarray(angles, jnp.float32))
    with pytest.raises(ValueError, match=message):
        ct.filtered_backprojection(jnp.zeros(geometry.sinogram_space.shape), geometry, scan=scan)


def test_an_offset_detector_that_misses_the_axis():
    geometry = ct.fan_beam((8, 8), 60, 50.0, 50.0, bins=10, offset=30.0)
    data = jnp.zeros(geometry.sinogram_space.shape)
    with pytest.raises(ValueError, match="axis of rotation"):
        ct.filtered_backprojection(data, geometry, scan="offset")


@pytest.mark.slow
def test_truncated_data_need_extrapolation():
    """A disc wider than the detector: off by less than 10 % in the middle, and else by over 15."""
    wide = ct.parallel_beam((96, 96), 120)
    geometry = wide.replace(bins=60)
    sinogram = phantoms.radon(disc(42.0, 0.02), geometry.angles, geometry.positions)
    with pytest.warns(UserWarning, match="truncated"):
        plain = ct.filtered_backprojection(sinogram, geometry)
    better = fbp(*ct.extrapolate(sinogram, geometry, 30))
    middle = inside((96, 96), 1.0, 25.0, (0.0, 0.0))
    assert abs(np.asarray(plain)[middle].mean() / 0.02 - 1) > 0.15
    assert abs(np.asarray(better)[middle].mean() / 0.02 - 1) < 0.1
    rim = inside((96, 96), 1.0, 34.0, (0.0, 0.0)) & ~middle
    assert np.ptp(np.asarray(better)[rim]) < 0.5 * np.ptp(np.asarray(plain)[rim])


@pytest.mark.slow
def test_the_filter_can_be_given_and_learned():
    geometry = ct.parallel_beam((32, 32), 40)
    sinogram = phantoms.radon(disc(9.0, 1.0), geometry.angles, geometry.positions)
    response = ct.ramp_response(geometry.bins, geometry.pitch, "hann")
    named = fbp(sinogram, geometry, window="hann")
    np.testing.assert_allclose(
        fbp(sinogram, geometry, response=response), named, rtol=1e-4, atol=1e-6
    )
    own = ct.filtered_backprojection(sinogram, geometry, lambda v: 0.5 + 0.5 * jnp.cos(jnp.pi * v))
    np.testing.assert_allclose(own, named, rtol=1e-4, atol=1e-6)

    def loss(r):
        return 0.5 * jnp.sum(ct.filtered_backprojection(sinogram, geometry, response=r) ** 2)

    gradient = jax.grad(loss)(response)
    assert float(jnp.vdot(gradient, response)) == pytest.approx(2 * float(loss(response)), rel=1e-4)


def test_the_ramp_has_no_bias_and_is_the_ramp():
    response = np.asarray(ct.ramp_response(100, 0.5))
    frequency = np.linspace(0, 1, len(response))  # of Nyquist, 1/mm
    assert 0 < response[0] < 2e-3
    np.testing.assert_allclose(response[5:], frequency[5:], atol=2e-3)
    assert float(ct.ramp_response(100, 0.5, "hann")[-1]) == pytest.approx(0, abs=1e-6)
    assert float(ct.ramp_response(100, 0.5, "hamming")[-1]) == pytest.approx(0.08, rel=1e-2)
    cut = np.asarray(ct.ramp_response(100, 0.5, "cosine", 0.5))
    assert np.all(cut[len(cut) // 2 + 1 :] == 0)


def test_filtering_is_the_convolution_with_the_kernel_of_kak_and_slaney():
    row = np.random.default_rng(0).normal(size=(2, 11))
    pitch = 0.7
    n = np.arange(-10, 11)
    odd = n % 2 != 0
    kernel = np.where(odd, -1 / (np.pi * np.where(odd, n, 1) * pitch) ** 2, 0.0)
    kernel[10] = 1 / (4 * pitch**2)
    expected = [pitch * np.convolve(r, kernel)[10:21] for r in row]
    with jax.enable_x64(True):
        response = ct.ramp_response(11, pitch, dtype=jnp.float64)
        np.testing.assert_allclose(ct.filter_sinogram(row, response), expected, rtol=1e-12)


def test_angular_weights():
    np.testing.assert_allclose(
        ct.angular_weights(jnp.arange(6) * jnp.pi / 6), jnp.pi / 6, rtol=1e-5
    )
    full = ct.angular_weights(jnp.arange(8) * jnp.pi / 4)
    np.testing.assert_allclose(full.sum(), jnp.pi, rtol=1e-6)
    some = ct.angular_weights(jnp.array([2.0, 0.0, 0.5]))
    expected = [(1.5 + np.pi - 2) / 2, (0.5 + np.pi - 2) / 2, 1.0]
    np.testing.assert_allclose(some, expected, rtol=1e-6)


def test_irregular_angles_need_their_weights():
    angles = jnp.pi * jnp.linspace(0, 1, 120, endpoint=False) ** 1.5
    geometry = ct.ParallelGeometry((64, 64), angles, 93)
    phantom = phantoms.shepp_logan(64.0)
    truth = phantoms.rasterise(phantom, (64, 64), 1.0, 8)
    sinogram = phantoms.radon(phantom, geometry.angles, geometry.positions)
    right = fbp(sinogram, geometry, weights=ct.angular_weights(angles))
    wrong = fbp(sinogram, geometry)
    assert float(jnp.linalg.norm(right - truth)) < 0.7 * float(jnp.linalg.norm(wrong - truth))


@pytest.mark.slow
def test_float64_and_gradient_in_the_offset():
    with jax.enable_x64(True):
        geometry = ct.parallel_beam((20, 20), 30, dtype=jnp.float64)
        sinogram = phantoms.radon(disc(6.0, 1.0), geometry.angles, geometry.positions)
        sinogram = sinogram.astype(jnp.float64)

        def loss(offset):
            return jnp.sum(ct.filtered_backprojection(sinogram, geometry.replace(offset=offset))[3])

        step = 1e-6
        expected = (loss(0.2 + step) - loss(0.2 - step)) / (2 * step)
        assert float(jax.grad(loss)(0.2)) == pytest.approx(float(expected), rel=1e-5)


def test_bad_input_is_explained():
    geometry = ct.parallel_beam((8, 8), 4)
    sinogram = jnp.zeros(geometry.sinogram_space.shape)
    with pytest.raises(ValueError, match="window"):
        ct.filtered_backprojection(sinogram, geometry, "blackman")
    with pytest.raises(ValueError, match="cutoff"):
        ct.filtered_backprojection(sinogram, geometry, cutoff=1.5)
    with pytest.raises(ValueError, match="reversed"):
        ct.filtered_backprojection(sinogram.T, geometry)
    with pytest.raises(ValueError, match=r"weights of shape \(4,\)"):
        ct.filtered_backprojection(sinogram, geometry, weights=jnp.ones(3))
    with pytest.raises(ValueError, match="response of shape"):
        ct.filter_sinogram(sinogram, jnp.ones(3))
    with pytest.raises(ValueError, match=r"NaN.*log_transform"):
        ct.filtered_backprojection(sinogram.at[2].set(jnp.nan), geometry)
    with pytest.raises(TypeError, match="no analytic inverse"):
        ct.filtered_backprojection(sinogram, ct.as_vectors(geometry))  # type: ignore[arg-type]
    fan = ct.fan_beam((8, 8), 4, 50.0, 50.0)
    with pytest.raises(ValueError, match="scan"):
        ct.filtered_backprojection(jnp.zeros(fan.sinogram_space.shape), fan, scan="half")
    with pytest.raises(TypeError, match="real sinogram"):
        ct.filter_sinogram(sinogram + 0j, jnp.ones(17))
