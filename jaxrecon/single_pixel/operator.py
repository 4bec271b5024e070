"""Single-pixel acquisition: an image seen through a choice of Walsh-Hadamard patterns."""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import LinearOperator, matched, static, struct
from jaxrecon.core.products import tensordot
from jaxrecon.linops.hadamard import hadamard_matrix, walsh_hadamard


def hadamard_coefficients(image: Any) -> jax.Array:
    """Orthonormal 2-D Walsh-Hadamard transform in sequency order, (..., y, x) to the same."""
    return walsh_hadamard(walsh_hadamard(image, -1), -2)


def check_measurements(count: int, pixels: int, what: str) -> None:
    """Raise ValueError unless 1 <= count <= pixels."""
    if not 1 <= count <= pixels:
        raise ValueError(
            f"{what}: {count} measurements are infeasible for {pixels} pixels; a Hadamard basis "
            f"has from 1 to {pixels} patterns."
        )


_DENSE = 128  # rows of H up to which two matrix products are faster than the fast transform


def _measure(patterns: tuple, x: jax.Array) -> jax.Array:
    """(R x C^T)[positions], as two matrix products that keep a batch in their rows."""
    rows, columns, positions, _ = patterns
    if rows is None:
        grid = hadamard_coefficients(x)
    else:
        x = _sum_blocks(x, 0, x.shape[0] // rows.shape[1])
        x = _sum_blocks(x, 1, x.shape[1] // columns.shape[1])
        grid = _product(_product(x, columns, 1, 1), rows, 0, 1)  # (v, u)
    return grid.reshape(-1)[positions]


def _superpose(patterns: tuple, y: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """R^T grid C, with the measurements put in their places: the adjoint of :func:`_measure`."""
    rows, columns, _, sources = patterns
    grid = jnp.append(y, 0)[sources]
    if rows is None:
        return hadamard_coefficients(grid.reshape(shape))
    small = _product(_product(grid.reshape(len(columns), -1), rows, 1, 0), columns, 0, 0)
    return jnp.repeat(jnp.repeat(small, shape[0] // len(small), 0), shape[1] // small.shape[1], 1)


def _sum_blocks(x: jax.Array, axis: int, size: int) -> jax.Array:
    """Sums over blocks of `size` (a power of two) along an axis of a 2-D array, pair by pair."""
    while size > 1:
        even, odd = (jax.lax.slice_in_dim(x, k, None, 2, axis) for k in (0, 1))
        x, size = even + odd, size // 2
    return x


def _constant_over(sequencies: np.ndarray, n: int) -> int:
    """Walsh functions of a sequency below n / b are constant over blocks of b samples: that b."""
    return n // (1 << int(sequencies.max()).bit_length())


def _product(a: jax.Array, b: jax.Array, a_axis: int, b_axis: int) -> jax.Array:
    return tensordot(a, b, ((a_axis,), (b_axis,)))


@lru_cache
def _pair(shape: tuple[int, int]) -> tuple:
    return matched(_measure, partial(_superpose, shape=shape))


def _distinct(indices: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Sequencies along y and along x that occur among the indices; all of them under tracing."""
    try:
        known = np.asarray(indices)
    except jax.errors.TracerArrayConversionError:
        return np.arange(shape[0]), np.arange(shape[1])
    if known.min() < 0 or known.max() >= math.prod(shape) or np.unique(known).size < known.size:
        raise ValueError(
            f"HadamardSubsampling: indices must be different numbers from 0 to "
            f"{math.prod(shape) - 1} for images of {shape}, got some from {known.min()} to "
            f"{known.max()}, {known.size - np.unique(known).size} of them repeated."
        )
    u, v = np.divmod(known, shape[1])
    return np.unique(u), np.unique(v)


class HadamardSubsampling(LinearOperator):
    r"""A f = (H f H^T)[indices] / sqrt(N): M of the N Walsh-Hadamard coefficients of an image.

    The rows are orthonormal, A A^T = I, so ||A|| = 1 and the pseudo-inverse is the adjoint.
    Patterns with entries -1 and +1 measure sqrt(N) A f.

    Only the rows and columns of H that the indices need are multiplied with, and only after blocks
    of pixels over which they are constant have been summed: for the 333 coefficients of largest
    variance over natural images of 64 x 64 that is a small part of the work. (Not when the operator
    is made inside a transformed function: then all are.)

    Args:
        indices: (M,) int, which coefficients, as flat positions (row-major) in the 2-D sequency
            spectrum: :func:`variance_order` or :func:`sequency_order_2d`, cut to M. Traced, not
            repeated.
        shape: (y, x) of the image in pixels, powers of two; static.
        dtype: of image and measurements, float32 by default; static.

    Raises:
        ValueError: sides that are no powers of two, M not in 1 ... N, indices out of range or
            repeated.
        TypeError: indices that are not whole numbers.
    """

    indices: Any
    shape: tuple[int, int] = static()
    dtype: Any = static(default=jnp.float32)
    patterns: tuple = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._set("shape", tuple(int(n) for n in self.shape))
        self._set("dtype", jnp.dtype(self.dtype))
        indices = self.indices
        self._set("indices", jnp.asarray(indices))
        if not jnp.issubdtype(self.indices.dtype, jnp.integer) or self.indices.ndim != 1:
            raise TypeError(
                "HadamardSubsampling: indices must be whole numbers of shape (M,), got "
                f"{self.indices.dtype} of shape {self.indices.shape}."
            )
        if any(n & (n - 1) or n < 1 for n in self.shape):
            raise ValueError(
                f"HadamardSubsampling: image sides must be powers of two, got {self.shape}."
            )
        check_measurements(self.indices.size, math.prod(self.shape), "HadamardSubsampling")
        self._set("patterns", self._make_patterns(*_distinct(indices, self.shape)))
        super().__post_init__()

    def _make_patterns(self, u: np.ndarray, v: np.ndarray) -> tuple:
        """Rows and columns of H, places of the measurements in the grid (v, u), and its inverse."""
        if max(len(u), len(v)) > _DENSE:
            rows = columns = None
            size, positions = math.prod(self.shape), self.indices
        else:
            rows, columns = (
                jnp.asarray(
                    hadamard_matrix(n // _constant_over(k, n))[k] / math.sqrt(n), self.dtype
                )
                for n, k in zip(self.shape, (u, v), strict=True)
            )
            row, column = jnp.divmod(self.indices, self.shape[1])
            size = len(u) * len(v)
            positions = jnp.searchsorted(v, column) * len(u) + jnp.searchsorted(u, row)
        count = self.indices.size
        sources = jnp.full(size, count).at[positions].set(jnp.arange(count))
        return rows, columns, positions, sources

    @property
    def domain(self) -> Any:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Any:
        return struct(self.indices.shape[-1], self.dtype)

    def apply(self, x: Any) -> jax.Array:
        return _pair(self.shape)[0](self.patterns, x)

    def adjoint(self, y: Any) -> jax.Array:
        return _pair(self.shape)[1](self.patterns, y, self.domain)


class SplitHadamard(LinearOperator):
    r"""What a micromirror device can show: f -> (P+ f, P- f), with P+- = (1 +- sqrt(N) A) / 2.

    Each Hadamard pattern is split into its positive and negative part, with entries 0 and 1, so
    that P+ f and P- f are light sums: non-negative for non-negative images.

    Args:
        coefficients: the :class:`HadamardSubsampling` A that is split.

    Source: Lorente Mur et al., Opt. Express 29 (2021), doi:10.1364/OE.424228.
    """

    coefficients: HadamardSubsampling

    @property
    def domain(self) -> Any:
        return self.coefficients.domain

    @property
    def codomain(self) -> Any:
        return struct((2, self.coefficients.codomain.shape[0]), self.coefficients.dtype)

    def apply(self, x: Any) -> jax.Array:
        signed = math.sqrt(math.prod(self.coefficients.shape)) * self.coefficients.apply(x)
        total = x.sum()
        return jnp.stack([total + signed, total - signed]) / 2

    def adjoint(self, y: Any) -> jax.Array:
        scale = math.sqrt(math.prod(self.coefficients.shape))
        signed = self.coefficients.adjoint(scale * (y[0] - y[1]))
        return (y.sum() + signed) / 2


def variance_order(covariance: Any, shape: tuple[int, int]) -> np.ndarray:
    """Coefficients by decreasing variance over a class of images: argsort(-diag, stable).

    Args:
        covariance: (N, N) of the images, flattened; or (N,), the variances of the coefficients.
        shape: (y, x) of the image.

    Returns:
        (N,) int32; the first M are the best M coefficients to measure for that class.

    Source: Baldassarre et al., Learning-based compressive subsampling,
    doi:10.1109/JSTSP.2016.2548442.
    """
    covariance = jnp.asarray(covariance)
    variances = covariance
    if covariance.ndim == 2:
        variances = jnp.diag(hadamard_covariance(covariance, shape))
    if variances.shape != (math.prod(shape),):
        raise ValueError(
            f"variance_order: covariance {covariance.shape} does not fit images of {shape}."
        )
    return np.argsort(-np.asarray(variances), kind="stable").astype(np.int32)


def hadamard_covariance(covariance: Any, shape: tuple[int, int]) -> jax.Array:
    """H C H^T, the covariance of the Walsh-Hadamard coefficients; C is (N, N), of flat images."""
    n = math.prod(shape)
    columns = hadamard_coefficients(jnp.asarray(covariance).reshape(n, *shape)).reshape(n, n)
    return hadamard_coefficients(columns.T.reshape(n, *shape)).reshape(n, n)


def sequency_order_2d(shape: tuple[int, int]) -> np.ndarray:
    """Coefficients by increasing sequency u^2 + v^2 (u changes of sign along y, v along x).

    Needs no images to learn from; ties keep row-major order. Returns (N,) int32.
    """
    u, v = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    relative = (u / shape[0]) ** 2 + (v / shape[1]) ** 2
    return np.argsort(relative.ravel(), kind="stable").astype(np.int32)
