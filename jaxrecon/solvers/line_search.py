"""Backtracking line searches, differentiable and free where the first trial is accepted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.normal_equations import ratio
from jaxrecon.core.vectors import add_scaled, inner, norm, scaled, zeros_like
from jaxrecon.solvers.step_sizes import is_quadratic

SHRINK = 0.5
"""Factor between the steps of two trials."""

TRIALS = 60
"""Most trials in one search."""

DECREASE = 0.1
"""Share of the decrease that the slope at the start promises, to accept a step."""

ROUNDINGS = 100
"""Values of f that differ by so many roundings count as equal."""


def backtrack(
    attempt: Callable, acceptable: Callable, problem: Any, step: Any
) -> tuple[jax.Array, Any]:
    r"""The first of step, step / 2, step / 4, ... whose attempt is acceptable.

    The loop makes no derivative: those of the result are those of the accepted attempt with the
    number of halvings held fixed, which is the derivative of the whole search almost everywhere.

    Args:
        attempt: (problem, step) -> result, a pytree; a function that closes over no traced values.
        acceptable: (problem, step, result) -> bool.
        problem: pytree of all that both need.
        step: a scalar, or step sizes for each pixel.

    Returns:
        (fraction, result): the accepted step is fraction * step.
    """
    return _backtrack(attempt, acceptable, problem, step)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _backtrack(attempt: Callable, acceptable: Callable, problem: Any, step: Any) -> tuple:
    result = zeros_like(jax.eval_shape(attempt, problem, step))

    def unfinished(carry: tuple) -> jax.Array:
        count, accepted, _, _ = carry
        return ~accepted & (count < TRIALS)

    def attempted(carry: tuple) -> tuple:
        count, _, fraction, _ = carry
        fraction = jnp.where(count > 0, SHRINK * fraction, fraction)
        shorter = scaled(fraction, step)
        result = attempt(problem, shorter)
        return count + 1, acceptable(problem, shorter, result), fraction, result

    fraction = jnp.ones((), jnp.result_type(*jax.tree.leaves(step)))
    start = (jnp.int32(0), jnp.asarray(False), fraction, result)
    _, _, fraction, result = jax.lax.while_loop(unfinished, attempted, start)
    return fraction, result


@_backtrack.defjvp
def _backtrack_jvp(attempt: Callable, acceptable: Callable, primals: tuple, tangents: tuple):
    fraction, result = _backtrack(attempt, acceptable, *primals)

    def accepted(problem: Any, step: Any) -> Any:
        return attempt(problem, scaled(fraction, step))

    _, change = jax.jvp(accepted, primals, tangents)
    return (fraction, result), (jnp.zeros_like(fraction), change)


class Point(NamedTuple):
    """x, f(x) and grad f(x)."""

    x: Any
    value: jax.Array
    gradient: Any


def point_at(f: Functional, x: Any) -> Point:
    """Value and gradient at x, in its precision. Under jit they share what they have in common."""
    gradient = jax.tree.map(lambda g, a: g.astype(a.dtype), f.grad(x), x)
    return Point(x, f(x).astype(inner(x, x).dtype), gradient)


def search(f: Functional, start: Point, direction: Any, step: Any) -> tuple[Point, jax.Array]:
    r"""(x + s d with its value and gradient, s), s the first of step, step / 2, ... accepted.

    With the slope p = <grad f(x), d> < 0 and c = 0.1, a step is accepted by Armijo's condition

        f(x + s d) <= f(x) + c s p,

    or, where f is equal up to rounding, by the same condition for the parabola through the slopes
    at both ends, <grad f(x + s d), d> <= (2 c - 1) p, which stays accurate near the minimiser.

    Source: Armijo 1966, doi:10.2140/pjm.1966.16.1; Hager and Zhang 2005,
    doi:10.1137/030601880.

    Where no trial is accepted the start is kept, if f and the slope are finite there.
    """
    problem = f, start, direction
    fraction, new = backtrack(_move, _armijo, problem, step)
    finite = jnp.isfinite(start.value + inner(start.gradient, direction))
    taken = _armijo(problem, fraction * step, new) | ~finite
    kept = jax.tree.map(lambda a, b: jnp.where(taken, a, b), new, start)
    return kept, fraction * step


def nonmonotone_search(
    f: Functional, start: Point, direction: Any, step: Any, reference: Any
) -> tuple[Point, jax.Array]:
    """As :func:`search`, but f has to fall below `reference` >= f(x), up to rounding."""
    fraction, new = backtrack(_move, _below, (f, start, direction, reference), step)
    return new, fraction * step


def _move(problem: tuple, step: Any) -> Point:
    f, start, direction = problem[:3]
    return point_at(f, add_scaled(start.x, step, direction))


def _armijo(problem: tuple, step: Any, new: Point) -> jax.Array:
    _, start, direction = problem
    slope = inner(start.gradient, direction)
    falls = new.value <= start.value + DECREASE * step * slope
    level = new.value <= start.value + rounding(start.value)
    return falls | (level & (inner(new.gradient, direction) <= (2 * DECREASE - 1) * slope))


def _below(problem: tuple, step: Any, new: Point) -> jax.Array:
    _, start, direction, reference = problem
    decrease = DECREASE * step * inner(start.gradient, direction)
    return new.value <= reference + decrease + rounding(reference)


def rounding(value: jax.Array) -> jax.Array:
    """What two values of this size may differ by and still be equal."""
    return ROUNDINGS * jnp.finfo(value.dtype).eps * jnp.abs(value)


def kinked(f: Functional, x: Any, move: Any, pull: Any) -> jax.Array:
    r"""Whether f turns upwards at once on the way of a small move from x, as at a kink.

    The slope of f along the move m rises by a over the way from x to x + m, and by b over that to
    x + m / root(root(precision)). Where f is smooth b is many times a, and near the minimiser a
    is many times the slope at x itself. True where neither holds, and a takes back what pulls x:

        a > 0.3 b,   0.8 pull <= a <= 10 pull.

    Two gradients. Of complex x real and imaginary parts are taken apart.

    Args:
        f: with a gradient.
        x: image.
        move: m, a move of about :func:`probe_length`.
        pull: what the slope has to make up for, >= 0; -<grad f(x), m> / ||m||, if f is all.
    """
    size = norm(move)
    direction = scaled(1 / jnp.where(size > 0, size, 1), move)
    farther = float(jnp.finfo(size.dtype).eps) ** -0.25
    here = inner(f.grad(x), direction)
    near = inner(f.grad(add_scaled(x, 1, move)), direction) - here
    far = inner(f.grad(add_scaled(x, farther, move)), direction) - here
    return (near > 0.3 * far) & (near >= 0.8 * pull) & (near <= 10 * pull) & (pull > 0)


def probe_length(x: Any) -> jax.Array:
    """||x|| times the root of the precision: the shortest move that a gradient can see."""
    size = norm(x)
    return float(jnp.finfo(size.dtype).eps) ** 0.5 * size


def kinked_along(f: Functional, x: Any, gradient: Any, direction: Any) -> jax.Array:
    """Whether a search along a direction is stuck: :func:`kinked` for a move along it."""
    size = norm(direction)
    size = jnp.where(size > 0, size, 1)
    move = scaled(probe_length(x) / size, direction)
    return kinked(f, x, move, -inner(gradient, direction) / size)


def hessian_product(f: Functional, x: Any, direction: Any) -> Any:
    """The Hessian of f at x applied to a direction, by forward differentiation unless quadratic."""
    if is_quadratic(f, x):
        return f.hessian(direction)
    return jax.jvp(f.grad, (x,), (direction,))[1]


def first_step(f: Functional, x: Any, gradient: Any) -> jax.Array:
    """The minimiser of f along -gradient as its second derivative at x sees it (Cauchy's step).

    1 / ||gradient|| where f does not curve upwards; 1 where the gradient is zero.
    """
    square = inner(gradient, gradient)
    curvature = inner(gradient, hessian_product(f, x, gradient))
    size = norm(gradient)
    plain = 1 / jnp.where(size > 0, size, 1)
    step = ratio(square, curvature.astype(square.dtype))
    return jnp.where(step > 0, step, plain)
