"""Indicators of convex sets: 0 inside, infinite outside; their prox is the projection."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_no_nan, check_real, check_space
from jaxrecon.core.functional import Indicator
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import inner, norm, real_like, subtract

CHECK_ITERATIONS = 20
"""Applications of A^H A that a check for solutions of A x = m may cost."""


def indicator(inside: jax.Array, x: jax.Array) -> jax.Array:
    """0 where `inside` is true, else infinity, in the precision of x."""
    return jnp.where(inside, real_like(0, x), real_like(jnp.inf, x))


class Box(Indicator):
    r"""0 where lower <= x <= upper everywhere, else infinity; real x.

    prox: clip. The conjugate is sum max(lower y, upper y).

    Args:
        lower, upper: traced scalars, or arrays that broadcast to x; infinite where there is none.

    Raises:
        ValueError: lower > upper somewhere (checked when concrete).
        TypeError: complex bounds or, when used, complex x.

    Source: Parikh and Boyd 2014, section 6.2, doi:10.1561/2400000003.
    """

    lower: Any = 0.0
    upper: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lower", "upper"):
            check_real(getattr(self, name), what="Box(lower, upper)", argument=name)
        if isinstance(self.lower, Tracer) or isinstance(self.upper, Tracer):
            return
        if not np.all(np.asarray(self.lower) <= np.asarray(self.upper)):
            raise ValueError("Box(lower, upper) expected lower <= upper. Are they swapped, or NaN?")

    def _bounds(self, x: Any) -> tuple[jax.Array, jax.Array]:
        check_real(x, what="Box", argument="x")
        return real_like(self.lower, x), real_like(self.upper, x)

    def __call__(self, x: Any) -> jax.Array:
        lower, upper = self._bounds(x)
        return indicator(jnp.all((x >= lower) & (x <= upper)), x)

    def prox(self, v: Any, step: Any) -> Any:
        lower, upper = self._bounds(v)
        return jnp.clip(v, lower, upper)

    def conjugate(self, y: Any) -> jax.Array:
        lower, upper = self._bounds(y)
        bound = jnp.where(y > 0, upper, lower)
        return jnp.sum(jnp.where(y == 0, 0, y * jnp.where(y == 0, 0, bound)))


class NonNegative(Indicator):
    r"""0 where x >= 0 everywhere, else infinity; real x. prox: max(v, 0).

    The conjugate is the indicator of y <= 0.

    Raises:
        TypeError: x is complex.
    """

    def __call__(self, x: Any) -> jax.Array:
        check_real(x, what="NonNegative", argument="x")
        return indicator(jnp.all(x >= 0), x)

    def prox(self, v: Any, step: Any) -> Any:
        check_real(v, what="NonNegative", argument="v")
        return jnp.maximum(v, 0)

    def conj_prox(self, v: Any, step: Any) -> Any:
        check_real(v, what="NonNegative", argument="v")
        return jnp.minimum(v, 0)

    def conjugate(self, y: Any) -> jax.Array:
        return indicator(jnp.all(y <= 0), y)


class Simplex(Indicator):
    r"""0 where x >= 0 and sum x = total, else infinity; real x.

    The sum runs over `axis`, or over the whole image. prox: v - theta clipped at 0, theta found by
    sorting, exact. The conjugate is total * max y. A sum counts as equal up to 10 n roundings, with
    n the number of its terms.

    Args:
        total: traced scalar > 0.
        axis: static; an axis, or None for all of x.

    Raises:
        ValueError: total <= 0 (checked when concrete).
        TypeError: x is complex.

    Source: Held, Wolfe and Crowder 1974, doi:10.1007/BF01580223.
    """

    total: Any = 1.0
    axis: int | None = static(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.total, Tracer) and not np.all(np.asarray(self.total) > 0):
            raise ValueError(f"Simplex(total) expected total > 0, got {self.total!r}.")

    def _rows(self, x: Any) -> jax.Array:
        """x with the summed axis last."""
        check_real(x, what="Simplex", argument="x")
        return jnp.ravel(x) if self.axis is None else jnp.moveaxis(x, self.axis, -1)

    def __call__(self, x: Any) -> jax.Array:
        rows, total = self._rows(x), real_like(self.total, x)
        allowed = 10 * rows.shape[-1] * jnp.finfo(rows.dtype).eps * total
        sums = jnp.abs(jnp.sum(rows, -1) - total) <= allowed
        return indicator(jnp.all(rows >= 0) & jnp.all(sums), x)

    def prox(self, v: Any, step: Any) -> Any:
        rows, total = self._rows(v), real_like(self.total, v)
        rows = rows - jnp.max(rows, -1, keepdims=True)
        descending = -jnp.sort(-rows, axis=-1)
        counts = jnp.arange(1, rows.shape[-1] + 1, dtype=rows.dtype)
        thetas = (jnp.cumsum(descending, -1) - total) / counts
        support = jnp.sum(descending > thetas, -1, keepdims=True)
        projected = jnp.maximum(rows - jnp.take_along_axis(thetas, support - 1, -1), 0)
        return projected.reshape(v.shape) if self.axis is None else _back(projected, self.axis)

    def conjugate(self, y: Any) -> jax.Array:
        return real_like(self.total, y) * jnp.sum(jnp.max(self._rows(y), -1))


def _back(rows: jax.Array, axis: int) -> jax.Array:
    return jnp.moveaxis(rows, -1, axis)


class Affine(Indicator):
    r"""0 where A x = m, else infinity: measurements taken as exact.

    prox: the projection v - A^H (A A^H)^-1 (A v - m), which needs A onto its codomain. (A A^H)^-1
    is left out where the rows are orthonormal (a subset of unitary Fourier, wavelet or Hadamard
    rows); else conjugate gradients find it, in `iterations` steps at most. A x counts as equal to
    m up to 100 roundings of ||A x|| + ||m||.

    Args:
        operator: A, real or complex.
        data: m, in the codomain of A.
        orthonormal_rows: static; the caller's promise that A A^H = I.
        iterations: static; at most so many steps of conjugate gradients.

    Raises:
        ValueError, TypeError: data is not in the codomain of A, or holds NaN (when concrete).
        ValueError: no x has A x = m (checked when concrete, unless the rows are orthonormal, with
            `CHECK_ITERATIONS` steps of conjugate gradients for the least-squares solution).

    Source: Parikh and Boyd 2014, section 6.2, doi:10.1561/2400000003.
    """

    operator: LinearOperator
    data: Any
    orthonormal_rows: bool = static(default=False)
    iterations: int = static(default=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "Affine(operator, data)"
        check_space(self.data, self.operator.codomain, what=what, argument="data")
        check_no_nan(self.data, what=what, argument="data")
        known = not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(self))
        if known and not self.orthonormal_rows:
            self._check_solvable(what)

    def _check_solvable(self, what: str) -> None:
        """With r = m - A x, a solution z has ||r||^2 <= <r, A z> + <A^H r, x>, so that
        ||z|| >= ||r||^2 / ||A^H r|| - ||x||: out of reach where this is huge beside ||x||."""
        a, m = self.operator, self.data
        x = solve_normal(a, a.adjoint(m), iterations=CHECK_ITERATIONS)
        off = subtract(m, a.apply(x))
        left, size = norm(off), norm(m)
        if isinstance(left, Tracer):
            return
        precision = float(jnp.finfo(left.dtype).eps)
        missed = left > np.sqrt(precision) * size
        if missed and norm(a.adjoint(off)) * norm(x) <= 1e-4 * left**2:
            raise ValueError(
                f"{what}: no x has A x = m. The least-squares solution misses m by "
                f"{float(left / size):.2g} of ||m||, so rows of A contradict each other in these "
                "data (noise, or more measurements than unknowns). Use LeastSquares(A, m), or "
                "L2Ball(noise level, m) @ A."
            )

    def __call__(self, x: Any) -> jax.Array:
        measured = self.operator.apply(x)
        size = norm(measured) + norm(self.data)
        off = norm(subtract(measured, self.data))
        return indicator(off <= 100 * jnp.finfo(size.dtype).eps * size, inner(x, x))

    def prox(self, v: Any, step: Any) -> Any:
        residual = subtract(self.operator.apply(v), self.data)
        if not self.orthonormal_rows:
            residual = solve_normal(self.operator.H, residual, iterations=self.iterations)
        return subtract(v, self.operator.adjoint(residual))
