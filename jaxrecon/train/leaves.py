"""The arrays of a pytree by name, and JAX keys as the numbers that files hold."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def enumerate_leaves(tree: Any) -> list[tuple[str, Any]]:
    """Leaves with their paths as names, in the order of `jax.tree.leaves`."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in flat]


def is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def plain(leaf: Any) -> Any:
    """A JAX key as the numbers that it is made of; any other array as it is."""
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def like_leaf(array: Any, leaf: Any) -> jax.Array:
    """What :func:`plain` gave, as a key of the kind of `leaf`, or as an array of its dtype."""
    if is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array, leaf.dtype)
