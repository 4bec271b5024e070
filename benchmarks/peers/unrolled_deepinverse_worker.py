"""DeepInverse's side of unrolled_vs_pytorch.py: its unfolded proximal gradient with its DnCNN."""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip
import optimisation_torch  # noqa: F401  # isort: skip

import warnings
from typing import Any

import numpy as np
import torch
from deepinv.models import DnCNN
from deepinv.optim import PGD
from deepinv.optim.data_fidelity import L2
from deepinv.optim.prior import PnP
from deepinv.physics import CompressedSensing
from memory import peak_growth
from serve import serve


def main() -> None:
    data, settings = load()
    torch.set_num_threads(settings["threads"])
    warnings.simplefilter("ignore")
    matrix, m = torch.tensor(data["matrix"]), torch.tensor(data["measurements"])
    truth = torch.tensor(data["truth"])[:, None]
    physics = CompressedSensing(m=matrix.shape[0], img_size=truth.shape[1:])
    physics._A, physics._A_adjoint = matrix, matrix.T
    depth, steps = settings["depth"], settings["steps"]
    denoiser = DnCNN(in_channels=1, out_channels=1, depth=depth, nf=64, pretrained=None)
    convolutions = [denoiser.in_conv, *denoiser.conv_list, denoiser.out_conv]
    for i, layer in enumerate(convolutions):
        layer.weight.data = torch.tensor(data[f"kernel.{i}"].transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.tensor(data[f"bias.{i}"])
    model = PGD(
        data_fidelity=L2(),
        prior=PnP(denoiser=denoiser),
        stepsize=[1.0] * steps,
        g_param=[0.01] * steps,
        max_iter=steps,
        unfold=True,
        trainable_params=["stepsize", "g_param"],
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.Adam(trained, lr=1e-4, fused=True)

    def gradient() -> torch.Tensor:
        adam.zero_grad()
        x = model(m, physics)
        torch.nn.functional.mse_loss(x, truth).backward()
        return x

    def train() -> None:
        gradient()
        adam.step()

    results: dict[str, Any] = {"output": gradient().detach().numpy()[:, 0].copy()}
    for i, layer in enumerate(convolutions):
        results[f"gradient.{i}"] = layer.weight.grad.numpy().transpose(2, 3, 1, 0).copy()
    works = {"unfolded": train, "memory: unfolded": lambda: peak_growth(train)}
    serve(works | {name: lambda v=v: v for name, v in results.items()}, read)


def read(name: str, value: Any) -> np.ndarray:
    return np.zeros(0) if value is None else np.asarray(value)


if __name__ == "__main__":
    main()
