"""Weights of rays that are measured more than once, so that every line counts once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.ct.geometry import ConeGeometry, FanGeometry

SCANS = ("full", "short", "offset")


def angular_weights(angles: Any) -> jax.Array:
    """Half the distance of each angle to its two neighbours, modulo pi: (views,), radians.

    They sum to pi. For views that leave out a part of the half turn, those at the ends of the gap
    get the weight of the gap.
    """
    angles = jnp.asarray(angles)
    folded = jnp.mod(angles, np.pi)
    order = jnp.argsort(folded)
    ordered = folded[order]
    after = jnp.append(ordered[1:], ordered[0] + np.pi) - ordered
    weights = (after + jnp.roll(after, 1)) / 2
    return jnp.zeros_like(angles).at[order].set(weights)


def fan_angles(geometry: FanGeometry | ConeGeometry) -> jax.Array:
    """Angle of each detector column seen from the source, from the central ray: (columns,)."""
    if isinstance(geometry, FanGeometry):
        along, beyond = geometry.local_positions()
        return jnp.arctan2(along, beyond)
    columns = geometry.detector_positions()[1]
    reach = geometry.source_distance + geometry.detector_distance
    return columns / reach if geometry.detector == "curved" else jnp.arctan2(columns, reach)


def redundancy_weights(geometry: FanGeometry | ConeGeometry, scan: str = "full") -> jax.Array:
    r"""Weights w(view, column) with which the two rays along any line sum to 1.

    The other ray of a line has the fan angle -g, where g is counted from the ray through the axis
    of rotation.

    - "full": one or more full turns, each counted alike.
    - "short": an arc of pi + 2 G, at least pi plus the fan angle. Parker's weights: with b the
      angle since the start of the scan and g the fan angle (towards the side from which the
      source came), sin^2(pi/4 b / (G - g)) for b < 2 (G - g),
      sin^2(pi/4 (pi + 2 G - b) / (G + g)) for b > pi - 2 g, and 1 between. An arc longer than
      the fan needs (over-scan) has G larger.
    - "offset": full turns with the detector shifted so that one side sees less: with t the
      tangent of the fan angle and T that at the nearer end, 1 + sin(pi/2 t / T) within |t| < T
      (rising to the longer side) and 2 beyond, over 2.

    Args:
        geometry: a fan, or a cone (weights are those of its central plane), with equally spaced
            angles; for "short" in the order of the scan.
        scan: one of the three.

    Returns:
        (views, columns), to be multiplied by the angle from view to view.

    Raises:
        ValueError: an unknown scan.

    Sources: Parker, doi:10.1118/1.595078; Silver (over-scan), doi:10.1118/1.598939; Wang (offset
    detector), doi:10.1118/1.1489043.
    """
    check_choice(scan, SCANS, what="redundancy_weights", argument="scan")
    g = fan_angles(geometry) + jnp.arctan2(geometry.axis_shift, geometry.source_distance)
    angles = geometry.angles
    if scan == "short":
        step = view_step(geometry, scan)
        arc = step * geometry.views
        b = jnp.abs(angles - angles[0])[:, None] + step / 2
        g = -g * jnp.sign(angles[-1] - angles[0])  # the sense in which angles of rays grow
        half = (arc - np.pi) / 2
        rising = jnp.clip(b / (2 * _positive(half - g)), 0, 1)
        falling = jnp.clip((arc - b) / (2 * _positive(half + g)), 0, 1)
        return jnp.sin(np.pi / 2 * jnp.minimum(rising, falling)) ** 2
    if scan == "full":
        return jnp.full((geometry.views, g.size), 0.5, geometry.dtype)
    t = jnp.tan(g)
    nearer = jnp.minimum(jnp.abs(t[0]), jnp.abs(t[-1]))
    longer = jnp.sign(t[0] + t[-1])
    w = (1 + jnp.sin(np.pi / 2 * jnp.clip(longer * t / nearer, -1, 1))) / 2
    return jnp.broadcast_to(w, (geometry.views, g.size))


def view_step(geometry: FanGeometry | ConeGeometry, scan: str) -> jax.Array:
    """Angle from view to view, radians: that which the integral over all views has for each.

    Full turns are counted as one, so that every line counts once: 2 pi / views.
    """
    if scan in ("full", "offset"):
        return jnp.asarray(2 * np.pi / geometry.views, geometry.dtype)
    angles = geometry.angles
    return jnp.abs(angles[-1] - angles[0]) / max(geometry.views - 1, 1)


def check_scan(geometry: FanGeometry | ConeGeometry, scan: str, what: str) -> None:
    """Where values are known: that the views are what the weights of the scan were made for.

    Raises:
        ValueError: angles that are not equally spaced, or in no order where one is needed; turns
            that are not whole, a short scan that is too short, an offset detector that does not
            see the axis of rotation, a helix without feed, a moving source without a helix.
    """
    angles = np.asarray(geometry.angles, np.float64)
    views = len(angles)
    if isinstance(geometry, ConeGeometry):
        z = np.asarray(geometry.source_z, np.float64)
        if (np.ptp(z) > 0) != (scan == "helix"):
            moves = "moves" if np.ptp(z) > 0 else "does not move"
            raise ValueError(
                f"{what} got a source that {moves} along z, and scan={scan!r}; pass scan='helix' "
                "for a helix, and only for one."
            )
    if views < 2:
        raise ValueError(f"{what} expected two views of a {scan} scan at least, got {views}.")
    steps = np.diff(angles)
    mean = (angles[-1] - angles[0]) / (views - 1)
    even = np.all(np.abs(steps - mean) < 0.02 * abs(mean) + 1e-5)
    if scan in ("short", "helix"):
        if not even or mean == 0:
            raise ValueError(
                f"{what} expected equally spaced angles in the order of a {scan} scan, got steps "
                f"from {steps.min():g} to {steps.max():g} rad. If they jump by 2 pi, np.unwrap "
                "them; irregular ones need weights, or an iterative method."
            )
        if scan == "short":
            fan = np.abs(np.asarray(fan_angles(geometry))).max()
            arc = abs(mean) * views
            if arc < np.pi + 2 * fan - 2 * abs(mean):
                raise ValueError(
                    f"{what} expected a short scan over at least pi plus the fan angle, "
                    f"{np.pi + 2 * fan:.4g} rad, got {arc:.4g} rad: a limited angle. An iterative "
                    "method makes the best of it."
                )
        else:
            rise = np.diff(z)
            if not np.all(np.abs(rise - rise.mean()) < 0.02 * abs(rise.mean()) + 1e-6):
                raise ValueError(f"{what} expected a source_z that grows evenly with the angle.")
        return
    folded = np.sort(np.mod(angles, 2 * np.pi))
    gaps = np.diff(np.append(folded, folded[0] + 2 * np.pi))
    turns = max(1, round(views * float(np.median(steps[steps != 0])) / (2 * np.pi))) if even else 1
    if gaps.max() > 1.5 * turns * 2 * np.pi / views + 1e-4:
        raise ValueError(
            f"{what} expected angles equally spaced over full turns for scan={scan!r}, got a gap "
            f"of {gaps.max():.4g} rad between neighbours. For part of a turn pass scan='short'; "
            "irregular angles need weights, or an iterative method."
        )
    if scan == "offset":
        ends = np.asarray(fan_angles(geometry))[[0, -1]]
        if ends[0] * ends[1] >= 0:
            raise ValueError(
                f"{what} expected an offset detector that sees the axis of rotation, got fan "
                f"angles from {ends.min():.4g} to {ends.max():.4g} rad."
            )


def widened(geometry: Any, sinogram: jax.Array, weights: jax.Array) -> tuple:
    """Three times the columns, zeros: a shifted detector's filtered rows reach beyond its end."""
    columns = geometry.detector_shape[-1]

    def wide(a: jax.Array) -> jax.Array:
        return jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(columns, columns)])

    if isinstance(geometry, FanGeometry):
        geometry = geometry._with(bins=3 * columns)
    else:
        geometry = geometry._with(detector_shape=(geometry.detector_shape[0], 3 * columns))
    return geometry, wide(sinogram), wide(weights)


def _positive(a: jax.Array) -> jax.Array:
    return jnp.maximum(a, 1e-6)
