"""Plain chains of convolutions: the three-layer network of single-pixel imaging, and DnCNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from flax import nnx

from jaxrecon.nn.activation import as_activation
from jaxrecon.nn.convolution import Convolution, activated
from jaxrecon.nn.groups import in_groups
from jaxrecon.nn.normalisation import GroupNormalisation


class CNN(nnx.Module):
    """x + C_n s(... s(C_1 x)): convolutions of any sizes, with a residual connection.

    The defaults are the network of compNET: 9x9 to 64 channels, 1x1 to 32, 5x5 to one. With s =
    relu, and without biases and normalisation, f(c x) = c f(x) for c > 0; with a noise map among
    the inputs that is D(c x, c sigma) = c D(x, sigma).

    Args:
        features: channels after each layer but the last.
        sizes: kernel sizes, one more than `features`.
        inputs, outputs: channels in and out.
        residual: add the first `outputs` input channels to the result.
        dims: axes of an image, 2 or 3.
        bias: whether the convolutions have one.
        groups: of :class:`GroupNormalisation` before each s but the first; None for none.
        activation: s, as in :class:`ResidualBlock`.
        rngs: random streams of Flax.

    (batch, y, x, inputs) to (batch, y, x, outputs), or with z before y for three axes.

    Raises:
        ValueError: numbers of layers that disagree, an even size of a kernel, more outputs than
            inputs with a residual, groups that do not divide the features.
        TypeError: a number in the place of a sequence.

    Source: Ducros, Lorente Mur and Peyrin, ISBI 2020, doi:10.1109/ISBI45749.2020.9098380; the
    layers are those of Dong et al., doi:10.1109/TPAMI.2015.2439281; networks without biases, Mohan
    et al., ICLR 2020, doi:10.48550/arXiv.1906.05478.
    """

    def __init__(
        self,
        features: Sequence[int] = (64, 32),
        sizes: Sequence[int] = (9, 1, 5),
        *,
        inputs: int = 1,
        outputs: int = 1,
        residual: bool = True,
        dims: int = 2,
        bias: bool = True,
        groups: int | None = None,
        activation: Callable = jax.nn.relu,
        rngs: nnx.Rngs,
    ):
        if isinstance(features, int) or isinstance(sizes, int):
            raise TypeError(
                f"CNN expected features and sizes of each layer, e.g. (64, 32) and (9, 1, 5), got "
                f"{features} and {sizes}. DnCNN(depth, features) has equal layers."
            )
        if len(sizes) != len(features) + 1:
            raise ValueError(
                f"CNN: sizes must have one entry more than features, got {sizes} and {features}."
            )
        if residual and outputs > inputs:
            raise ValueError(
                f"CNN: a residual needs at most as many outputs as inputs, got {outputs} and "
                f"{inputs}. Pass residual=False."
            )
        channels = (inputs, *features, outputs)
        self.layers = nnx.List(
            Convolution(
                channels[i],
                channels[i + 1],
                size=size,
                scale=0.1 if i == len(features) else 1.0,
                dims=dims,
                bias=bias,
                rngs=rngs,
            )
            for i, size in enumerate(sizes)
        )
        self.norms = nnx.List(
            GroupNormalisation(n, groups) for n in features[1:] if groups is not None
        )
        self.activation = as_activation(activation)
        self.outputs = outputs
        self.residual = residual

    @in_groups
    def __call__(self, x: jax.Array) -> jax.Array:
        y = x
        for i, layer in enumerate(self.layers[:-1]):
            if i and self.norms:
                y = self.activation(self.norms[i - 1](layer(y)))
            else:
                y = activated(layer, self.activation, y)
        y = self.layers[-1](y)
        return x[..., : self.outputs] + y if self.residual else y


class DnCNN(CNN):
    """Residual denoiser: `depth` convolutions of 3x3 with `features` channels between them.

    Without batch normalisation, whose statistics depend on the batch that an image comes in.

    Args:
        depth: number of convolutions, at least 2.
        features: channels between them.
        options: inputs, outputs, dims, bias, groups, activation and rngs, as in :class:`CNN`.

    Shapes are those of :class:`CNN`.

    Raises:
        ValueError: fewer than two convolutions; as :class:`CNN`.

    Source: Zhang et al., Beyond a Gaussian denoiser, doi:10.1109/TIP.2017.2662206.
    """

    def __init__(
        self,
        depth: int = 17,
        features: int = 64,
        **options: Any,
    ):
        if depth < 2:
            raise ValueError(f"DnCNN: depth must be at least 2, got {depth}.")
        super().__init__((features,) * (depth - 1), (3,) * depth, **options)
