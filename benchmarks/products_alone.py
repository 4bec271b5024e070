"""The products of matrices of a training step alone: the least that Winograd's filtering takes.

Of the layers between the first and the last of the network, as many products as the step takes, a
group of images at a time: forward, forward again in the backward pass, and the gradients of images
and of kernels. There are no transforms, activations, operators or updates, and no first and last
layer, all of which a step also takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from timing import compiled
from unrolled_cases import BATCH, SIDE, Case

from jaxrecon import nn
from jaxrecon.nn.cpu_convolution import canonical
from jaxrecon.nn.groups import PIXELS_BACKWARDS

_TILE, _TAPS = 4, 3
_IMAGES = PIXELS_BACKWARDS // SIDE**2
_CHAIN = 3
"""Forward, forward again, and the gradient of the images, which has the same shapes."""


class ProductsAlone:
    """Compiled products of a training step, filtered along `rows` or along both axes in `tiles`."""

    def __init__(self, case: Case, how: str):
        count = case.steps * (case.depth - 2) * BATCH // _IMAGES
        pieces, kernels, forward, gradient = {"rows": _rows, "tiles": _tiles}[how](case)

        def run(pieces: Any, kernels: Any) -> Any:
            def layer(i: jax.Array, sums: Any) -> Any:
                own = lax.dynamic_index_in_dim(kernels, i % (case.depth - 2), keepdims=False)
                y = pieces
                for _ in range(_CHAIN):
                    y = forward(y, own)
                return jax.tree.map(jnp.add, sums, gradient(pieces, y))

            sums = jax.eval_shape(gradient, pieces, pieces)
            return lax.fori_loop(0, count, layer, jax.tree.map(jnp.zeros_like, sums))

        self._arguments = pieces, kernels
        self.executable, self.compile_seconds = compiled(nn.jit(run), *self._arguments)

    def __call__(self) -> Any:
        return jax.block_until_ready(self.executable(*self._arguments))


def _normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def _rows(case: Case) -> tuple[Any, jax.Array, Callable, Callable]:
    """F(4, 3) along rows: six images of a quarter of the width, kernels of three rows."""
    parts, channels = _TILE + _TAPS - 1, case.features
    pieces = tuple(_normal(i, _IMAGES, SIDE, SIDE // _TILE, channels) for i in range(parts))
    kernels = _normal(parts, case.depth - 2, parts, _TAPS, 1, channels, channels)

    def forward(y: Any, kernel: jax.Array) -> Any:
        return tuple(canonical(part, kernel[i]) for i, part in enumerate(y))

    def gradient(x: Any, y: Any) -> Any:
        turned = (jnp.moveaxis(part, -1, 0) for part in x)
        border = [(0, 0), (1, 1)]
        return tuple(canonical(a, b, border) for a, b in zip(turned, y, strict=True))

    return pieces, kernels / (_TAPS * channels) ** 0.5, forward, gradient


def _tiles(case: Case) -> tuple[Any, jax.Array, Callable, Callable]:
    """F(4 x 4, 3 x 3): 36 matrices of a row for each tile."""
    parts, channels = (_TILE + _TAPS - 1) ** 2, case.features
    pieces = _normal(0, parts, _IMAGES * (SIDE // _TILE) ** 2, channels)
    kernels = _normal(1, case.depth - 2, parts, channels, channels)

    def gradient(x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.einsum("tpc,tpd->tcd", x, y)

    return pieces, kernels / channels**0.5, jnp.matmul, gradient
