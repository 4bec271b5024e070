"""PyTorch for mri_vs_peers.py: SENSE with the centred transform, and for speed without any shifts.

The centred transform is written as mrpro, DeepInverse and fastMRI write it, fftshift of the FFT of
ifftshift. Works "without shifts" take arrays that were shifted before, so that the origins of image
and k-space are their first entries: less than the centred transform, for data laid out that way.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

from collections.abc import Callable

import numpy as np
import torch
from torch.fft import fftn, fftshift, ifftn, ifftshift

WITHOUT = ", without shifts"


def works(tensor: Callable[[str], torch.Tensor], dft: Callable, inverse: Callable) -> dict:
    """The works on these tensors with this discrete Fourier transform."""
    maps, image, probe = tensor("maps"), tensor("image"), tensor("probe")
    mask = tensor("mask").to(torch.float32)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return mask * dft(maps * x)

    def adjoint(y: torch.Tensor) -> torch.Tensor:
        return (maps.conj() * inverse(mask * y)).sum(0)

    return {
        "forward": lambda: forward(image),
        "adjoint": lambda: adjoint(probe),
        "pair": lambda: adjoint(forward(image)),
        "normal": lambda: adjoint(forward(image)),
    }


def main() -> None:
    data, settings = load()
    torch.set_num_threads(settings["threads"])
    axes = tuple(range(-(data["maps"].ndim - 1), 0))

    def dft(x: torch.Tensor) -> torch.Tensor:
        return fftn(x, dim=axes, norm="ortho")

    def inverse(y: torch.Tensor) -> torch.Tensor:
        return ifftn(y, dim=axes, norm="ortho")

    def centred(transform: Callable) -> Callable:
        return lambda x: fftshift(transform(ifftshift(x, axes)), axes)

    def shifted(name: str) -> torch.Tensor:
        return torch.from_numpy(np.fft.ifftshift(data[name], axes).copy())

    def as_given(name: str) -> torch.Tensor:
        return torch.from_numpy(data[name].copy())

    every = works(as_given, centred(dft), centred(inverse))
    plain = works(shifted, dft, inverse)
    every |= {name + WITHOUT: work for name, work in plain.items()}
    with torch.inference_mode():
        serve(
            {name: every[name] for name in settings["works"] if name in every},
            lambda name, result: (
                np.fft.fftshift(result.numpy(), axes) if WITHOUT in name else result.numpy()
            ),
        )


if __name__ == "__main__":
    main()
