"""Half-quadratic splitting: alternating minimisation under a growing penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int, real_dtype
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.operator import LinearOperator
from jaxrecon.solvers.step_sizes import check_positive
from jaxrecon.solvers.x_update import XUpdate, choose_x_update


class HalfQuadraticSplittingState(NamedTuple):
    """The image, what the proxes start from, and the number of steps."""

    x: Any
    starts: Any
    count: jax.Array


class HalfQuadraticSplitting(Method):
    r"""min_{x, z} f(x) + g(z) + penalty/2 ||A x - z||^2. See :func:`half_quadratic_splitting`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    penalties: jax.Array
    x_update: XUpdate

    def init(self, x0: Any) -> HalfQuadraticSplittingState:
        starts = self.x_update.start(x0), self.composed.prox_start(self.operator(x0))
        return HalfQuadraticSplittingState(x0, starts, jnp.zeros((), jnp.int32))

    def step(self, state: HalfQuadraticSplittingState) -> HalfQuadraticSplittingState:
        penalty = self.penalties[jnp.minimum(state.count, self.penalties.size - 1)]

        def prox_from(x: Any, step: Any, start: Any) -> tuple[Any, Any]:
            return self.composed.prox_from(self.operator.apply(x), step, start)

        return half_quadratic_step(state, penalty, prox_from, self.x_update.from_start)

    def under_way(self, state: HalfQuadraticSplittingState) -> jax.Array:
        return state.count < self.penalties.size


def half_quadratic_step(
    state: HalfQuadraticSplittingState, penalty: Any, prox_from: Callable, update_from: Callable
) -> HalfQuadraticSplittingState:
    r"""z = prox(x, 1 / penalty), x = update(z, penalty, x): one step of the splitting.

    Args:
        state: the iterate, with what both maps start from.
        penalty: b > 0.
        prox_from: (x, 1 / b, start) -> (z, next start), z the prox of g / b at A x.
        update_from: (z, b, x, start) -> (argmin_x f(x) + b/2 ||A x - z||^2, next start).
    """
    x, (x_start, z_start), k = state
    z, z_start = prox_from(x, 1 / penalty, z_start)
    x, x_start = update_from(z, penalty, x, x_start)
    return HalfQuadraticSplittingState(x, (x_start, z_start), k + 1)


def half_quadratic_splitting(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    penalties: Any,
    *,
    x_update: Callable | None = None,
    iterations: int = 10,
    tolerance: float | None = None,
) -> HalfQuadraticSplitting:
    r"""Half-quadratic splitting of min_x f(x) + g(A x), with a schedule of penalties.

        z = prox_{g / b_k}(A x)
        x = argmin_x f(x) + b_k/2 ||A x - z||^2,

    b_k the k-th penalty, the last one from then on. For convex f and g and a constant b it
    converges to the minimiser of f(x) + g_b(A x), g_b the Moreau envelope of g (for the l1 norm a
    Huber function of width 1 / b), which is that of f + g(A .) for b -> infinity; but the larger b,
    the slower. A schedule starts with small ones:

    - geometric continuation, ``geometric_penalties(first, last, count)``;
    - the MAP form of restoration with a Gaussian denoiser as the prox of g: with noise levels s_k
      that fall to that of the data, b_k = 1 / s_k^2, so that prox_{g / b_k} denoises at the level
      s_k: ``geometric_penalties(1 / s_first**2, 1 / s_last**2, count)``.

    Unlike :func:`admm` it has no dual variable, and does not need convexity: g may be any denoiser
    with the interface of a prox.

    Args:
        f: term in x.
        g: term in A x, with a prox.
        operator: A; Identity(space) for f + g.
        penalties: (count,) or a scalar, > 0, traced.
        x_update, iterations, tolerance: as in :func:`jaxrecon.solvers.admm`.

    Note:
        An image at rest under an early penalty is not the minimiser under the last: by its default
        residual :func:`jaxrecon.solve_until` does not stop before all penalties have been used. A
        residual of the problem may.

    Raises:
        NotImplementedError: f is not quadratic, A is not an Identity, and no x_update is given.
        ValueError: penalties that are not positive, where they are known; or not one axis of them.

    Source: Geman and Yang 1995, doi:10.1109/83.392335; continuation: Wang, Yang, Yin and Zhang
    2008, doi:10.1137/080724265; MAP form: Zoran and Weiss 2011, doi:10.1109/ICCV.2011.6126278.
    """
    what = "half_quadratic_splitting"
    dtype = real_dtype(jax.tree.leaves(operator.domain)[0].dtype)
    penalties = jnp.atleast_1d(jnp.asarray(penalties, dtype))
    if penalties.ndim != 1 or not penalties.size:
        raise ValueError(f"{what} expected penalties (count,), got the shape {penalties.shape}.")
    check_positive(penalties, what=what, argument="penalties")
    x_update = choose_x_update(f, operator, x_update, iterations, tolerance, what=what)
    return HalfQuadraticSplitting(f, g, operator, penalties, x_update)


def geometric_penalties(first: Any, last: Any, count: int) -> jax.Array:
    """`count` penalties from `first` to `last` in equal ratios, (count,)."""
    count = check_positive_int(count, what="geometric_penalties", argument="count")
    check_positive((first, last), what="geometric_penalties", argument="first and last")
    return jnp.geomspace(first, last, count)
