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


def view_step(geometry: FanGeometry | ConeGeometry) -> jax.Array:
    """Angle from view to view of an equally spaced scan, radians, positive."""
    angles = geometry.angles
    return jnp.abs(angles[-1] - angles[0]) / max(geometry.views - 1, 1)


def redundancy_weights(geometry: FanGeometry | ConeGeometry, scan: str = "full") -> jax.Array:
    r"""Weights w(view, column) with which the two rays along any line sum to 1.

    - "full": one or more full turns: 1/2 for each turn.
    - "short": an arc of pi + 2 G, at least pi plus the fan angle. Parker's weights: with b the
      angle since the start of the scan and g the fan angle (towards the side from which the
      source came), sin^2(pi/4 b / (G - g)) for b < 2 (G - g),
      sin^2(pi/4 (pi + 2 G - b) / (G + g)) for b > pi - 2 g, and 1 between. An arc longer than
      the fan needs (over-scan) has G larger.
    - "offset": a full turn with the detector shifted so that one side sees less: with t the
      tangent of the fan angle and T that at the nearer end, 1 + sin(pi/2 t / T) within |t| < T
      (rising to the longer side) and 2 beyond, over 2.

    Args:
        geometry: a fan, or a cone (weights are those of its central plane), with equally spaced
            angles, rising or falling.
        scan: one of the three.

    Returns:
        (views, columns).

    Raises:
        ValueError: an unknown scan.

    Sources: Parker, doi:10.1118/1.595078; Silver (over-scan), doi:10.1118/1.1286591; Wang (offset
    detector), doi:10.1118/1.1489043.
    """
    check_choice(scan, SCANS, what="redundancy_weights", argument="scan")
    g = fan_angles(geometry)
    angles = geometry.angles
    step = view_step(geometry)
    arc = step * geometry.views
    if scan == "short":
        b = jnp.abs(angles - angles[0])[:, None] + step / 2
        g = -g * jnp.sign(angles[-1] - angles[0])  # the sense in which angles of rays grow
        half = (arc - np.pi) / 2
        rising = jnp.clip(b / (2 * _positive(half - g)), 0, 1)
        falling = jnp.clip((arc - b) / (2 * _positive(half + g)), 0, 1)
        return jnp.sin(np.pi / 2 * jnp.minimum(rising, falling)) ** 2
    turns = arc / (2 * np.pi)
    if scan == "full":
        return jnp.full((geometry.views, g.size), 0.5, geometry.dtype) / turns
    t = jnp.tan(g)
    nearer = jnp.minimum(jnp.abs(t[0]), jnp.abs(t[-1]))
    longer = jnp.sign(t[0] + t[-1])
    w = (1 + jnp.sin(np.pi / 2 * jnp.clip(longer * t / nearer, -1, 1))) / 2
    return jnp.broadcast_to(w, (geometry.views, g.size)) / turns


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
