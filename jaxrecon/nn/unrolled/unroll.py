"""Any scheme unrolled: a step repeated, with what is learned as its argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxrecon.core import iterate


def unroll(
    step: Callable, parameters: Any, x0: Any, *, length: int | None = None, remat: bool = True
) -> Any:
    """Run ``x <- step(parameters, x)``: any scheme of your own, with what is learned as argument.

    Args:
        step: (parameters, x) -> x, pure.
        parameters: a pytree (NNX modules are pytrees). Without `length`, each leaf is stacked
            along axis 0 and step k gets slice k: unshared weights (see `nn.stacked`).
        x0: start, an array or pytree.
        length: number of steps with shared weights: every step gets all of `parameters`.
        remat: recompute each step in the backward pass: memory of one image a step.

    Returns:
        the last x. To see all of them use :func:`jaxrecon.iterate` with a trace.
    """
    if length is None:
        x, _ = iterate(lambda x, p: step(p, x), x0, xs=parameters, remat=remat)
    else:
        x, _ = iterate(lambda x: step(parameters, x), x0, length, remat=remat)
    return x
