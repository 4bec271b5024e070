"""What the losses share: how a reconstruction is called, and distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxrecon.core import LinearOperator, Pytree, static

Reconstruct = Callable[[Any, LinearOperator | None, Any], jax.Array]
"""(module, operator, batch of measurements) -> batch of images.

It must use the operator that it is given, as some losses give it a part of the whole. A denoiser
gets None, and measurements that are images.
"""


class Loss(Pytree):
    """loss(module, batch, key) -> the mean over the batch, a real scalar.

    Args:
        reconstruct: static; (module, operator, batch of measurements) -> batch of images. A
            function at module level, as it is compared by identity.
        operator: A, on one image; None for denoising.
    """

    reconstruct: Reconstruct = static()
    operator: LinearOperator | None = None

    def predicted(self, x: jax.Array) -> Any:
        """A x of a batch of images; x itself in denoising."""
        return x if self.operator is None else jax.vmap(self.operator.apply)(x)

    def __call__(self, module: Any, batch: Any, key: jax.Array) -> jax.Array:
        raise NotImplementedError(f"{type(self).__name__} must define __call__")
