"""Exact line integrals of ellipses, ellipsoids and clipped ellipses, and the phantoms in space."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct, data


def some_ellipses(dtype=jnp.float64):
    return data.random_ellipses(jax.random.key(3), 6, 40.0, dtype=dtype)


def some_ellipsoids():
    random = np.random.default_rng(0)
    return data.Ellipsoids(
        jnp.asarray(random.uniform(-0.5, 1, 5)),
        random.uniform(-8, 8, (5, 3)),
        random.uniform(2, 12, (5, 3)),
        data.rotations(jnp.asarray(random.uniform(-3, 3, (5, 3)))),
    )


def some_clipped():
    ellipses, random = some_ellipses(), np.random.default_rng(1)
    return data.ClippedEllipses(
        ellipses, random.uniform(-3, 3, (6, 3)), random.uniform(-1, 4, (6, 3))
    )


def value_at(phantom, points):
    """The phantom at points (..., dimension), by plain NumPy from its fields."""
    ellipses = getattr(phantom, "ellipses", phantom)
    total = 0
    for k in range(len(phantom.value)):
        if phantom.dimension == 2:
            c, s = np.cos(ellipses.angle[k]), np.sin(ellipses.angle[k])
            axes = np.array([[c, -s], [s, c]])
        else:
            axes = np.asarray(phantom.rotation[k])
        offset = points - np.asarray(phantom.centre[k])
        inside = np.sum((offset @ axes / np.asarray(ellipses.semi_axes[k])) ** 2, -1) <= 1
        if ellipses is not phantom:
            for angle, distance in zip(phantom.normal[k], phantom.distance[k], strict=True):
                inside &= offset @ np.array([np.cos(angle), np.sin(angle)]) < float(distance)
        total = total + float(phantom.value[k]) * inside
    return total


@pytest.mark.parametrize("make", [some_ellipses, some_ellipsoids, some_clipped])
def test_integrals_are_those_of_quadrature_along_the_rays(make):
    with jax.enable_x64(True):
        phantom, random = make(), np.random.default_rng(2)
        point = random.uniform(-15, 15, (40, phantom.dimension))
        direction = random.normal(size=(40, phantom.dimension)) * 3
        exact = np.asarray(data.line_integrals(phantom, point, direction))
        step = 0.02
        t = np.arange(-100, 100, step)[:, None, None]
        along = point + t * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        numeric = step * value_at(phantom, along).sum(0)
    # each of the two ends of a chord is off by at most half a step
    bound = step * np.abs(phantom.value).sum()
    assert np.abs(exact - numeric).max() <= bound
    assert np.abs(exact).max() > 50 * bound


def test_radon_is_the_closed_form():
    with jax.enable_x64(True):
        e = some_ellipses()
        theta, s = np.linspace(0, 3, 7)[:, None], np.linspace(-30, 30, 61)
        expected = 0
        for value, (cx, cy), (a, b), phi in zip(
            *map(np.asarray, (e.value, e.centre, e.semi_axes, e.angle)), strict=True
        ):
            r2 = (a * np.cos(theta - phi)) ** 2 + (b * np.sin(theta - phi)) ** 2
            h2 = r2 - (s - cx * np.cos(theta) - cy * np.sin(theta)) ** 2
            expected = expected + 2 * value * a * b * np.sqrt(np.maximum(h2, 0)) / r2
        np.testing.assert_allclose(data.radon(e, theta[:, 0], s), expected, atol=1e-9)


GEOMETRIES = {
    "parallel": lambda: ct.ParallelGeometry3D(
        (4, 4, 4), np.linspace(0, 3, 5), (6, 8), pitch=4.0, tilt=0.3
    ),
    "cone": lambda: ct.cone_beam(
        (4, 4, 4), 5, 200.0, 100.0, detector_shape=(6, 8), pitch=6.0, offset=(1.0, -2.0)
    ),
    "curved helix": lambda: ct.cone_beam(
        (4, 4, 4), 5, 200.0, 100.0, detector_shape=(6, 8), pitch=6.0, detector="curved",
        helix_pitch=10.0,
    ),
    "vector": lambda: ct.as_vectors(
        ct.cone_beam((4, 4, 4), 5, 200.0, 100.0, detector_shape=(6, 8), pitch=6.0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_geometry_gives_the_exact_data_of_a_ball(name):
    geometry = GEOMETRIES[name]()
    centre = np.array([2.0, -1.0, 3.0])
    got = data.line_integrals(data.ball(9.0, 0.02, centre), *geometry.rays())
    assert got.shape == geometry.sinogram_space.shape
    point, direction = (np.asarray(a, np.float64) for a in geometry.rays())
    distance = np.linalg.norm(np.cross(point - centre, direction), axis=-1)
    expected = 2 * 0.02 * np.sqrt(np.maximum(81 - distance**2, 0))
    # near the edge the root turns a relative error e of the distance into one of sqrt(e)
    np.testing.assert_allclose(got, expected, atol=2e-4)
    assert (expected > 0.3).any()
    assert (expected == 0).any()


def test_fan_data_of_a_disc():
    geometry = ct.fan_beam((8, 8), 6, 100.0, 60.0)
    disc = data.Ellipses(jnp.ones(1), jnp.array([[1.0, 2.0]]), jnp.full((1, 2), 2.5), jnp.zeros(1))
    got = data.line_integrals(disc, *geometry.rays())
    point, direction = (np.asarray(a, np.float64) for a in geometry.rays())
    x, y = np.moveaxis(point - [1.0, 2.0], -1, 0)
    distance = x * direction[..., 1] - y * direction[..., 0]
    np.testing.assert_allclose(got, 2 * np.sqrt(np.maximum(6.25 - distance**2, 0)), atol=1e-3)


def test_mass_of_the_head_in_voxels_and_in_projections():
    head = data.shepp_logan_3d(64.0)
    mass = float(jnp.sum(head.value * head.semi_axes.prod(-1)) * 4 / 3 * jnp.pi)
    voxels = data.rasterise_volume(head, (32, 32, 32), 2.0, 3)
    assert float(voxels.sum()) * 8 == pytest.approx(mass, rel=2e-3)
    geometry = ct.ParallelGeometry3D((4, 4, 4), jnp.array([0.3]), (128, 128), pitch=0.5, tilt=0.2)
    view = data.line_integrals(head, *geometry.rays())
    assert float(view.sum()) * 0.25 == pytest.approx(mass, rel=2e-3)


def test_a_slice_of_the_head_is_made_of_the_sliced_ellipses():
    """The slice z = -0.25 in the table's units, with each ellipsoid cut by hand; upright."""
    n, half = 65, 32.5
    head = data.shepp_logan_3d(2 * half, "original")
    volume = data.rasterise_volume(head, (n, n, n), 1.0)
    z = (24 - 32) * 1.0
    height = 1 - ((z - head.centre[:, 2]) / head.semi_axes[:, 2]) ** 2
    shrink = jnp.sqrt(jnp.maximum(height, 1e-12))
    first_axis = head.rotation[:, :2, 0]
    cut = data.Ellipses(
        jnp.where(height > 0, head.value, 0),
        head.centre[:, :2],
        head.semi_axes[:, :2] * shrink[:, None],
        jnp.arctan2(first_axis[:, 1], first_axis[:, 0]),
    )
    assert np.mean(np.asarray(volume[24]) != np.asarray(data.rasterise(cut, (n, n), 1.0))) < 2e-3
    # the table: the large ellipsoid above the middle, two small ones below it at y = -0.65
    assert float(volume[24, round(32 - 0.35 * half), 32]) == pytest.approx(1.04, abs=1e-5)
    assert float(volume[24, 32, 32]) == pytest.approx(1.02, abs=1e-5)
    assert float(volume.max()) == pytest.approx(2.0)


def test_first_slice_has_the_smallest_z_and_voxels_may_be_oblong():
    one = data.rasterise_volume(
        data.ball(4.0, 1.0, (0.0, -6.0, 9.0)), (30, 20, 20), (1.0, 2.0, 1.0)
    )
    slices, rows, columns = np.nonzero(np.asarray(one))
    assert slices.mean() == pytest.approx(14.5 + 9)
    assert rows.mean() == pytest.approx(9.5 - 3)
    assert columns.mean() == pytest.approx(9.5)
    assert np.ptp(slices) > 1.5 * np.ptp(rows)


def test_supersampling_averages():
    ball = data.ball(6.0)
    coarse = data.rasterise_volume(ball, (4, 5, 6), 2.0, 2)
    fine = data.rasterise_volume(ball, (8, 10, 12), 1.0)
    np.testing.assert_allclose(coarse, fine.reshape(4, 2, 5, 2, 6, 2).mean((1, 3, 5)), rtol=1e-6)


def test_euler_angles():
    turned = data.rotations(jnp.array([jnp.pi / 2, 0.0, 0.0]))
    np.testing.assert_allclose(turned @ jnp.array([1.0, 0, 0]), [0, 1, 0], atol=1e-6)
    turned = data.rotations(jnp.array([0.0, jnp.pi / 2, 0.0]))
    np.testing.assert_allclose(turned @ jnp.array([0, 1.0, 0]), [0, 0, 1], atol=1e-6)
    any_one = data.rotations(jnp.array([0.3, -1.1, 2.0]))
    np.testing.assert_allclose(any_one @ any_one.T, np.eye(3), atol=1e-6)


@pytest.mark.slow
def test_derivatives_map_and_do_not_blow_up_at_the_edge():
    with jax.enable_x64(True):
        phantom = some_ellipsoids()
        point, direction = jnp.array([[1.0, 2.0, -0.5]]), jnp.array([[0.3, -1.0, 0.2]])

        def total(change):
            moved = phantom.replace(
                centre=phantom.centre + change, semi_axes=phantom.semi_axes * (1 + 0.1 * change)
            )
            return data.line_integrals(moved, point + change**2, direction + change).sum()

        step = 1e-6
        numeric = (total(0.1 + step) - total(0.1 - step)) / (2 * step)
        assert float(jax.grad(total)(0.1)) == pytest.approx(float(numeric), rel=1e-6)
        assert float(jax.jvp(total, (0.1,), (1.0,))[1]) == pytest.approx(float(numeric), rel=1e-6)
        many = jax.vmap(total)(jnp.array([0.0, 0.1]))
        np.testing.assert_allclose(many, [total(0.0), total(0.1)], rtol=1e-12)
    touching = jax.grad(
        lambda r: data.line_integrals(data.ball(r), jnp.eye(3) * 2, jnp.eye(3)[::-1]).sum()
    )
    assert bool(jnp.isfinite(touching(2.0)))


def test_a_half_disc_and_a_strip():
    disc = data.Ellipses(jnp.ones(1), jnp.zeros((1, 2)), jnp.full((1, 2), 5.0), jnp.zeros(1))
    half = data.ClippedEllipses(disc, jnp.array([[0.0]]), jnp.array([[3.0]]))  # x < 3
    along_x, along_y = jnp.array([-2.0, 0.0]), jnp.array([0.0, 1.0])
    chord = data.line_integrals(half, jnp.array([[0.0, 0], [0, 4], [0, 6]]), along_x)
    np.testing.assert_allclose(chord, [8, 6, 0], rtol=1e-6)
    # parallel to the cut: all or nothing
    chord = data.line_integrals(half, jnp.array([[2.9, 0], [3.1, 0]]), along_y)
    np.testing.assert_allclose(chord, [2 * np.sqrt(25 - 2.9**2), 0], rtol=1e-6)
    strip = data.ClippedEllipses(
        disc, jnp.array([[0.0, jnp.pi]]), jnp.array([[3.0, -1.0]])  # 1 < x < 3
    )  # fmt: skip
    np.testing.assert_allclose(data.line_integrals(strip, jnp.zeros(2), along_x), 2, rtol=1e-6)
    gradient = jax.grad(lambda d: data.line_integrals(half, jnp.zeros(2), d).sum())(along_y)
    assert bool(jnp.all(jnp.isfinite(gradient)))


def test_the_forbild_head_has_its_published_values_and_shape():
    head = data.forbild_head()
    image = np.asarray(data.rasterise(head, (256, 256), 1.0))

    def at(x, y):  # cm, y upwards, as in the publication
        return float(image[round(127.5 - 10 * y), round(127.5 + 10 * x)])

    known = {
        (0, 2): 1.05, (0, -3.6): 1.045, (-4.7, 4.3): 1.06, (6.4, -6.4): 1.055,
        (-1.08, -9): 1.0525, (1.08, -9): 1.0475, (0, 11.7): 1.8, (9.3, -2): 1.8, (1.0, 8): 0.0,
        (0, 3.6): 1.8, (0, 9.6): 1.8, (5.2, 0): 1.8, (11, 0): 0.0,
    }  # fmt: skip
    for place, value in known.items():
        assert at(*place) == pytest.approx(value, abs=1e-5), place
    rows, columns = np.nonzero(image)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (240, 192)
    assert image.min() > -1e-6
    assert len(head.value) == 71
    assert len(data.forbild_head(ear=False, resolution=True).value) == 97


def test_every_view_of_the_forbild_head_has_its_mass():
    head = data.forbild_head(64.0, resolution=True)
    s = jnp.arange(-40, 40, 0.05)
    mass = data.radon(head, jnp.linspace(0.1, 3, 6), s).sum(-1) * 0.05
    image = data.rasterise(head, (256, 256), 0.25, 3)
    np.testing.assert_allclose(mass, float(image.sum()) * 0.25**2, rtol=1e-3)


def test_dtypes_follow_the_phantom():
    rays = np.zeros((2, 3)), np.ones(3)
    assert data.line_integrals(data.ball(1.0), *rays).dtype == jnp.float32
    with jax.enable_x64(True):
        head = data.shepp_logan_3d(2.0, dtype=jnp.float64)
        assert data.line_integrals(head, *rays).dtype == jnp.float64
        assert data.rasterise_volume(head, (2, 2, 2), 1.0).dtype == jnp.float64
        assert data.forbild_head(dtype=jnp.float64).value.dtype == jnp.float64


def test_bad_input_is_explained():
    ball, disc = data.ball(1.0), some_ellipses(jnp.float32)
    with pytest.raises(ValueError, match=r"point of shape \(..., 3\).*another dimension"):
        data.line_integrals(ball, jnp.zeros((4, 2)), jnp.ones((4, 2)))
    with pytest.raises(TypeError, match="real direction"):
        data.line_integrals(ball, jnp.zeros(3), jnp.ones(3) * 1j)
    with pytest.raises(ValueError, match=r"semi_axes of shape \(2, 3\)"):
        data.Ellipsoids(jnp.ones(2), jnp.ones((2, 3)), jnp.ones(3))
    with pytest.raises(ValueError, match="orthogonal"):
        data.Ellipsoids(jnp.ones(1), jnp.ones((1, 3)), jnp.ones((1, 3)), 2 * jnp.eye(3)[None])
    with pytest.raises(ValueError, match="rasterise_volume"):
        data.rasterise(ball, (4, 4), 1.0)
    with pytest.raises(ValueError, match="use rasterise"):
        data.rasterise_volume(disc, (4, 4, 4), 1.0)
    with pytest.raises(ValueError, match=r"\(slices, rows, columns\)"):
        data.rasterise_volume(ball, (4, 4), 1.0)
    with pytest.raises(ValueError, match="supersampling"):
        data.rasterise_volume(ball, (4, 4, 4), 1.0, 0)
    with pytest.raises(ValueError, match="variant"):
        data.shepp_logan_3d(1.0, "new")
    with pytest.raises(ValueError, match=r"shape \(..., 3\)"):
        data.rotations(jnp.zeros(2))
    with pytest.raises(ValueError, match=r"shape \(6, cuts\)"):
        data.ClippedEllipses(disc, jnp.zeros(6), jnp.zeros(6))
