"""DeepInverse for optimisation_vs_peers.py: its FISTA, PGD and PDCP, without metrics or early stop.

Its wavelet prior leaves the approximation alone, continues the image by zeros, and takes real and
imaginary parts apart; its prox multiplies the weight by 0.1 unless told otherwise, which cannot be
passed through the methods, so the weight is given times 10. Its Radon transform turns the image
about the pixel N // 2 and has its angles in degrees; its adjoint here is the exact one.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip
import optimisation_torch  # noqa: F401  # isort: skip

import warnings
from typing import Any

import numpy as np
import torch
from deepinv.optim import FISTA, PDCP, PGD
from deepinv.optim.data_fidelity import L2
from deepinv.optim.prior import L12Prior, TVPrior, WaveletPrior
from deepinv.physics import MRI, BlurFFT, LinearPhysics, Tomography
from optimisation_method import Watch, serve_method


class ScaledTomography(LinearPhysics):
    """c A, with the views in rows as everywhere here."""

    def __init__(self, angles: np.ndarray, side: int, scale: float):
        super().__init__()
        degrees = torch.tensor(np.rad2deg(angles), dtype=torch.float32)
        self.radon = Tomography(degrees, side, normalize=False)
        self.scale = scale

    def A(self, x: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.scale * self.radon.A(x).transpose(-1, -2)

    def A_adjoint(self, y: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.scale * self.radon.A_adjoint(y.transpose(-1, -2).contiguous())


def as_tensor(x: Any) -> torch.Tensor:
    """(batch, channel, y, x), with two channels for complex images."""
    parts = [x.real, x.imag] if np.iscomplexobj(x) else [x]
    return torch.tensor(np.stack(parts)[None].astype(np.float32))


def as_array(x: torch.Tensor) -> np.ndarray:
    parts = x[0].numpy()
    return parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0]


def method_of(data: dict[str, np.ndarray], settings: dict[str, Any]) -> tuple[Any, Any, Any]:
    """(physics, class of the method, its arguments)."""
    weight, side = settings["weight"], data["start"].shape[-1]
    arguments: dict[str, Any] = {"data_fidelity": L2()}
    if settings["case"] == "deblur":
        kernel = torch.tensor(data["kernel"])[None, None]
        physics: Any = BlurFFT((1, side, side), filter=kernel)
    elif settings["case"] == "mri":
        physics = MRI(mask=torch.tensor(data["mask"].astype(np.float32)))
    else:
        physics = ScaledTomography(data["angles"], side, settings["operator_scale"])
    if settings["method"].startswith("PDHG"):
        prior = L12Prior(l2_axis=-1)
        tv = TVPrior()
        arguments |= {
            "prior": prior, "lambda_reg": weight, "g_first": True,
            "stepsize": settings["primal_step"], "stepsize_dual": settings["dual_step"],
            "K": tv.nabla, "K_adjoint": tv.nabla_adjoint,
        }  # fmt: skip
        return physics, PDCP, arguments
    arguments["stepsize"] = settings["step"]
    if "TV" in settings["method"]:
        arguments |= {"prior": TVPrior(n_it_max=settings["inner"]), "lambda_reg": weight}
    else:
        wavelet = WaveletPrior(level=settings["levels"], wv="db4")
        arguments |= {"prior": wavelet, "lambda_reg": 10 * weight}
    return physics, FISTA if settings["method"].startswith("FISTA") else PGD, arguments


def main() -> None:
    data, settings = load()
    torch.set_num_threads(settings["threads"])
    warnings.simplefilter("ignore")
    physics, kind, arguments = method_of(data, settings)
    values = data["turned data" if settings["case"].startswith("ct") else "data"]
    y, start = as_tensor(values), as_tensor(data["start"])
    dual = torch.zeros((*start.shape, 2))
    first = (start, start, dual) if kind is PDCP else (start, start)
    prior = arguments["prior"]

    def make(iterations: int, output: Any) -> Any:
        if hasattr(prior, "TVModel"):
            prior.TVModel.restart = True  # or it starts from the result of the run before
        return kind(
            **arguments, max_iter=iterations, early_stop=False, thres_conv=0.0, get_output=output
        )

    def run(iterations: int, watch: Watch | None) -> Any:
        method = make(iterations, lambda X: X["est"][0])
        if watch is None:
            return method(y, physics, init=first)
        metrics = {"image": lambda values, before, now: watch(as_array(now[None]))}
        method.custom_metrics = metrics
        return method(y, physics, init=first, compute_metrics=True)

    def project(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return physics.A(as_tensor(x))[0, 0].numpy()

    serve_method(run, settings, project if settings["case"].startswith("ct") else None)


if __name__ == "__main__":
    main()
