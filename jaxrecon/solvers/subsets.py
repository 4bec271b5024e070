"""Subsets of the rows of an operator, scanned over without compiling again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_choice, check_positive_int, describe
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import Pytree, static

ORDERS = ("bit reversal", "sequential")
"""The orders in which :func:`split_rows` visits subsets."""


class Subsets(Pytree):
    r"""The rows of A, dealt out to subsets of equal size: A_k f = (A f)[rows(k)].

    Rows are the entries along axis 0 of the data: the views of a CT scan. Of n subsets, the one
    that is visited k-th has every n-th row, from row order[k] on. The number k may be traced, so
    that a scan over subsets compiles once, as all have one shape. A subset is an operator like any
    other; ordered subsets of every modality share this.

    Made by :func:`split_rows`, for CT by :func:`jaxrecon.ct.view_subsets`.

    Args:
        operator: A, with an array as its data.
        take: (operator, rows) -> the operator of these rows, `rows` a traced array of integers. A
            function at module level: it is static, and compared by identity.
        order: static; a permutation of 0, ..., n - 1.

    Raises:
        ValueError: data that are no array with an axis of rows, an order that is no permutation, a
            number of subsets that does not divide the number of rows.
    """

    operator: LinearOperator
    take: Callable = static()
    order: tuple[int, ...] = static()

    def __post_init__(self) -> None:
        self._set("order", tuple(int(k) for k in self.order))
        super().__post_init__()
        space = self.operator.codomain
        if not getattr(space, "shape", ()):
            raise ValueError(
                "Subsets expected an operator whose data are one array with rows along axis 0, got "
                f"{describe(space)}."
            )
        if not self.order or sorted(self.order) != list(range(len(self.order))):
            raise ValueError(
                f"Subsets expected order as a permutation of 0, 1, ..., got {self.order}."
            )
        rows = space.shape[0]
        if rows % self.count:
            possible = [n for n in range(1, rows + 1) if rows % n == 0]
            raise ValueError(
                f"Subsets expected a number of subsets that divides the {rows} rows (views) of the "
                f"data, got {self.count}; {possible} do. Leave some views out to have others."
            )

    @property
    def count(self) -> int:
        """Number of subsets."""
        return len(self.order)

    @property
    def size(self) -> int:
        """Rows in each."""
        return self.operator.codomain.shape[0] // self.count

    def rows(self, number: Any) -> jax.Array:
        """Indices of the rows of the subset that is visited as `number`, (size,)."""
        return jnp.asarray(self.order)[number] + self.count * jnp.arange(self.size)

    def operator_of(self, number: Any) -> LinearOperator:
        """A_k, from the domain of A to the rows of subset k."""
        return self.take(self.operator, self.rows(number))

    def split(self, data: Any) -> jax.Array:
        """Data of A in the order of the subsets: (count, size, ...)."""
        return jnp.asarray(data)[jax.vmap(self.rows)(jnp.arange(self.count))]


def split_rows(
    operator: LinearOperator, subsets: int, take: Callable, *, order: str = "bit reversal"
) -> Subsets:
    """Subsets of interleaved rows: subset s has the rows s, s + subsets, s + 2 subsets, ...

    Args:
        operator: A.
        subsets: how many; it divides the number of rows.
        take: as in :class:`Subsets`.
        order: of the visits. "bit reversal": 0, 1/2, 1/4, 3/4, 1/8, ... of the way through, so
            that neighbours in time are far apart in angle, which speeds up convergence.
            "sequential": 0, 1, 2, ...

    Raises:
        ValueError: as :class:`Subsets`; an unknown order.

    Source: Guan and Gordon 1994, doi:10.1088/0031-9155/39/11/013.
    """
    count = check_positive_int(subsets, what="split_rows", argument="subsets")
    check_choice(order, ORDERS, what="split_rows", argument="order")
    visits = bit_reversal(count) if order == "bit reversal" else tuple(range(count))
    return Subsets(operator, take, visits)


def whole(operator: LinearOperator) -> Subsets:
    """All rows in one subset, in their order; for any operator."""
    return Subsets(operator, _all_rows, (0,))


def _all_rows(operator: LinearOperator, rows: Any) -> LinearOperator:
    return operator


def bit_reversal(count: int) -> tuple[int, ...]:
    """0, ..., count - 1 sorted by their reversed binary digits: (0, 4, 2, 6, 1, 5, 3, 7) for 8."""
    digits = (count - 1).bit_length()
    reversals = (int(f"{k:0{digits}b}"[::-1], 2) if digits else 0 for k in range(1 << digits))
    return tuple(k for k in reversals if k < count)
