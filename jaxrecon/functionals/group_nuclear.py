"""The nuclear norm of small matrices, one in each pixel: edges of channels in one direction."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import iterate
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add_scaled, real_like, scaled
from jaxrecon.functionals.group_l21 import group_norm, sum_along


class GroupNuclear(Functional):
    r"""f(x) = sum over pixels of the nuclear norm (sum of singular values) of a matrix.

    The matrix of a pixel lies along two axes of x, and all others count pixels: on the differences
    of a colour image, (direction, channel, y, x), it is total nuclear variation. Real or complex.

    prox: soft threshold of the singular values. The conjugate is 0 where every singular value is at
    most 1 (to a hundred roundings) and infinite elsewhere; conj_prox clips them at 1. They come
    from one-sided Jacobi rotations of the shorter side, one for two rows, which are vectorised over
    pixels; it is meant for matrices with a shorter side of a few rows. Derivatives are those of
    spectral functions, also where singular values coincide or vanish.

    Args:
        axes: static; the two axes of the matrix.

    Raises:
        ValueError: other than two different axes.

    Source: Holt 2014, doi:10.1109/TIP.2014.2332397; rotations: Hestenes 1958, doi:10.1137/0106005.
    """

    axes: tuple[int, int] = static(default=(0, 1))

    def __post_init__(self) -> None:
        if len(set(self.axes)) != 2:
            raise ValueError(f"GroupNuclear expected two different axes, got {self.axes}.")
        super().__post_init__()

    def _rows(self, x: jax.Array) -> jax.Array:
        """x with the shorter side of its matrices first, and the longer one second."""
        return jnp.moveaxis(x, self._order(x), (0, 1))

    def _order(self, x: jax.Array) -> tuple[int, int]:
        first, second = self.axes
        return (first, second) if x.shape[first] <= x.shape[second] else (second, first)

    def __call__(self, x: Any) -> jax.Array:
        rows = self._rows(x)
        rotation = jax.lax.stop_gradient(orthogonalise(rows))
        return jnp.sum(group_norm(_times(rotation, rows), 1))

    def prox(self, v: Any, step: Any) -> Any:
        return add_scaled(v, -step, self.conj_prox(scaled(1 / step, v), 1 / step))

    def conj_prox(self, v: Any, step: Any) -> Any:
        return jnp.moveaxis(clip_singular_values(self._rows(v)), (0, 1), self._order(v))

    def conjugate(self, y: Any) -> jax.Array:
        rows = self._rows(y)
        largest = jnp.max(group_norm(_times(orthogonalise(rows), rows), 1))
        inside = largest <= 1 + 100 * jnp.finfo(largest.dtype).eps
        return jnp.where(inside, jnp.zeros_like(largest), jnp.inf)


@jax.jit
def orthogonalise(rows: jax.Array) -> jax.Array:
    """Unitary Q, (k, k, ...), for which the rows of Q W are orthogonal; W is (k, n, ...)."""
    k = rows.shape[0]
    unit = jnp.eye(k, dtype=rows.dtype).reshape(k, k, *(1,) * (rows.ndim - 2))
    unit = jnp.broadcast_to(unit, (k, k, *rows.shape[2:]))
    both = [jnp.concatenate([rows[i], unit[i]]) for i in range(k)]  # W and Q, turned alike
    n = rows.shape[1]

    def sweep(both: list) -> list:
        both = list(both)
        for i, j in combinations(range(k), 2):
            both[i], both[j] = _rotated(both[i], both[j], n)
        return both

    both = sweep(both) if k == 2 else iterate(sweep, both, 3 + k)[0]
    return jnp.stack([row[n:] for row in both])


def _rotated(p: jax.Array, q: jax.Array, n: int) -> tuple[jax.Array, jax.Array]:
    """The two rows turned into each other until their first n entries are orthogonal."""
    a, b = (sum_along(jnp.abs(r[:n]) ** 2, 0) for r in (p, q))
    inner = sum_along(p[:n] * jnp.conj(q[:n]), 0)
    size = jnp.abs(inner)
    turned = size > jnp.finfo(size.dtype).eps * jnp.sqrt(a) * jnp.sqrt(b)
    size = jnp.where(turned, size, 1)
    ratio = (b - a) / (2 * size)
    sign = jnp.where(ratio < 0, -1, 1).astype(ratio.dtype)
    tangent = jnp.where(turned, sign / (jnp.abs(ratio) + jnp.hypot(1, ratio)), 0)
    cosine = jax.lax.rsqrt(1 + tangent**2)
    q = jnp.where(turned, inner * (1 / size), 1) * q
    return cosine * (p - tangent * q), cosine * (tangent * p + q)


@jax.custom_jvp
def clip_singular_values(rows: jax.Array) -> jax.Array:
    """U min(S, 1) V^H of the matrices U S V^H along the two first axes, (k, n, ...)."""
    turned = orthogonalise(rows)
    flat = _times(turned, rows)
    return _times(_adjoint(turned), flat / jnp.maximum(group_norm(flat, 1), 1))


@clip_singular_values.defjvp
def _clip_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    """The map is phi(W W^H) W with phi(s^2) = 1 / max(s, 1), whose divided differences are known.

    In the basis of the singular vectors, (d phi)_ij = phi[i, j] (d (W W^H))_ij.
    """
    (rows,), (change,) = primals, tangents
    turned = orthogonalise(rows)
    back = _adjoint(turned)
    flat, motion = _times(turned, rows), _times(turned, change)
    size = group_norm(flat, 1)
    shrink = 1 / jnp.maximum(size, 1)
    product = _times(motion, _adjoint(flat))
    bent = _divided_differences(size) * (product + _adjoint(product))
    value = _times(back, shrink * flat)
    return value, _times(back, _times(bent, flat) + shrink * motion)


def _divided_differences(size: jax.Array) -> jax.Array:
    """(phi(s_i^2) - phi(s_j^2)) / (s_i^2 - s_j^2), of (k, 1, ...) singular values."""
    s = jnp.broadcast_to(size, (size.shape[0], *size.shape[:1], *size.shape[2:]))
    r = jnp.swapaxes(s, 0, 1)
    small, large = jnp.minimum(s, r), jnp.maximum(s, r)
    mixed = (small <= 1) & (large > 1)
    gap = jnp.where(mixed, large, 2) ** 2 - jnp.where(mixed, small, 1) ** 2
    across = (1 / jnp.where(mixed, large, 1) - 1) / gap
    both = small > 1
    product = -1 / jnp.where(both, small * large * (small + large), 1)
    return jnp.where(both, product, jnp.where(mixed, across, real_like(0, size)))


def _times(a: jax.Array, b: jax.Array) -> jax.Array:
    """The product of the matrices along the two first axes, summed slice by slice."""
    terms = [a[:, j, None] * b[None, j] for j in range(a.shape[1])]
    return sum(terms[1:], start=terms[0])


def _adjoint(a: jax.Array) -> jax.Array:
    return jnp.conj(jnp.swapaxes(a, 0, 1))
