"""SigPy for optimisation_vs_peers.py: its GradientMethod and PrimalDualHybridGradient.

Its differences are periodic, to the pixel before, and it has no prox of an isotropic total
variation: deblurring is with the anisotropic one, of the mirrored image, which is the same as
forward differences. Its wavelets continue an image by zeros. It has no CT.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip

from typing import Any

import numpy as np
import sigpy as sp
from optimisation_method import Run, Watch, full_transfer, serve_method


def deblur(data: dict[str, np.ndarray], settings: dict[str, Any]) -> Run:
    mirrored = {k: v[::-1, ::-1].astype(np.complex64) for k, v in data.items()}
    shape = data["start"].shape
    F = sp.linop.FFT(shape, center=False)
    K = F.H * sp.linop.Multiply(shape, full_transfer(data["kernel"], shape)) * F
    D = sp.linop.FiniteDifference(shape)
    A = sp.linop.Vstack([K, D])
    terms = [
        sp.prox.L2Reg(K.oshape, 1, y=mirrored["data"]),
        sp.prox.L1Reg(D.oshape, settings["weight"]),
    ]
    proxfc, proxg = sp.prox.Conj(sp.prox.Stack(terms)), sp.prox.NoOp(shape)

    def run(iterations: int, watch: Watch | None) -> np.ndarray:
        x, u = mirrored["start"].copy(), np.zeros(A.oshape, np.complex64)
        method = sp.alg.PrimalDualHybridGradient(
            proxfc, proxg, A, A.H, x, u, settings["primal_step"], settings["dual_step"],
            max_iter=iterations, tol=-1,
        )  # fmt: skip
        return looped(method, watch, lambda: x.real[::-1, ::-1])

    return run


def mri(data: dict[str, np.ndarray], settings: dict[str, Any]) -> Run:
    shape = data["start"].shape
    A = sp.linop.Multiply(shape, data["mask"].astype(np.float32)) * sp.linop.FFT(shape)
    W = sp.linop.Wavelet(shape, wave_name="db4", level=settings["levels"])
    prox = sp.prox.UnitaryTransform(sp.prox.L1Reg(W.oshape, settings["weight"]), W)
    y = data["data"]

    def run(iterations: int, watch: Watch | None) -> np.ndarray:
        x = data["start"].copy()
        method = sp.alg.GradientMethod(
            lambda x: A.H(A(x) - y), x, settings["step"], proxg=prox, accelerate=True,
            max_iter=iterations, tol=-1,
        )  # fmt: skip
        return looped(method, watch, lambda: x)

    return run


def looped(method: Any, watch: Watch | None, image: Any) -> np.ndarray:
    while not method.done():
        method.update()
        if watch:
            watch(image())
    return image()


def main() -> None:
    data, settings = load()
    serve_method({"deblur": deblur, "mri": mri}[settings["case"]](data, settings), settings)


if __name__ == "__main__":
    main()
