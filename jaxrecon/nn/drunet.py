"""DRUNet: a residual U-Net without biases, for any noise level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
from flax import nnx

from jaxrecon.nn.convolution import Convolution
from jaxrecon.nn.residual import ResidualBlock
from jaxrecon.nn.resolution import Downsample, Upsample, check_image
from jaxrecon.nn.unet import check_features


class DRUNet(nnx.Module):
    r"""Denoiser D(x, sigma): residual blocks at four scales, with a map of the noise level.

        e_1 = C [x, sigma],   e_(k+1) = S_k B_k e_k
        d_K = B_K e_K,        d_k = B'_k T_k (d_(k+1) + e_(k+1)),   D = C' (d_1 + e_1)

    with convolutions C, C', residual blocks B, B', 2x2 convolutions S of stride 2 and transposed
    ones T. No layer has a bias and relu is homogeneous, so that D(c x, c sigma) = c D(x, sigma) for
    c > 0, and what was learned at one noise level serves at others.

    Args:
        features: channels per scale, finest first.
        blocks: residual blocks per scale on either way.
        inputs: channels in, the noise map as the last of them: 2 for real images, 3 for complex.
        outputs: channels out; 2 for complex images.
        dims: axes of an image, 2 or 3.
        bias: give the layers biases, and lose the equivariance.
        activation: in the residual blocks; see :class:`ResidualBlock`. A smooth one loses the
            equivariance.
        rngs: random streams of Flax.

    `x` has the shape (batch, y, x, inputs), or (batch, z, y, x, inputs), with sides that are
    multiples of 2^(scales - 1). Use ``nn.on_images(network, images, sigma)``.

    Raises:
        ValueError: no features; other channels or sides than these.
        TypeError: a number in the place of the features of each scale.

    Source: Zhang et al., DRUNet, doi:10.1109/TPAMI.2021.3088914; scale equivariance without biases,
    Mohan et al., ICLR 2020, doi:10.48550/arXiv.1906.05478.
    """

    def __init__(
        self,
        features: Sequence[int] = (64, 128, 256, 512),
        blocks: int = 4,
        *,
        inputs: int = 2,
        outputs: int = 1,
        dims: int = 2,
        bias: bool = False,
        activation: Callable = jax.nn.relu,
        rngs: nnx.Rngs,
    ):
        check_features(features, what="DRUNet", of="scale")
        options: dict[str, Any] = {"dims": dims, "bias": bias, "rngs": rngs}
        inside: dict[str, Any] = options | {"activation": activation}

        def scale(channels: int) -> nnx.List:
            return nnx.List(ResidualBlock(channels, **inside) for _ in range(blocks))

        pairs = list(pairwise(features))
        self.head = Convolution(inputs, features[0], **options)
        self.encoders = nnx.List(scale(fine) for fine, _ in pairs)
        self.downs = nnx.List(Downsample(fine, coarse, **options) for fine, coarse in pairs)
        self.bottom = scale(features[-1])
        self.ups = nnx.List(Upsample(coarse, fine, **options) for fine, coarse in pairs)
        self.decoders = nnx.List(scale(fine) for fine, _ in pairs)
        self.tail = Convolution(features[0], outputs, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        check_image(x, self.head, 2 ** len(self.downs), what="DRUNet")
        y = self.head(x)
        skips = [y]
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            y = down(_chain(blocks, y))
            skips.append(y)
        y = _chain(self.bottom, y)
        for blocks, up in zip(self.decoders[::-1], self.ups[::-1], strict=True):
            y = _chain(blocks, up(y + skips.pop()))
        return self.tail(y + skips.pop())


def _chain(blocks: Any, y: jax.Array) -> jax.Array:
    for block in blocks:
        y = block(y)
    return y
