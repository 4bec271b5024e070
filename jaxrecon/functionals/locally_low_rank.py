"""Locally low rank: the nuclear norm of blocks of an image series."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.functionals.nuclear_norm import NuclearNorm


class LocallyLowRank(Functional):
    r"""f(x) = sum over blocks b of ||x_b||_*, the nuclear norm of (pixels of b) x (frames).

    The last len(block) axes of x are tiled by blocks that do not overlap; all axes before them
    (time, echo, coil) index the frames, which have few independent courses within a block. The
    prox, which shrinks the singular values of each block, is exact. `shift` moves the tiles,
    periodically: draw it anew in each iteration, ``f.replace(shift=...)``, so that no edges of
    blocks remain. Real or complex.

    The conjugate is 0 where the largest singular value of every block is <= 1, else infinite.

    Args:
        block: static, pixels of a block along the last axes, (8, 8) say.
        shift: whole numbers, a scalar or one for each of these axes; traced.

    Raises:
        ValueError: a block that is not of positive whole numbers; when used, an x with no axis
            of frames, or whose axes are not multiples of the block.
        TypeError: a shift that is not of integers.

    Source: Zhang, Pauly and Levesque 2015, doi:10.1002/mrm.25161.
    """

    block: tuple[int, ...] = static()
    shift: Any = 0

    def __post_init__(self) -> None:
        block = self.block if isinstance(self.block, tuple | list) else (self.block,)
        what = "LocallyLowRank(block)"
        block = tuple(check_positive_int(n, what=what, argument="block") for n in block)
        self._set("block", block)
        if not jnp.issubdtype(jnp.asarray(self.shift).dtype, jnp.integer):
            raise TypeError(f"{what} expected shift to be whole numbers, got {self.shift}.")
        self._set("shift", jnp.broadcast_to(jnp.asarray(self.shift, int), (len(block),)))
        super().__post_init__()

    def _spatial(self) -> tuple[int, ...]:
        return tuple(range(-len(self.block), 0))

    def _norm(self) -> NuclearNorm:
        """Of an array (frames, tiles and their pixels along each axis in turn)."""
        tiles = range(1, 2 * len(self.block), 2)
        return NuclearNorm(rows=0, columns=tuple(a + 1 for a in tiles))

    def _tiles(self, x: Any) -> jax.Array:
        n = len(self.block)
        space = x.shape[-n:]
        fits = x.ndim > n and all(s % b == 0 for s, b in zip(space, self.block, strict=True))
        if not fits:
            raise ValueError(
                f"LocallyLowRank expected frames, then {n} axes that are multiples of the block "
                f"{self.block}, got the shape {x.shape}. Pad the image, or take other blocks."
            )
        moved = jnp.roll(x, self.shift, self._spatial())
        pairs = zip(space, self.block, strict=True)
        return moved.reshape(-1, *(m for s, b in pairs for m in (s // b, b)))

    def __call__(self, x: Any) -> jax.Array:
        return self._norm()(self._tiles(x))

    def prox(self, v: Any, step: Any) -> Any:
        moved = self._norm().prox(self._tiles(v), step).reshape(v.shape)
        return jnp.roll(moved, -self.shift, self._spatial())

    def conjugate(self, y: Any) -> jax.Array:
        return self._norm().conjugate(self._tiles(y))
