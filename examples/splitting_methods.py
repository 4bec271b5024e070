"""Splitting methods: deblurring without a smooth cost, by ADMM, primal-dual methods and others.

A photograph of 512x512 pixels is blurred, averaged onto 128x128 pixels and measured with noise, but
for its border. The image x repeats, so that K and D are diagonal in Fourier space, and a mask M
leaves out what is not measured, and with it the wrong neighbours over the border. Two forms:

1. total variation as a penalty, min_x 1/2 ||M K x - m||^2 + weight ||D x||_{2,1}: which method is
   fast, and what exact x-updates by FFT are worth;
2. constrained by the noise, min_x R(x) subject to ||M K x - m|| <= sigma sqrt(n) and 0 <= x <= 1,
   where no weight has to be chosen: total variation, total generalised variation, and wavelets.

    python examples/splitting_methods.py [output folder] [--seconds 1] [--steps 600]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import (
    Functional,
    LinearOperator,
    Method,
    iterate,
    metrics,
    noise,
    plot,
    separable,
    solve,
    stack,
)
from jaxrecon.core import Pytree
from jaxrecon.core.vectors import norm
from jaxrecon.data.images import packaged_image, reduce
from jaxrecon.functionals import (
    Box,
    L2Ball,
    LeastSquares,
    TotalGeneralisedVariation,
    TotalVariation,
    WaveletL1,
    Zero,
)
from jaxrecon.linops import Convolution, Mask
from jaxrecon.solvers import (
    adaptive_primal_dual,
    admm,
    douglas_rachford,
    fista,
    fourier_update,
    geometric_penalties,
    half_quadratic_splitting,
    linearised_admm,
    operator_norm,
    primal_dual_hybrid_gradient,
)

BLUR = 1.5  # standard deviation of the point spread function, in pixels
SIGMA = 0.01
WEIGHT = 1e-3  # of total variation as a penalty
PENALTY, PROX_STEP, RATIO = 0.02, 20.0, 100.0
"""set by hand: ADMM; Douglas-Rachford; dual over primal steps in the constrained form, whose dual
variables are large, and primal over dual steps in the penalised form, whose are of its weight"""
BLOCK, RECORDS, REFERENCE_STEPS = 4, 40, 4000


class Data(Pytree):
    """What is measured: m on the grid of the image, 0 where nothing is, the mask, and K."""

    blur: Convolution
    mask: jax.Array
    values: jax.Array

    @property
    def measured(self) -> LinearOperator:
        """M K."""
        return Mask(self.mask, dtype=self.values.dtype) @ self.blur

    @property
    def fidelity(self) -> LeastSquares:
        """1/2 ||M K x - m||^2."""
        return LeastSquares(self.blur, self.values, self.mask.astype(self.values.dtype))

    @property
    def ball(self) -> L2Ball:
        """||M K x - m|| <= sigma sqrt(n)."""
        return L2Ball(SIGMA * jnp.sqrt(jnp.sum(self.mask)), self.values)


def gaussian(sigma: float) -> np.ndarray:
    """A Gaussian point spread function cut off at 4 sigma."""
    radius = int(np.ceil(4 * sigma))
    profile = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return (kernel / kernel.sum()).astype(np.float32)


def measure(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The photograph on size x size, and what is measured of it: all but the border.

    It is blurred at its 512x512 pixels, so that the model has not made its own data.
    """
    fine = packaged_image("astronaut.png")
    factor = len(fine) // size
    blur = Convolution(jnp.asarray(gaussian(BLUR * factor)), fine.shape, "valid")
    clean = reduce(np.asarray(jax.jit(blur.apply)(jnp.asarray(fine))), factor)
    return reduce(fine, factor), np.asarray(noise.gaussian(jax.random.key(0), clean, SIGMA))


def pose(values: np.ndarray, size: int, dtype: Any = jnp.float32) -> Data:
    """The measured values in the middle of the grid of the image."""
    lost = (size - len(values)) // 2
    blur = Convolution(jnp.asarray(gaussian(BLUR), dtype), (size, size))
    mask = jnp.pad(jnp.ones(values.shape, bool), lost)
    return Data(blur, mask, jnp.pad(jnp.asarray(values, dtype), lost))


def penalised(data: Data) -> dict[str, Callable[[], Method]]:
    """Methods for the first form; penalties and steps are set by hand where none is default."""
    shape = data.values.shape
    total_variation = TotalVariation(shape, boundary="periodic")
    norm, difference = total_variation.split(data.values.dtype)
    norm = WEIGHT * norm
    data_term = LeastSquares(None, data.values, data.fidelity.weights)
    both, operator = separable(data_term, norm), stack(data.blur, difference)
    exact = fourier_update(Zero(), operator)
    return {
        "ADMM, exact by FFT": lambda: admm(Zero(), both, operator, PENALTY, x_update=exact),
        "  adaptive penalty": lambda: admm(
            Zero(), both, operator, 1.0, x_update=exact, adaptive=True
        ),
        "ADMM, conjugate gradients": lambda: admm(data.fidelity, norm, difference, PENALTY),
        "linearised ADMM": lambda: linearised_admm(Zero(), both, operator, PENALTY),
        "half-quadratic splitting": lambda: half_quadratic_splitting(
            data.fidelity, norm, difference, geometric_penalties(PENALTY, 100 * PENALTY, 50)
        ),
        "PDHG": lambda: primal_dual_hybrid_gradient(Zero(), both, operator),
        "  ratio of steps by hand": lambda: primal_dual_hybrid_gradient(
            Zero(), both, operator, dual_step=1 / (RATIO * operator_norm(operator))
        ),
        "PDHG, adaptive": lambda: adaptive_primal_dual(Zero(), both, operator),
        "Condat-Vu": lambda: primal_dual_hybrid_gradient(
            Zero(), norm, difference, smooth=data.fidelity
        ),
        "Douglas-Rachford": lambda: douglas_rachford(
            data.fidelity, WEIGHT * total_variation, PROX_STEP
        ),
        "FISTA, restart": lambda: fista(data.fidelity, WEIGHT * total_variation, restart=True),
    }


class First(LinearOperator):
    """(x, w) -> A x, for costs of image and field."""

    operator: LinearOperator
    field: Any

    @property
    def domain(self) -> Any:
        return self.operator.domain, self.field

    @property
    def codomain(self) -> Any:
        return self.operator.codomain

    def apply(self, x: Any) -> Any:
        return self.operator.apply(x[0])

    def adjoint(self, y: Any) -> Any:
        return self.operator.adjoint(y), jnp.zeros(self.field.shape, self.field.dtype)


def constrained(data: Data) -> dict[str, tuple[Method, Any]]:
    """Method and start for the second form, for each R."""
    x0, box = data.values, Box(0.0, 1.0)
    shape = x0.shape

    def method(f: Functional, term: Functional, operator: LinearOperator, measured: Any) -> Method:
        both = stack(measured, operator)
        dual_step = RATIO / operator_norm(both)
        return primal_dual_hybrid_gradient(f, separable(data.ball, term), both, dual_step=dual_step)

    tv = TotalVariation(shape, boundary="periodic").split()
    wavelet = WaveletL1(shape, "db2", 4).split()
    tgv = TotalGeneralisedVariation(shape, boundary="periodic")
    term, operator = tgv.split()
    pairs = First(data.measured, operator.domain[1])
    return {
        "total variation": (method(box, *tv, data.measured), x0),
        "total generalised variation": (
            method(tgv.lift(box), term, operator, pairs),
            tgv.start(x0),
        ),
        "wavelets": (method(box, *wavelet, data.measured), x0),
    }


def race(method: Method, x0: Any, seconds: float) -> dict:
    """Run for so many seconds: steps and images at equal ratios of time, and seconds of a step."""

    def block(method: Method, state: Any) -> tuple[Any, Any]:
        return iterate(method.step, state, BLOCK, trace=lambda state: state.x)

    began = time.perf_counter()
    state = jax.jit(lambda method, x0: method.init(x0))(method, x0)
    compiled = jax.jit(block).lower(method, state).compile()
    ready, spent, images = time.perf_counter(), 0.0, [x0[None]]
    while spent < seconds or len(images) < 4:
        start = time.perf_counter()
        state, new = jax.block_until_ready(compiled(method, state))
        spent += time.perf_counter() - start
        images.append(new)
    count = BLOCK * (len(images) - 1)
    steps = np.rint(np.append(0, np.geomspace(1, count, RECORDS - 1))).astype(int)
    shown = np.concatenate(images)[steps]
    return {
        "compilation": ready - began,
        "step": spent / count,
        "steps": steps,
        "images": shown,
    }


def run(
    output_folder: str | Path | None = None,
    *,
    size: int = 128,
    seconds: float = 1.0,
    steps: int = 600,
    names: tuple[str, ...] | None = None,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Both forms, the first by all methods or those named.

    Returns (results, matplotlib figure) and saves the figure.
    """
    truth, values = measure(size)
    data, lost = pose(values, size), (size - len(values)) // 2
    seen = (slice(lost, size - lost),) * 2

    def quality(image: Any) -> float:
        return float(metrics.psnr(jnp.asarray(image)[seen], jnp.asarray(truth)[seen], 1.0))

    penalty = WEIGHT * TotalVariation(truth.shape, boundary="periodic")
    cost = jax.jit(lambda data, images: jax.lax.map(data.fidelity + penalty, images))
    with jax.enable_x64(True):  # costs are compared in double precision
        exact = pose(values, size, jnp.float64)
        best = jax.jit(lambda method, x0: solve(method, x0, REFERENCE_STEPS)[0])
        image = best(penalised(exact)["ADMM, exact by FFT"](), exact.values)
        lowest = float(cost(exact, image[None])[0])

    races, images = {}, {"photograph": truth, "data": np.asarray(data.values)}
    report(f"{'penalised':28s} compile  ms/step   steps     gap    PSNR")
    methods = penalised(data)
    for name in methods if names is None else names:
        make = methods[name]
        found = races[name] = race(make(), data.values, seconds)
        last = found["images"][-1]
        with jax.enable_x64(True):
            found["cost"] = np.asarray(cost(exact, jnp.asarray(found.pop("images"), jnp.float64)))
        found["psnr"] = quality(last)
    for name, found in races.items():
        found["gap"] = (found["cost"] - lowest) / (found["cost"][0] - lowest)
        report(
            f"{name:28s}{found['compilation']:8.2f}{1e3 * found['step']:9.2f}"
            f"{found['steps'][-1]:8d}{found['gap'][-1]:9.1e}{found['psnr']:7.2f}"
        )

    report(f"\n{'constrained by the noise':28s}   ||M K x - m|| / (sigma sqrt(n))   PSNR")
    norms, solved = {}, jax.jit(lambda method, x0: solve(method, x0, steps)[0])
    for name, (method, x0) in constrained(data).items():
        image = jax.tree.leaves(solved(method, x0))[0]
        misfit = norm(data.measured(image) - data.values) / data.ball.radius
        norms[name] = {"misfit": float(misfit), "psnr": quality(image)}
        images[name] = np.asarray(image)
        report(f"{name:28s}{norms[name]['misfit']:34.3f}{norms[name]['psnr']:7.2f}")
    titles = ["photograph", f"data, {quality(data.values):.1f} dB"]
    titles += [f"{name}\n{found['psnr']:.1f} dB" for name, found in norms.items()]
    figure = draw([image[seen] for image in images.values()], titles, races)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "splitting_methods.png")
    return {"penalised": races, "constrained": norms}, figure


def draw(images: list, titles: list[str], races: dict[str, dict]) -> Any:
    """Images of the second form, and the cost of the first against time."""
    figure, axes = plot.subplots(2, 5, (2.6, 2.9))
    for ax, image, title in zip(axes[0], images, titles, strict=True):
        plot.show(ax, image, title, window=(0, 1))
    grid = axes[0, 0].get_gridspec()
    for ax in axes[1, :4]:
        ax.remove()
    ax = figure.add_subplot(grid[1, :4])
    colours = (*plot.COLOURS, "#8c564b", "#17becf", "#000000", "#d48ac2", "#9aa62d")
    for (name, found), colour in zip(races.items(), colours, strict=False):
        gap = np.maximum(found["gap"], 1e-16)
        label = name.strip() if name[0] != " " else f"   {name.strip()}"
        seconds = found["steps"] * found["step"]
        ax.plot(seconds[1:], gap[1:], label=label, color=colour, linewidth=1.6)
    ax.set(xscale="log", yscale="log", xlabel="seconds", ylabel="(F - F*) / (F0 - F*)")
    ax.set_title("total variation as a penalty: cost against time", fontsize=9)
    ax.set_ylim(1e-8, 1.5)
    ax.grid(color="#e6e6e6", linewidth=0.7)
    ax.spines[["top", "right"]].set_visible(False)
    axes[1, 4].set_axis_off()
    handles = ax.get_legend_handles_labels()
    axes[1, 4].legend(*handles, loc="center left", frameon=False, fontsize=8)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--seconds", type=float, default=1.0, help="of compiled steps, a method")
    parser.add_argument("--steps", type=int, default=600, help="for the constrained form")
    arguments = parser.parse_args()

    def report(line: str) -> None:
        print(line, flush=True)

    run(arguments.folder, seconds=arguments.seconds, steps=arguments.steps, report=report)


if __name__ == "__main__":
    main()
