"""PyTorch's side of networks_vs_pytorch.py: the same four networks, with the parts it has for them.

Modules and parameters have the names of ours, so that weights are carried over by name.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

MEMORY = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def convolution(inputs: int, outputs: int, bias: bool = True) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)


class DnCNN(nn.Module):
    def __init__(self, depth: int, features: int):
        super().__init__()
        channels = [1, *[features] * (depth - 1), 1]
        self.layers = nn.ModuleList(convolution(a, b) for a, b in pairwise(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layers[0](x)
        for layer in self.layers[1:]:
            y = layer(torch.relu_(y))
        return x + y


class ResidualBlock(nn.Module):
    def __init__(self, features: int, bias: bool):
        super().__init__()
        self.first = convolution(features, features, bias)
        self.second = convolution(features, features, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(torch.relu_(self.first(x)))


class UNet(nn.Module):
    """`drunet`: the skip connections join below the transposed convolutions, nothing has a bias."""

    def __init__(self, features: list[int], blocks: int, drunet: bool):
        super().__init__()
        bias = not drunet
        pairs = list(pairwise(features))

        def scale(channels: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualBlock(channels, bias) for _ in range(blocks)))

        self.drunet = drunet
        self.head = convolution(2 if drunet else 1, features[0], bias)
        self.tail = convolution(features[0], 1, bias)
        self.encoders = nn.ModuleList(scale(fine) for fine, _ in pairs)
        self.bottom = scale(features[-1])
        self.decoders = nn.ModuleList(scale(fine) for fine, _ in pairs)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, 2, bias=bias) for a, b in pairs)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2, bias=bias) for a, b in pairs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.head(x)
        skips = [y] if self.drunet else []
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            y = blocks(y)
            if not self.drunet:
                skips.append(y)
            y = down(y)
            if self.drunet:
                skips.append(y)
        y = self.bottom(y)
        for blocks, up in zip(reversed(self.decoders), reversed(self.ups), strict=True):
            y = blocks(up(y + skips.pop())) if self.drunet else blocks(skips.pop() + up(y))
        return self.tail(y + skips.pop()) if self.drunet else x + self.tail(y)


def network_of(settings: dict[str, Any]) -> nn.Module:
    if settings["network"] in ("UNet", "DRUNet"):
        drunet = settings["network"] == "DRUNet"
        return UNet(settings["features"], settings["blocks"], drunet)
    return DnCNN(settings["depth"], settings["features"])


def to_torch(name: str, kernel: np.ndarray) -> torch.Tensor:
    """(rows, columns, in, out) to the order of PyTorch; 2x2 kernels come as matrices."""
    if kernel.ndim == 1:
        return torch.tensor(kernel.reshape(4, -1)[0] if name.startswith("ups") else kernel)
    if name.startswith("downs"):
        kernel = kernel.reshape(2, 2, -1, kernel.shape[-1])
    if name.startswith("ups"):
        return torch.tensor(kernel.reshape(kernel.shape[2], 2, 2, -1).transpose(0, 3, 1, 2).copy())
    return torch.tensor(kernel.transpose(3, 2, 0, 1).copy())


def from_torch(name: str, weight: torch.Tensor) -> np.ndarray:
    values = weight.detach().numpy()
    if name.startswith("ups"):
        return values.transpose(0, 2, 3, 1).reshape(1, 1, len(values), -1)
    kernel = values.transpose(2, 3, 1, 0)
    return kernel.reshape(1, 1, -1, kernel.shape[-1]) if name.startswith("downs") else kernel


def side(layout: str, data: dict[str, np.ndarray], settings: dict[str, Any]) -> tuple[dict, Any]:
    """Works of one memory layout, and what gives its output and gradients."""
    memory = MEMORY[layout]
    network = network_of(settings)
    weights = {
        k.removeprefix("parameter.").replace("kernel", "weight"): to_torch(
            k.removeprefix("parameter."), v
        )
        for k, v in data.items()
        if k.startswith("parameter.")
    }
    network.load_state_dict(weights)
    network = network.to(memory_format=memory)
    x, target = (
        torch.tensor(data[k].transpose(0, 3, 1, 2).copy()).to(memory_format=memory)
        for k in ("x", "target")
    )
    adam = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def gradient() -> None:
        adam.zero_grad()
        nn.functional.mse_loss(network(x), target).backward()

    def train() -> None:
        gradient()
        adam.step()

    def inference() -> torch.Tensor:
        with torch.inference_mode():
            return network(x)

    def results() -> dict[str, np.ndarray]:
        gradient()
        found = {"output": inference().numpy().transpose(0, 2, 3, 1)}
        for name, p in network.named_parameters():
            if name.endswith("weight"):
                ours = name.replace("weight", "kernel")
                found[f"gradient.{ours}"] = from_torch(name, p.grad)
        return found

    return {f"training step {layout}": train, f"inference {layout}": inference}, results


def main() -> None:
    data, settings = load()
    torch.set_num_threads(settings["threads"])
    works: dict[str, Callable[[], Any]] = {}
    for layout in MEMORY:
        some, results = side(layout, data, settings)
        works |= some
    found = results()  # before any training step
    works |= {name: lambda value=value: value for name, value in found.items()}
    serve(works, lambda name, value: value if name in found else np.zeros(0))


if __name__ == "__main__":
    main()
