"""The figures hold what they were asked to show, in one window."""

import sys

import matplotlib as mpl
import numpy as np
import pytest

from jaxrecon import plot

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def shown(figure):
    return [ax.images[0] for ax in figure.axes if ax.images]


def test_images_share_one_window_and_lie_first_row_on_top():
    images = [np.arange(12.0).reshape(3, 4), np.full((3, 4), 20.0)]
    figure = plot.image_grid(images, ["a", "b"])
    panels = shown(figure)
    assert [panel.get_clim() for panel in panels] == [(0, 20), (0, 20)]
    assert panels[0].origin == "upper"
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]


def test_truth_sets_the_window_and_adds_signed_errors():
    truth = np.linspace(0, 8, 20).reshape(4, 5)
    figure = plot.image_grid([truth, truth + 1], truth=truth)
    panels = shown(figure)
    assert panels[0].get_clim() == (0, 8)
    assert panels[2].get_clim() == (-2, 2)
    np.testing.assert_allclose(panels[3].get_array(), 1.0)


def test_zoom_shows_the_detail():
    image = np.arange(100.0).reshape(10, 10)
    figure = plot.image_grid([image], zoom=(slice(2, 5), slice(4, 8)))
    panels = shown(figure)
    np.testing.assert_array_equal(panels[1].get_array(), image[2:5, 4:8])
    (outline,) = figure.axes[0].patches
    assert (outline.get_x(), outline.get_y()) == (3.5, 1.5)
    assert (outline.get_width(), outline.get_height()) == (4, 3)


def test_rows_and_unused_panels():
    figure = plot.image_grid([np.ones((2, 2))] * 5, columns=3)
    assert len(figure.axes) == 6
    assert len(shown(figure)) == 5
    assert not figure.axes[5].axison


def test_complex_images_show_their_magnitude():
    (panel,) = shown(plot.image_grid([np.array([[3 + 4j, 0]])]))
    np.testing.assert_allclose(panel.get_array(), [[5, 0]])


def test_curves_and_saving(tmp_path):
    figure, axes = plot.subplots()
    plot.curves(axes[0, 0], [1, 10], {"a": [1, 2], "b": [3, 4]}, xlabel="n", log="x")
    assert axes[0, 0].get_xscale() == "log"
    assert [t.get_text() for t in axes[0, 0].get_legend().get_texts()] == ["a", "b"]
    path = tmp_path / "new" / "figure.png"
    plot.save(figure, path)
    assert path.stat().st_size > 1000


def test_the_settings_of_the_user_stay():
    before = dict(mpl.rcParams)
    plot.image_grid([np.ones((2, 2))])
    assert dict(mpl.rcParams) == before


def test_bad_input_is_explained(monkeypatch):
    with pytest.raises(ValueError, match="one image"):
        plot.image_grid([np.ones((2, 3, 4))])
    with pytest.raises(ValueError, match="one title for each"):
        plot.image_grid([np.ones((2, 2))], ["a", "b"])
    _, axes = plot.subplots()
    with pytest.raises(ValueError, match="'a' of shape"):
        plot.curves(axes[0, 0], [1, 2], {"a": [1]})
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"jaxrecon\[examples\]"):
        plot.subplots()
