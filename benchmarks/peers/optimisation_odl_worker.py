"""ODL for optimisation_vs_peers.py; its CT is ASTRA's linear projector (1 core).

Blur and masked Fourier transform are operators written for it on scipy.fft, as its manual says to
do; k-space is that of a plain FFT, so that nothing is shifted. Its images have x first. Where inner
products of sinograms have a weight w, operator and data are divided by sqrt(w): the same cost.
The momentum of its accelerated method is a NumPy number, by which its elements cannot be
multiplied; the square root of Python's math is put in.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import odl
import scipy.fft
from odl.solvers.nonsmooth import proximal_gradient_solvers
from optimisation_method import Run, Watch, gaussian_transfer, serve_method, without_centring

proximal_gradient_solvers.np = SimpleNamespace(sqrt=math.sqrt)


class Applied(odl.Operator):
    """A linear operator of two functions of arrays."""

    def __init__(self, domain: Any, range: Any, apply: Any, adjoint: Any):
        super().__init__(domain, range, linear=True)
        self.apply, self.apply_adjoint = apply, adjoint

    def _call(self, x: Any) -> Any:
        return self.apply(x.asarray())

    @property
    def adjoint(self) -> Any:
        return Applied(self.range, self.domain, self.apply_adjoint, self.apply)


def blur(space: Any, data: dict[str, np.ndarray]) -> Any:
    shape = space.shape
    H = gaussian_transfer(data["kernel"], shape)

    def filtered(x: np.ndarray, transfer: np.ndarray) -> Any:
        return scipy.fft.irfft2(transfer * scipy.fft.rfft2(x), shape)

    return Applied(space, space, lambda x: filtered(x, H), lambda y: filtered(y, np.conj(H)))


def fourier(space: Any, data: dict[str, np.ndarray]) -> Any:
    mask = np.fft.ifftshift(data["mask"]).T
    return Applied(
        space,
        space,
        lambda x: mask * scipy.fft.fft2(x, norm="ortho"),
        lambda y: scipy.fft.ifft2(mask * y, norm="ortho"),
    )


def projector(space: Any, data: dict[str, np.ndarray], scale: float) -> tuple[Any, float]:
    """(c A / sqrt(w), sqrt(w)), w the weight of an entry in the inner product of sinograms."""
    angles, bins = data["angles"], data["data"].shape[1]
    half = (angles[1] - angles[0]) / 2
    geometry = odl.applications.tomo.Parallel2dGeometry(
        odl.uniform_partition(angles[0] - half, angles[-1] + half, len(angles)),
        odl.uniform_partition(-bins / 2, bins / 2, bins),
    )
    A = odl.applications.tomo.RayTransform(space, geometry, impl="astra_cpu")
    one = A.range.one()
    root = float(np.sqrt(one.inner(one) / one.size))
    return scale / root * A, root


def pdhg(space: Any, A: Any, values: np.ndarray, settings: dict[str, Any], start: Any) -> Run:
    """1/2 ||A x - m||^2 + weight ||D x||_21, both terms in one stack."""
    beta = settings["difference_scale"]
    D = odl.Gradient(space, method="forward", pad_mode="order0")
    K = odl.BroadcastOperator(A, D if beta == 1 else beta * D)
    fidelity = 0.5 * odl.functionals.L2NormSquared(A.range).translated(A.range.element(values))
    penalty = settings["weight"] / beta * odl.functionals.GroupL1Norm(D.range)
    g = odl.functionals.SeparableSum(fidelity, penalty)
    f = odl.functionals.ZeroFunctional(space)

    def run(iterations: int, watch: Watch | None) -> np.ndarray:
        x = space.element(start)
        odl.solvers.pdhg(
            x, f, g, K, iterations, settings["primal_step"], settings["dual_step"],
            callback=watch and (lambda x: watch(x.asarray().T)),
        )  # fmt: skip
        return x.asarray()

    return run


def fista(space: Any, A: Any, values: np.ndarray, settings: dict[str, Any], start: Any) -> Run:
    """min over the coefficients c of 1/2 ||A W^H c - m||^2 + weight ||c||_1."""
    W = odl.trafos.WaveletTransform(space, "db4", settings["levels"], "pywt_periodic")
    synthesis = A * W.inverse
    adjoint = Applied(A.domain, W.range, lambda x: W(space.element(x)), lambda c: c)
    y = A.range.element(values)
    f = settings["weight"] * odl.functionals.L1Norm(W.range)

    class Fidelity(odl.functionals.Functional):
        """1/2 ||A W^H c - m||^2, whose gradient takes W for the adjoint of its inverse."""

        def __init__(self) -> None:
            super().__init__(W.range, linear=False)

        @property
        def gradient(self) -> Any:
            return Applied(
                W.range, W.range, lambda c: adjoint(A.adjoint(synthesis(W.range.element(c)) - y)),
                lambda c: c,
            )  # fmt: skip

    g = Fidelity()

    def run(iterations: int, watch: Watch | None) -> np.ndarray:
        c = W(space.element(start))
        odl.solvers.accelerated_proximal_gradient(
            c, f, g, settings["step"], iterations,
            callback=watch and (lambda c: watch(W.inverse(c).asarray().T)),
        )  # fmt: skip
        return W.inverse(c).asarray()

    return run


def main() -> None:
    data, settings = load()
    start = data["start"].T
    n = start.shape[0]
    half = [n / 2, n / 2]
    space = odl.uniform_discr([-h for h in half], half, [n, n], dtype=str(start.dtype))
    root = 1.0
    if settings["case"] == "deblur":
        A, values = blur(space, data), data["data"].T
    elif settings["case"] == "mri":
        A, values = fourier(space, data), without_centring(data["data"]).T
    else:
        A, root = projector(space, data, settings["operator_scale"])
        values = data["data"] / root
    method = (pdhg if settings["method"] == "PDHG" else fista)(space, A, values, settings, start)

    def project(x: np.ndarray) -> np.ndarray:
        return root * A(space.element(x.T)).asarray()

    serve_method(method, settings, project if settings["case"].startswith("ct") else None)


if __name__ == "__main__":
    main()
