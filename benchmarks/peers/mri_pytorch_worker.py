"""PyTorch for mri_vs_peers.py: SENSE as a researcher writes it for speed, without any shifts.

Arrays are shifted so that the origins of image and k-space are their first entries: PyTorch does
less than the centred transform, which has that origin in the middle.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

import numpy as np
import torch


def main() -> None:
    data, settings = load()
    torch.set_num_threads(settings["threads"])
    axes = tuple(range(-(data["maps"].ndim - 1), 0))

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.fft.ifftshift(data[name], axes).copy())

    maps, image, probe = tensor("maps"), tensor("image"), tensor("probe")
    mask = tensor("mask").to(torch.float32)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return mask * torch.fft.fftn(maps * x, dim=axes, norm="ortho")

    def adjoint(y: torch.Tensor) -> torch.Tensor:
        return (maps.conj() * torch.fft.ifftn(mask * y, dim=axes, norm="ortho")).sum(0)

    def product() -> torch.Tensor:
        return adjoint(forward(image))

    every = {
        "forward": lambda: forward(image),
        "adjoint": lambda: adjoint(probe),
        "pair": product,
        "normal": product,
    }
    with torch.inference_mode():
        serve(
            {name: every[name] for name in settings["works"] if name in every},
            lambda _, result: np.fft.fftshift(result.numpy(), axes),
        )


if __name__ == "__main__":
    main()
