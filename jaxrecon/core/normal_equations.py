"""Conjugate gradients for Hermitian positive definite systems, differentiated at the solution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import Space, check_positive_int, check_space
from jaxrecon.core.keep import keep
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.self_adjoint import SelfAdjoint
from jaxrecon.core.tangents import change_along, from_parts, is_zero, real_parts, tied
from jaxrecon.core.vectors import add_scaled, inner, real_like, scaled, subtract, zeros_like


class Normal(SelfAdjoint):
    r"""A^H W A + damping I, Hermitian and positive semi-definite.

    Args:
        operator: A.
        weights: real and non-negative, one array that broadcasts to the codomain, or a pytree like
            it; None is W = I, and then A's shortcut `normal` is used.
        damping: real scalar, at least 0.
    """

    operator: LinearOperator
    weights: Any = None
    damping: Any = 0.0

    @property
    def domain(self) -> Space:
        return self.operator.domain

    def apply(self, x: Any) -> Any:
        if self.weights is None:
            product = self.operator.normal(x)
        else:
            product = self.operator.adjoint(weigh(self.weights, self.operator.apply(x)))
        return add_scaled(product, self.damping, x)


def weigh(weights: Any, y: Any) -> Any:
    """W y with W = diag(weights); None is the identity."""
    if weights is None:
        return y
    if jax.tree.structure(weights) == jax.tree.structure(y):
        return jax.tree.map(lambda w, a: real_like(w, a) * a, weights, y)
    return scaled(weights, y)


class ConjugateGradientState(NamedTuple):
    """Iterate, residual r = b - M x, search direction, and <r, P r>, P the preconditioner."""

    x: Any
    residual: Any
    direction: Any
    square: jax.Array


def unpreconditioned(residual: Any) -> Any:
    """P = I, with which <r, P r> = ||r||^2."""
    return residual


def conjugate_gradient_start(
    apply: Callable, rhs: Any, x0: Any = None, precondition: Callable = unpreconditioned
) -> ConjugateGradientState:
    """The state at x0, or at 0 when it is None (which saves one application of M)."""
    x, residual = (zeros_like(rhs), rhs) if x0 is None else (x0, subtract(rhs, apply(x0)))
    direction = precondition(residual)
    return ConjugateGradientState(x, residual, direction, inner(residual, direction))


def conjugate_gradient_step(
    apply: Callable, state: ConjugateGradientState, precondition: Callable = unpreconditioned
) -> ConjugateGradientState:
    """One step of Hestenes and Stiefel; a converged state stays as it is."""
    x, residual, direction, square = state
    product = apply(direction)
    alpha = ratio(square, inner(direction, product))
    residual = add_scaled(residual, -alpha, product)
    steered = precondition(residual)
    following = inner(residual, steered)
    return ConjugateGradientState(
        add_scaled(x, alpha, direction),
        residual,
        add_scaled(steered, ratio(following, square), direction),
        following,
    )


@jax.custom_jvp
def ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    """a / b, or 0 where b has vanished; its derivative does not form b^2, which underflows."""
    positive = _present(b)
    return jnp.where(positive, a / jnp.where(positive, b, 1), 0)


@ratio.defjvp
def _ratio_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (a, b), (da, db) = primals, tangents
    value, positive = ratio(a, b), _present(b)
    return value, jnp.where(positive, (da - value * db) / jnp.where(positive, b, 1), 0)


def _present(b: jax.Array) -> jax.Array:
    precision = jnp.finfo(b.dtype)
    return b > precision.tiny / precision.eps


def solve_normal(
    operator: LinearOperator,
    rhs: Any,
    x0: Any = None,
    *,
    weights: Any = None,
    damping: Any = 0.0,
    iterations: int = 100,
    tolerance: float | None = None,
) -> Any:
    r"""Solve (A^H W A + damping I) x = rhs by conjugate gradients.

    The derivatives, in forward and reverse mode and to any order, in rhs, damping, weights and the
    parameters of A, are those of the exact solution (the implicit function theorem, one more solve
    each), not of the iteration: they cost no memory for the iterates, and are as accurate as the
    solves are. x0 has no derivative. It works under jit and vmap; each item of a batch gets what it
    would get alone.

    Args:
        operator: A, with A^H W A + damping I positive definite on the Krylov space of rhs.
        rhs: right-hand side in the domain of A; A^H W m for least squares.
        x0: start; 0 when None.
        weights: W = diag(weights) >= 0, broadcasting to the codomain of A; None is W = I.
        damping: real scalar >= 0, traced.
        iterations: static; at most so many steps.
        tolerance: static; stop at ||residual|| <= tolerance ||rhs||. Ten times the precision of
            rhs unless given.

    Raises:
        ValueError, TypeError: rhs or x0 is not in the domain of A.

    Source: Hestenes and Stiefel 1952, doi:10.6028/jres.049.044.
    """
    return solve_positive_definite(
        Normal(operator, weights, damping), rhs, x0, iterations=iterations, tolerance=tolerance
    )


def solve_positive_definite(
    operator: LinearOperator,
    rhs: Any,
    x0: Any = None,
    *,
    iterations: int = 100,
    tolerance: float | None = None,
) -> Any:
    """Solve M x = rhs for a Hermitian positive definite operator M; see :func:`solve_normal`."""
    iterations = check_positive_int(iterations, what="solve_normal", argument="iterations")
    check_space(rhs, operator.domain, what="solve_normal", argument="rhs")
    if x0 is not None:
        check_space(x0, operator.domain, what="solve_normal", argument="x0")
    if tolerance is None:
        tolerance = 10 * max(float(jnp.finfo(a.dtype).eps) for a in jax.tree.leaves(rhs))
    return _solve(iterations, float(tolerance), operator, rhs, x0)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _solve(iterations: int, tolerance: float, operator: LinearOperator, rhs: Any, x0: Any) -> Any:
    start = conjugate_gradient_start(operator.apply, rhs, x0)
    threshold = tolerance**2 * inner(rhs, rhs)

    def unfinished(carry: tuple) -> jax.Array:
        count, state = carry
        return (count < iterations) & (state.square > threshold)

    def step(carry: tuple) -> tuple:
        count, state = carry
        return count + 1, conjugate_gradient_step(operator.apply, state)

    return jax.lax.while_loop(unfinished, step, (jnp.int32(0), start))[1].x


@partial(_solve.defjvp, symbolic_zeros=True)
def _solve_jvp(iterations: int, tolerance: float, primals: tuple, tangents: tuple) -> tuple:
    """M x = b gives M dx = db - dM x."""
    operator, rhs, x0 = primals
    x = keep(_solve(iterations, tolerance, operator, rhs, x0))
    change = _instantiate(tangents[1], rhs)
    motion = change_along(lambda some: some.apply(x), operator, tangents[0])
    change = subtract(change, motion)
    return x, _linear_solve(iterations, tolerance, operator, change)


def _linear_solve(iterations: int, tolerance: float, operator: LinearOperator, rhs: Any) -> Any:
    """M^-1 rhs as a linear map of rhs, over real and imaginary parts: there M is symmetric."""

    def apply(parts: Any) -> Any:
        return real_parts(operator.apply(from_parts(parts, rhs)))

    def solve(_: Callable, parts: Any) -> Any:
        return real_parts(_solve(iterations, tolerance, operator, from_parts(parts, rhs), None))

    return from_parts(
        jax.lax.custom_linear_solve(apply, tied(real_parts(rhs)), solve, symmetric=True), rhs
    )


def _instantiate(tangents: Any, like: Any) -> Any:
    leaves, tree = jax.tree.flatten(like)
    moved = tree.flatten_up_to(tangents)
    zeros = [jnp.zeros_like(a) if is_zero(t) else t for a, t in zip(leaves, moved, strict=True)]
    return jax.tree.unflatten(tree, zeros)
