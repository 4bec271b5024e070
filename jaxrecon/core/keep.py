"""What a loop keeps although it computes its steps again in the backward pass."""

from __future__ import annotations

from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name

from jaxrecon.core.checks import is_complex

_NAME = "jaxrecon.keep"
kept = jax.checkpoint_policies.save_only_these_names(_NAME)
"""Policy of `jax.checkpoint`: recompute all but what went through :func:`keep`."""


def keep(x: Any) -> Any:
    """x itself, which ``remat=True`` of a loop does not compute again in the backward pass.

    Recomputing a step saves the memory of what lies inside it, the many channels of a network.
    What an operator gives is one image or one set of data, and may take longer than the network:

        gradient = keep(jax.vmap(A.H)(jax.vmap(A)(x) - m))

    costs one image a step, and applies A and A^H four times a step instead of six. The unrolled
    schemes do so with all that operators and data fidelities give, and solves by conjugate
    gradients do with their solution. Elsewhere it changes nothing.

    Args:
        x: array or pytree of arrays. Complex arrays are kept as their two parts.

    Not for linear maps that `jax.linear_transpose` is to transpose: it has no rule for names.
    """
    return jax.tree.map(_named, x)


def _named(x: jax.Array) -> jax.Array:
    if is_complex(x.dtype):  # jax.checkpoint fails to keep complex arrays themselves
        return jax.lax.complex(_named(x.real), _named(x.imag))
    return checkpoint_name(x, _NAME)
