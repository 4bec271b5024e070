"""What data say about an image and what a method added: range and null-space components."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import describe, struct_of
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.core.vectors import norm, subtract


class Components(NamedTuple):
    """An image as the sum of two orthogonal ones."""

    range: jax.Array
    """A^+ A x, determined by the noiseless data A x"""
    null: jax.Array
    """x - A^+ A x, invisible: A of it is 0"""


class Consistency(NamedTuple):
    """What :func:`check_consistency` returns; arrays have one entry per image."""

    residual: jax.Array
    """||A x - m|| / ||m||; with noise as large as that of m, not 0. ||A x|| where m is 0"""
    error: Components
    """components of the error x - truth, each like the images; the null component is the map of
    what was hallucinated or missed"""
    range_error: jax.Array
    """mean square of the range component of the error"""
    null_error: jax.Array
    """mean square of its null component; the two add to the mean square error"""
    null_share: jax.Array
    """||null component of x||^2 / ||x||^2: how much of the image comes from the prior; 0 of an
    image that is 0"""


def range_null(
    operator: LinearOperator, x: Any, *, iterations: int = 200, tolerance: float | None = None
) -> Components:
    """Split one image x into what A sees and what it does not.

    A^+ A x solves A^H A z = A^H A x from 0, where conjugate gradients stay in the range of A^H.
    Components of small singular values count as null once `iterations` or `tolerance` end the
    solve, as they do in any reconstruction.

    Args:
        operator: A.
        x: image in its domain; batches by `jax.vmap`.
        iterations, tolerance: of :func:`jaxrecon.core.normal_equations.solve_normal`.
    """
    seen = solve_normal(operator, operator.normal(x), iterations=iterations, tolerance=tolerance)
    return Components(seen, subtract(x, seen))


def check_consistency(
    operator: LinearOperator,
    images: jax.Array,
    truth: jax.Array,
    measurements: Any,
    *,
    iterations: int = 200,
    tolerance: float | None = None,
) -> Consistency:
    """Whether reconstructions agree with the data, and where their errors lie.

    An error in the range of A^H contradicts the data, but for noise. An error in the null space no
    data can show: structure there is made up from what was learned, or lost.

    Args:
        operator: A, on one image.
        images: reconstructions (n, y, x).
        truth: (n, y, x).
        measurements: batch of n.
        iterations, tolerance: see :func:`range_null`.

    Raises:
        ValueError: images that are not like the truth, or other than one measurement for each.

    Source: Bhadra, Kelkar, Brooks and Anastasio 2021, doi:10.1109/TMI.2021.3077857.
    """
    if jnp.shape(images) != jnp.shape(truth):
        raise ValueError(
            f"check_consistency expected images like the truth, got {jnp.shape(images)} and "
            f"{jnp.shape(truth)}."
        )
    counts = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(measurements)}
    if counts != {jnp.shape(images)[:1]}:
        raise ValueError(
            f"check_consistency expected measurements of {len(images)} images, a batch of as many, "
            f"got {describe(struct_of(measurements))}. Is the axis of the batch missing?"
        )

    def one(x: Any, t: Any, m: Any) -> Consistency:
        def split(a: Any) -> Components:
            return range_null(operator, a, iterations=iterations, tolerance=tolerance)

        residual = _relative(norm(subtract(operator.apply(x), m)), norm(m))
        error, own = split(x - t), split(x)
        seen, unseen = (jnp.mean(jnp.abs(part) ** 2) for part in error)
        share = _relative(norm(own.null), norm(x)) ** 2
        return Consistency(residual, error, seen, unseen, share)

    return jax.vmap(one)(images, truth, measurements)


def _relative(size: jax.Array, whole: jax.Array) -> jax.Array:
    """size / whole; the size itself where the whole is 0."""
    return size / jnp.where(whole > 0, whole, 1)
