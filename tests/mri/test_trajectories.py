"""Trajectories against their geometry, their limits, and delays that are put in and found again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.data import shepp_logan
from jaxrecon.mri import trajectories as traj
from jaxrecon.mri.simulate import fit_exponentials, loop_maps, phantom_kspace


def test_a_spoke_at_angle_0_runs_along_x_through_the_centre():
    k = np.asarray(traj.radial(jnp.array([0.0, np.pi / 2]), 8))
    r = np.arange(-4, 4) / 8
    np.testing.assert_allclose(k[0], np.stack([0 * r, r], -1), atol=1e-7)
    np.testing.assert_allclose(k[1], np.stack([r, 0 * r], -1), atol=1e-7)


def test_radial_is_differentiable_in_its_angles():
    angles = jnp.array([0.3, 1.1])
    _, slope = jax.jvp(lambda a: traj.radial(a, 6), (angles,), (jnp.ones(2),))
    r = np.arange(-3, 3) / 6
    expected = r[:, None] * np.stack([np.cos([0.3, 1.1]), -np.sin([0.3, 1.1])], -1)[:, None]
    np.testing.assert_allclose(slope, expected, atol=1e-6)


def test_golden_angles_are_those_of_the_papers():
    degrees = [111.246, 68.754, 49.751, 38.978, 32.040, 27.198, 23.628]
    for tiny, expected in enumerate(degrees, 1):
        got = np.rad2deg(traj.golden_angles(2, tiny=tiny)[1])
        assert got == pytest.approx(expected, abs=1e-3)
    # a Fibonacci number of spokes has gaps of two or three sizes only
    gaps = np.diff(np.sort(np.asarray(traj.golden_angles(34)) % np.pi))
    assert gaps.max() / gaps.min() < 2.7


def test_golden_means_are_those_of_the_paper_and_spread_evenly():
    d = np.asarray(traj.golden_means_directions(500), np.float64)
    np.testing.assert_allclose(np.linalg.norm(d, axis=1), 1, atol=1e-6)
    assert d[1, 0] == pytest.approx(0.4656, abs=1e-4)
    azimuth = np.arctan2(d[1, 1], d[1, 2]) % (2 * np.pi)
    assert azimuth / (2 * np.pi) == pytest.approx(0.6823, abs=1e-4)
    both = np.concatenate([d, -d])
    np.testing.assert_allclose(both.T @ both / 1000, np.eye(3) / 3, atol=0.01)


def test_phyllotaxis_turns_by_the_golden_angle_and_interleaves_are_its_parts():
    whole = np.asarray(traj.phyllotaxis_directions(26))
    np.testing.assert_allclose(whole[0], [1, 0, 0], atol=1e-7)
    turn = np.arctan2(whole[2, 1], whole[2, 2]) - np.arctan2(whole[1, 1], whole[1, 2])
    assert np.rad2deg(turn) % 360 == pytest.approx(137.508, abs=1e-2)
    parts = np.asarray(traj.phyllotaxis_directions(26, interleaves=13))
    np.testing.assert_allclose(parts[:2], whole[[0, 13]], atol=1e-7)
    with pytest.raises(ValueError, match="multiple of interleaves"):
        traj.phyllotaxis_directions(10, interleaves=3)


def test_a_stack_repeats_the_plane_at_every_height():
    plane = traj.radial(traj.uniform_angles(3), 4)
    k = np.asarray(traj.stack(plane, 5))
    assert k.shape == (5, 3, 4, 3)
    np.testing.assert_allclose(k[:, 1, 2, 0], np.array([-2, -1, 0, 1, 2]) / 5, atol=1e-7)
    np.testing.assert_array_equal(k[3, ..., 1:], plane)
    with pytest.raises(ValueError, match=r"\(\*samples, 2\)"):
        traj.stack(k, 2)


def test_turns_of_an_archimedean_spiral_are_a_nyquist_distance_apart():
    n, interleaves = 32, 4
    k = np.asarray(traj.spiral(interleaves, 1024, n / (2 * interleaves)), np.float64)
    points = k.reshape(-1, 2)
    along_x = points[(np.abs(points[:, 0]) < 2e-3) & (points[:, 1] > 0.1)][:, 1]
    radii = np.sort(along_x)
    groups = np.split(radii, np.flatnonzero(np.diff(radii) > 0.3 / n) + 1)
    middles = np.array([g.mean() for g in groups])
    np.testing.assert_allclose(np.diff(middles), 1 / n, rtol=0.05)
    denser = np.asarray(traj.spiral(1, 100, 5.0, power=2.0))
    radius = np.linalg.norm(denser[0], axis=-1)
    np.testing.assert_allclose(radius, (np.arange(100) / 100) ** 2 / 2, atol=1e-6)


def test_gradients_have_the_units_of_a_scanner():
    # 10 mT/m for 1 ms move k by gamma G t = 425.77 cycles per metre
    t = np.arange(5) * 1e-3
    cycles_per_pixel = 42.577478518e6 * 10e-3 * t * 2e-3  # pixels of 2 mm
    k = jnp.asarray(np.stack([0 * t, cycles_per_pixel], -1), jnp.float32)
    got = traj.gradients(k, 2.0, 1e-3)
    np.testing.assert_allclose(got.amplitude[:, 1], 10, rtol=1e-5)
    assert got.slew_rate.shape == (3, 2)
    ramp = jnp.asarray(np.stack([np.cumsum(np.arange(5)), np.zeros(5)], -1) * 0.01)
    step = 0.01 / 2e-3 / 42.577478518e6 / 1e-3  # T/m in a raster
    np.testing.assert_allclose(traj.gradients(ramp, 2.0, 1e-3).slew_rate[:, 0], step / 1e-3, 1e-4)


@pytest.mark.parametrize(("power", "interleaves"), [(1.0, 2), (2.0, 4)])
def test_the_fastest_spiral_keeps_and_uses_both_limits(power, interleaves):
    field_of_view, pixel, raster = 200.0, 5.0, 4e-6
    with jax.enable_x64(True):
        readout = traj.spiral_readout(
            interleaves,
            field_of_view,
            pixel,
            max_amplitude=12.0,
            max_slew_rate=120.0,
            raster=raster,
            power=power,
            dtype=jnp.float64,
        )
        k, times = np.asarray(readout.positions), np.asarray(readout.times)
        limits = {"max_amplitude": 12.0, "max_slew_rate": 120.0}
        traj.check_limits(k, pixel, raster, **limits, tolerance=0)
        with pytest.raises(ValueError, match="slew rate of at most 60"):
            traj.check_limits(k, pixel, raster, max_amplitude=12.0, max_slew_rate=60.0)
    unit = 42.577478518e6 * pixel * 1e-3
    amplitude = np.linalg.norm(np.diff(k, axis=1), axis=-1) / (unit * raster) * 1e3
    slew = np.linalg.norm(np.diff(k, 2, axis=1), axis=-1) / (unit * raster**2)
    assert amplitude.max() > 11.9
    assert slew.max() > 118
    # the limits are active nearly all the time: nothing is faster
    active = (amplitude[:, 1:] > 11.8) | (slew > 110)
    assert active.mean() > 0.97
    np.testing.assert_allclose(np.diff(times), raster, rtol=1e-6)
    radius = np.linalg.norm(k, axis=-1)
    assert radius[:, 0].max() == 0
    assert 0.49 < radius.max() <= 0.5
    # it stays on the curve: radius and angle belong together
    turns = power * (field_of_view / pixel) / (2 * interleaves)
    t = (2 * radius[0, 200:]) ** (1 / power)
    angle = np.unwrap(np.arctan2(k[0, 200:, 0], k[0, 200:, 1]))
    np.testing.assert_allclose(np.diff(angle), np.diff(2 * np.pi * turns * t), atol=2e-3)


def test_a_straight_line_takes_the_time_of_its_trapezoid():
    curve = np.stack([np.zeros(50), np.linspace(-0.5, 0.5, 50)], -1)
    pixel, amplitude, slew = 2.0, 20.0, 100.0
    readout = traj.time_optimal(
        curve, pixel, max_amplitude=amplitude, max_slew_rate=slew, raster=2e-6
    )
    unit = 42.577478518e6 * pixel * 1e-3 * 0.995
    rise = amplitude * 1e-3 / slew
    area = 1 / unit  # T/m s
    expected = area / (amplitude * 1e-3) + rise
    assert float(readout.times[-1]) == pytest.approx(expected, rel=5e-3)


def test_a_spiral_too_fast_for_its_raster_is_refused():
    with pytest.raises(ValueError, match="Nyquist rate along the readout"):
        traj.spiral_readout(8, 200.0, 4.0, max_amplitude=40.0, max_slew_rate=150.0, raster=2e-5)


def test_rosette_oscillates_through_the_centre():
    readout = traj.rosette(3, 101, radial_frequency=100.0, rotation_frequency=30.0, raster=1e-4)
    k, t = np.asarray(readout.positions), np.asarray(readout.times)
    assert t[-1] == pytest.approx(1e-2)
    radius = 0.5 * np.abs(np.sin(2 * np.pi * 100 * t))
    np.testing.assert_allclose(np.linalg.norm(k, axis=-1), np.stack([radius] * 3), atol=1e-5)
    np.testing.assert_allclose(k[:, 50], 0, atol=1e-5)
    angle = np.arctan2(k[1, 1, 0], k[1, 1, 1])
    assert angle == pytest.approx(2 * np.pi * 30e-4 + np.pi / 3, abs=1e-4)


def test_echo_planar_lies_on_the_grid_and_keeps_time():
    readout = traj.echo_planar(8, 6, echo_spacing=1e-3, echo_time=0.03, ramp=1e-4)
    k, t = np.asarray(readout.positions), np.asarray(readout.times)
    grid = np.round(k * np.array([8, 6])).astype(int)
    np.testing.assert_allclose(grid / np.array([8, 6]), k, atol=1e-6)
    assert len({tuple(p) for p in grid.reshape(-1, 2)}) == 48
    assert np.all(np.diff(k[0, :, 1]) > 0)
    assert np.all(np.diff(k[1, :, 1]) < 0)
    assert np.all(np.diff(t.ravel()) > 0)
    assert t[4, 3] == pytest.approx(0.03)
    np.testing.assert_array_equal(k[4, 3], 0)
    # a gradient along x has one speed over the flat part in either direction
    speed = np.diff(k[..., 1], axis=1) / np.diff(t, axis=1)
    np.testing.assert_allclose(np.abs(speed), 1 / 0.8e-3, rtol=1e-2)


def test_echo_planar_undersampled_partial_and_sampled_on_ramps():
    readout = traj.echo_planar(
        16, 64, echo_spacing=1e-3, echo_time=0.02, acceleration=2, first_line=4, ramp=2e-4,
        ramp_sampling=True,
    )  # fmt: skip
    k, t = np.asarray(readout.positions, np.float64), np.asarray(readout.times, np.float64)
    np.testing.assert_allclose(k[:, 0, 0] * 16, np.arange(4, 16, 2) - 8, atol=1e-5)
    # the same trapezoid, integrated by hand
    fine = (np.arange(64000) + 0.5) / 64000 * 1e-3
    gradient = np.clip(np.minimum(fine, 1e-3 - fine) / 2e-4, 0, 1)
    position = np.cumsum(gradient) / gradient.sum() - 0.5
    expected = np.interp(t[2] - 0.02 + 5e-4, fine, position)
    np.testing.assert_allclose(k[2, :, 1], expected, atol=2e-4)
    np.testing.assert_allclose(k[1, :, 1], -k[2, :, 1], atol=1e-6)
    with pytest.raises(ValueError, match="first_line"):
        traj.echo_planar(4, 4, echo_spacing=1e-3, echo_time=0.0, first_line=4)


def test_cones_leave_no_gap_wider_than_nyquist_with_fewer_readouts_than_spokes():
    from scipy.spatial import cKDTree

    n = 12
    k = np.asarray(traj.cones(n, 120, 1.0), np.float64)
    assert len(k) < 0.5 * len(traj.cones(n, 2, 0.0))
    rng = np.random.default_rng(0)
    probe = rng.normal(size=(400, 3))
    probe *= 0.48 / np.linalg.norm(probe, axis=1, keepdims=True)
    nearest = cKDTree(k.reshape(-1, 3)).query(probe)[0]
    # cells of 1 / n across and along have corners at sqrt(2) / 2 of it
    assert nearest.max() < 0.85 / n
    with pytest.raises(ValueError, match="turns >= 0"):
        traj.cones(n, 4, -1.0)


def test_delays_shift_spokes_exactly():
    angles = traj.uniform_angles(5)
    k = traj.radial(angles, 16)
    matrix = np.array([[0.4, 0.1], [0.1, -0.7]])
    directions = np.stack([np.sin(angles), np.cos(angles)], -1)
    expected = np.asarray(k) - (directions @ matrix / 16)[:, None]
    np.testing.assert_allclose(traj.delayed(k, matrix), expected, atol=1e-6)
    by_axis = traj.delayed(k, np.array([0.4, -0.7]))
    np.testing.assert_allclose(by_axis, traj.delayed(k, np.diag([0.4, -0.7])), atol=1e-7)
    slope = jax.jacfwd(lambda s: traj.delayed(k, s))(jnp.zeros(2))
    np.testing.assert_allclose(slope[1, 3, 0, 0], -directions[1, 0] / 16, atol=1e-6)
    with pytest.raises(ValueError, match="delays of shape"):
        traj.delayed(k, np.zeros(3))


def test_delays_of_a_curve_are_right_to_first_order():
    t = np.arange(400) / 400

    def curve(t):
        return np.stack([t * np.sin(9 * t), t * np.cos(9 * t)], -1) / 2

    got = np.asarray(traj.delayed(jnp.asarray(curve(t), jnp.float32), 0.5))
    np.testing.assert_allclose(got[1:-1], curve(t - 0.5 / 400)[1:-1], atol=1e-4)
    assert np.abs(got - curve(t)).max() > 1e-3


@pytest.mark.slow
def test_delays_are_found_where_spokes_cross():
    n, spacing = 32, 200.0 / 32
    maps = loop_maps(4, (16, 16), 200 / 16, radius=60.0, distance=140.0, normalise="peak")
    coils = fit_exponentials(maps, 200 / 16, harmonics=1)
    nominal = traj.radial(2 * traj.uniform_angles(13), 2 * n)
    truth = np.array([[0.6, 0.15], [0.15, -0.9]])
    data = phantom_kspace(shepp_logan(200.0), traj.delayed(nominal, truth), (n, n), spacing, coils)
    got = traj.estimate_delays(data, nominal)
    np.testing.assert_allclose(got, truth, atol=0.02)
    with pytest.raises(ValueError, match="at least 3 spokes"):
        traj.estimate_delays(data[:, :2], nominal[:2])


def test_phase_offset_moves_an_image():
    from jaxrecon.linops.fourier import fft_centred, ifft_centred
    from jaxrecon.mri.simulate import cartesian_positions

    image = jnp.zeros((8, 9)).at[3, 4].set(1.0)
    factor = traj.phase_offset(cartesian_positions((8, 9)), jnp.array([2.0, -1.0]), 0.5)
    got = ifft_centred(factor * fft_centred(image))
    expected = np.zeros((8, 9), complex)
    expected[5, 3] = np.exp(0.5j)
    np.testing.assert_allclose(got, expected, atol=1e-5)
