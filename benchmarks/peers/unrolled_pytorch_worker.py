"""PyTorch's side of unrolled_vs_pytorch.py: the same scheme, eager, with and without checkpoints.

The network is a residual chain of convolutions; in both memory layouts, of which the faster counts.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip
import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from memory import peak_growth
from serve import serve
from torch import nn
from torch.utils.checkpoint import checkpoint

MEMORY = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


class Unrolled(nn.Module):
    """K steps of x = network(x - step_k A^T (A x - m)) for a matrix A."""

    def __init__(self, layers: nn.ModuleList, steps: int, layout: Any, checkpoints: bool):
        super().__init__()
        self.layers = layers
        self.step_sizes = nn.Parameter(torch.ones(steps))
        self.layout = layout
        self.checkpoints = checkpoints

    def step(self, x: torch.Tensor, size: torch.Tensor, a: torch.Tensor, m: torch.Tensor) -> Any:
        back = (x.reshape(len(x), -1) @ a.T - m) @ a
        x = (x - size * back.reshape(x.shape)).to(memory_format=self.layout)
        y = self.layers[0](x)
        for layer in list(self.layers)[1:]:
            y = layer(torch.relu(y))
        return x + y

    def forward(self, a: torch.Tensor, m: torch.Tensor, shape: tuple) -> torch.Tensor:
        x = (m @ a).reshape(shape)
        for size in self.step_sizes:
            if self.checkpoints:
                x = checkpoint(self.step, x, size, a, m, use_reentrant=False)
            else:
                x = self.step(x, size, a, m)
        return x


def layers_of(data: dict[str, np.ndarray]) -> nn.ModuleList:
    layers = []
    for i in range(sum(name.startswith("kernel.") for name in data)):
        kernel = torch.tensor(data[f"kernel.{i}"].transpose(3, 2, 0, 1).copy())
        layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[-1], padding="same")
        layer.weight.data, layer.bias.data = kernel, torch.tensor(data[f"bias.{i}"])
        layers.append(layer)
    return nn.ModuleList(layers)


def main() -> None:
    data, settings = load()
    torch.set_num_threads(settings["threads"])
    a, m = torch.tensor(data["matrix"]), torch.tensor(data["measurements"])
    truth = torch.tensor(data["truth"])[:, None]
    works: dict[str, Callable[[], Any]] = {}
    results: dict[str, np.ndarray] = {}
    for layout, memory in MEMORY.items():
        for kind in ("eager", "checkpointed"):
            layers = copy.deepcopy(layers_of(data)).to(memory_format=memory)
            model = Unrolled(layers, settings["steps"], memory, kind == "checkpointed")
            adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

            def gradient(model: Any = model, adam: Any = adam) -> torch.Tensor:
                adam.zero_grad()
                x = model(a, m, truth.shape)
                nn.functional.mse_loss(x, truth).backward()
                return x

            def train(gradient: Any = gradient, adam: Any = adam) -> None:
                gradient()
                adam.step()

            if not results:
                results["output"] = gradient().detach().numpy()[:, 0]
                for i, layer in enumerate(model.layers):
                    results[f"gradient.{i}"] = layer.weight.grad.numpy().transpose(2, 3, 1, 0)
                results = {name: value.copy() for name, value in results.items()}
            name = f"{kind}, {layout}"
            works[name] = train
            works[f"memory: {name}"] = lambda train=train: peak_growth(train)
    serve(works | {name: lambda v=v: v for name, v in results.items()}, read)


def read(name: str, value: Any) -> np.ndarray:
    return np.zeros(0) if value is None else np.asarray(value)


if __name__ == "__main__":
    main()
