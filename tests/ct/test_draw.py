"""The drawing shows each part of a scan where it is."""

import sys

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest

from jaxrecon import ct

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def points(line):
    """(points, dimension) of a matplotlib line in the plane or in space."""
    data = line.get_data_3d() if hasattr(line, "get_data_3d") else line.get_data()
    return np.stack([np.asarray(axis, float) for axis in data], axis=-1)


def labelled(axes, label):
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return points(line)


def test_fan_in_the_plane():
    geometry = ct.FanGeometry((8, 6), jnp.array([0.0, 0.5]), 5, 30.0, 20.0, 2.0, 3.0, 1.0)
    axes = ct.draw_geometry(geometry)
    np.testing.assert_allclose(labelled(axes, "source"), [[0, -30]])
    np.testing.assert_allclose(labelled(axes, "bin 0"), [[-5, 20]], atol=1e-5)
    detector = np.stack([np.arange(5) * 3.0 - 5, np.full(5, 20.0)], axis=-1)
    np.testing.assert_allclose(labelled(axes, "detector"), detector, atol=1e-5)
    outline = points(axes.lines[0])
    np.testing.assert_allclose(outline.min(axis=0), [-6, -8])
    np.testing.assert_allclose(outline.max(axis=0), [6, 8])
    rays = [points(line) for line in axes.lines[1:4]]
    np.testing.assert_allclose([ray[0] for ray in rays], [[0, -30]] * 3)
    np.testing.assert_allclose([ray[1] for ray in rays], detector[[2, 0, 4]], atol=1e-5)
    sources = labelled(axes, "source, all views")
    np.testing.assert_allclose(sources[1], [30 * np.sin(0.5), -30 * np.cos(0.5)], rtol=1e-5)
    assert axes.yaxis_inverted()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x / mm", "y / mm")


@pytest.mark.parametrize("step", [0.1, -0.1])
def test_arrow_points_to_the_next_view(step):
    geometry = ct.ParallelGeometry((8, 6), step * jnp.arange(3), 5)
    for view in range(3):
        arc = labelled(ct.draw_geometry(geometry, view), "to the next view")
        angle = np.unwrap(np.arctan2(arc[:, 1], arc[:, 0]))
        np.testing.assert_allclose(angle[0], step * view - np.pi / 2, rtol=1e-5)
        assert np.sign(angle[-1] - angle[0]) == np.sign(step)


def test_parallel_rays_cross_the_image():
    geometry = ct.ParallelGeometry((8, 6), jnp.array([0.3]), 5, offset=0.5, centre=(20.0, 5.0))
    axes = ct.draw_geometry(geometry)
    u, d = np.array([np.cos(0.3), np.sin(0.3)]), np.array([-np.sin(0.3), np.cos(0.3)])
    for s, line in zip((0.5, -1.5, 2.5), axes.lines[1:4], strict=True):
        ray = points(line)
        np.testing.assert_allclose(ray @ u, [s, s], rtol=1e-4)
        middle = np.array([20.0, 5.0]) @ d
        assert ray[0] @ d < middle - 5 < middle + 5 < ray[1] @ d


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_cone_in_space(detector):
    geometry = ct.ConeGeometry(
        (4, 8, 6),
        jnp.array([0.0, 0.5]),
        (3, 5),
        30.0,
        20.0,
        2.0,
        3.0,
        source_z=7.0,
        detector=detector,
    )
    axes = ct.draw_geometry(geometry)
    np.testing.assert_allclose(labelled(axes, "source"), [[0, -30, 7]])
    fan = -6 / 50
    first = [50 * np.sin(fan), 50 * np.cos(fan) - 30, 4] if detector == "curved" else [-6, 20, 4]
    np.testing.assert_allclose(labelled(axes, "row 0, column 0"), [first], rtol=1e-5)
    edges = [points(line) for line in axes.lines[:12]]
    lengths = sorted(np.linalg.norm(edge[1] - edge[0]) for edge in edges)
    np.testing.assert_allclose(lengths, [8] * 4 + [12] * 4 + [16] * 4)
    ends = np.stack([points(line)[1] for line in axes.lines[12:17]])
    np.testing.assert_allclose(sorted(ends[1:, 2]), [4, 4, 10, 10], rtol=1e-5)
    np.testing.assert_allclose(ends[0], [0, 20, 7], atol=1e-4)
    assert axes.get_zlabel() == "z / mm"


@pytest.mark.slow
def test_every_other_kind_is_drawn_into_given_axes():
    import matplotlib.pyplot as plt

    figure = plt.figure()
    angles = jnp.arange(3) * 0.4
    planes = [
        ct.FanGeometry((8, 6), angles, 5, 30.0, 20.0, tilt=0.2, detector="curved"),
        ct.as_vectors(ct.fan_beam((8, 6), 3, 30.0, 20.0)),
        ct.as_vectors(ct.parallel_beam((8, 6), 3)),
    ]
    volumes = [
        ct.ParallelGeometry3D((4, 8, 6), angles, (3, 5), tilt=0.5),
        ct.cone_beam((4, 8, 6), 9, 30.0, 20.0, arc=4 * np.pi, helix_pitch=3.0),
        ct.as_vectors(ct.cone_beam((4, 8, 6), 3, 30.0, 20.0)),
    ]
    for geometry in planes:
        given = figure.add_subplot()
        axes = ct.draw_geometry(geometry, -1, given)
        assert axes is given
        assert len(axes.lines) == 1 + 3 + 2 * ("source" in axes.get_legend_handles_labels()[1]) + 4
    for geometry in volumes:
        axes = ct.draw_geometry(geometry, 1, figure.add_subplot(projection="3d"))
        assert labelled(axes, "row 0, column 0").shape == (1, 3)
    figure.canvas.draw()


def test_what_cannot_be_drawn(monkeypatch):
    import matplotlib.pyplot as plt

    plane, volume = ct.parallel_beam((8, 6), 3), ct.cone_beam((4, 8, 6), 3, 30.0, 20.0)
    with pytest.raises(IndexError, match="view below 3"):
        ct.draw_geometry(plane, 3)
    with pytest.raises(TypeError, match="expected a CT geometry"):
        ct.draw_geometry(np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="3d"):
        ct.draw_geometry(volume, axes=plt.figure().add_subplot())
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"jaxrecon\[examples\]"):
        ct.draw_geometry(plane)
