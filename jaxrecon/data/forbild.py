"""The FORBILD head in the plane: a harder test than Shepp-Logan, with exact line integrals."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrecon.data.clipped_ellipses import ClippedEllipses
from jaxrecon.data.phantoms import Ellipses

# All tables are in cm with y upwards and angles in degrees.
_BONE_LENGTH, _BONE_Y = 3.892760834372886, -14.294530834372887
# centre x, y; semi-axes; angle; value; then the cuts as (distance, direction of the normal)
_HEAD: list[tuple] = [
    (-4.7, 4.3, 1.79989, 1.79989, 0, 0.010),  # left eye
    (4.7, 4.3, 1.79989, 1.79989, 0, 0.010),  # right eye
    (-1.08, -9, 0.4, 0.4, 0, 0.0025),  # small denser disc
    (1.08, -9, 0.4, 0.4, 0, -0.0025),  # small less dense disc
    (0, 0, 9.6, 12, 0, 1.800),  # skull
    (0, 8.4, 1.8, 3.0, 0, -1.050),  # frontal sinus
    (1.9, 5.4, 0.41633, 1.17425, -31.07698, 0.750),
    (-1.9, 5.4, 0.41633, 1.17425, 31.07698, 0.750),
    (-4.3, 6.8, 1.8, 0.24, -30, 0.750),
    (4.3, 6.8, 1.8, 0.24, 30, 0.750),
    (0, -3.6, 1.8, 3.6, 0, -0.005),  # ventricle
    (6.39395, -6.39395, 1.2, 0.42, 58.1, 0.005),  # subdural haematoma
    (0, 3.6, 2, 2, 0, 0.750, (1.2, 0), (1.2, 180), (0.27884, 90), (0.27884, 270)),
    (0, 9.6, 1.8, 3.0, 0, 1.800, (0.60687, 90), (0.60687, 270), (0.2, 0), (0.2, 180)),
    (0, 0, 9.0, 11.4, 0, 0.750, (-2.605, 15), (-2.605, 165), (-10.71177, 90)),
    (0, _BONE_Y, 0.443194085308632, _BONE_LENGTH, 0, 0.750, (_BONE_Y + 10.71177, 270)),
]
_BRAIN = (0, 0, 9.0, 11.4, 0, -0.750)
_BRAIN_BESIDE_THE_EAR = (*_BRAIN, (8.88740, 0))
_PETROUS_BONE = (9.1, 0, 4.2, 1.8, 0, 0.750, (-0.21260, 0))
_CUTS = 4


def forbild_head(
    field_of_view: Any = 256.0, *, ear: bool = True, resolution: bool = False, dtype: Any = None
) -> ClippedEllipses:
    """The central slice of the FORBILD head, upright: 192 mm wide and 240 mm high.

    Values are densities relative to water: brain 1.05, ventricle 1.045, haematoma 1.055, eyes 1.06,
    bone 1.8, air 0. Multiply ``phantom.ellipses.value`` by the attenuation of water for 1/mm.
    Show the brain in the window from 1.025 to 1.075.

    Args:
        field_of_view: side in mm of the square that the phantom is defined in; another number
            than 256 scales it.
        ear: include the inner ear on the right, 53 small discs of air in bone.
        resolution: include the 80 small discs of 0.25 to 0.36 mm diameter on the left.
        dtype: float32 when not given.

    Source: Yu, Noo, Dennerlein, Wunderlich, Lauritsch and Hornegger, Simulation tools for
    two-dimensional experiments in x-ray computed tomography using the FORBILD head phantom, 2012,
    doi:10.1088/0031-9155/57/13/N237.
    """
    dtype = jnp.float32 if dtype is None else dtype
    rows = _line_pattern() if resolution else []
    rows = rows + _HEAD
    rows = [*rows, _BRAIN_BESIDE_THE_EAR, _PETROUS_BONE, *_air_cells()] if ear else [*rows, _BRAIN]

    table = np.array([row[:6] for row in rows])
    normal = np.zeros((len(rows), _CUTS))
    distance = np.tile(2 * table[:, 2:4].max(axis=1, keepdims=True), _CUTS)  # cuts nothing
    for i, row in enumerate(rows):
        for j, (at, degrees) in enumerate(row[6:]):
            distance[i, j], normal[i, j] = at, np.deg2rad(degrees)
    scale = jnp.asarray(field_of_view, dtype) / 25.6  # mm per cm of the table
    ellipses = Ellipses(
        value=jnp.asarray(table[:, 5], dtype),
        centre=scale * jnp.asarray(table[:, 0:2] * np.array([1.0, -1.0]), dtype),
        semi_axes=scale * jnp.asarray(table[:, 2:4], dtype),
        angle=jnp.asarray(-np.deg2rad(table[:, 4]), dtype),
    )
    return ClippedEllipses(
        ellipses, jnp.asarray(-normal, dtype), scale * jnp.asarray(distance, dtype)
    )


def _air_cells() -> list[tuple]:
    """The discs of air in the petrous bone: 9 in the middle row, then 8, 8 and 6 on either side."""
    centres = [(8.8 - 0.4 * i, 0.0) for i in range(9)]
    for row, (count, shift) in enumerate([(8, 0.2), (8, 0.0), (6, 0.2)], 1):
        y = row * 0.2 * np.sqrt(3)
        xs = [8.8 - 0.4 * i - shift for i in range(count)]
        centres += [(x, y) for x in xs] + [(x, -y) for x in xs]
    return [(x, y, 0.15, 0.15, 0, -1.800) for x, y in centres]


def _line_pattern() -> list[tuple]:
    """Four equal blocks along y; in each a column of 5 discs, 2 d apart, for each diameter d."""
    rows = []
    for block in range(4):
        for column, diameter in enumerate([0.0357, 0.0312, 0.0278, 0.0250]):
            for i in range(5):
                x = -7.0 + 0.08 * column
                y = -1.0 + 0.48 * block + 2 * i * diameter
                rows.append((x, y, diameter / 2, diameter / 2, 0, 0.75))
    return rows
