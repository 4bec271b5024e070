"""U-Net without batch statistics, on pixels folded into channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
from flax import nnx

from jaxrecon.nn.convolution import Convolution
from jaxrecon.nn.residual import ResidualBlock
from jaxrecon.nn.resolution import (
    Downsample,
    Upsample,
    check_image,
    depth_to_space,
    space_to_depth,
)


class UNet(nnx.Module):
    """Residual U-Net: x + U(x), with U seeing a receptive field of the whole patch.

    Resolution changes by 2x2 convolutions of stride 2 and their transposes, and skip connections
    are added. There is no batch normalisation: an image's result depends on that image alone. With
    `fold` > 1 blocks of pixels become channels first, as in FFDNet: fold^2 times fewer positions.
    With relu, and without biases and normalisation, f(c x) = c f(x) for c > 0.

    Args:
        features: channels per level, finest first.
        blocks: residual blocks per level on either way.
        fold: side of the blocks of pixels that become channels.
        inputs, outputs: channels in and out; the first `outputs` inputs are added to the result.
        dims: axes of an image, 2 or 3.
        bias: whether the convolutions have one.
        groups: of :class:`GroupNormalisation` in the residual blocks; None for none.
        activation: in the residual blocks; see :class:`ResidualBlock`.
        rngs: random streams of Flax.

    `x` has the shape (batch, y, x, inputs) or (batch, z, y, x, inputs), with sides that are
    multiples of fold * 2^(levels - 1).

    Raises:
        ValueError: no features; other channels or sides than these.
        TypeError: a number in the place of the features of each level.

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
        dims: int = 2,
        bias: bool = True,
        groups: int | None = None,
        activation: Callable = jax.nn.relu,
        rngs: nnx.Rngs,
    ):
        check_features(features, what="UNet", of="level")
        if outputs > inputs:
            raise ValueError(
                "UNet: what it computes is added to the first inputs, so that it needs outputs <= "
                f"inputs, got {outputs} and {inputs}."
            )
        options: dict[str, Any] = {"dims": dims, "bias": bias, "rngs": rngs}
        inside: dict[str, Any] = options | {"groups": groups, "activation": activation}

        def level(channels: int) -> nnx.List:
            return nnx.List(ResidualBlock(channels, **inside) for _ in range(blocks))

        pairs = list(pairwise(features))
        self.fold = fold
        self.outputs = outputs
        self.head = Convolution(inputs * fold**dims, features[0], **options)
        self.tail = Convolution(features[0], outputs * fold**dims, scale=0.1, **options)
        self.encoders = nnx.List(level(fine) for fine, _ in pairs)
        self.bottom = level(features[-1])
        self.decoders = nnx.List(level(fine) for fine, _ in pairs)
        self.downs = nnx.List(Downsample(fine, coarse, **options) for fine, coarse in pairs)
        self.ups = nnx.List(Upsample(coarse, fine, **options) for fine, coarse in pairs)

    def __call__(self, x: jax.Array) -> jax.Array:
        multiple = self.fold * 2 ** len(self.downs)
        check_image(x, self.head, multiple, what="UNet", fold=self.fold)
        y = self.head(space_to_depth(x, self.fold))
        skips = []
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            for block in blocks:
                y = block(y)
            skips.append(y)
            y = down(y)
        for block in self.bottom:
            y = block(y)
        levels = zip(skips[::-1], self.decoders[::-1], self.ups[::-1], strict=True)
        for skip, blocks, up in levels:
            y = skip + up(y)
            for block in blocks:
                y = block(y)
        return x[..., : self.outputs] + depth_to_space(self.tail(y), self.fold)


def check_features(features: Any, *, what: str, of: str) -> None:
    """Raise TypeError unless these are the channels of each level, ValueError where there are none.

    Args:
        features: channels, finest first.
        what: name of the network.
        of: its name for a level.
    """
    if isinstance(features, int):
        raise TypeError(
            f"{what} expected features of each {of}, e.g. (32, 64), got {features}; for one {of} "
            f"pass ({features},)."
        )
    if len(features) < 1:
        raise ValueError(f"{what}: features needs at least one {of}.")
