"""Products in the full precision of the dtype, also on accelerators, whose default is lower.

The default of a GPU (TF32) has errors of 1e-3, that of a TPU (bfloat16) of 1e-2: enough for
networks, not for an operator, a solver or a closed form.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
tensordot = partial(jnp.tensordot, precision=jax.lax.Precision.HIGHEST)
einsum = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
vdot = partial(jnp.vdot, precision=jax.lax.Precision.HIGHEST)
