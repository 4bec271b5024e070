"""The one loop: a pure step, scanned, with recording and memory control kept apart from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from jaxrecon.core.keep import kept
from jaxrecon.core.pytree import Pytree
from jaxrecon.core.recomputed import in_a_step


class Method(Pytree):
    """An iterative algorithm: two pure functions over a pytree that holds its problem.

    `init(x0)` makes the state, `step(state)` returns the next one, and `solution(state)` reads the
    image from it. The method itself (operators, data, step sizes) is a pytree, so it can be an
    argument of a jitted function, vmapped over and differentiated.
    """

    def init(self, x0: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define init")

    def step(self, state: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define step")

    def solution(self, state: Any) -> Any:
        """The image that the state stands for; the field `x` unless overridden."""
        return state.x

    def under_way(self, state: Any) -> Any:
        """Whether an image at rest means nothing yet, as under a schedule; False by default."""
        return False

    def stalled(self, state: Any) -> Any:
        """Whether the method is stuck where the cost still slopes; False by default.

        Asked once, after a run that ended at rest.
        """
        return False


def iterate(
    step: Callable,
    state: Any,
    length: int | None = None,
    *,
    xs: Any = None,
    trace: Callable[[Any], Any] | None = None,
    every: int = 1,
    remat: bool | int = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """Apply ``state = step(state)`` `length` times with :func:`jax.lax.scan`.

    Every solver, unrolled network and plug-and-play scheme of this library runs through here.
    :func:`jaxrecon.solve_until` stops by a tolerance.

    Args:
        step: pure function state -> state; with `xs`, (state, x) -> state.
        state: pytree of arrays; step must keep its structure, shapes and dtypes.
        length: number of steps; may be left out when `xs` is given.
        xs: pytree scanned over along axis 0, e.g. the stacked parameters of an unrolled network.
        trace: what to record, state -> pytree, evaluated after the step; None records nothing.
        every: record after every `every`-th step only (`length` must be a multiple of it).
        remat: True recomputes each step in the backward pass (memory of one state a step, and of
            what the step marks by :func:`jaxrecon.keep`); an int k recomputes in blocks of k steps
            (memory of length / k states plus k; k = sqrt(length) is least). `length` must be a
            multiple of k, and k of `every`.
        unroll: steps per loop iteration, as in `lax.scan`.

    Returns:
        (final state, history); history has the records stacked along axis 0, or is None.

    Raises:
        ValueError: no length and no xs, lengths that disagree, or a length that is no multiple of
            `every` or of the remat block.
    """
    length = _length(length, xs)
    block = remat if isinstance(remat, int) and not isinstance(remat, bool) else 1
    if every < 1 or length % every:
        raise ValueError(f"iterate: length = {length} must be a multiple of every = {every}.")
    every = every if trace is not None else block
    if block < 1 or length % block or (block > 1 and block % every):
        raise ValueError(
            f"iterate: remat = {block} steps a block must divide length = {length} and be a "
            f"multiple of every = {every}."
        )

    def body(carry: Any, x: Any) -> tuple[Any, None]:
        with in_a_step(again=remat is True):
            return step(carry) if xs is None else step(carry, x), None

    if remat is True:
        body = jax.checkpoint(body, prevent_cse=False, policy=kept)
    if trace is None and block == 1:
        state, _ = jax.lax.scan(body, state, xs, length, unroll=unroll)
        return state, None

    def recorded(carry: Any, chunk: Any) -> tuple[Any, Any]:
        carry, _ = jax.lax.scan(body, carry, chunk, every, unroll=unroll)
        return carry, None if trace is None else trace(carry)

    if block == 1:
        return jax.lax.scan(recorded, state, _fold(xs, every), length // every)

    @partial(jax.checkpoint, prevent_cse=False)
    def blocks(carry: Any, chunk: Any) -> tuple[Any, Any]:
        return jax.lax.scan(recorded, carry, _fold(chunk, every), block // every)

    state, history = jax.lax.scan(blocks, state, _fold(xs, block), length // block)
    return state, jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), history)


def solve(method: Method, x0: Any, length: int, **options: Any) -> tuple[Any, Any]:
    """Run `method` from the image `x0` for `length` steps; options as in :func:`iterate`.

    :func:`jaxrecon.solve_until` stops by a tolerance, and says whether it was met.

    Returns:
        (image, history). Not jitted here: jit the function that calls it, with the method or what
        it is made of as an argument.
    """
    state, history = iterate(method.step, method.init(x0), length, **options)
    return method.solution(state), history


def _length(length: int | None, xs: Any) -> int:
    lengths = {leaf.shape[0] for leaf in jax.tree.leaves(xs)}
    if length is not None:
        lengths.add(int(length))
    if len(lengths) != 1:
        raise ValueError(
            "iterate needs one number of steps: give length, or xs with equal leading axes; "
            f"got {sorted(lengths) or 'neither'}."
        )
    return lengths.pop()


def _fold(xs: Any, block: int) -> Any:
    return jax.tree.map(lambda a: a.reshape(a.shape[0] // block, block, *a.shape[1:]), xs)
