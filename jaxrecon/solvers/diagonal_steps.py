"""Diagonal preconditioning: primal and dual steps for each entry, from sums of absolute weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.functional import Functional, Separable
from jaxrecon.core.operator import BlockDiagonal, Identity, LinearOperator, Scaled, Stack
from jaxrecon.core.vectors import add, real_like, scaled
from jaxrecon.solvers.step_sizes import check_positive, is_concrete
from jaxrecon.solvers.sums import (
    check_real_operator,
    check_sums,
    column_sums,
    inverse_sums,
    row_sums,
)


def diagonal_steps(operator: LinearOperator, ratio: Any = 1.0) -> tuple[Any, Any]:
    r"""Steps of primal-dual methods for each entry: (primal_step, dual_step).

        tau_j = 1 / (ratio sum_i |A_ij|),   sigma_i = ratio / sum_j |A_ij|.

    They keep ||S^(1/2) A T^(1/2)||^2 <= 1 without a power method, for every ratio, and help where
    rows or columns differ in size: stacks of a projector and a gradient, rays of other lengths.
    Entries without weights get the smallest of the other steps. Pass them to
    :func:`primal_dual_hybrid_gradient`; then f must act on each pixel alone (NonNegative, Box, L1,
    Zero). All entries along axis 0 of finite differences get one step, as g may couple them.

    Args:
        operator: one of, or a stack or multiple of: finite differences, matrices, identities, any
            operator with non-negative weights (CT models 'shear', 'joseph', 'planes'), and those
            with a method ``absolute_sums() -> (rows, columns)``.
        ratio: dual over primal scale, traced; near |y*| / |x*|.

    Raises:
        ValueError: where values are known: an operator with weights of both signs that is none of
            these; a ratio that is not positive.
        TypeError: such an operator that is complex.

    Source: Pock and Chambolle 2011, lemma 2 with alpha = 1, doi:10.1109/ICCV.2011.6126441.
    """
    check_positive(ratio, what="diagonal_steps", argument="ratio")
    rows, columns = absolute_sums(operator)
    return scaled(1 / ratio, _steps(columns)), scaled(ratio, _steps(rows))


def absolute_sums(operator: LinearOperator) -> tuple[Any, Any]:
    """(sum_j |A_ij|, sum_i |A_ij|), or bounds of them, like the codomain and the domain; scalars
    where all entries of a block agree. See :func:`diagonal_steps`."""
    if isinstance(operator, Stack):
        pairs = [absolute_sums(part) for part in operator.operators]
        columns = [_like(operator.domain, c) for _, c in pairs]
        total = columns[0]
        for other in columns[1:]:
            total = add(total, other)
        return tuple(r for r, _ in pairs), total
    if isinstance(operator, BlockDiagonal):
        pairs = [absolute_sums(part) for part in operator.operators]
        return tuple(r for r, _ in pairs), tuple(c for _, c in pairs)
    if isinstance(operator, Scaled):
        rows, columns = absolute_sums(operator.operator)
        size = jnp.abs(jnp.asarray(operator.scalar))
        return scaled(size, rows), scaled(size, columns)
    if isinstance(operator, Identity):
        one = jnp.ones((), _real(operator.domain))
        return one, one
    if hasattr(operator, "absolute_sums"):
        return operator.absolute_sums()  # type: ignore[attr-defined]
    return _sums_of_weights(operator)


def _sums_of_weights(operator: LinearOperator) -> tuple[Any, Any]:
    """Row and column sums of an operator whose weights are not negative, which is tested: then
    |A v| <= A |v| for every v."""
    what = "diagonal_steps"
    check_real_operator(operator, what=what)
    rows, columns = row_sums(operator), column_sums(operator)
    check_sums(rows, what=what, of="row sums")
    check_sums(columns, what=what, of="column sums")
    if is_concrete(rows):
        draws = np.random.default_rng(0)
        v = jax.tree.map(lambda s: jnp.asarray(draws.normal(size=s.shape), s.dtype),
                         operator.domain)  # fmt: skip
        signed, positive = _apply(operator, v), _apply(operator, jax.tree.map(jnp.abs, v))
        for a, b in zip(jax.tree.leaves(signed), jax.tree.leaves(positive), strict=True):
            if not np.all(np.abs(a) <= b + 1e-3 * np.max(np.abs(b), initial=0)):
                raise ValueError(
                    f"{what} expected non-negative weights, or finite differences, matrices and "
                    f"stacks of them, got {operator!r}, which has weights of both signs. Use "
                    "scalar steps, from the operator norm."
                )
    return rows, columns


@jax.jit
def _apply(operator: LinearOperator, x: Any) -> Any:
    return operator.apply(x)


def _steps(sums: Any) -> Any:
    """1 / sums, and the smallest step where a sum is 0."""
    return jax.tree.map(lambda s: jnp.where((i := inverse_sums(s)) > 0, i, 1 / jnp.max(s)), sums)


def _real(space: Any) -> Any:
    return jnp.finfo(jax.tree.leaves(space)[0].dtype).dtype


def _like(space: Any, sums: Any) -> Any:
    """Sums as a pytree like the space."""
    if jax.tree.structure(sums) == jax.tree.structure(space):
        return sums
    return jax.tree.map(lambda s: real_like(sums, s), space)


def prox(f: Functional, v: Any, step: Any) -> Any:
    """f.prox(v, step), where the step may be a tuple, one for each part of a separable f."""
    if not isinstance(step, tuple):
        return f.prox(v, step)
    return tuple(prox(g, a, s) for g, a, s in zip(_parts(f, step), v, step, strict=True))


def conj_prox(f: Functional, v: Any, step: Any) -> Any:
    """f.conj_prox(v, step), where the step may be a tuple, one for each part of a separable f."""
    if not isinstance(step, tuple):
        return f.conj_prox(v, step)
    return tuple(conj_prox(g, a, s) for g, a, s in zip(_parts(f, step), v, step, strict=True))


def _parts(f: Functional, step: tuple) -> tuple:
    if isinstance(f, Separable) and len(f.parts) == len(step):
        return f.parts
    raise TypeError(
        f"steps for each of {len(step)} blocks expected separable(f_1, ...) of as many parts, "
        f"got {type(f).__name__}. Weights belong to the parts: separable(c * f_1, ...)."
    )
