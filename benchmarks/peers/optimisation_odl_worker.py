"""ODL for optimisation_vs_peers.py; its CT is ASTRA's linear projector (1 core).

Blur and masked Fourier transform are operators written for it on scipy.fft, as its manual says to
do; k-space is that of a plain FFT, so that nothing is shifted. Inner products of its sinograms are
weighted by the size w of a cell: with the operator and the data over sqrt(w) the cost is the same.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip

from typing import Any

import numpy as np
import odl
import scipy.fft
from optimisation_method import Run, Watch, gaussian_transfer, serve_method, without_centring


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

    def filtered(x: np.ndarray, transfer: np.ndarray) -> np.ndarray:
        return scipy.fft.irfft2(transfer * scipy.fft.rfft2(x), shape)

    return Applied(
        space, space, lambda x: filtered(x, H), lambda y: filtered(y, np.conj(H))
    )  # fmt: skip


def fourier(space: Any, data: dict[str, np.ndarray]) -> Any:
    mask = np.fft.ifftshift(data["mask"])
    return Applied(
        space,
        space,
        lambda x: mask * scipy.fft.fft2(x, norm="ortho"),
        lambda y: scipy.fft.ifft2(mask * y, norm="ortho"),
    )


def projector(space: Any, data: dict[str, np.ndarray], settings: dict[str, Any]) -> tuple[Any, float]:
    """(c A / sqrt(w), sqrt(w))."""
    angles, (_, bins) = data["angles"], data["data"].shape
    step = angles[1] - angles[0]
    grid = odl.nonuniform_partition if False else odl.uniform_partition
    views = grid(angles[0] - step / 2, angles[-1] + step / 2, len(angles))
    detector = odl.uniform_partition(-bins / 2, bins / 2, bins)
    geometry = odl.applications.tomo.Parallel2dGeometry(views, detector)
    A = odl.applications.tomo.RayTransform(space, geometry, impl="astra_cpu")
    root = float(np.sqrt(A.range.cell_volume))
    return settings["operator_scale"] / root * A, root


def main() -> None:
    data, settings = load()
    n = data["start"].shape[0]
    kind = str(data["start"].dtype)
    space = odl.uniform_discr([-n / 2, -n / 2], [n / 2, n / 2], [n, n], dtype=kind)
    print(dir(odl))


if __name__ == "__main__":
    main()
