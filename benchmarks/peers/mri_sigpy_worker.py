"""SigPy for mri_vs_peers.py: SENSE, its conjugate gradients and its gradient method.

Arrays: maps, image, probe, and mask (Cartesian) or coord (in pixels, SigPy's convention), data;
settings: works, iterations, weight, step, levels.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

from collections.abc import Callable
from typing import Any

import numpy as np
import pywt
import sigpy as sp
import sigpy.mri as mr


def encoding(data: dict[str, np.ndarray]) -> Any:
    if "coord" in data:
        return mr.linop.Sense(data["maps"], coord=data["coord"])
    return mr.linop.Sense(data["maps"], weights=data["mask"].astype(np.float32))


def toeplitz(data: dict[str, np.ndarray]) -> Any:
    """A^H A with SigPy's own Toeplitz form of the transform."""
    maps = data["maps"]
    S = sp.linop.Multiply(maps.shape[1:], maps)
    return S.H * sp.linop.NUFFT(S.oshape, data["coord"], toeplitz=True).N * S


class PeriodicWavelet(sp.linop.Linop):
    """PyWavelets' orthogonal transform, which continues an image periodically."""

    def __init__(self, shape: Any, level: int, *, inverse: bool = False):
        self.level, self.inverse = level, inverse
        coefficients = self.analysed(np.zeros(shape))
        self.slices = pywt.coeffs_to_array(coefficients)[1]
        super().__init__(shape, shape)

    def analysed(self, x: np.ndarray) -> Any:
        return pywt.wavedecn(x, "db4", mode="periodization", level=self.level)

    def _apply(self, x: np.ndarray) -> Any:
        if not self.inverse:
            return pywt.coeffs_to_array(self.analysed(x))[0]
        coefficients = pywt.array_to_coeffs(x, self.slices, output_format="wavedecn")
        return pywt.waverecn(coefficients, "db4", mode="periodization")

    def _adjoint_linop(self) -> PeriodicWavelet:
        return PeriodicWavelet(self.ishape, self.level, inverse=not self.inverse)


def works(data: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, Callable]:
    A = encoding(data)
    AH, N = A.H, A.N
    image, probe = data["image"], data["probe"]
    iterations = settings["iterations"]
    every: dict[str, Callable] = {
        "forward": lambda: A(image),
        "adjoint": lambda: AH(probe),
        "pair": lambda: AH(A(image)),
        "normal": lambda: N(image),
    }

    def solve(normal: Any) -> np.ndarray:
        x = np.zeros_like(image)
        method = sp.alg.ConjugateGradient(normal, AH(data["data"]), x, max_iter=iterations, tol=0)
        while not method.done():
            method.update()
        return x

    def wavelet(W: Any) -> np.ndarray:
        prox = sp.prox.UnitaryTransform(sp.prox.L1Reg(W.oshape, settings["weight"]), W)
        x, y = np.zeros_like(image), data["data"]
        method = sp.alg.GradientMethod(
            lambda x: AH(A(x) - y), x, settings["step"], proxg=prox, accelerate=True,
            max_iter=iterations, tol=-1,
        )  # fmt: skip
        while not method.done():
            method.update()
        return x

    every["solve"] = lambda: solve(N)
    level = settings.get("levels", 1)
    every["wavelet"] = lambda: wavelet(sp.linop.Wavelet(image.shape, wave_name="db4", level=level))
    every["wavelet, periodic"] = lambda: wavelet(PeriodicWavelet(image.shape, level))
    if "coord" in data:
        T = toeplitz(data)
        every["normal, Toeplitz"] = lambda: T(image)
        every["solve, Toeplitz"] = lambda: solve(T)
    return {name: every[name] for name in settings["works"] if name in every}


def main() -> None:
    data, settings = load()
    serve(works(data, settings), lambda _, result: np.asarray(result))


if __name__ == "__main__":
    main()
