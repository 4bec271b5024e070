"""Density weights: their scale, and what gridding makes of an object with known values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.data import Ellipses, ball
from jaxrecon.mri import trajectories as traj
from jaxrecon.mri.density import (
    kooshball_density,
    pipe_menon,
    radial_density,
    spiral_density,
    voronoi,
)
from jaxrecon.mri.direct.gridding import gridding
from jaxrecon.mri.simulate import cartesian_positions, phantom_kspace

N = 48
SHAPE = (N, N)


def disc(radius, centre):
    return Ellipses(jnp.ones(1), jnp.asarray([centre]), jnp.full((1, 2), radius), jnp.zeros(1))


def mean_inside(positions, weights, radius, centre):
    """Of the image of a disc of value 1, away from its edge, where it rings."""
    data = phantom_kspace(disc(radius, centre), positions, SHAPE, 1.0)
    image = np.asarray(gridding(data, positions, weights, SHAPE))
    y, x = np.mgrid[:N, :N] - (N - 1) / 2
    inside = np.hypot(x - centre[0], y - centre[1]) < radius - 4
    assert np.abs(image[inside] - 1).max() < 0.06
    return image[inside].mean()


DISCS = [(16.0, (0.0, 0.0)), (9.0, (8.0, -7.0))]


@pytest.mark.parametrize("angles", [traj.uniform_angles(89), traj.golden_angles(89)])
def test_radial_gridding_gives_a_disc_its_value(angles):
    k = traj.radial(angles, 2 * N)
    weights = radial_density(angles, 2 * N, SHAPE)
    assert float(weights.sum()) == pytest.approx(np.pi / 4 * N**2, rel=1e-4)
    for radius, centre in DISCS:
        assert mean_inside(k, weights, radius, centre) == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_spiral_gridding_gives_a_disc_its_value(power):
    interleaves = 12
    k = traj.spiral(interleaves, 500, power * N / (2 * interleaves), power=power)
    weights = spiral_density(k, SHAPE)
    assert float(weights.sum()) == pytest.approx(np.pi / 4 * N**2, rel=1e-2)
    for radius, centre in DISCS:
        assert mean_inside(k, weights, radius, centre) == pytest.approx(1, abs=0.01)


def test_voronoi_and_pipe_menon_agree_with_the_ramp_away_from_centre_and_edge():
    k = traj.radial(traj.uniform_angles(89), 2 * N)
    ramp = np.asarray(radial_density(traj.uniform_angles(89), 2 * N, SHAPE))
    for weights, tolerance in ((voronoi(k, SHAPE), 0.02), (pipe_menon(k, SHAPE), 0.1)):
        between = slice(N + 8, 2 * N - 8)
        np.testing.assert_allclose(weights[:, between], ramp[:, between], rtol=tolerance)
        for radius, centre in DISCS:
            assert mean_inside(k, weights, radius, centre) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("shape", [(12, 10), (5, 4, 6)])
def test_a_full_cartesian_grid_has_weights_of_one(shape):
    k = cartesian_positions(shape)
    np.testing.assert_allclose(voronoi(k, shape), 1, rtol=1e-4)
    # the triangle of C sums to 1 over the periodic grid
    np.testing.assert_allclose(pipe_menon(k, shape), 1, rtol=2e-3)


def test_voronoi_cells_of_random_points_are_what_is_nearest_to_them():
    from scipy.spatial import cKDTree

    points = np.random.default_rng(0).uniform(-0.4, 0.4, (60, 2)).astype(np.float32)
    weights = np.asarray(voronoi(np.concatenate([points, points[:1]]), SHAPE))
    assert weights[0] == weights[-1]  # duplicates share
    side = np.linspace(-0.5, 0.5, 1501)[:-1] + 0.5 / 1500
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    share = np.bincount(cKDTree(points).query(grid)[1], minlength=60) / len(grid) * N**2
    got = weights[:60].copy()
    got[0] *= 2
    within = np.linalg.norm(points, axis=1) < 0.2
    assert within.sum() > 8
    np.testing.assert_allclose(got[within], share[within], rtol=0.02)


def test_voronoi_fills_a_ball_in_space():
    k = traj.radial_along(traj.golden_means_directions(60), 16)
    weights = np.asarray(voronoi(k, (8, 8, 8)))
    assert weights.min() > 0
    # hull of the spokes' ends: less than the ball, and half a sample more
    assert np.pi / 6 * 0.9 < weights.sum() / 8**3 < np.pi / 6 * (1 + 1 / 16) ** 3


@pytest.mark.slow
def test_kooshball_gridding_gives_a_ball_its_value():
    n, spokes = 16, 700
    shape = (n, n, n)
    k = traj.radial_along(traj.golden_means_directions(spokes), 2 * n)
    weights = kooshball_density(spokes, 2 * n, shape)
    assert float(weights.sum()) == pytest.approx(np.pi / 6 * n**3, rel=5e-3)
    data = phantom_kspace(ball(5.5), k, shape, 1.0)
    image = np.asarray(gridding(data, k, weights, shape, accuracy=1e-3))
    r = np.sqrt(sum((g - (n - 1) / 2) ** 2 for g in np.indices(shape)))
    # what the ball of k-space of radius 1/2 shows of a ball
    q = (np.arange(4000) + 0.5) / 8000
    s = 2 * np.pi * q * 5.5
    transform = 4 * np.pi * 5.5**3 * (np.sin(s) - s * np.cos(s)) / s**3
    inside = r < 4
    shown = np.sinc(2 * q * r[inside][:, None]) @ (4 * np.pi * q**2 * transform) / 8000
    assert np.abs(image[inside] - shown).max() < 0.03
    assert (image[inside] - shown).mean() == pytest.approx(0, abs=0.01)


def test_pipe_menon_solves_its_equation():
    k = np.random.default_rng(1).uniform(-0.4, 0.4, (150, 2)).astype(np.float32)
    shape = (7, 6)
    weights = np.asarray(pipe_menon(k, shape, iterations=60, accuracy=1e-4), np.float64)
    difference = k[:, None].astype(np.float64) - k
    sums = np.ones((150, 150))
    for axis, n in enumerate(shape):  # the triangle's own series instead of sinc^2
        x = np.arange(-n, n)
        waves = np.exp(2j * np.pi * difference[..., axis, None] * x)
        sums = sums * (waves @ (1 - np.abs(x) / n)).real
    density = sums @ weights / 42
    np.testing.assert_allclose(density[weights > 0.05], 1, atol=0.05)
    assert weights.min() > 0


@pytest.mark.slow
def test_pipe_menon_is_differentiable_and_maps_over_frames():
    k = jax.random.uniform(jax.random.key(0), (2, 12, 2), minval=-0.4, maxval=0.4)

    @jax.jit
    def totals(k):
        return jax.vmap(lambda k: pipe_menon(k, (6, 6), iterations=2).sum())(k)

    tangent = jax.random.normal(jax.random.key(1), k.shape)
    slope = jnp.vdot(jax.grad(lambda k: totals(k).sum())(k), tangent)
    step = 1e-3
    numeric = (totals(k + step * tangent) - totals(k - step * tangent)).sum() / (2 * step)
    assert float(slope) == pytest.approx(float(numeric), rel=0.05)
    assert totals(k)[1] == pytest.approx(float(pipe_menon(k[1], (6, 6), iterations=2).sum()))


def test_equal_angles_share_and_any_order_will_do():
    angles = jnp.array([0.2, 1.5, 0.2, 2.7])
    weights = np.asarray(radial_density(angles, 8, (4, 4)))
    sorted_weights = np.asarray(radial_density(jnp.sort(angles), 8, (4, 4)))
    np.testing.assert_allclose(weights[[0, 1, 3]], sorted_weights[[0, 2, 3]], rtol=1e-5)
    opposite = radial_density(angles + jnp.pi * jnp.array([0, 1, 0, 1]), 8, (4, 4))
    np.testing.assert_allclose(opposite, weights, rtol=1e-4)


def test_bad_input_is_named():
    k = traj.radial(traj.uniform_angles(4), 8)
    with pytest.raises(ValueError, match="radii that grow"):
        spiral_density(k, SHAPE)
    with pytest.raises(TypeError, match="outside of jit"):
        jax.jit(lambda k: voronoi(k, SHAPE))(k)
    with pytest.raises(ValueError, match="shape of as many axes"):
        voronoi(k, (4, 4, 4))
    with pytest.raises(ValueError, match=r"positions \(\*samples, 3\)"):
        pipe_menon(k, (4, 4, 4))
    with pytest.raises(TypeError, match="complex kspace"):
        gridding(jnp.ones((4, 8)), k, jnp.ones((4, 8)), SHAPE)
    with pytest.raises(ValueError, match="those of the positions"):
        gridding(jnp.ones((4, 7), jnp.complex64), k, jnp.ones((4, 8)), SHAPE)


def test_gridding_takes_coils_and_is_the_weighted_adjoint():
    k = traj.radial(traj.golden_angles(3), 5)
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(2, 3, 5)) + 1j * rng.normal(size=(2, 3, 5))).astype(np.complex64)
    weights = rng.uniform(size=(3, 5)).astype(np.float32)
    got = gridding(data, k, weights, (4, 6), accuracy=1e-5)
    y, x = np.meshgrid(np.arange(4) - 2, np.arange(6) - 3, indexing="ij")
    phase = np.asarray(k)[..., 0, None, None] * y + np.asarray(k)[..., 1, None, None] * x
    waves = np.exp(2j * np.pi * phase) / np.sqrt(24)
    expected = np.einsum("csj,sj,sjyx->cyx", data, weights, waves)
    np.testing.assert_allclose(got, expected, atol=1e-4)
