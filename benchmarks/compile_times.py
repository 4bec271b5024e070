"""How long every method takes to compile, and whether other data, weights or angles compile again.

All methods run on TV deblurring, TV and wavelet CT from 60 views, and wavelet MRI, of 256x256
pixels, each on those that have what it needs. A run of 100 steps is one jitted function, whose
argument is the method; a method made of other data, another weight, and other angles or another
mask of k-space goes through the same executable, or counts as compiled again.

    python benchmarks/compile_times.py [--only deblur ct mri] [--quick]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from optimisation_cases import blur_fidelity, changed, ct_fidelity, mri_fidelity
from optimisation_problems import LEVELS, Problem, problems
from timing import compiled, print_table, seconds

from jaxrecon import Functional, LinearOperator, ct, separable, solve, stack
from jaxrecon import solvers as s
from jaxrecon.core import struct_of
from jaxrecon.functionals import (
    Huber,
    HuberTotalVariation,
    KullbackLeibler,
    LeastSquares,
    NonNegative,
    SquaredL2,
    TotalVariation,
    WaveletL1,
    Zero,
)

STEPS, SUBSETS, DELTA, LIMIT = 100, 10, 0.01, 5.0
CASES = {"deblur": "deblur", "ct": "ct-tv", "ct wavelets": "ct-wavelet", "mri": "mri"}


class Terms(NamedTuple):
    """1/2 ||A x - m||^2 + weight penalty(x), perhaps x >= 0, and what methods need of it."""

    fidelity: Any
    penalty: Any
    """with a prox"""
    smooth: Functional
    """in its place for gradients"""
    constraint: Functional
    start: jax.Array

    @property
    def blocks(self) -> tuple[Functional, LinearOperator]:
        """(g, D) of the penalty g(D x)."""
        return self.penalty.split(self.start.dtype)

    @property
    def both(self) -> tuple[Functional, LinearOperator]:
        """(g, K) of fidelity and penalty."""
        (f, A), (g, D) = self.fidelity.split(), self.blocks
        return separable(f, g), stack(A, D)


def terms(case: str, arrays: dict, numbers: dict) -> Terms:
    """The terms of a case, made as a user makes them."""
    x0, weight = arrays["start"], numbers["weight"]
    f = {"deblur": blur_fidelity, "mri": mri_fidelity}.get(case)
    fidelity = ct_shear(arrays, numbers) if f is None else f(arrays)
    if case in ("deblur", "ct-tv"):
        penalty: Any = weight * TotalVariation(x0.shape, tolerance=0.0, iterations=20)
        smooth: Functional = weight * HuberTotalVariation(x0.shape, DELTA)
    else:
        penalty = weight * WaveletL1(x0.shape, "db4", LEVELS, approximation=1.0)
        _, wavelets = penalty.split(x0.dtype)
        smooth = weight * Huber(DELTA) @ wavelets
    constraint = Zero() if case == "mri" else NonNegative()
    return Terms(fidelity, penalty, smooth, constraint, x0)


def ct_shear(arrays: dict, numbers: dict) -> LeastSquares:
    """The scan by a projector whose weights are not negative, as row and column sums need."""
    scaled: Any = ct_fidelity(arrays, numbers).operator
    geometry, data = scaled.operator.geometry, arrays["data"]
    return LeastSquares(numbers["operator_scale"] * ct.XRayTransform(geometry, "shear"), data)


def methods(case: str) -> dict[str, Callable[[Terms], Any]]:
    """Name -> terms -> method, for all methods that the case has the terms for."""

    def smooth(make: Callable, **options: Any) -> Callable:
        return lambda t: make(t.fidelity + t.smooth, **options)

    def linear(make: Callable, **options: Any) -> Callable:
        return lambda t: make(t.fidelity.operator, t.fidelity.data, **options)

    def proximal(make: Callable, **options: Any) -> Callable:
        return lambda t: make(t.fidelity, t.penalty, **options)

    def dual(make: Callable, **options: Any) -> Callable:
        return lambda t: make(t.constraint, *t.both, **options)

    def third(make: Callable) -> Callable:
        return lambda t: make(t.constraint, *t.blocks, smooth=t.fidelity)

    def diagonal(t: Terms) -> Any:
        tau, sigma = s.diagonal_steps(t.both[1])
        return s.primal_dual_hybrid_gradient(
            t.constraint, *t.both, primal_step=tau, dual_step=sigma
        )

    found: dict[str, Callable] = {
        "gradient descent": smooth(s.gradient_descent),
        "gradient descent, line search": smooth(s.gradient_descent, line_search=True),
        "Barzilai-Borwein": smooth(s.barzilai_borwein),
        "Nesterov": smooth(s.nesterov),
        "nonlinear CG": smooth(s.nonlinear_conjugate_gradient),
        "nonlinear CG, Hager-Zhang": smooth(s.nonlinear_conjugate_gradient, formula="Hager-Zhang"),
        "L-BFGS": smooth(s.lbfgs),
        "CG": linear(s.conjugate_gradient, damping=0.1),
        "CGLS": linear(s.cgls, damping=0.1),
        "LSQR": linear(s.lsqr, damping=0.1),
        "Landweber": linear(s.landweber),
        "ISTA": proximal(s.ista),
        "FISTA, restart": proximal(s.fista, restart=True),
        "FISTA, backtracking": lambda t: s.fista(
            t.fidelity, t.penalty, 1.0, restart=True, backtracking=True
        ),
        "POGM, restart": proximal(s.pogm, restart=True),
        "Anderson of ISTA": lambda t: s.anderson(s.ista(t.fidelity, t.penalty)),
        "PDHG": dual(s.primal_dual_hybrid_gradient),
        "PDHG, adaptive": dual(s.adaptive_primal_dual),
        "PDHG, accelerated": dual(s.accelerated_primal_dual, dual_convexity=0.1),
        "Condat-Vu": third(s.primal_dual_hybrid_gradient),
        "PD3O": third(s.pd3o),
        "forward-backward-forward": third(s.forward_backward_forward_primal_dual),
        "ADMM": lambda t: s.admm(t.fidelity, *t.blocks, penalty=1.0),
        "ADMM, adaptive": lambda t: s.admm(t.fidelity, *t.blocks, penalty=1.0, adaptive=True),
        "linearised ADMM": dual(s.linearised_admm, penalty=1.0),
        "half-quadratic splitting": lambda t: s.half_quadratic_splitting(
            t.fidelity, *t.blocks, penalties=s.geometric_penalties(1.0, 10.0, 10)
        ),
        "Douglas-Rachford": lambda t: s.douglas_rachford(t.constraint, t.penalty, 1.0),
        "Davis-Yin": lambda t: s.davis_yin(t.constraint, t.penalty, t.fidelity),
        "minimise": lambda t: s.choose([t.fidelity, t.penalty, t.constraint], t.start).method,
    }
    if case in ("deblur", "ct-tv"):  # for real operators, and not for the signs of wavelets
        found["PDHG, diagonal"] = diagonal
    if case == "deblur":
        found["PDHG, prox by FFT"] = lambda t: s.primal_dual_hybrid_gradient(
            s.fourier_quadratic(t.fidelity, struct_of(t.start)), *t.blocks
        )
    return found | subset_methods() if case.startswith("ct") else found


def take_views(A: Any, rows: Any) -> LinearOperator:
    """Some views of the scaled projector."""
    transform = A.operator
    return A.scalar * ct.XRayTransform(transform.geometry.take(rows), transform.model)


def subset_methods() -> dict[str, Callable[[Terms], Any]]:
    """Those with row and column sums, subsets of views, and counts."""

    def views(t: Terms) -> s.Subsets:
        A: Any = t.fidelity.operator
        return s.split_rows(A, SUBSETS, take_views)

    def counts(t: Terms) -> KullbackLeibler:
        return KullbackLeibler(t.fidelity.operator, jnp.maximum(t.fidelity.data, 0), 0.01)

    def stochastic(make: Callable) -> Callable:
        return lambda t: make(
            t.fidelity,
            views(t),
            penalty=t.smooth,
            constraint=t.constraint,
            key=jax.random.key(0),
        )

    ridge = 0.1 * SquaredL2()
    return {
        "SIRT": lambda t: s.sirt(t.fidelity.operator, t.fidelity.data, constraint=t.constraint),
        "SART": lambda t: s.sart(views(t), t.fidelity.data, constraint=t.constraint),
        "ordered subsets": lambda t: s.ordered_subsets(
            t.fidelity, views(t), penalty=ridge, constraint=t.constraint
        ),
        "SAGA": stochastic(s.saga),
        "SVRG": stochastic(s.svrg),
        "stochastic gradient": stochastic(s.stochastic_gradient),
        "SPDHG": lambda t: s.stochastic_primal_dual(
            t.constraint, t.fidelity, views(t), penalty=t.blocks, key=jax.random.key(0)
        ),
        "MLEM": lambda t: s.mlem(counts(t)),
        "OSEM": lambda t: s.osem(counts(t), views(t)),
        "MAP-EM": lambda t: s.map_em(counts(t), ridge),
        "BSREM": lambda t: s.bsrem(counts(t), views(t), penalty=ridge),
    }


class Row(NamedTuple):
    """What one method took."""

    name: str
    setup: float
    compilation: float
    work: float
    """seconds of CPU in all threads that it took, which other work on the machine changes less"""
    step: float
    again: bool

    def cells(self) -> list[str]:
        spent = (f"{a:.2f}" for a in (self.setup, self.compilation, self.work, 1e3 * self.step))
        return [self.name, *spent, "YES" if self.again else "no"]


def rows(case: str, problem: Problem) -> Iterator[Row]:
    """One row for each method."""
    arrays = {name: jnp.asarray(a) for name, a in problem.arrays.items()}
    here = terms(case, arrays, problem.numbers)
    there = terms(case, *changed(arrays, problem.numbers))
    x0 = here.start + 0.1
    for name, make in methods(case).items():
        began = time.perf_counter()
        method = jax.block_until_ready(make(here))
        setup = time.perf_counter() - began
        run = jax.jit(lambda method, x0: solve(method, x0, STEPS)[0])
        before = time.process_time()
        executable, compilation = compiled(run, method, x0)
        work = time.process_time() - before
        step = seconds(executable, method, x0) / STEPS
        try:
            jax.block_until_ready(executable(make(there), x0))
            again = False
        except TypeError:
            again = True
        yield Row(name, setup, compilation, work, step, again)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="small images: does everything run?")
    chosen = parser.parse_args()
    every = problems(chosen.quick)
    worst: list[tuple[float, str]] = []
    again: list[str] = []
    for short in chosen.only:
        problem = every[CASES[short]]()
        found = []
        print(f"\n{problem.title}")
        for row in rows(CASES[short], problem):
            found.append(row)
            print(f"{row.name}: compiled in {row.compilation:.2f} s", file=sys.stderr, flush=True)
        head = ["method", "set-up s", "compile s", "CPU s", "ms/step", "compiles again"]
        print_table(head, [row.cells() for row in found])
        worst += [(row.compilation, f"{row.name}, {short}") for row in found]
        again += [f"{row.name}, {short}" for row in found if row.again]
    longest, which = max(worst)
    over = sum(seconds > LIMIT for seconds, _ in worst)
    print(
        f"\nlongest compilation {longest:.2f} s ({which}); {over} of {len(worst)} over {LIMIT:g} s"
    )
    print(f"compiled again for other data, weights, angles: {', '.join(again) or 'none'}")


if __name__ == "__main__":
    main()
