"""Phantoms as sums of simple shapes, and their exact integrals along any lines.

A geometry's rays give exact data: ``line_integrals(phantom, *geometry.rays())`` for parallel, fan,
cone, helical and free geometries alike. No pixels are involved, so no inverse crime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_real
from jaxrecon.core.pytree import Pytree

Coordinates = Sequence[Any]
"""One array for each coordinate, x, y[, z]; they broadcast against each other."""


class Phantom(Pytree):
    r"""A sum of n shapes of constant value, f = sum_k value_k [B_k (x - c_k) in the unit ball].

    A subclass lists its fields, all with the n shapes along axis 0: `value` (n,), `centre`
    (n, dimension) in mm, and what :meth:`to_unit_ball` needs. That method, :meth:`chord` and
    :meth:`contains` are called on one shape, with that axis taken away.
    """

    dimension: ClassVar[int]
    if TYPE_CHECKING:  # fields in most subclasses, properties in others

        @property
        def value(self) -> Any: ...

        @property
        def centre(self) -> Any: ...

    def to_unit_ball(self) -> jax.Array:
        """B of one shape: (dimension, dimension), 1/mm; it maps the shape to the unit ball."""
        raise NotImplementedError(f"{type(self).__name__} must define to_unit_ball")

    def chord(self, point: Coordinates, direction: Coordinates) -> jax.Array:
        """Length in mm of the part of each line that is inside of one shape.

        Args:
            point: coordinates of a point on each line, mm.
            direction: coordinates of a unit vector along each line.
        """
        return 2 * self.ball_interval(point, direction)[2]

    def contains(self, *coordinates: Any) -> jax.Array:
        """Whether one shape contains the points x, y[, z] in mm."""
        offset = [x - c for x, c in zip(coordinates, self.centre, strict=True)]
        return _norm2(_apply(self.to_unit_ball(), offset)) <= 1

    def ball_interval(
        self, point: Coordinates, direction: Coordinates
    ) -> tuple[list[Any], jax.Array, jax.Array]:
        """Where the lines are inside: q + t d for t between middle - half and middle + half.

        Returns:
            (q, middle, half): q, relative to the centre, is the point of the line nearest to it.
            Counting from there keeps the numbers small when rays start at a distant source.
            half is 0 for lines that miss.
        """
        offset = [x - c for x, c in zip(point, self.centre, strict=True)]
        along = _dot(offset, direction)
        nearest = [x - along * d for x, d in zip(offset, direction, strict=True)]
        matrix = self.to_unit_ball()
        p, v = _apply(matrix, nearest), _apply(matrix, direction)
        speed2 = _norm2(v)
        middle = -_dot(p, v) / speed2
        height = 1 - _norm2([x + middle * w for x, w in zip(p, v, strict=True)])
        hit = height > 0
        half = jnp.where(hit, jnp.sqrt(jnp.where(hit, height, 1) / speed2), 0)
        return nearest, middle, half


def line_integrals(phantom: Phantom, point: Any, direction: Any) -> jax.Array:
    r"""Exact integrals p = int f(point + t direction / |direction|) dt over whole lines.

    The chord of a shape with the map B to the unit ball is 2 sqrt(1 - |h|^2) / |B d|, h the point
    of the mapped line nearest to the origin. Shapes are scanned, so one sinogram is in memory.

    Args:
        phantom: of dimension 2 or 3; the result has its dtype.
        point: (..., dimension) in mm, a point on each line, ordered (x, y[, z]).
        direction: (..., dimension), not zero, of any length; broadcasts against `point`. With
            ``point, direction = geometry.rays()`` the result is the geometry's sinogram.

    Returns:
        (...), in mm times the unit of the values. The derivative grows without bound at lines that
        touch a shape and is 0 beyond. Lines go on behind a source: a phantom must not reach there.

    Raises:
        ValueError: rays and phantom of different dimension.
        TypeError: complex coordinates.
    """
    point, direction = jnp.asarray(point), jnp.asarray(direction)
    for name, array in (("point", point), ("direction", direction)):
        check_real(array, what="line_integrals", argument=name)
        if array.ndim == 0 or array.shape[-1] != phantom.dimension:
            raise ValueError(
                f"line_integrals expected {name} of shape (..., {phantom.dimension}) for "
                f"{type(phantom).__name__}, got {array.shape}. Are the rays of another dimension?"
            )
    dtype = phantom.value.dtype
    return _line_integrals(phantom, point.astype(dtype), direction.astype(dtype))


@jax.jit
def _line_integrals(phantom: Phantom, point: jax.Array, direction: jax.Array) -> jax.Array:
    shape = jnp.broadcast_shapes(point.shape, direction.shape)[:-1]
    direction = direction / jnp.linalg.norm(direction, axis=-1, keepdims=True)
    lines = [[a[..., i] for i in range(phantom.dimension)] for a in (point, direction)]
    return sum_over_shapes(phantom, lambda one: one.value * one.chord(*lines), shape)


def sum_over_shapes(
    phantom: Phantom, term: Callable[[Any], jax.Array], shape: tuple[int, ...]
) -> jax.Array:
    """Sum of term(one shape), an array of the given shape, holding one term at a time in memory.

    Derivatives compute the terms a second time instead of keeping all of them.
    """
    zero = jnp.zeros(shape, phantom.value.dtype)
    body = jax.checkpoint(lambda total, one: (total + term(one), None))
    return jax.lax.scan(body, zero, phantom)[0]


def _dot(a: Coordinates, b: Coordinates) -> Any:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _norm2(a: Coordinates) -> Any:
    return _dot(a, a)


def _apply(matrix: jax.Array, a: Coordinates) -> list[Any]:
    return [_dot(row, a) for row in matrix]
