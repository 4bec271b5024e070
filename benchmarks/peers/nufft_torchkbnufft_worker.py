"""torchkbnufft's transforms for nufft_vs_peers.py; settings: width, oversampling, threads."""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

import numpy as np
import torch
import torchkbnufft


def main() -> None:
    data, settings = load()
    torch.set_num_threads(settings["threads"])
    shape = data["images"].shape[1:]
    points = torch.tensor((2 * np.pi * data["positions"]).T.astype(np.float32).copy())
    images, values = (torch.tensor(data[name])[None] for name in ("images", "values"))
    grid = [int(settings["oversampling"] * n) for n in shape]
    options = {"im_size": shape, "grid_size": grid, "numpoints": settings["width"]}
    forward = torchkbnufft.KbNufft(**options)
    adjoint = torchkbnufft.KbNufftAdjoint(**options)
    kernel = torchkbnufft.calc_toeplitz_kernel(points, shape, numpoints=settings["width"])
    toeplitz = torchkbnufft.ToepNufft()
    works = {
        "type 2, one": lambda: forward(images[:, :1], points, norm="ortho"),
        "type 1, one": lambda: adjoint(values[:, :1], points, norm="ortho"),
        "type 2, coils": lambda: forward(images, points, norm="ortho"),
        "type 1, coils": lambda: adjoint(values, points, norm="ortho"),
        "normal, coils": lambda: toeplitz(images, kernel),
    }
    serve(works, lambda name, out: read(name, out, settings["oversampling"], shape))


def read(name: str, out: torch.Tensor, oversampling: float, shape: tuple) -> np.ndarray:
    """In the scaling of ours: its transforms are orthonormal on the grid, its kernel is not."""
    factor = 1 / np.prod(shape) if name.startswith("normal") else oversampling ** (len(shape) / 2)
    result = out[0].numpy() * factor
    return result[0] if name.endswith("one") else result


if __name__ == "__main__":
    main()
