"""A drawing of a scan: image, source and its path, detector, rays, sense of rotation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.ct.geometry import ConeGeometry, FanGeometry, Geometry, VectorGeometry
from jaxrecon.plot import COLOURS, INK, STYLE

IMAGE, SOURCE, DETECTOR, RAY, TURN = INK, COLOURS[1], COLOURS[0], COLOURS[3], COLOURS[2]


def draw_geometry(geometry: Geometry, view: int = 0, axes: Any = None) -> Any:
    """Draw one view of a scan to scale, in mm, in the plane or in space.

    The outline of the image, the sources of all views, the central and the extreme rays and the
    detector of one view with its first pixel (bin 0; row 0 and column 0), and an arrow from this
    view to the next. In the plane y points down, as the rows of an image do. The detector of
    parallel rays, which has no distance, is drawn just outside of the image.

    Args:
        geometry: of any kind, with known values.
        view: which view; negative ones count from the end.
        axes: matplotlib axes, with projection="3d" for a volume; a new figure when not given.

    Returns:
        the axes.

    Raises:
        IndexError: no such view.
        TypeError: not a geometry, or axes of the plane for a volume.
        ImportError: matplotlib is missing; it comes with the extra "examples".
    """
    if not isinstance(geometry, Geometry):
        raise TypeError(f"draw_geometry expected a CT geometry, got {type(geometry).__name__}.")
    if not -geometry.views <= view < geometry.views:
        raise IndexError(
            f"draw_geometry expected a view below {geometry.views} (the number of views), got "
            f"{view}."
        )
    volume = len(geometry.image_shape) == 3
    axes = _new_axes(volume) if axes is None else axes
    if volume and not hasattr(axes, "set_zlim"):
        raise TypeError('draw_geometry expected axes made with projection="3d" for a volume.')
    scene = _Scene(geometry, view % geometry.views)
    for edge in _edges(scene.low, scene.high):
        axes.plot(*edge.T, color=IMAGE, linewidth=1.2)
    for ray in scene.rays:
        axes.plot(*ray.T, color=RAY, linewidth=0.9)
    if scene.sources is not None:
        axes.plot(*scene.sources.T, ".", color=SOURCE, markersize=2, label="source, all views")
        axes.plot(*scene.rays[0][:1].T, "o", color=SOURCE, markersize=5, label="source")
    for index, line in enumerate(scene.detector):
        label = None if index else "detector"
        axes.plot(*line.T, color=DETECTOR, linewidth=2, label=label)
    first = "row 0, column 0" if volume else "bin 0"
    axes.plot(*scene.detector[0][:1].T, "s", color=DETECTOR, markersize=6, label=first)
    if scene.turn is not None:
        axes.plot(*scene.turn.T, color=TURN, linewidth=1.5, label="to the next view")
        _arrow_head(axes, scene.turn)
    _frame(axes, scene, volume)
    return axes


class _Scene:
    """Everything that is drawn, as NumPy arrays (points, dimension) in mm."""

    def __init__(self, geometry: Geometry, view: int):
        shape: Any = np.array(geometry.image_shape[::-1])
        size, centre = (
            np.asarray(getattr(geometry, name), float) for name in ("pixel_size", "centre")
        )
        self.low, self.high = centre - shape * size[::-1] / 2, centre + shape * size[::-1] / 2
        self.centre, self.reach = centre, float(np.linalg.norm(self.high - self.low)) / 2
        divergent = isinstance(geometry, FanGeometry | ConeGeometry) or (
            isinstance(geometry, VectorGeometry) and geometry.beam == "divergent"
        )
        point, direction = _one_view(geometry, view)
        if divergent:
            pixels, starts = point + direction, point
            self.sources = np.stack(
                [
                    _one_view(geometry, k)[0].reshape(-1, len(shape))[0]
                    for k in _some(geometry.views)
                ]
            )
        else:
            unit = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
            along = np.sum((point - centre) * unit, axis=-1, keepdims=True)
            pixels = point + (1.15 * self.reach - along) * unit
            starts = pixels - 2.3 * self.reach * unit
            self.sources = None
        middle, last = tuple((n - 1) // 2 for n in pixels.shape[:-1]), pixels.shape[:-1]
        corners = [np.array(c) for c in np.ndindex(*(min(n, 2) for n in last))]
        chosen = [middle, *(tuple(c * (np.array(last) - 1)) for c in corners)]
        self.rays = [np.stack([starts[c], pixels[c]]) for c in chosen]
        if len(shape) == 2:
            self.detector = [pixels]
        else:
            self.detector = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        self.turn = self._turn(geometry, view)

    def _turn(self, geometry: Geometry, view: int) -> np.ndarray | None:
        """An arc around the image from the side of the source of this view to the next one."""
        if geometry.views == 1:
            return None
        a, b = (view, view + 1) if view + 1 < geometry.views else (view - 1, view)
        start, step = (_azimuth(geometry, k) for k in (a, b))
        step = (step - start + np.pi) % (2 * np.pi) - np.pi
        if abs(step) < 1e-6:
            return None
        start = _azimuth(geometry, view)
        t = start + np.sign(step) * np.linspace(0, 0.6, 30)
        radius = 1.12 * float(np.linalg.norm((self.high - self.low)[:2])) / 2
        arc = radius * np.stack([np.cos(t), np.sin(t)], axis=-1) + self.centre[:2]
        if len(self.centre) == 3:
            arc = np.column_stack([arc, np.full(len(arc), self.centre[2])])
        return arc


def _one_view(geometry: Geometry, view: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and directions of the rays of one view, (*detector, dimension)."""
    shape = (*geometry.detector_shape, len(geometry.image_shape))
    parameters = jax.tree.map(lambda leaf: jnp.asarray(leaf)[view], geometry.view_parameters())
    return tuple(np.broadcast_to(np.asarray(x), shape) for x in geometry.view_rays(parameters))  # type: ignore[return-value]


def _azimuth(geometry: Geometry, view: int) -> float:
    """Angle of the side that the rays of a view come from, in the x-y plane."""
    direction = _one_view(geometry, view)[1].reshape(-1, len(geometry.image_shape)).sum(axis=0)
    return float(np.arctan2(-direction[1], -direction[0]))


def _some(views: int, most: int = 180) -> np.ndarray:
    return np.unique(np.linspace(0, views - 1, min(views, most)).round().astype(int))


def _edges(low: np.ndarray, high: np.ndarray) -> list[np.ndarray]:
    """The outline of a box: one closed line in the plane, twelve edges in space."""
    if len(low) == 2:
        (x0, y0), (x1, y1) = low, high
        return [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])]
    corners = np.array(list(np.ndindex(2, 2, 2)))
    pairs = [(a, b) for a in corners for b in corners if (b - a).sum() == 1 and (b >= a).all()]
    return [np.where(np.stack(pair) == 1, high, low) for pair in pairs]


def _arrow_head(axes: Any, arc: np.ndarray) -> None:
    """A V at the end of an arc, in the x-y plane."""
    tip, tangent = arc[-1], arc[-1] - arc[-2]
    tangent = tangent / np.linalg.norm(tangent)
    normal = np.array([-tangent[1], tangent[0], *np.zeros(len(tip) - 2)])
    length = 0.25 * np.linalg.norm(arc[-1] - arc[0])
    sides = [tip + length * (s * 0.5 * normal - tangent) for s in (-1, 1)]
    axes.plot(*np.stack([sides[0], tip, sides[1]]).T, color=TURN, linewidth=1.5)


def _new_axes(volume: bool) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "ct.draw_geometry needs matplotlib: pip install 'jaxrecon[examples]'"
        ) from error
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(6.0, 4.2))
        return figure.add_subplot(projection="3d" if volume else None)


def _frame(axes: Any, scene: _Scene, volume: bool) -> None:
    """Equal scales, names of the axes, legend."""
    for name in "xyz" if volume else "xy":
        getattr(axes, f"set_{name}label")(f"{name} / mm", color=INK)
    if volume:
        points = np.concatenate([scene.low[None], scene.high[None], *scene.rays, *scene.detector])
        if scene.sources is not None:
            points = np.concatenate([points, scene.sources])
        spans = np.maximum(np.ptp(points, axis=0), 0.2 * np.ptp(points, axis=0).max())
        middles = (points.max(axis=0) + points.min(axis=0)) / 2
        for name, span, middle in zip("xyz", spans, middles, strict=True):
            getattr(axes, f"set_{name}lim")(middle - 0.52 * span, middle + 0.52 * span)
        axes.set_box_aspect(spans)
        axes.locator_params(nbins=4)
        axes.view_init(elev=25, azim=-60)
    else:
        axes.set_aspect("equal")
        axes.set_anchor("W")
        if not axes.yaxis_inverted():
            axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
