"""U-Net without batch statistics, on pixels folded into channels."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.nn.convolution import Convolution, depth_to_space, space_to_depth


class ResidualBlock(nnx.Module):
    """x + C_2 relu(C_1 x), 3x3, with the second convolution near zero at the start."""

    def __init__(self, features: int, *, rngs: nnx.Rngs):
        self.first = Convolution(features, features, rngs=rngs)
        self.second = Convolution(features, features, scale=0.1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.second(jax.nn.relu(self.first(x)))


class UNet(nnx.Module):
    """Residual U-Net: x + U(x), with U seeing a receptive field of the whole patch.

    Resolution changes are reshapes with 1x1 convolutions (a 2x2 strided convolution written as a
    matrix product), skip connections are added, and there is no normalisation, so that an image's
    result depends on that image alone. With `fold` > 1 blocks of pixels become channels first, as
    in FFDNet: fold^2 times fewer positions.

    Args:
        features: channels per level, finest first.
        blocks: residual blocks per level on either way.
        fold: side of the blocks of pixels that become channels.
        inputs, outputs: channels in and out; the first `outputs` inputs are added to the result.
        rngs: random streams of Flax.

    `x` has the shape (batch, y, x, inputs), y and x multiples of fold * 2^(levels - 1).

    Source: Ronneberger et al., doi:10.1007/978-3-319-24574-4_28; residual form and noise map, Zhang
    et al., DRUNet, doi:10.1109/TPAMI.2021.3088914; folding, FFDNet, doi:10.1109/TIP.2018.2839891.
    """

    def __init__(
        self,
        features: Sequence[int] = (32, 64, 96),
        blocks: int = 1,
        fold: int = 2,
        *,
        inputs: int = 1,
        outputs: int = 1,
        rngs: nnx.Rngs,
    ):
        levels = len(features)
        if levels < 1:
            raise ValueError("UNet: features needs at least one level.")
        self.fold = fold
        self.outputs = outputs
        self.head = Convolution(inputs * fold**2, features[0], rngs=rngs)
        self.tail = Convolution(features[0], outputs * fold**2, scale=0.1, rngs=rngs)
        self.encoders = nnx.List(
            nnx.List(ResidualBlock(f, rngs=rngs) for _ in range(blocks)) for f in features[:-1]
        )
        self.bottom = nnx.List(ResidualBlock(features[-1], rngs=rngs) for _ in range(blocks))
        self.decoders = nnx.List(
            nnx.List(ResidualBlock(f, rngs=rngs) for _ in range(blocks)) for f in features[:-1]
        )
        self.downs = nnx.List(
            Convolution(4 * features[i], features[i + 1], size=1, rngs=rngs)
            for i in range(levels - 1)
        )
        self.ups = nnx.List(
            Convolution(features[i + 1], 4 * features[i], size=1, rngs=rngs)
            for i in range(levels - 1)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        self._check(x)
        y = self.head(space_to_depth(x, self.fold))
        skips = []
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            for block in blocks:
                y = block(y)
            skips.append(y)
            y = down(space_to_depth(y))
        for block in self.bottom:
            y = block(y)
        levels = zip(skips[::-1], self.decoders[::-1], self.ups[::-1], strict=True)
        for skip, blocks, up in levels:
            y = skip + depth_to_space(up(y))
            for block in blocks:
                y = block(y)
        return x[..., : self.outputs] + depth_to_space(self.tail(y), self.fold)

    def _check(self, x: jax.Array) -> None:
        inputs = self.head.kernel.shape[2] // self.fold**2
        multiple = self.fold * 2 ** len(self.downs)
        if jnp.ndim(x) != 4 or x.shape[-1] != inputs:
            raise ValueError(
                f"UNet expected (batch, y, x, {inputs}), got {x.shape}. "
                "Images (..., y, x) go through nn.on_images."
            )
        if x.shape[1] % multiple or x.shape[2] % multiple:
            raise ValueError(
                f"UNet: the image sides {x.shape[1:3]} must be multiples of {multiple}; "
                "pad the image or build the network with fewer levels."
            )
