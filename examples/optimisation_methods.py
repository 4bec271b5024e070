"""All optimisation methods on one CT problem: cost, residual and PSNR against time.

A head CT slice of 512x512 pixels is seen along 60 views of a parallel beam with Poisson counts, and
reconstructed on 128x128 by weighted least squares plus Huber total variation:

    min_x  1/2 ||A x - p||_W^2 + weight sum h(|D x|)   subject to  x >= 0.

Methods for smooth functions minimise the smooth variant, with the Moreau envelope of x >= 0 (a
quadratic penalty on negative values) in its place. All start at filtered backprojection, have
default steps where there are such, and run for the same time.

    python examples/optimisation_methods.py [output folder] [--seconds 0.8] [--size 128]

Two more figures show the same scan without a penalty, by the methods for plain least squares, and
as counts of emission (optimisation_classics.py).

Time is that of the compiled steps; finding step sizes and compiling are listed apart. Gap and
residual are computed afterwards, in double precision: the gap is (F - F*) / (F_0 - F*), and the
residual is the norm of the projected gradient over that at the start.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optimisation_classics
from optimisation_history import HEADING, Entry, draw, history, judged, row
from optimisation_problem import (
    DELTA,
    SUBSETS,
    WEIGHT,
    Consensus,
    Problem,
    costs,
    measure,
    minimisers,
    pose,
)

from jaxrecon import Functional, LinearOperator, plot, separable, stack
from jaxrecon import solvers as s
from jaxrecon.core import Identity, struct_of
from jaxrecon.functionals import GroupL21, NonNegative

VIEWS = 60
RATIO, PENALTY, LINEARISED_PENALTY, PROX_STEP, RELAXATION = 0.1, 0.01, 0.1, 100.0, 0.5
"""set by hand, of what the table marks with *: dual over primal steps; ADMM; linearised ADMM;
Douglas-Rachford; ordered subsets"""


def methods() -> dict[str, dict[str, Entry]]:
    """Family -> name -> method."""
    x0, key = NonNegative(), jax.random.key(1)

    def smooth(make: Callable, **options: Any) -> Entry:
        return Entry(lambda p: make(p.smooth_cost, **options), smooth=True)

    def proximal(make: Callable, **options: Any) -> Entry:
        return Entry(lambda p: make(p.cost, x0, **options))

    def dual(make: Callable, **options: Any) -> Entry:
        return Entry(lambda p: make(x0, *p.both, **options))

    def split_penalty(p: Problem) -> tuple[Functional, LinearOperator]:
        """(g, K) of penalty and constraint."""
        penalty, difference = p.differences
        return separable(penalty, x0), stack(difference, Identity(struct_of(p.start)))

    def half_quadratic(p: Problem) -> Any:  # of the l2,1 norm it minimises the Huber function
        g = separable(WEIGHT * GroupL21(), x0)
        return s.half_quadratic_splitting(p.fidelity, g, split_penalty(p)[1], WEIGHT / DELTA)

    def douglas_rachford(p: Problem) -> Any:
        return s.douglas_rachford(Consensus(), separable(p.fidelity, p.penalty, x0), PROX_STEP)

    def in_subsets(make: Callable, **options: Any) -> Entry:
        return Entry(
            lambda p: make(p.fidelity, p.subsets, penalty=p.penalty, constraint=x0, **options),
            steps=SUBSETS,
        )

    def stochastic_dual(p: Problem) -> Any:
        return s.stochastic_primal_dual(x0, p.fidelity, p.subsets, penalty=p.differences, key=key)

    def accelerated(p: Problem) -> Any:
        modulus = jnp.minimum(1 / p.largest_weight, DELTA / WEIGHT)
        return s.accelerated_primal_dual(x0, *p.both, dual_convexity=modulus)

    def diagonal(p: Problem) -> Any:
        tau, sigma = s.diagonal_steps(p.both[1], RATIO)
        return s.primal_dual_hybrid_gradient(x0, *p.both, primal_step=tau, dual_step=sigma)

    return {
        "smooth variant": {
            "gradient descent": smooth(s.gradient_descent),
            "gradients, line search": smooth(s.gradient_descent, line_search=True),
            "Barzilai-Borwein": smooth(s.barzilai_borwein),
            "Nesterov": smooth(s.nesterov),
            "nonlinear CG": smooth(s.nonlinear_conjugate_gradient),
            "L-BFGS": smooth(s.lbfgs),
            "half-quadratic splitting": Entry(half_quadratic, smooth=True),
        },
        "proximal gradient": {
            "ISTA": proximal(s.ista),
            "FISTA": proximal(s.fista),
            "FISTA, restart": proximal(s.fista, restart=True),
            "FISTA, backtracking": proximal(s.fista, backtracking=True),
            "POGM, restart": proximal(s.pogm, restart=True),
        },
        "primal-dual": {
            "PDHG": dual(s.primal_dual_hybrid_gradient),
            "PDHG, adaptive": dual(s.adaptive_primal_dual),
            "PDHG, accelerated": Entry(accelerated),
            "PDHG, diagonal *": Entry(diagonal),
            "Condat-Vu": Entry(
                lambda p: s.primal_dual_hybrid_gradient(x0, *p.differences, smooth=p.fidelity)
            ),
            "PD3O": Entry(lambda p: s.pd3o(x0, *p.differences, smooth=p.fidelity)),
            "forward-backward-forward": Entry(
                lambda p: s.forward_backward_forward_primal_dual(
                    x0, *p.differences, smooth=p.fidelity
                )
            ),
        },
        "splitting": {
            "ADMM *": Entry(lambda p: s.admm(p.fidelity, *split_penalty(p), PENALTY)),
            "ADMM, adaptive": Entry(
                lambda p: s.admm(p.fidelity, *split_penalty(p), 1.0, adaptive=True)
            ),
            "linearised ADMM *": dual(s.linearised_admm, penalty=LINEARISED_PENALTY),
            "Douglas-Rachford *": Entry(
                douglas_rachford, start=lambda x: (x, x, x), image=lambda state: state.x[0]
            ),
            "Davis-Yin": Entry(lambda p: s.davis_yin(x0, p.penalty, p.fidelity)),
        },
        "subsets of views": {
            "ordered subsets *": in_subsets(s.ordered_subsets, relaxation=RELAXATION),
            "SPDHG": Entry(stochastic_dual, steps=SUBSETS),
            "SAGA": in_subsets(s.saga, key=key),
            "SVRG": in_subsets(s.svrg, key=key),
            "stochastic gradient": in_subsets(s.stochastic_gradient, key=key),
        },
    }


def run(
    output_folder: str | Path | None = None,
    *,
    size: int = 128,
    views: int = VIEWS,
    seconds: float = 0.8,
    names: tuple[str, ...] | None = None,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """All methods, or those named, on the problem; returns (results, matplotlib figure)."""
    truth, p, variance, pixel = measure(size, views)
    single = pose(p, variance, size, pixel, jnp.float32)
    with jax.enable_x64(True):
        double = pose(p, variance, size, pixel, jnp.float64)
        least = np.asarray(costs(double, minimisers(double))[0]).diagonal()
        first, slopes = (np.asarray(a)[:, 0] for a in costs(double, double.start[None]))
    results: dict[str, dict] = {}
    for family, entries in methods().items():
        report(HEADING.format(family))
        for name, entry in entries.items():
            if names is not None and name not in names:
                continue
            found, kind = history(single, entry, seconds), int(entry.smooth)
            with jax.enable_x64(True):
                values_of = costs(double, jnp.asarray(found.images, jnp.float64))
                values, residuals = (np.asarray(a)[kind] for a in values_of)
            gap = (values - least[kind]) / (first[kind] - least[kind])
            results[name] = judged(family, found, gap, residuals / slopes[kind], truth)
            report(row(name, results[name]))
    figure = draw(results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "optimisation_methods.png")
    return results, figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--seconds", type=float, default=0.8, help="of compiled steps, a method")
    parser.add_argument("--size", type=int, default=128, help="pixels along a side; divides 512")
    arguments = parser.parse_args()

    def report(line: str) -> None:
        print(line, flush=True)

    run(arguments.folder, size=arguments.size, seconds=arguments.seconds, report=report)
    for classics in (optimisation_classics.quadratic, optimisation_classics.poisson):
        classics(arguments.folder, size=arguments.size, seconds=arguments.seconds, report=report)
    print("\n* with a parameter set by hand; the others have default steps")


if __name__ == "__main__":
    main()
