"""Distances between batches, from which losses are made: pure functions (x, truth) -> scalar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, Pytree
from jaxrecon.core.checks import describe, struct_of
from jaxrecon.metrics import ssim

Distance = Callable[[Any, Any], jax.Array]


def mean_square(x: Any, truth: Any) -> jax.Array:
    """mean |x - truth|^2 over all entries of arrays or pytrees, real or complex.

    Raises:
        ValueError: other shapes or another tree structure than those of the truth.
    """

    def square(d: jax.Array) -> jax.Array:
        return d.real**2 + d.imag**2 if jnp.iscomplexobj(d) else d**2

    return _mean(square, x, truth, "mean_square")


def mean_absolute(x: Any, truth: Any) -> jax.Array:
    """mean |x - truth| over all entries of arrays or pytrees; its gradient at 0 is 0.

    Raises:
        ValueError: other shapes or another tree structure than those of the truth.
    """

    def absolute(d: jax.Array) -> jax.Array:
        zero = d == 0
        return jnp.where(zero, 0, jnp.abs(jnp.where(zero, 1, d)))

    return _mean(absolute, x, truth, "mean_absolute")


def _mean(function: Callable, x: Any, truth: Any, what: str) -> jax.Array:
    _check_alike(x, truth, what)
    differences = jax.tree.leaves(jax.tree.map(jnp.subtract, x, truth))
    total = sum(jnp.sum(function(d)) for d in differences)
    return total / sum(d.size for d in differences)  # type: ignore[return-value]


def _check_alike(x: Any, truth: Any, what: str) -> None:
    """Raise ValueError where a difference would broadcast."""
    got, expected = struct_of(x), struct_of(truth)
    shapes = [[a.shape for a in jax.tree.leaves(tree)] for tree in (got, expected)]
    if jax.tree.structure(got) == jax.tree.structure(expected) and shapes[0] == shapes[1]:
        return
    raise ValueError(
        f"{what} expected x with the shape of the truth, {describe(expected)}, got "
        f"{describe(got)}. Is a channel axis missing or left over in what reconstruct returns, or "
        "are the batches of x and of the truth different?"
    )


class StructuralDissimilarity(Pytree):
    """1 - SSIM, the mean over a batch of real images (..., y, x).

    Args:
        data_range: as in :func:`jaxrecon.metrics.ssim`.
    """

    data_range: Any

    def __call__(self, x: jax.Array, truth: jax.Array) -> jax.Array:
        return 1 - jnp.mean(ssim(x, truth, self.data_range))


class Weighted(Pytree):
    """sum_i w_i d_i(x, truth).

    Args:
        weights: w_i, traced.
        distances: as many functions of (x, truth), or pytrees of callables, whose arrays are
            traced. A function is a leaf that is no array: :func:`jaxrecon.train.fit` sorts these
            out, a ``jax.jit`` of your own takes the loss by closure and not as an argument.

    Raises:
        ValueError: as many weights as distances are needed.

    Source: Zhao, Gallo, Frosio and Kautz 2017, doi:10.1109/TCI.2016.2644865.
    """

    weights: tuple
    distances: tuple

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.weights) != len(self.distances):
            raise ValueError(
                f"Weighted needs one weight for each distance, got {len(self.weights)} weights for "
                f"{len(self.distances)} distances."
            )

    def __call__(self, x: Any, truth: Any) -> jax.Array:
        pairs = zip(self.weights, self.distances, strict=True)
        return sum(w * distance(x, truth) for w, distance in pairs)  # type: ignore[return-value]


class InMeasurements(Pytree):
    """d(A x, A truth): a distance of images as the measurement sees them.

    Args:
        distance: d.
        operator: A, on one image.
    """

    distance: Any
    operator: LinearOperator

    def __call__(self, x: jax.Array, truth: jax.Array) -> jax.Array:
        apply = jax.vmap(self.operator.apply)
        return self.distance(apply(x), apply(truth))


class NormalisedL1L2(Pytree):
    """||x - truth||_2 / ||truth||_2 + ||x - truth||_1 / ||truth||_1 over the whole batch.

    Where the truth is 0, the norms of x themselves.

    Raises:
        ValueError: when called, other shapes than those of the truth.

    Source: Yaman et al. 2020, doi:10.1002/mrm.28378, equation 10.
    """

    def __call__(self, x: jax.Array, truth: jax.Array) -> jax.Array:
        zeros = jnp.zeros_like(truth)

        def relative(distance: Callable) -> jax.Array:
            size = distance(truth, zeros)
            return distance(x, truth) / jnp.where(size > 0, size, 1)

        square = relative(mean_square)
        positive = square > 0
        root = jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)
        return root + relative(mean_absolute)
