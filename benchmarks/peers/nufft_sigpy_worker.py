"""SigPy's transforms for nufft_vs_peers.py; settings: width, oversampling, threads."""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

import numba
import numpy as np
import sigpy


def main() -> None:
    data, settings = load()
    numba.set_num_threads(settings["threads"])
    images, values = data["images"], data["values"]
    # its positions are in cycles per field of view
    points = (data["positions"] * np.array(images.shape[1:])).astype(np.float32)
    options = {"oversamp": settings["oversampling"], "width": settings["width"]}
    kernel = sigpy.fourier.toeplitz_psf(points, images.shape[1:], **options)
    works = {
        "type 2, one": lambda: sigpy.nufft(images[0], points, **options),
        "type 1, one": lambda: sigpy.nufft_adjoint(values[0], points, images.shape[1:], **options),
        "type 2, coils": lambda: sigpy.nufft(images, points, **options),
        "type 1, coils": lambda: sigpy.nufft_adjoint(values, points, images.shape, **options),
        "normal, coils": lambda: toeplitz(images, kernel),
    }
    serve(works, lambda name, out: out)


def toeplitz(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """As sigpy.linop.NUFFT multiplies with its kernel."""
    large = sigpy.resize(images, [len(images), *kernel.shape])
    product = sigpy.ifft(sigpy.fft(large, axes=[-2, -1]) * kernel, axes=[-2, -1])
    return sigpy.resize(product, images.shape)


if __name__ == "__main__":
    main()
