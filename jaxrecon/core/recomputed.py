"""Whether a loop computes its steps again in the backward pass, for what is inside a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_recomputed: ContextVar[bool] = ContextVar("jaxrecon_recomputed", default=False)


def recomputed() -> bool:
    """Whether what is being traced is computed again in the backward pass of the innermost loop.

    What keeps its arguments only, and computes the rest in its own backward pass, then costs
    nothing.
    """
    return _recomputed.get()


@contextmanager
def in_a_step(again: bool) -> Iterator[None]:
    """Within it, a step of a loop is traced that is computed again, or not."""
    token = _recomputed.set(again)
    try:
        yield
    finally:
        _recomputed.reset(token)
