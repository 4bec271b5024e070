"""Whether the arguments of a learned reconstruction are batches of images and of measurements."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import Space, check_space, describe, struct


def check_images_and_data(what: str, operator: LinearOperator, **given: Any) -> None:
    """Raise unless these are batches of images (y, x) of the operator, of its data, and of more.

    Args:
        what: who expects it.
        operator: A.
        given: by the name of the argument, in this order: the images, the data, and, if there are
            some, what else has an entry for each.

    Raises:
        ValueError: an operator on other than two axes; as :func:`check_batched`.
        TypeError: another dtype.
    """
    if len(getattr(operator.domain, "shape", ())) != 2:
        raise ValueError(
            f"{what} expected an operator on images (y, x), got {operator!r}. Volumes would go "
            "through networks of images slice by slice."
        )
    spaces = [operator.domain, operator.codomain, *[None] * (len(given) - 2)]
    pairs = zip(given.values(), spaces, strict=True)
    check_batched(what, **dict(zip(given, pairs, strict=True)))


def check_batched(what: str, **given: tuple[Any, Space]) -> None:
    """Raise unless each argument is a batch, along axis 0, of elements of its space.

    Args:
        what: who expects it.
        given: by the name of the argument, the batch and the space; None for any space.

    Raises:
        ValueError: another structure or shape, or batches of different sizes.
        TypeError: another dtype.
    """
    got = {argument: jax.tree.map(jax.typeof, batch) for argument, (batch, _) in given.items()}
    for argument, (_, space) in given.items():
        if space is not None:
            _check_items(got[argument], space, what=what, argument=argument)
    if len({leaf.shape[:1] for leaf in jax.tree.leaves(got)}) > 1:
        shapes = ", ".join(f"{a} {describe(x)}" for a, x in got.items() if jax.tree.leaves(x))
        raise ValueError(f"{what} expected as many of each along axis 0, got {shapes}.")


def _check_items(got: Any, space: Space, *, what: str, argument: str) -> None:
    """Raise unless `got` has the axis of the batch, and behind it what the space has."""
    leaves, wanted = jax.tree.leaves(got), jax.tree.leaves(space)
    if [len(a.shape) for a in leaves] != [len(s.shape) + 1 for s in wanted]:
        shapes = [f"(batch, {', '.join(map(str, s.shape))})" for s in wanted]
        raise ValueError(
            f"{what} expected a batch of {argument} {' and '.join(shapes)}, got {describe(got)}. "
            f"A single one is a batch as {argument}[None], and other leading axes are flattened."
        )
    items = jax.tree.map(lambda a: struct(a.shape[1:], a.dtype), got)
    check_space(items, space, what=what, argument=f"each item of {argument}")
