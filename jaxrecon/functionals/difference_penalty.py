"""Norms of differences of an image, f(x) = g(D x), with a prox to a stated accuracy."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import Space, check_positive_int, check_space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import iterate
from jaxrecon.core.normal_equations import solve_positive_definite
from jaxrecon.core.pytree import static
from jaxrecon.core.self_adjoint import SelfAdjoint
from jaxrecon.core.vectors import add, add_scaled, inner, real_like, scaled, subtract, zeros_like
from jaxrecon.functionals.least_squares import LeastSquares
from jaxrecon.solvers.pogm import POGM

BLOCK = 10
"""Steps between two looks at the duality gap, each of which costs about one step."""

DERIVATIVE_STEPS = 500
"""Of conjugate gradients, at most, for a derivative. Their system is singular: after thousands of
steps in single precision, rounding has grown along its null space."""


class DifferencePenalty(Functional):
    r"""f(x) = g(D x), g a norm of groups of differences: the base of the total variations.

    A subclass gives ``split(dtype)`` -> (g, D), with g.conj_prox and g.conjugate, and
    ``D.norm_bound()`` >= ||D||. An algorithm of its own takes the two parts:
    ``primal_dual_hybrid_gradient(f, *tv.split(), ...)``.

    The prox is x = v - s D^H p with the dual field p that minimises

        1/2 ||D^H p - v / s||^2 + g*(p) / s,

    found by POGM until the duality gap, relative to the objective of the prox,

        [g(D x) + g*(p) - Re<p, D x>] / [g(D x) + s/2 ||D^H p||^2],

    is below `tolerance`, or for `iterations` steps (all of them for tolerance 0); then
    ||x - exact||^2 <= 2 s gap objective. Every ten steps the gap is looked at, and the momentum
    dropped where it has grown. In single precision it has a floor of 1e-6 to 1e-4, as D x is
    rounded. ``prox_gap`` measures it.
    ``prox_from`` starts from a field given, such as that of the last call: in an outer loop a few
    steps are then enough.

    The loop stops early in time also inside jit. Derivatives in v, s and the parameters of f, in
    forward and reverse mode, are implicit: those of the fixed point that p is to a step of
    projected gradients, by conjugate gradients (500 steps at most), without memory for the
    iterates. They are as accurate as p, and finite where x is flat. There are no second ones.
    """

    tolerance: Any = dataclasses.field(default=1e-4, kw_only=True)
    iterations: int = static(default=2000, kw_only=True)

    def __post_init__(self) -> None:
        name = type(self).__name__
        count = check_positive_int(self.iterations, what=name, argument="iterations")
        self._set("iterations", count)
        if not isinstance(self.tolerance, Tracer) and not np.all(np.asarray(self.tolerance) >= 0):
            raise ValueError(f"{name} expected tolerance >= 0, got {self.tolerance}.")
        super().__post_init__()

    def split(self, dtype: Any = None) -> tuple[Functional, Any]:
        """(g, D) with f = g @ D on images of `dtype` (float32 unless given)."""
        raise NotImplementedError(f"{type(self).__name__} must define split")

    def _parts(self, x: Any) -> tuple[Functional, Any]:
        g, difference = self.split(x.dtype)
        check_space(x, difference.domain, what=type(self).__name__)
        return g, difference

    def __call__(self, x: Any) -> jax.Array:
        g, difference = self._parts(x)
        return g(difference.apply(x))

    def prox(self, v: Any, step: Any) -> Any:
        return self.prox_from(v, step, self.prox_start(v))[0]

    def prox_start(self, v: Any) -> Any:
        """The field p = 0."""
        _, difference = self._parts(v)
        return zeros_like(difference.codomain)

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        """(prox(v, step), p), with the iterations started from the field `start`."""
        g, difference = self._parts(v)
        step = real_like(step, v)
        problem = _Dual(g, difference, scaled(1 / _positive(step), v), _positive(step))
        p = _minimise(self.iterations, problem, start, self.tolerance)
        return add_scaled(v, -step, difference.adjoint(p)), p

    def prox_gap(self, v: Any, step: Any) -> jax.Array:
        """Duality gap that prox(v, step) reaches, relative to its objective, >= 0."""
        _, p = self.prox_from(v, step, self.prox_start(v))
        g, difference = self._parts(v)
        step = real_like(step, v)
        return _Dual(g, difference, scaled(1 / _positive(step), v), _positive(step)).gap(p)


def _positive(step: jax.Array) -> jax.Array:
    """The step, with 1 for 0: v - 0 D^H p = v for whichever p."""
    return jnp.where(step > 0, step, 1)


class _Dual(Functional):
    """min_p 1/2 ||D^H p - u||^2 + g*(p) / s; its prox is that of the second term."""

    norm: Functional
    difference: Any
    target: Any
    scale: Any

    def prox(self, v: Any, step: Any) -> Any:
        return self.norm.conj_prox(v, step / self.scale)

    def descended(self, p: Any, step: Any) -> Any:
        """p less `step` times the gradient of the first term."""
        residual = subtract(self.target, self.difference.adjoint(p))
        return add_scaled(p, step, self.difference.apply(residual))

    def step_size(self) -> jax.Array:
        return 1 / self.difference.norm_bound() ** 2

    def gap(self, p: Any) -> jax.Array:
        """The relative duality gap; D x / s stands for D x in the docstring above."""
        change = self.difference.adjoint(p)
        edges = scaled(self.scale, self.difference.apply(subtract(self.target, change)))
        penalty = self.norm(edges)
        objective = penalty + self.scale / 2 * inner(change, change)
        gap = jnp.maximum(penalty + self.norm.conjugate(p) - inner(p, edges), 0)
        return gap / jnp.where(objective > 0, objective, 1)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _minimise(iterations: int, problem: _Dual, start: Any, tolerance: Any) -> Any:
    fidelity = LeastSquares(problem.difference.H, problem.target)
    method = POGM(fidelity, problem, problem.step_size())

    def unfinished(carry: tuple) -> jax.Array:
        count, _, gap = carry
        return (count < iterations) & (gap >= real_like(tolerance, gap))

    def block(carry: tuple) -> tuple:
        count, state, gap = carry
        state, _ = iterate(method.step, state, BLOCK)
        reached = problem.gap(state.x)
        momentum = jnp.where(reached > gap, jnp.ones_like(gap), state.momentum)
        return count + BLOCK, state._replace(momentum=momentum), reached

    carry = (jnp.int32(0), method.init(start), problem.gap(start))
    return jax.lax.while_loop(unfinished, block, carry)[1].x


@_minimise.defjvp
def _minimise_jvp(iterations: int, primals: tuple, tangents: tuple) -> tuple:
    problem, start, tolerance = primals
    p = _minimise(iterations, problem, start, tolerance)
    fixed = partial(_fixed_point, p)
    return p, jax.jvp(fixed, (problem,), (tangents[0],))[1]


def _fixed_point(p: Any, problem: _Dual) -> Any:
    r"""0, with the derivative of p = P(p - t D (D^H p - u)) in the parameters of the problem.

    P is the prox of t g* / s, with the symmetric derivative M. With r the change of the right-hand
    side for fixed p, dp = r + M z, z = (I - t D D^H) dp, and so
    (M - M (I - t D D^H) M) z = M (I - t D D^H) r, symmetric and positive semi-definite.
    """
    t = jax.lax.stop_gradient(problem.step_size())
    frozen = jax.lax.stop_gradient(problem)
    jacobian = _Jacobian(frozen, frozen.descended(p, t), t)
    reached = problem.prox(problem.descended(p, t), t)
    r = subtract(reached, jax.lax.stop_gradient(reached))
    system = _Implicit(jacobian, frozen.difference, t)
    rhs = jacobian.apply(system.descended(r))
    tolerance = float(jnp.finfo(rhs.dtype).eps) ** (2 / 3)
    z = solve_positive_definite(system, rhs, iterations=DERIVATIVE_STEPS, tolerance=tolerance)
    return add(r, jacobian.apply(z))


class _Jacobian(SelfAdjoint):
    """M, the derivative of the prox of t g* / s at `point`."""

    problem: _Dual
    point: Any
    step: Any

    @property
    def domain(self) -> Space:
        return self.problem.difference.codomain

    def apply(self, x: Any) -> Any:
        return jax.jvp(lambda w: self.problem.prox(w, self.step), (self.point,), (x,))[1]


class _Implicit(SelfAdjoint):
    """M - M (I - t D D^H) M."""

    jacobian: _Jacobian
    difference: Any
    step: Any

    @property
    def domain(self) -> Space:
        return self.jacobian.domain

    def descended(self, z: Any) -> Any:
        """(I - t D D^H) z."""
        return add_scaled(z, -self.step, self.difference.apply(self.difference.adjoint(z)))

    def apply(self, x: Any) -> Any:
        moved = self.jacobian.apply(x)
        return subtract(moved, self.jacobian.apply(self.descended(moved)))
