"""Running a method to a tolerance: when to stop, what was recorded, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import (
    check_nonnegative,
    check_positive_int,
    describe,
    is_complex,
    struct_of,
)
from jaxrecon.core.iterate import Method, iterate
from jaxrecon.core.vectors import norm, subtract

SETTLING = 10
"""The size of the image is measured over so many steps, before growth counts as divergence."""


class Status(IntEnum):
    """How a run ended."""

    CONVERGED = 0
    """The residual met the tolerance."""
    NOT_CONVERGED = 1
    """It did not within the length."""
    DIVERGED = 2
    """NaN or infinite values, or an image that grew beyond bounds."""
    INFEASIBLE = 3
    """At rest by its residual, yet away from a constraint: what `minimise` may find."""
    STALLED = 4
    """At rest where the cost still slopes, as its line search finds no lower point: at a kink of a
    cost that is not smooth, or where steps and values are lost in rounding."""


class Solution(NamedTuple):
    """What :func:`solve_until` and :func:`fixed_point` return; under vmap, a batch of them."""

    x: Any
    """The image."""
    state: Any
    """The method's state that it was read from."""
    iterations: jax.Array
    """Number of steps taken."""
    status: jax.Array
    """A :class:`Status`, as an integer."""
    residual: jax.Array
    """The number that was compared with the tolerance, at the end."""
    history: Any
    """Records along axis 0, or None. After the run has ended they repeat the last one."""

    def describe(self) -> str:
        """The outcome in words, of one run or of a batch; needs values, so outside of jit."""
        status = np.asarray(self.status)
        steps = np.asarray(self.iterations)
        if status.ndim:
            ends = ", ".join(
                f"{np.sum(status == code)} {_words(code)}" for code in Status if code in status
            )
            return f"{status.size} runs: {ends}; {steps.min()} to {steps.max()} steps."
        text = f"{_words(Status(int(status)))} after {steps} steps, residual {self.residual:.3g}"
        if status == Status.CONVERGED:
            return f"{text}."
        if status == Status.NOT_CONVERGED:
            return f"{text}: the tolerance was not met. Allow more steps or a larger tolerance."
        if status == Status.INFEASIBLE:
            return f"{text}: at rest, but away from a constraint."
        if status == Status.STALLED:
            return (
                f"{text}: the cost still slopes, but the line search finds no lower point. It may "
                "have a kink there (take a method with the prox of that term, or smooth it), or be "
                "lost in rounding (rescale it, or use float64)."
            )
        if steps == 0:
            return f"{text}: NaN in the data, operator or residual, or a start not finite."
        finite = all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(self.x))
        seen = "the image grew beyond bounds" if finite else "NaN or infinity in the image"
        return f"{text}: {seen}. The step sizes may be larger than the method's condition allows."


def _words(status: Status) -> str:
    return status.name.lower().replace("_", " ")


class Progress(NamedTuple):
    """Where a run is: what the loop carries."""

    state: Any
    iterations: jax.Array
    status: jax.Array
    residual: jax.Array
    change: jax.Array
    size: jax.Array


def solve_until(
    method: Method,
    x0: Any,
    length: int,
    *,
    tolerance: Any,
    residual: Callable[[Any], Any] | None = None,
    trace: Callable[[Any], Any] | None = None,
    every: int = 1,
    growth: Any = 1e8,
    differentiable: bool = False,
    remat: bool | int = False,
) -> Solution:
    r"""Run `method` from the image `x0` until residual <= tolerance, for at most `length` steps.

    The residual is a number that falls to 0 at the solution: by default the relative change of the
    image in one step, ||x_k - x_{k-1}|| / ||x_k||, the larger one of the last two checks (a
    primal-dual method may leave the image at rest in its first step). Slow methods change little
    far from the solution, so that a residual of the problem says more::

        residual=lambda s: norm(f.grad(s.x)) / norm(f.grad(x0))        # relative gradient
        residual=lambda s: norm(A(s.x) - m)                            # discrepancy: tolerance of
                                                                       # sigma * sqrt(n)

    A run ends as diverged where the image is not finite, the residual is NaN or -infinity, or the
    image grew: ||x_k|| > growth * max(||x_0||, ..., ||x_10||); and at once where the method holds
    a NaN (in its data, say). A residual of +infinity is that of a method on its way, as is the
    default one before the end of a schedule (:func:`jaxrecon.solvers.half_quadratic_splitting`).

    A line search that finds no lower point brings the image to rest where the cost still slopes, as
    at a kink. Methods with line searches are asked for it at the end: that is stalled, not
    converged, where the default residual met the tolerance; and with a residual of the problem that
    did not meet it, where the last change was less than the root of the precision.

    In both forms the result, the history and the count are the same. A `jax.lax.while_loop`, the
    default, costs the steps that it takes, and has derivatives in forward mode only. With
    `differentiable`, a scan that skips what follows the end (under vmap it computes and discards
    it) has all derivatives, those of the unrolled steps, with one state of memory for each step of
    `length`; :func:`jaxrecon.fixed_point` has those of the solution in constant memory. Under vmap
    each item stops on its own, as it would alone, and the loop ends with the last one.

    Args:
        method: what to run.
        x0: start, as for :func:`jaxrecon.solve`.
        length: static; at most so many steps.
        tolerance: traced real scalar >= 0; items of a batch may have their own.
        residual: state -> real scalar; None takes the relative change of the image. It is also
            checked at the start, and so may end a run after 0 steps. It is not differentiated.
        trace: what to record, state -> pytree; None records nothing.
        every: static; check and record after every `every`-th step (`length` must be a multiple of
            it), for residuals and records that cost as much as a step.
        growth: traced; how much larger an image is still taken for one. Infinity: any.
        differentiable: static.
        remat: memory of the differentiable form, as in :func:`jaxrecon.iterate`, in units of
            `every` steps.

    Returns:
        A :class:`Solution` (x, state, iterations, status, residual, history). The history has
        length / every records; those after the end repeat the last, and a run of no steps has
        the record of its start. Look at ``status``, or print ``describe()``.

    Raises:
        ValueError: a length or `every` that is no positive whole number, a length that is no
            multiple of `every`, a negative tolerance; remat without differentiable.
        TypeError: a residual that is no real scalar.
    """
    what = "solve_until"
    length = check_positive_int(length, what=what, argument="length")
    every = check_positive_int(every, what=what, argument="every")
    if length % every:
        raise ValueError(f"{what}: length = {length} must be a multiple of every = {every}.")
    if remat is not False and not differentiable:
        raise ValueError(f"{what}: remat is of the form with differentiable=True only.")
    check_nonnegative(tolerance, what=what, argument="tolerance")

    def check(before: Progress, state: Any, previous: Any, steps: int) -> Progress:
        """The progress at a new state; `previous` is the image one step earlier."""
        x, previous = jax.lax.stop_gradient((method.solution(state), previous))
        size, iterations = norm(x), before.iterations + steps
        change = before.change if previous is None else _relative(norm(subtract(x, previous)), size)
        if residual is None:
            latest = jnp.maximum(change, before.change)
            value = jnp.where(method.under_way(state), jnp.inf, latest)
        else:
            value = jax.lax.stop_gradient(_scalar(residual(state)))
        early = (before.iterations < SETTLING) | (before.size == 0)
        usual = jnp.where(early, jnp.maximum(before.size, size), before.size)
        sound = jnp.isfinite(size) & ~(size > growth * usual)
        sound &= ~jnp.isnan(value) & (value != -jnp.inf)
        status = jnp.where(value <= tolerance, Status.CONVERGED, Status.NOT_CONVERGED)
        status = jnp.where(sound, status, Status.DIVERGED).astype(jnp.int32)
        return Progress(state, iterations, status, value, change, usual)

    def advance(progress: Progress) -> Progress:
        def step(pair: tuple) -> tuple:
            state, _ = pair
            return method.step(state), method.solution(state)

        pair = progress.state, method.solution(progress.state)
        state, previous = step(pair) if every == 1 else iterate(step, pair, every)[0]
        return check(progress, state, previous, every)

    state = jax.tree.map(jnp.asarray, method.init(x0))
    nothing = jnp.zeros_like(norm(method.solution(state)))
    start = Progress(state, jnp.int32(0), jnp.int32(0), nothing, nothing + jnp.inf, nothing)
    start = check(start, state, None, 0)
    status = jnp.where(_holds_nan(method), jnp.int32(Status.DIVERGED), start.status)
    start = start._replace(status=status)
    run = _scanned if differentiable else _looped
    final, history = run(advance, start, length // every, every, trace, remat)
    x = method.solution(final.state)
    status = _told_apart(method, final, residual is None)
    return Solution(x, final.state, final.iterations, status, final.residual, history)


def _told_apart(method: Method, end: Progress, by_change: bool) -> jax.Array:
    """The status, with the runs at rest that are stuck told apart from the others."""
    method, end = jax.lax.stop_gradient((method, end))
    rest = end.status == (Status.CONVERGED if by_change else Status.NOT_CONVERGED)
    if not by_change:
        rest &= end.change <= float(jnp.finfo(end.change.dtype).eps) ** 0.5
    return jnp.where(rest & method.stalled(end.state), jnp.int32(Status.STALLED), end.status)


def _scanned(
    advance: Callable, start: Progress, checks: int, every: int, trace: Any, remat: Any
) -> tuple[Progress, Any]:
    def advance_unless_over(progress: Progress) -> Progress:
        running = progress.status == Status.NOT_CONVERGED
        return jax.lax.cond(running, advance, lambda over: over, progress)

    record = None if trace is None else lambda progress: trace(progress.state)
    return iterate(advance_unless_over, start, checks, trace=record, remat=remat)


def _looped(
    advance: Callable, start: Progress, checks: int, every: int, trace: Any, remat: Any
) -> tuple[Progress, Any]:
    """The same with a while_loop, that writes its records to an array made before it."""
    record = (lambda state: None) if trace is None else trace

    def unfinished(carry: tuple) -> jax.Array:
        progress, _ = carry
        running = progress.status == Status.NOT_CONVERGED
        return running & (progress.iterations < checks * every)

    def body(carry: tuple) -> tuple:
        progress, records = carry
        progress = advance(progress)
        row = progress.iterations // every - 1
        new = record(progress.state)
        return progress, jax.tree.map(lambda a, r: a.at[row].set(r), records, new)

    def repeated(a: Any) -> jax.Array:
        return jnp.broadcast_to(a, (checks, *jnp.shape(a)))

    first = jax.tree.map(repeated, record(start.state))
    final, records = jax.lax.while_loop(unfinished, body, (start, first))
    kept = final.iterations // every

    def completed(a: jax.Array) -> jax.Array:
        over = (jnp.arange(checks) >= kept).reshape(-1, *[1] * (a.ndim - 1))
        return jnp.where(over, a[jnp.maximum(kept - 1, 0)], a)

    return final, jax.tree.map(completed, records)


def _holds_nan(method: Any) -> jax.Array:
    """Whether data, operators or step sizes have a NaN, which a prox may turn into a number."""
    leaves = [a for a in jax.tree.leaves(method) if jnp.issubdtype(jnp.result_type(a), jnp.inexact)]
    return jnp.any(jnp.array([jnp.any(jnp.isnan(a)) for a in leaves], bool))


def _relative(change: jax.Array, size: jax.Array) -> jax.Array:
    """change / size; 0 where the image stays at 0."""
    positive = size > 0
    quotient = change / jnp.where(positive, size, 1)
    return jnp.where(positive, quotient, jnp.where(change > 0, jnp.inf, 0))


def _scalar(value: Any) -> jax.Array:
    if jnp.shape(value) != () or is_complex(jnp.result_type(value)):
        raise TypeError(
            "solve_until expected residual(state) to be a real scalar, got "
            f"{describe(struct_of(value))}. Take a norm of it, norm(...) / norm(...)."
        )
    return jnp.asarray(value)
