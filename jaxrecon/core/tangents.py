"""What derivative rules are written with: parts of pytrees that move, and real coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def real_parts(x: Any) -> list:
    """The leaves of x as real arrays: a complex one as its real and its imaginary part."""
    return [(a.real, a.imag) if jnp.iscomplexobj(a) else (a,) for a in jax.tree.leaves(x)]


def from_parts(parts: list, like: Any) -> Any:
    """The pytree with the structure of `like` whose :func:`real_parts` are `parts`."""
    arrays = [jax.lax.complex(*p) if len(p) == 2 else p[0] for p in parts]
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def tied(parts: list) -> list:
    """The same numbers, each made to depend on all: JAX transposes a solve only where no part of
    its right-hand side is a constant."""
    tie = 0 * jnp.sum(jnp.stack([jnp.sum(a.ravel()[:1]) for a in jax.tree.leaves(parts)]))
    return jax.tree.map(lambda a: a + tie.astype(a.dtype), parts)


def change_along(function: Callable, at: Any, tangents: Any) -> Any:
    """The derivative of `function` along those of the tangents that are not zero by construction.

    `tangents` come from a custom_jvp rule with symbolic zeros: leaves without a derivative
    (integers, keys, constants) are not touched.
    """
    leaves, tree = jax.tree.flatten(at)
    tangents = tree.flatten_up_to(tangents)
    moving = [not is_zero(t) for t in tangents]
    some, others = split(moving, leaves)
    if not some:
        return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(function, at))

    def applied(some: list) -> Any:
        return function(jax.tree.unflatten(tree, merged(moving, some, others)))

    return jax.jvp(applied, (some,), (split(moving, tangents)[0],))[1]


def is_zero(tangent: Any) -> bool:
    """Whether a tangent of a rule with symbolic zeros is one."""
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero) or (
        getattr(tangent, "dtype", None) == jax.dtypes.float0
    )


def split(chosen: list[bool], leaves: list) -> tuple[list, list]:
    """The leaves that are chosen, and the others."""
    pairs = list(zip(chosen, leaves, strict=True))
    return [leaf for c, leaf in pairs if c], [leaf for c, leaf in pairs if not c]


def merged(chosen: list[bool], first: list, second: list) -> list:
    """The list of which :func:`split` gives `first` and `second`."""
    one, other = iter(first), iter(second)
    return [next(one) if c else next(other) for c in chosen]
