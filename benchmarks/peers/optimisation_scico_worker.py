"""SCICO for optimisation_vs_peers.py: its PDHG and ADMM classes, by step() in a loop.

solve() also evaluates the cost function in each iteration, which is left out here. Its angles are
pi/2 less ours. It has no wavelet transform.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load  # isort: skip

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from optimisation_method import Run, Watch, serve_method
from scico.functional import L21Norm, SeparableFunctional, ZeroFunctional
from scico.linop import CircularConvolve, FiniteDifference, VerticalStack
from scico.linop.xray import XRayTransform2D
from scico.loss import SquaredL2Loss
from scico.optimize import ADMM, PDHG
from scico.optimize.admm import CircularConvolveSolver


def blur(data: dict[str, np.ndarray]) -> CircularConvolve:
    kernel = jnp.asarray(data["kernel"])
    centre = [n // 2 for n in kernel.shape]
    return CircularConvolve(kernel, data["data"].shape, h_center=centre)


def projector(data: dict[str, np.ndarray], scale: float) -> Any:
    angles = np.pi / 2 - data["angles"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels as wide as the bins are wider than it likes
        A = XRayTransform2D(data["start"].shape, angles, dx=1.0, det_count=data["data"].shape[1])
    return scale * A


def running(make: Any) -> Run:
    def run(iterations: int, watch: Watch | None) -> Any:
        solver = make()
        for _ in range(iterations):
            solver.step()
            if watch:
                watch(solver.x)
        return solver.x.block_until_ready()

    return run


def pdhg(A: Any, data: dict[str, np.ndarray], settings: dict[str, Any]) -> Run:
    """1/2 ||A x - m||^2 + weight ||D x||_21, both terms in one stack."""
    beta = settings["difference_scale"]
    D = FiniteDifference(data["start"].shape, append=0)
    C = VerticalStack([A, D if beta == 1 else beta * D])
    loss = SquaredL2Loss(y=jnp.asarray(data["data"]))
    g = SeparableFunctional([loss, settings["weight"] / beta * L21Norm(l2_axis=0)])
    start = jnp.asarray(data["start"])
    steps = settings["primal_step"], settings["dual_step"]
    return running(lambda: PDHG(ZeroFunctional(), g, C, *steps, x0=start))


def admm(data: dict[str, np.ndarray], settings: dict[str, Any]) -> Run:
    f = SquaredL2Loss(y=jnp.asarray(data["data"]), A=blur(data))
    D = FiniteDifference(data["start"].shape, circular=True)
    start = jnp.asarray(data["start"])
    solver = ADMM(
        f,
        [settings["weight"] * L21Norm(l2_axis=0)],
        [D],
        [settings["penalty"]],
        alpha=settings["relaxation"],
        x0=start,
        subproblem_solver=CircularConvolveSolver(),
    )
    first = list(solver.z_list), list(solver.u_list)

    def again() -> ADMM:
        solver.x = start
        solver.z_list, solver.u_list = list(first[0]), list(first[1])
        return solver

    return running(again)


def main() -> None:
    data, settings = load()
    if settings["case"] == "ct-tv":
        A = projector(data, settings["operator_scale"])
        serve_method(pdhg(A, data, settings), settings, lambda x: np.asarray(A(jnp.asarray(x))))
    elif settings["method"] == "PDHG":
        serve_method(pdhg(blur(data), data, settings), settings)
    else:
        serve_method(admm(data, settings), settings)


if __name__ == "__main__":
    main()
