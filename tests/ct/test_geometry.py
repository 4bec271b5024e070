"""The geometry's fields, defaults and errors."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct


def test_positions_in_mm():
    geometry = ct.ParallelGeometry((4, 4), jnp.zeros(1), 3, 1.0, 2.0, 0.5)
    np.testing.assert_allclose(geometry.positions, [-1.5, 0.5, 2.5])


def test_parallel_beam_covers_the_diagonal():
    geometry = ct.parallel_beam((30, 40), 6, arc=2 * np.pi, pixel_size=(2.0, 1.0))
    assert geometry.views == 6
    np.testing.assert_allclose(geometry.angles, np.arange(6) * np.pi / 3, rtol=1e-6)
    assert float(geometry.pitch) == 1.0
    assert float(geometry.positions[-1]) >= np.hypot(60, 40) / 2
    np.testing.assert_allclose(geometry.pixel_size, [2.0, 1.0])


def test_dtypes_follow_the_angles():
    with jax.enable_x64(True):
        geometry = ct.ParallelGeometry((3, 3), np.zeros(2), 4)
        assert geometry.positions.dtype == geometry.pixel_size.dtype == jnp.float64
        assert ct.parallel_beam((3, 3), 2).dtype == jnp.float32
    assert ct.ParallelGeometry((3, 3), [0, 1], 4).dtype == jnp.float32


def test_bad_input_is_explained():
    angles = jnp.zeros(2)
    with pytest.raises(ValueError, match="image_shape"):
        ct.ParallelGeometry((3, 3, 3), angles, 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bins"):
        ct.ParallelGeometry((3, 3), angles, 0)
    with pytest.raises(ValueError, match=r"\(views,\)"):
        ct.ParallelGeometry((3, 3), jnp.zeros((2, 2)), 4)
    with pytest.raises(ValueError, match=r"pair \(dy, dx\)"):
        ct.ParallelGeometry((3, 3), angles, 4, jnp.ones(3))
    with pytest.raises(ValueError, match="pitch > 0"):
        ct.ParallelGeometry((3, 3), angles, 4, 1.0, -1.0)
    with pytest.raises(ValueError, match="finite offset"):
        ct.ParallelGeometry((3, 3), angles, 4, 1.0, 1.0, float("nan"))
    with pytest.raises(TypeError, match="real angles"):
        ct.ParallelGeometry((3, 3), angles + 0j, 4)
    with pytest.warns(UserWarning, match="radians"):
        ct.ParallelGeometry((3, 3), jnp.array([0.0, 90.0]), 4)
    with pytest.raises(ValueError, match="pixel_size > 0"):
        ct.parallel_beam((3, 3), 2, pixel_size=0.0)


ANGLES = np.array([0.0, 0.3, 1.7, 2.9, 4.4])


def test_pixels_lie_around_the_centre():
    geometry = ct.cone_beam((2, 3, 4), 5, 50.0, 30.0, pixel_size=(1.0, 2.0, 3.0))
    z, y, x = geometry.replace(centre=(10.0, 20.0, 30.0)).pixel_positions()
    np.testing.assert_allclose(z, [29.5, 30.5])
    np.testing.assert_allclose(y, [18, 20, 22])
    np.testing.assert_allclose(x, [5.5, 8.5, 11.5, 14.5])


def every_class():
    space, area = ((3, 4, 5), ANGLES), {"pitch": (0.5, 2.0), "offset": (0.1, -0.3)}
    fan = ct.FanGeometry((4, 5), ANGLES, 6, 50.0, 30.0, 1.0, 2.0, 0.7, 1.3, 0.2, (1.0, 2.0))
    cone = ct.ConeGeometry(
        *space, (2, 3), 50.0, 30.0, axis_shift=1.3, source_z=ANGLES, tilt=(0.1, 0.2, -0.3), **area
    )
    return [
        ct.ParallelGeometry((4, 5), ANGLES, 6, 2.0, 0.5, 0.1),
        ct.ParallelGeometry3D(*space, (2, 3), tilt=0.4, **area),
        fan,
        cone,
        ct.FanGeometry((4, 5), ANGLES, 6, 50.0, 30.0, detector="curved"),
        ct.ConeGeometry(*space, (2, 3), 50.0, 30.0, detector="curved"),
        ct.as_vectors(fan),
        ct.as_vectors(cone),
    ]


def test_some_of_the_views():
    index = jnp.array([3, 0, 3])
    geometries = every_class()
    rays = jax.jit(lambda gs: [(g.take(index).all_view_rays(), g.all_view_rays()) for g in gs])
    for geometry, (some, every) in zip(geometries, rays(geometries), strict=True):
        taken = geometry.take(index)
        assert type(taken) is type(geometry)
        assert taken.views == 3
        assert taken.sinogram_space.shape == (3, *geometry.detector_shape)
        for part, whole in zip(some, every, strict=True):
            np.testing.assert_allclose(part, whole[index], rtol=1e-6, atol=1e-6)


def test_subsets_are_scanned_with_traced_indices():
    geometry = ct.fan_beam((4, 5), 6, 50.0, 30.0, bins=3)
    subsets = jnp.arange(6).reshape(3, 2, order="F")
    _, points = jax.lax.scan(lambda c, i: (c, geometry.take(i).rays()[0]), 0, subsets)
    np.testing.assert_allclose(
        points.reshape(6, 3, 2), geometry.rays()[0][subsets.ravel()], rtol=1e-6
    )


def test_vectors_have_the_same_rays():
    with jax.enable_x64(True):
        for geometry in every_class():
            if getattr(geometry, "detector", None) == "curved":
                with pytest.raises(ValueError, match="flat detector"):
                    ct.as_vectors(geometry)
                continue
            vectors = ct.as_vectors(geometry)
            for a, b in zip(vectors.rays(), geometry.rays(), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-10)
            assert ct.as_vectors(vectors) is vectors
            for name in ("image_shape", "detector_shape", "views"):
                assert getattr(vectors, name) == getattr(geometry, name)
            np.testing.assert_array_equal(vectors.centre, geometry.centre)


def test_one_detector_pixel_has_vectors_too():
    geometry = ct.ConeGeometry((3, 4, 5), ANGLES, (1, 1), 50.0, 30.0)
    np.testing.assert_allclose(ct.as_vectors(geometry).rays()[1], geometry.rays()[1], atol=1e-6)


def test_axes_of_a_single_row_or_column_are_those_of_more():
    def axes(geometry):
        v = ct.as_vectors(geometry)
        return [v.source, v.detector, v.column_axis, v.row_axis]

    with jax.enable_x64(True):
        for geometry in every_class()[:4]:
            plane = len(geometry.detector_shape) == 1
            for shape in ((1,),) if plane else ((1, 3), (2, 1), (1, 1)):
                change = {"bins": 1} if plane else {"detector_shape": shape}
                narrow = geometry.replace(**change)
                for got, known in zip(axes(narrow), axes(geometry), strict=True):
                    if known is not None:
                        np.testing.assert_allclose(got, known, rtol=1e-12, atol=1e-12)
                assert ct.as_vectors(narrow).detector_shape == shape


def test_indices_of_views_are_checked_where_they_are_known():
    for geometry in (every_class()[2], every_class()[-1]):
        for index in (2, jnp.asarray(2), np.zeros((1, 2), int)):
            with pytest.raises(ValueError, match=r"shape \(n,\)"):
                geometry.take(index)
        with pytest.raises(ValueError, match="at least one view"):
            geometry.take(np.zeros(5, bool))
        for index in ([0, 5], jnp.asarray([-6]), np.ones(4, bool)):
            with pytest.raises(IndexError, match=r"take expected"):
                geometry.take(index)
        np.testing.assert_array_equal(
            geometry.take(ANGLES > 2).rays()[1], geometry.take([-2, 4]).rays()[1]
        )
        with pytest.raises(ValueError, match=r"shape \(n,\)"):
            jax.jit(lambda i, g=geometry: g.take(i).rays())(2)


def test_dtype_of_every_class_follows_its_views():
    for geometry in every_class():
        assert geometry.dtype == jnp.float32
        assert {leaf.dtype for leaf in jax.tree.leaves(geometry)} == {jnp.dtype("float32")}
        assert {a.dtype for a in jax.eval_shape(geometry.rays)} == {jnp.dtype("float32")}
    with jax.enable_x64(True):
        for geometry in every_class():
            assert {leaf.dtype for leaf in jax.tree.leaves(geometry)} == {jnp.dtype("float64")}
            assert {a.dtype for a in jax.eval_shape(geometry.rays)} == {jnp.dtype("float64")}
            assert geometry.image_space.dtype == geometry.sinogram_space.dtype == jnp.float64


def test_traced_values_build_every_class_without_compiling_again():
    traces = []

    @jax.jit
    def rays(value):
        traces.append(1)
        size, angles = 1.0 + value, ANGLES * value
        return [
            ct.ParallelGeometry((4, 5), angles, 6, size, size, value).rays(),
            ct.ParallelGeometry3D((3, 4, 5), angles, (2, 3), size, size, value, value).rays(),
            ct.FanGeometry((4, 5), angles, 6, 50 * size, 30.0, size, 2.0, value, value).rays(),
            ct.ConeGeometry(
                (3, 4, 5), angles, (2, 3), 50 * size, 30.0, size, 2.0, value, value, angles,
                (value, 0.0, 0.0),
            ).rays(),
            ct.as_vectors(ct.FanGeometry((4, 5), angles, 6, 50 * size, 30.0)).rays(),
        ]  # fmt: skip

    first, second = rays(0.1), rays(0.2)
    assert len(traces) == 1
    moved = [
        not np.allclose(a, b) for a, b in zip(*map(jax.tree.leaves, (first, second)), strict=True)
    ]
    assert all(moved[1::2])
    expected = ct.FanGeometry((4, 5), ANGLES * 0.2, 6, 60.0, 30.0, 1.2, 2.0, 0.2, 0.2).rays()
    for got, known in zip(second[2], expected, strict=True):
        np.testing.assert_allclose(got, known, rtol=1e-5, atol=1e-5)


def test_geometries_are_arguments_of_jit():
    traces = []

    @jax.jit
    def directions(geometry):
        traces.append(1)
        return geometry.rays()[1]

    def cone(distance):
        return ct.ConeGeometry((3, 4, 5), ANGLES, (2, 3), distance, 30.0)

    near, far = directions(cone(20.0)), directions(cone(60.0))
    assert len(traces) == 1
    assert not np.allclose(near, far)
    np.testing.assert_allclose(far, cone(60.0).rays()[1], rtol=1e-6, atol=1e-7)


def test_vmap_builds_and_takes_batches_of_geometries():
    distances = jnp.array([20.0, 40.0])

    def fan(distance):
        return ct.FanGeometry((4, 5), ANGLES, 6, distance, 30.0)

    batch = jax.vmap(fan)(distances)
    assert batch.source_distance.shape == (2,)
    points, _ = jax.vmap(lambda geometry: geometry.rays())(batch)
    np.testing.assert_allclose(points[1], fan(40.0).rays()[0], rtol=1e-6, atol=1e-6)


def test_rays_are_differentiable_in_every_number():
    with jax.enable_x64(True):
        for geometry in every_class()[1:4]:
            weight = np.random.default_rng(1).normal(size=(*geometry.sinogram_space.shape, 1))

            @jax.jit
            def total(g, weight=weight):
                return sum(jnp.sum(weight * a) for a in g.rays())

            step = jax.tree.map(lambda leaf: jnp.ones_like(leaf) * 1e-6, geometry)
            plus, minus = (
                total(jax.tree.map(lambda x, h, s=s: x + s * h, geometry, step)) for s in (1, -1)
            )
            slope = sum(
                jnp.sum(leaf) for leaf in jax.tree.leaves(jax.jit(jax.grad(total))(geometry))
            )
            np.testing.assert_allclose(slope, (plus - minus) / 2e-6, rtol=1e-6, atol=1e-6)


def test_short_scan_of_a_shifted_or_tilted_detector():
    """The fan angle grows on the side of the shift; one between two bins is that of the edge."""
    scan = ((4, 5), 6, 50.0, 30.0)
    flat = ct.fan_beam(*scan, bins=40, pitch=2.0, offset=-16.0)
    np.testing.assert_allclose(ct.short_scan_arc(flat), np.pi + 2 * np.arctan(56 / 80), rtol=1e-6)
    curved = ct.fan_beam(*scan, bins=40, pitch=2.0, offset=16.0, detector="curved")
    np.testing.assert_allclose(ct.short_scan_arc(curved), np.pi + 2 * 56 / 80, rtol=1e-6)
    tilted = flat.replace(offset=0.0, tilt=0.1)
    nearer = np.arctan2(40 * np.cos(0.1), 80 - 40 * np.sin(0.1))
    np.testing.assert_allclose(ct.short_scan_arc(tilted), np.pi + 2 * nearer, rtol=1e-6)
    cone = ct.ConeGeometry((3, 4, 5), ANGLES, (2, 40), 50.0, 30.0, 1.0, 2.0, (5.0, -16.0))
    np.testing.assert_allclose(ct.short_scan_arc(cone), np.pi + 2 * np.arctan(56 / 80), rtol=1e-6)


def test_several_turns_are_no_degrees():
    """Equal steps of at most ten turns in radians are not warned of, those in degrees are."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for turns, views in ((2, 90), (2, 7200), (3, 60), (10, 720)):
            ct.fan_beam((4, 5), views, 50.0, 30.0, arc=turns * 2 * np.pi, bins=3)
        backwards = -jnp.linspace(0.0, 12.0, 50)
        ct.FanGeometry((4, 5), backwards, 3, 50.0, 30.0)
    for degrees in (
        np.arange(0, 360, 0.25),
        np.arange(0, 180, 0.4),
        np.arange(0, 60, 1.0),
        np.array([90.0]),
        np.full(4, 90.0),
    ):
        with pytest.warns(UserWarning, match="radians"):
            ct.FanGeometry((4, 5), degrees, 3, 50.0, 30.0)


def test_usual_beams_reach_the_circle_when_shifted_by_a_pitch():
    """Bins that are not asked for: as many as the docstring says."""
    for detector in ("flat", "curved"):
        beam = ct.fan_beam((40, 30), 2, 60.0, 40.0, pitch=1.5, offset=1.5, detector=detector)
        gamma = np.arcsin(25 / 60)
        half = 100 * (np.tan(gamma) if detector == "flat" else gamma)
        assert float(beam.positions[0] - beam.pitch / 2) <= -half
    beam = ct.parallel_beam((40, 30), 2, pitch=1.5, offset=1.5)
    assert float(beam.positions[0] - beam.pitch / 2) <= -25


def test_short_scan_sees_every_line():
    flat = ct.fan_beam((4, 5), 6, 50.0, 30.0, bins=40, pitch=2.0)
    curved = ct.fan_beam((4, 5), 6, 50.0, 30.0, bins=40, pitch=2.0, detector="curved")
    np.testing.assert_allclose(ct.short_scan_arc(flat), np.pi + 2 * np.arctan(40 / 80), rtol=1e-6)
    np.testing.assert_allclose(ct.short_scan_arc(curved), np.pi + 2 * 40 / 80, rtol=1e-6)


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_usual_beams_see_the_whole_image(detector):
    """Every corner of the image projects onto the detector, in every view."""
    fan = ct.fan_beam((40, 30), 12, 60.0, 40.0, pixel_size=(1.0, 1.5), detector=detector)
    cone = ct.cone_beam((8, 40, 30), 12, 60.0, 40.0, detector=detector)
    for geometry in (fan, cone):
        size, shape = np.asarray(geometry.pixel_size), np.array(geometry.image_shape)
        half = (size * shape)[::-1] / 2
        corners = half * (2 * np.array(list(np.ndindex(*(2,) * len(shape)))) - 1)
        for theta in np.asarray(geometry.angles):
            u, d = (
                np.array([np.cos(theta), np.sin(theta)]),
                np.array([-np.sin(theta), np.cos(theta)]),
            )
            depth = 60 + corners[:, :2] @ d
            gamma = np.arctan2(corners[:, :2] @ u, depth)
            t = 100 * (np.tan(gamma) if detector == "flat" else gamma)
            pitch = np.atleast_1d(geometry.pitch)
            assert np.abs(t).max() <= geometry.detector_shape[-1] / 2 * pitch[-1]
            if len(shape) == 3:
                distance = depth if detector == "flat" else np.hypot(depth, corners[:, :2] @ u)
                v = 100 * corners[:, 2] / distance
                assert np.abs(v).max() <= geometry.detector_shape[0] / 2 * pitch[0]


def test_a_helix_is_centred_and_may_turn_often():
    helix = ct.cone_beam((8, 8, 8), 40, 50.0, 30.0, arc=4 * np.pi, helix_pitch=6.0)
    z = np.asarray(helix.source_z)
    np.testing.assert_allclose(z.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(np.diff(z), 12 / 40, rtol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        often = helix.replace(angles=10 * helix.angles)
    with pytest.warns(UserWarning, match="radians"):
        often.replace(source_z=0.0)


def test_a_source_inside_of_the_image_is_refused():
    """Also in a corner only, seen from one angle, and beside the axis."""
    with pytest.raises(ValueError, match="source outside of the image"):
        ct.FanGeometry((100, 100), jnp.zeros(1), 10, 40.0, 60.0)
    corner = jnp.array([0.0, np.pi / 4])
    with pytest.raises(ValueError, match=r"view 1"):
        ct.FanGeometry((100, 100), corner, 10, 60.0, 60.0)
    ct.FanGeometry((100, 100), corner[:1], 10, 60.0, 60.0)
    with pytest.raises(ValueError, match="source outside"):
        ct.FanGeometry((100, 100), jnp.zeros(1), 10, 60.0, 60.0, centre=(0.0, -30.0))
    with pytest.raises(ValueError, match="source outside"):
        ct.ConeGeometry((4, 100, 100), jnp.zeros(1), (2, 10), 40.0, 60.0)
    ct.ConeGeometry((4, 100, 100), jnp.zeros(1), (2, 10), 40.0, 60.0, source_z=3.0)
    jax.jit(lambda r: ct.FanGeometry((9, 9), jnp.zeros(1), 10, r, 60.0).rays())(2.0)


def test_bad_input_of_divergent_beams_is_explained():
    angles, flat = jnp.zeros(2), ((3, 3), jnp.zeros(2), 4)
    with pytest.raises(ValueError, match="source_distance > 0"):
        ct.FanGeometry(*flat, -50.0, 30.0)
    with pytest.raises(ValueError, match="finite detector_distance"):
        ct.FanGeometry(*flat, 50.0, float("inf"))
    with pytest.raises(ValueError, match="detector to be one of"):
        ct.FanGeometry(*flat, 50.0, 30.0, detector="round")
    with pytest.raises(ValueError, match=r"three numbers \(dz, dy, dx\)"):
        ct.ConeGeometry((3, 3, 3), angles, (2, 2), 50.0, 30.0, (1.0, 1.0))
    with pytest.raises(ValueError, match=r"pair \(dv, du\)"):
        ct.ConeGeometry((3, 3, 3), angles, (2, 2), 50.0, 30.0, 1.0, jnp.ones(3))
    with pytest.raises(ValueError, match=r"\(rows, columns\)"):
        ct.ConeGeometry((3, 3, 3), angles, (4,), 50.0, 30.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\(slices, rows, columns\)"):
        ct.ConeGeometry((3, 3), angles, (2, 2), 50.0, 30.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="source_z"):
        ct.ConeGeometry((3, 3, 3), angles, (2, 2), 50.0, 30.0, source_z=jnp.zeros(3))
    with pytest.raises(ValueError, match="three numbers"):
        ct.ConeGeometry((3, 3, 3), angles, (2, 2), 50.0, 30.0, tilt=(0.1, 0.2))
    with pytest.warns(UserWarning, match="tilt of 10"):
        ct.ParallelGeometry3D((3, 3, 3), angles, (2, 2), tilt=10.0)
    with pytest.raises(ValueError, match="positive whole number for views"):
        ct.fan_beam((3, 3), 0, 50.0, 30.0)


def test_bad_vectors_are_explained():
    ones = jnp.ones((2, 3))
    with pytest.raises(ValueError, match="row_axis for a volume"):
        ct.VectorGeometry((3, 3, 3), ones, ones, ones, None, (2, 2))
    with pytest.raises(ValueError, match="same number of views"):
        ct.VectorGeometry((3, 3, 3), ones, ones, ones, jnp.ones((1, 3)), (2, 2))
    with pytest.raises(ValueError, match=r"column_axis of shape \(views, 3\)"):
        ct.VectorGeometry((3, 3, 3), ones, ones, ones[:, :2], ones, (2, 2))
    with pytest.raises(ValueError, match="beam to be one of"):
        ct.VectorGeometry((3, 3, 3), ones, ones, ones, ones, (2, 2), beam="bent")
    with pytest.raises(ValueError, match="finite detector"):
        ct.VectorGeometry((3, 3, 3), ones, ones.at[0, 0].set(jnp.nan), ones, ones, (2, 2))
    with pytest.raises(ValueError, match=r"row_axis other than zero.*view 1"):
        ct.VectorGeometry((3, 3, 3), ones, ones, ones, ones.at[1].set(0), (1, 2))
    plane = jnp.ones((2, 2))
    with pytest.raises(ValueError, match="column_axis other than zero"):
        ct.VectorGeometry((3, 3), plane, plane, 0 * plane, None, (1,))
    with pytest.raises(TypeError, match="real source"):
        ct.VectorGeometry((3, 3, 3), ones + 0j, ones, ones, ones, (2, 2))
