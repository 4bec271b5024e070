"""Any scheme unrolled: a step repeated, with what is learned as its argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import iterate


def unroll(
    step: Callable,
    parameters: Any,
    x0: Any,
    *,
    length: int | None = None,
    trace: Callable | None = None,
    remat: bool | int = True,
) -> Any:
    """Run ``x <- step(parameters, x)``: any scheme of your own, with what is learned as argument.

    Weights may be unshared (the default), shared (`length`), or shared by some of the steps
    (:func:`spread`).

    Args:
        step: (parameters, x) -> x, pure.
        parameters: a pytree (NNX modules are pytrees). Without `length`, each leaf is stacked
            along axis 0 and step k gets slice k: unshared weights (see `nn.stacked`).
        x0: start, an array or pytree.
        length: number of steps with shared weights: every step gets all of `parameters`.
        trace: what to record after each step, x -> pytree, for losses that see every iterate
            (deep supervision): ``lambda x: x`` for the iterates. None records nothing.
        remat: recompute each step in the backward pass, but for what it marks by
            :func:`jaxrecon.keep`: memory of one image a step, and of what is kept. A whole number
            k recomputes blocks of k steps, see :func:`jaxrecon.iterate`.

    Returns:
        the last x; with a trace (x, history), the records stacked along axis 0.

    Raises:
        ValueError: leaves of `parameters` without axes, or with different leading ones, without
            `length`; a `remat` that does not divide the number of steps.
    """
    options: dict[str, Any] = {"trace": trace, "remat": remat}
    if length is None:
        if any(np.shape(leaf) == () for leaf in jax.tree.leaves(parameters)):
            raise ValueError(
                "unroll expected parameters stacked along axis 0, one slice for each step, got a "
                "leaf without axes. With `length`, all steps share them."
            )
        x, history = iterate(lambda x, p: step(p, x), x0, xs=parameters, **options)
    else:
        x, history = iterate(lambda x: step(parameters, x), x0, length, **options)
    return x if trace is None else (x, history)


def spread(parameters: Any, slices: Sequence[int]) -> Any:
    """Stacked parameters of K steps that share some: step k gets slice ``slices[k]``.

    Args:
        parameters: a pytree whose leaves are stacked along axis 0, one slice for each group of
            steps (see `nn.stacked`).
        slices: K indices, e.g. ``(0, 0, 1, 1, 1)`` for two groups of two and three steps.

    Returns:
        the pytree for :func:`unroll`, stacked K times. Gradients of steps that share are added.

    Raises:
        ValueError: an index that is no slice, or a slice that no step uses.
    """
    counts = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(parameters)}
    used = set(slices)
    if counts != {(len(used),)} or used != set(range(len(used))):
        raise ValueError(
            f"spread: slices {tuple(slices)} name the slices {sorted(used)}, and the parameters "
            f"have the leading axes {sorted(counts)}. Stack one for each group of steps, numbered "
            "from 0: nn.stacked(make, groups, key)."
        )
    index = jnp.asarray(slices)
    return jax.tree.map(lambda leaf: leaf[index], parameters)
