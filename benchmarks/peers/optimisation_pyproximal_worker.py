"""PyProximal with PyLops for optimisation_vs_peers.py; its CT is ASTRA's line projector (1 core).

The blur is built of PyLops' real FFT; k-space is that of a plain FFT, so that nothing is shifted.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip

import warnings
from typing import Any

import numpy as np
import pylops
import pyproximal
from optimisation_method import Run, gaussian_transfer, serve_method, without_centring
from pylops.medical import CT2D
from pyproximal.optimization.primal import ProximalGradient
from pyproximal.optimization.primaldual import PrimalDual


class Nothing(pyproximal.ProxOperator):
    """The functional 0."""

    def __init__(self) -> None:
        super().__init__(None, False)

    def __call__(self, x: np.ndarray) -> float:
        return 0.0

    def prox(self, x: np.ndarray, tau: float) -> np.ndarray:
        return x

    def proxdual(self, x: np.ndarray, tau: float) -> np.ndarray:
        return 0 * x


class Flattened(pylops.LinearOperator):
    """A from vectors to vectors, as the gradient of L2 expects."""

    def __init__(self, A: Any):
        super().__init__(dtype=A.dtype, dims=(A.shape[1],), dimsd=(A.shape[0],))
        self.A = A

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self.A.matvec(x)

    def _rmatvec(self, y: np.ndarray) -> np.ndarray:
        return self.A.rmatvec(y)


def blur(data: dict[str, np.ndarray]) -> Any:
    shape = data["start"].shape
    F = pylops.signalprocessing.FFT2D(
        shape, real=True, norm="ortho", engine="scipy", dtype="float32"
    )
    H = pylops.Diagonal(gaussian_transfer(data["kernel"], shape).ravel(), dtype="complex64")
    return F.H @ H @ F


def projector(data: dict[str, np.ndarray], settings: dict[str, Any]) -> Any:
    geometry = settings["astra_angles"]
    A = CT2D(
        data["start"].shape, 1.0, data["data"].shape[1], np.array(geometry), "cpu",
        projector_type="line",
    )  # fmt: skip
    return settings["operator_scale"] * A


def fourier(data: dict[str, np.ndarray]) -> Any:
    shape = data["start"].shape
    F = pylops.signalprocessing.FFT2D(shape, norm="ortho", engine="scipy", dtype="complex64")
    mask = np.fft.ifftshift(data["mask"]).astype(np.float32)
    return pylops.Diagonal(mask.ravel(), dtype="complex64") @ F


def pdhg(A: Any, data: dict[str, np.ndarray], settings: dict[str, Any]) -> Run:
    """1/2 ||A x - m||^2 + weight ||D x||_21, both terms in one stack."""
    shape, beta = data["start"].shape, settings["difference_scale"]
    D = pylops.Gradient(shape, kind="forward", dtype="float32")
    K = pylops.VStack([A, D if beta == 1 else beta * D], dtype="float32")
    terms = [
        pyproximal.L2(b=data["data"].ravel()),
        pyproximal.L21(ndim=2, sigma=settings["weight"] / beta),
    ]
    g = pyproximal.VStack(terms, nn=[data["data"].size, 2 * data["start"].size])
    x0 = data["start"].ravel()
    steps = settings["primal_step"], settings["dual_step"]
    return lambda n, watch: PrimalDual(
        Nothing(), g, K, x0, *steps, niter=n, gfirst=False, callback=_shaped(watch, shape)
    )


def fista(A: Any, values: np.ndarray, data: dict[str, np.ndarray], settings: dict[str, Any]) -> Run:
    shape = data["start"].shape
    f = pyproximal.L2(Flattened(A), b=values.ravel())
    W = pylops.signalprocessing.DWT2D(
        shape, wavelet="db4", level=settings["levels"], dtype=data["start"].dtype
    )
    g = pyproximal.Orthogonal(pyproximal.L1(settings["weight"]), W)
    x0 = data["start"].ravel()
    return lambda n, watch: ProximalGradient(
        f, g, x0, tau=settings["step"], niter=n, acceleration="fista",
        callback=_shaped(watch, shape),
    )  # fmt: skip


def _shaped(watch: Any, shape: tuple[int, ...]) -> Any:
    return watch and (lambda x: watch(x.reshape(shape)))


def main() -> None:
    data, settings = load()
    warnings.simplefilter("ignore")  # its methods compute in double precision, ASTRA does not
    if settings["case"] == "mri":
        values = without_centring(data["data"])
        serve_method(fista(fourier(data), values, data, settings), settings)
    elif settings["case"] == "deblur":
        serve_method(pdhg(blur(data), data, settings), settings)
    else:
        A = projector(data, settings)
        shape = data["data"].shape
        method = (
            pdhg(A, data, settings)
            if settings["case"] == "ct-tv"
            else fista(A, data["data"], data, settings)
        )
        serve_method(method, settings, lambda x: (A @ x.ravel()).reshape(shape))


if __name__ == "__main__":
    main()
