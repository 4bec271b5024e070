"""Stochastic primal-dual hybrid gradient: one subset of the data in each step."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import add, add_scaled, real_like, subtract, zeros_like
from jaxrecon.solvers.step_conditions import CHECK_ITERATIONS, check_at_most
from jaxrecon.solvers.step_sizes import check_positive, is_concrete
from jaxrecon.solvers.subset_fidelity import check_sum_over_data
from jaxrecon.solvers.subsets import Subsets


class StochasticPrimalDualState(NamedTuple):
    """The image, what the prox of f starts from, the dual variables of all subsets (count, size,
    ...) and of the penalty, A^H y + D^H w and the same extrapolated, and the key."""

    x: Any
    start: Any
    y: jax.Array
    w: Any
    slope: Any
    ahead: Any
    key: jax.Array


class StochasticPrimalDual(Method):
    r"""min_x f(x) + sum_k g_k(A_k x) + r(D x). Made by :func:`stochastic_primal_dual`."""

    functional: Functional
    fidelities: Functional
    """all its arrays split: of subset k they are the entries k along axis 0"""
    subsets: Subsets
    penalty: tuple[Functional, LinearOperator] | None
    primal_step: Any
    dual_step: Any
    penalty_step: Any
    key: jax.Array

    def init(self, x0: Any) -> StochasticPrimalDualState:
        operator = self.subsets.operator
        check_space(x0, operator.domain, what="stochastic_primal_dual", argument="x0")
        space = operator.codomain
        y = jnp.zeros((self.subsets.count, self.subsets.size, *space.shape[1:]), space.dtype)
        w = () if self.penalty is None else zeros_like(self.penalty[1](x0))
        start, zero = self.functional.prox_start(x0), zeros_like(x0)
        return StochasticPrimalDualState(x0, start, y, w, zero, zero, self.key)

    def step(self, state: StochasticPrimalDualState) -> StochasticPrimalDualState:
        count, tau = self.subsets.count, self.primal_step
        moved = add_scaled(state.x, -tau, state.ahead)
        x, start = self.functional.prox_from(moved, tau, state.start)

        key, draw = jax.random.split(state.key)
        k = jax.random.randint(draw, (), 0, count)
        operator = self.subsets.operator_of(k)
        fidelity = jax.tree.map(lambda a: a[k], self.fidelities)
        old = state.y[k]
        raised = add_scaled(old, self.dual_step, operator.apply(x))
        new = fidelity.conj_prox(raised, real_like(self.dual_step, raised))
        change = operator.adjoint(new - old)
        slope = add(state.slope, change)
        ahead = add_scaled(slope, count, change)

        w = state.w
        if self.penalty is not None:
            term, difference = self.penalty
            raised = add_scaled(w, self.penalty_step, difference.apply(x))
            w = term.conj_prox(raised, self.penalty_step)
            change = difference.adjoint(subtract(w, state.w))
            slope, ahead = add(slope, change), add(ahead, add(change, change))
        return StochasticPrimalDualState(x, start, state.y.at[k].set(new), w, slope, ahead, key)


def stochastic_primal_dual(
    f: Functional,
    fidelity: Any,
    subsets: Subsets,
    *,
    penalty: tuple[Functional, LinearOperator] | None = None,
    key: jax.Array,
    primal_step: Any = None,
    dual_step: Any = None,
    penalty_step: Any = None,
) -> StochasticPrimalDual:
    r"""SPDHG for min_x f(x) + sum_k g_k(A_k x) + r(D x), one of n subsets of the rows of A a step.

        x   = prox_{tau f}(x - tau v)
        y_k = prox_{sigma g_k*}(y_k + sigma A_k x)  for one k, drawn uniformly; the others stay
        w   = prox_{rho r*}(w + rho D x)            in every step, if there is a penalty
        v   = A^H y + D^H w + n A_k^H (change of y_k) + D^H (change of w).

    One step costs A_k and A_k^H, so n steps, a pass, about as much as one of
    :func:`primal_dual_hybrid_gradient`, and go several times as far. All dual variables are kept,
    so that the noise of the draws vanishes at the solution: it converges with fixed steps, almost
    surely, for

        tau (n sigma max_k ||A_k||^2 + rho ||D||^2) < 1.

    Args:
        f: term in x, with a prox; Zero() for none. One that iterates starts where it ended in the
            step before.
        fidelity: g(A x) with ``split() -> (g, A)``, g a sum over the data: LeastSquares,
            KullbackLeibler.
        subsets: the rows of the same A; for CT :func:`jaxrecon.ct.view_subsets`.
        penalty: (r, D) with r(D x), such as ``TotalVariation(shape).split()`` with a weight, whose
            operator is cheap; or None.
        key: JAX key of the order of the subsets; the state carries it on.
        primal_step: tau, traced; the largest that the others allow, less 1 %, unless given.
        dual_step: sigma, traced; 1 / max_k ||A_k|| unless given.
        penalty_step: rho, traced; 1 / ||D|| unless given. Norms come from the power method, for
            all subsets, which costs as much as 32 applications of A^H A.

    Raises:
        ValueError: subsets of an operator of other spaces; and, where all values are known, steps
            that are not positive or miss the condition by more than 1 % (to check a given
            primal_step costs ten applications of A^H A and D^H D, once).
        TypeError: a fidelity without split().

    Source: Chambolle, Ehrhardt, Richtarik and Schoenlieb 2018, doi:10.1137/17M1134834: arbitrary
    samplings, of which this is {k} with the penalty in each.
    """
    what = "stochastic_primal_dual"
    data_term = _data_term(fidelity, subsets)
    n = subsets.count
    codomain = subsets.operator.codomain
    fidelities = jax.tree.map(
        lambda a: subsets.split(jnp.broadcast_to(a, codomain.shape)), data_term
    )
    check_sum_over_data(data_term, fidelities, subsets, what=what)
    iterations = CHECK_ITERATIONS if primal_step is not None else 32
    unknown = dual_step is None or primal_step is None
    difference = None if penalty is None else penalty[1]
    if unknown or is_concrete(subsets, difference, primal_step, dual_step, penalty_step):
        size = largest_norm(subsets, iterations)
        dual_step = 1 / size if dual_step is None else dual_step
        load = n * dual_step * size**2
        if difference is not None:
            of_penalty = operator_norm(difference, iterations)
            penalty_step = 1 / of_penalty if penalty_step is None else penalty_step
            load = load + penalty_step * of_penalty**2
        primal_step = 0.99 / load if primal_step is None else primal_step
        condition = "primal_step (n dual_step max ||A_k||^2 + penalty_step ||D||^2) < 1"
        check_at_most(primal_step * load, 1.0, what=what, condition=condition)
    elif difference is not None and penalty_step is None:
        penalty_step = 1 / operator_norm(difference)
    check_positive((primal_step, dual_step, penalty_step), what=what, argument="steps")
    return StochasticPrimalDual(
        f, fidelities, subsets, penalty, primal_step, dual_step, penalty_step, key
    )


def largest_norm(subsets: Subsets, iterations: int = 32) -> jax.Array:
    """max_k ||A_k||, by the power method for each subset."""
    norms = jax.lax.map(
        lambda k: operator_norm(subsets.operator_of(k), iterations), jnp.arange(subsets.count)
    )
    return jnp.max(norms)


def _data_term(fidelity: Any, subsets: Subsets) -> Functional:
    if not hasattr(fidelity, "split"):
        raise TypeError(
            "stochastic_primal_dual expected a fidelity with split(), got "
            f"{type(fidelity).__name__}; LeastSquares and KullbackLeibler are such."
        )
    data_term, operator = fidelity.split()
    expected = subsets.operator
    if (operator.domain, operator.codomain) != (expected.domain, expected.codomain):
        raise ValueError(
            f"stochastic_primal_dual expected subsets of the operator of the fidelity, "
            f"{operator!r}, got those of {expected!r}."
        )
    return data_term
