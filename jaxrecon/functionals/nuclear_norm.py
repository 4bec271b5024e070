"""The nuclear norm of chosen axes: images or groups of values that depend on few others."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.functionals.singular_values import shrink_singular_values


class NuclearNorm(Functional):
    r"""f(x) = sum of the singular values of x as a matrix, summed over all other axes.

    The axes `rows` together index the rows, the axes `columns` the columns; the rest, if any, index
    matrices of their own. A film (time, y, x) with rows = 0 is its Casorati matrix of frames;
    (channel, direction, y, x) with rows = 0, columns = 1 is the nuclear norm of the Jacobian in
    each pixel, for vectorial total variation. Real or complex.

    prox: singular values shrink by s, see :func:`shrink_singular_values` (errors of about
    eps S_1^2 / s, S_1 the largest; derivatives are finite at 0 and at repeated singular values).
    The conjugate is 0 where every largest singular value is <= 1 (to 100 roundings), else infinite;
    conj_prox cuts singular values at 1.

    Args:
        rows: static, an axis or a tuple of them.
        columns: static; None is all the others.

    Raises:
        ValueError: when used, an axis out of range or named twice.

    Source: Cai, Candes and Shen 2010, doi:10.1137/080738970.
    """

    rows: int | tuple[int, ...] = static(default=0)
    columns: int | tuple[int, ...] | None = static(default=None)

    def _axes(self, x: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """The axes of matrices, rows and columns."""
        n = x.ndim
        rows = _as_tuple(self.rows)
        columns = () if self.columns is None else _as_tuple(self.columns)
        named = [a % n for a in rows + columns if -n <= a < n]
        rest = tuple(a for a in range(n) if a not in named)
        rows, columns = (tuple(a % n for a in axes) for axes in (rows, columns))
        if self.columns is None:
            columns, rest = rest, ()
        groups = rest, rows, columns
        if sorted(sum(groups, ())) != list(range(n)) or not rows or not columns:
            raise ValueError(
                "NuclearNorm expected at least one axis of rows and one of columns, each named "
                f"once, got rows = {self.rows} and columns = {self.columns} of {n} axes."
            )
        return groups

    def _matrices(self, x: Any) -> jax.Array:
        groups = self._axes(x)
        shape = [math.prod(x.shape[a] for a in axes) for axes in groups]
        return jnp.transpose(x, sum(groups, ())).reshape(shape)

    def _image(self, matrices: jax.Array, like: Any) -> jax.Array:
        order = sum(self._axes(like), ())
        moved = matrices.reshape([like.shape[a] for a in order])
        return jnp.transpose(moved, [order.index(a) for a in range(like.ndim)])

    def __call__(self, x: Any) -> jax.Array:
        return jnp.sum(jnp.linalg.svd(self._matrices(x), compute_uv=False))

    def prox(self, v: Any, step: Any) -> Any:
        return self._image(shrink_singular_values(self._matrices(v), step), v)

    def conjugate(self, y: Any) -> jax.Array:
        largest = jnp.max(jnp.linalg.svd(self._matrices(y), compute_uv=False))
        inside = largest <= 1 + 100 * jnp.finfo(largest.dtype).eps
        return jnp.where(inside, jnp.zeros_like(largest), jnp.inf)


def _as_tuple(axes: int | tuple[int, ...]) -> tuple[int, ...]:
    return axes if isinstance(axes, tuple) else (axes,)
