"""The symmetrised derivative of a vector field, by differences on a staggered grid."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_choice
from jaxrecon.linops.finite_difference import Boundary, FiniteDifference, divergence, gradient

BOUNDARIES = ("replicate", "periodic")


class SymmetrisedDerivative(LinearOperator):
    r"""E w = (D w + (D w)^T) / 2 for fields w like those that FiniteDifference gives.

    w has the shape (d, \*shape), one component for each axis. E w has d (d + 1) / 2 components:
    first D_a w_a for each axis a, then (D_a w_b + D_b w_a) / sqrt(2) for each pair a < b, in the
    order (0, 1), (0, 2), ..., (1, 2): with the factor sqrt(2), the Euclidean length of a pixel is
    the Frobenius norm of its symmetric matrix.

    w_a lies between the samples along a. With the boundary 'replicate' the last entry along a is
    none, and no difference is taken with it; so E D x = 0 exactly where x is affine. ||E|| is at
    most that of the FiniteDifference of the same grid, which `norm_bound` gives.

    Args:
        shape: shape of the image, static; d is its number of axes.
        boundary: static; 'replicate' or 'periodic'.
        spacing: sample distance, a scalar or one for each axis, positive; traced.
        dtype: dtype of w, float32 by default.

    Raises:
        ValueError: an unknown boundary, a spacing that is not positive (where its value is known)
            or not one number an axis.

    Source: Bredies, Kunisch and Pock 2010, doi:10.1137/090769521.
    """

    shape: tuple[int, ...] = static()
    boundary: Boundary = static(default="replicate")
    spacing: Any = 1.0
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        check_choice(self.boundary, BOUNDARIES, what="SymmetrisedDerivative", argument="boundary")
        grid = FiniteDifference(self.shape, None, self.boundary, self.spacing, self.dtype)
        for name in ("shape", "spacing", "dtype"):
            self._set(name, getattr(grid, name))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct((len(self.shape), *self.shape), self.dtype)

    @property
    def codomain(self) -> Space:
        d = len(self.shape)
        return struct((d * (d + 1) // 2, *self.shape), self.dtype)

    def _along(self, x: jax.Array, axis: int) -> jax.Array:
        return gradient(x, (axis,), boundary=self.boundary, spacing=self.spacing[axis])[0]

    def _back(self, y: jax.Array, axis: int) -> jax.Array:
        spacing = self.spacing[axis]
        return -divergence(y[None], (axis,), boundary=self.boundary, spacing=spacing)

    def _valid(self, x: jax.Array, axis: int, lost: int) -> jax.Array:
        """x with 0 in its last `lost` entries along the axis, unless the boundary is periodic."""
        if self.boundary == "periodic":
            return x
        index = jax.lax.broadcasted_iota(np.int32, x.shape, axis)
        return jnp.where(index < x.shape[axis] - lost, x, 0)

    def apply(self, x: Any) -> jax.Array:
        axes = range(len(self.shape))
        parts = [self._valid(self._along(x[a], a), a, 2) for a in axes]
        for a, b in combinations(axes, 2):
            mixed = self._along(x[b], a) + self._along(x[a], b)
            parts.append(self._valid(self._valid(mixed, a, 1), b, 1) / np.sqrt(2).astype(_real(x)))
        return jnp.stack(parts)

    def adjoint(self, y: Any) -> jax.Array:
        axes = range(len(self.shape))
        parts = [self._back(self._valid(y[a], a, 2), a) for a in axes]
        for i, (a, b) in enumerate(combinations(axes, 2), start=len(self.shape)):
            mixed = self._valid(self._valid(y[i], a, 1), b, 1) / np.sqrt(2).astype(_real(y))
            parts[b] = parts[b] + self._back(mixed, a)
            parts[a] = parts[a] + self._back(mixed, b)
        return jnp.stack(parts)

    def norm_bound(self) -> jax.Array:
        r"""2 sqrt(sum_a 1 / h_a^2) >= \|\|E\|\|, a scalar."""
        return 2 * jnp.sqrt(jnp.sum(1 / self.spacing**2))

    def absolute_sums(self) -> tuple[jax.Array, jax.Array]:
        """Bounds of the sums of absolute weights in any row and any column, scalars."""
        rates = 2 / self.spacing
        mixed = [(rates[a] + rates[b]) / np.sqrt(2) for a, b in combinations(range(len(rates)), 2)]
        columns = [rates[a] + (jnp.sum(rates) - rates[a]) / np.sqrt(2) for a in range(len(rates))]
        return jnp.max(jnp.stack([*rates, *mixed])), jnp.max(jnp.stack(columns))


def _real(x: jax.Array) -> Any:
    return jnp.finfo(x.dtype).dtype
