"""Ellipses of which straight lines cut parts away, with exact line integrals."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxrecon.data.line_integrals import Coordinates, Phantom
from jaxrecon.data.phantoms import Ellipses


class ClippedEllipses(Phantom):
    r"""A sum of n constant ellipses, each cut by m half-planes n_j . (x - c) < distance_j.

    The chord of a line q + t d is an interval of t; each half-plane cuts it at
    t = (distance_j - n_j . q) / (n_j . d), from above or below as n_j . d is positive or negative.

    Args:
        ellipses: :class:`Ellipses`, n of them.
        normal: (n, m), direction of each n_j = (cos, sin), radians from x towards y.
        distance: (n, m) in mm, from the centre c of the ellipse to the cut. A half-plane with a
            distance beyond the ellipse cuts nothing; it must be finite.

    Raises:
        ValueError: the fields have different numbers of ellipses or cuts.
    """

    dimension: ClassVar[int] = 2

    ellipses: Ellipses
    normal: Any
    distance: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        dtype = self.ellipses.value.dtype
        normal, distance = (jnp.asarray(a, dtype) for a in (self.normal, self.distance))
        count = self.ellipses.value.shape[0]
        if normal.ndim != 2 or normal.shape != distance.shape or normal.shape[0] != count:
            raise ValueError(
                f"ClippedEllipses expected normal and distance of shape ({count}, cuts), got "
                f"{normal.shape} and {distance.shape}."
            )
        self._set("normal", normal)
        self._set("distance", distance)

    @property
    def value(self) -> Any:
        """(n,), of the ellipses."""
        return self.ellipses.value

    @property
    def centre(self) -> Any:
        """(n, 2) in mm, of the ellipses."""
        return self.ellipses.centre

    def to_unit_ball(self) -> jax.Array:
        return self.ellipses.to_unit_ball()

    def chord(self, point: Coordinates, direction: Coordinates) -> jax.Array:
        (qx, qy), middle, half = self.ball_interval(point, direction)
        lower, upper = middle - half, middle + half
        for angle, distance in zip(self.normal, self.distance, strict=True):
            cos, sin = jnp.cos(angle), jnp.sin(angle)
            slope = cos * direction[0] + sin * direction[1]
            room = distance - (cos * qx + sin * qy)
            parallel = slope == 0
            t = room / jnp.where(parallel, 1, slope)
            upper = jnp.where(slope > 0, jnp.minimum(upper, t), upper)
            lower = jnp.where(slope < 0, jnp.maximum(lower, t), lower)
            upper = jnp.where(parallel & (room <= 0), lower, upper)
        return jnp.where((half > 0) & (upper > lower), upper - lower, 0)

    def contains(self, *coordinates: Any) -> jax.Array:
        x, y = (a - c for a, c in zip(coordinates, self.centre, strict=True))
        inside = super().contains(*coordinates)
        for angle, distance in zip(self.normal, self.distance, strict=True):
            inside = inside & (jnp.cos(angle) * x + jnp.sin(angle) * y < distance)
        return inside
