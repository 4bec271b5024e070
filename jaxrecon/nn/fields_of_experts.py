"""Fields of experts: a Markov random field whose filters and weights are learned."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import Functional
from jaxrecon.core.checks import check_choice, check_positive_int
from jaxrecon.nn.filter_bank import filter_bank_bound, filter_responses, zero_mean


class FieldsOfExperts(Functional):
    r"""R(x) = sum_c exp(a_c) sum_i log(1 + |(w_c * x)_i|^2 / 2), with filters of zero mean.

    The negative logarithm of a product of Student-t experts on filter responses. R is smooth and
    not convex: the Hessian lies between -L/8 and L, L = lipschitz(), in the order of symmetric
    matrices, so that R + L/16 ||x||^2 is convex. Filters and weights may be `nnx.Param`s, made by
    :func:`fields_of_experts`, and are then trained by :func:`jaxrecon.train.fit`.

    Args:
        kernels: (rows, columns, C), or (planes, rows, columns, C); their means are taken off.
        log_weights: (C,), a_c.

    `x` is real or complex (..., y, x) or (..., z, y, x); leading axes are summed over.

    Source: Roth and Black, doi:10.1007/s11263-008-0197-6.
    """

    kernels: Any
    log_weights: Any

    def __call__(self, x: Any) -> jax.Array:
        y = filter_responses(zero_mean(self.kernels[...]), x)
        weights = jnp.exp(self.log_weights[...]).astype(y.real.dtype)
        return jnp.sum(weights * jnp.log1p((y.real**2 + y.imag**2) / 2))

    def lipschitz(self) -> jax.Array:
        """Upper bound, for images of any size."""
        return filter_bank_bound(zero_mean(self.kernels[...]), jnp.exp(self.log_weights[...]))


def fields_of_experts(
    count: int = 24, size: int = 5, *, dims: int = 2, rngs: nnx.Rngs
) -> FieldsOfExperts:
    """Trainable :class:`FieldsOfExperts` with random filters.

    Args:
        count: filters.
        size: side of a filter, odd.
        dims: axes of an image, 2 or 3.
        rngs: random streams of Flax.

    Raises:
        ValueError: no filters, an even size, or other than 2 or 3 axes.
    """
    kernels = random_filters(count, size, dims, rngs, what="fields_of_experts")
    return FieldsOfExperts(nnx.Param(kernels), nnx.Param(jnp.full(count, -jnp.log(count))))


def random_filters(count: int, size: int, dims: int, rngs: nnx.Rngs, *, what: str) -> jax.Array:
    """Filters (size, size, count), or with planes, of norm one in the mean.

    Raises:
        ValueError: no filters, an even size, or other than 2 or 3 axes.
    """
    check_positive_int(count, what=what, argument="count")
    if check_positive_int(size, what=what, argument="size") % 2 == 0:
        raise ValueError(f"{what} expected an odd size, got {size}: convolutions have a centre.")
    check_choice(dims, (2, 3), what=what, argument="dims")
    return jax.random.normal(rngs.params(), (*(size,) * dims, count)) / size ** (dims / 2)
