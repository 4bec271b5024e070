"""Methods chosen for a cost: which one, and the minimiser that each finds, from outside sources."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jaxrecon import Functional, Status
from jaxrecon.functionals import (
    L1,
    Box,
    Huber,
    KullbackLeibler,
    L2Ball,
    LeastSquares,
    NonNegative,
    SquaredL2,
    TotalGeneralisedVariation,
    TotalVariation,
    TransmissionPoisson,
    UnknownVariance,
    WaveletL1,
    Zero,
)
from jaxrecon.linops import Convolution, FiniteDifference, Fourier, Matrix
from jaxrecon.solvers import choose, minimise
from jaxrecon.solvers.balanced_blocks import balanced_by_duals
from jaxrecon.solvers.offers import Block, commutes_with_shifts, keeps_nonnegative
from tests.laws.cases import quick_jit
from tests.solvers.emission_problems import emission_minimiser, emission_problem
from tests.solvers.problems import (
    counts_problem,
    draw,
    lasso,
    nonnegative_least_squares,
    poisson_ridge,
    ridge,
    system,
)
from tests.solvers.splitting_problems import (
    KERNEL,
    blurred_signal,
    circulant,
    constrained_quadratic,
    differences,
)

JUMPS = 0.05


def _fidelity(dtype: Any = np.float64):
    matrix, data = system(dtype)
    return matrix, data, LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data))


def _ridge():
    matrix, data = system(np.complex128)
    weights = np.linspace(0.5, 2, 12)
    f = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data), jnp.asarray(weights))
    return f + 0.1 * SquaredL2(), jnp.zeros(8, complex), ridge(matrix, data, weights, 0.1)


def _lasso():
    matrix, data, f = _fidelity(np.complex128)
    return f + 0.3 * L1(), jnp.zeros(8, complex), lasso(matrix, data, 0.3)


def _nonnegative():
    matrix, data, f = _fidelity()
    return [f, NonNegative()], jnp.zeros(8), nonnegative_least_squares(matrix, data)


def _sparse_and_nonnegative():
    matrix, data, f = _fidelity()
    cost = f + (0.3 * L1() + NonNegative())
    rows = np.eye(8)
    x = constrained_quadratic(matrix.T @ matrix, matrix.T @ data, rows, 0.3, nonnegative=True)
    return cost, jnp.zeros(8), x


def _total_variation():
    matrix, data, f = _fidelity()
    cost = [f, JUMPS * TotalVariation((8,)), NonNegative()]
    hessian, rhs, rows = matrix.T @ matrix, matrix.T @ data, differences(8)
    return cost, jnp.zeros(8), constrained_quadratic(hessian, rhs, rows, JUMPS, nonnegative=True)


def _deblurring():
    data, matrix = blurred_signal(np.float64), circulant(KERNEL, 12)
    f = LeastSquares(Convolution(jnp.asarray(KERNEL), (12,)), jnp.asarray(data))
    cost = [f, JUMPS * TotalVariation((12,), boundary="periodic"), NonNegative()]
    hessian, rhs, rows = matrix.T @ matrix, matrix.T @ data, differences(12, periodic=True)
    return cost, jnp.zeros(12), constrained_quadratic(hessian, rhs, rows, JUMPS, nonnegative=True)


def _emission(*others, quadratic=0.0):
    matrix, counts, background = emission_problem(np.float64)
    f = KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), background)
    hessian = quadratic * np.eye(8)
    return [f, *others], jnp.ones(8), emission_minimiser(matrix, counts, background, hessian)


def _poisson_ridge():
    matrix, counts, background = counts_problem(np.float64)
    f = KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), background)
    x = poisson_ridge(matrix, counts, background, 0.3)
    return f + 0.3 * SquaredL2(), jnp.ones(5), x


def _absolute_deviations():
    """A linear programme: min sum t, -t <= A x - m <= t, |x_i| <= 1."""
    matrix, data, _ = _fidelity()
    cost = [L1().translate(jnp.asarray(data)) @ Matrix(jnp.asarray(matrix)), Box(-1.0, 1.0)]
    return cost, jnp.ones(8), _linear_programme([(matrix, data, 1.0)], [(-1, 1)] * 8)


def _generalised_variation():
    """The same with image and field, min |A x - m|_1 + |D x - w|_1 / 2 + |E w|_1."""
    matrix, data, _ = _fidelity()
    tgv = TotalGeneralisedVariation((8,))
    operator = tgv.difference(jnp.float64).second
    field = np.asarray(jax.vmap(operator.apply)(jnp.eye(8)[:, None])).reshape(8, 8).T
    empty = np.zeros((12, 8))
    blocks = [
        (np.hstack([matrix, empty]), data, 1.0),
        (np.hstack([differences(8), -np.eye(8)]), np.zeros(8), 0.5),
        (np.hstack([np.zeros((8, 8)), field]), np.zeros(8), 1.0),
    ]
    x = _linear_programme(blocks, [(None, None)] * 16)[:8]
    return (
        [L1().translate(jnp.asarray(data)) @ Matrix(jnp.asarray(matrix)), 0.5 * tgv],
        jnp.ones(8),
        x,
    )


def _linear_programme(blocks, bounds):
    """argmin_x sum_i weight_i ||B_i x - b_i||_1."""
    rows = np.vstack([b for b, _, _ in blocks])
    rhs = np.concatenate([b for _, b, _ in blocks])
    weights = np.concatenate([np.full(len(b), w) for b, _, w in blocks])
    n, k = rows.shape[1], len(rhs)
    limits = np.block([[rows, -np.eye(k)], [-rows, -np.eye(k)]])
    result = scipy.optimize.linprog(
        np.append(np.zeros(n), weights), limits, np.append(rhs, -rhs),
        bounds=[*bounds, *[(0, None)] * k],
    )  # fmt: skip
    assert result.status == 0
    return result.x[:n]


def _smooth():
    matrix, data, f = _fidelity()
    cost = f + JUMPS * Huber(0.1) @ FiniteDifference((8,), dtype=jnp.float64)

    def slope(x):
        jumps = differences(8) @ x
        edge = jumps / np.maximum(np.abs(jumps), 0.1)
        return matrix.T @ (matrix @ x - data) + JUMPS * differences(8).T @ edge

    return cost, jnp.zeros(8), scipy.optimize.root(slope, np.zeros(8), tol=1e-10).x


def _transmission():
    """Newton's method for counts ~ Poisson(I exp(-A x)); the minimiser is positive."""
    matrix = np.random.default_rng(3).uniform(0.1, 1.0, (12, 5))
    photons, truth = 400.0, np.linspace(0.2, 0.6, 5)
    counts = np.random.default_rng(4).poisson(photons * np.exp(-matrix @ truth)).astype(float)
    x = truth.copy()
    for _ in range(30):
        y = photons * np.exp(-matrix @ x)
        x = x - np.linalg.solve(matrix.T @ (y[:, None] * matrix), matrix.T @ (counts - y))
    assert np.all(x > 0)
    f = TransmissionPoisson(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), photons)
    return [f, NonNegative()], jnp.zeros(5), x


def _two_proxes():
    """||x - a||_1 on the unit ball: every |x_i| is |a_i|, or t where that is less."""
    cost = [L1().translate(jnp.asarray([3.0, -1.0, 0.5])), L2Ball(1.0)]
    return cost, jnp.ones(3), np.array([np.sqrt(0.375), -np.sqrt(0.375), 0.5])


PROBLEMS = [
    ("conjugate_gradient", _ridge),
    ("fista", _lasso),
    ("fista", _nonnegative),
    ("fista", _transmission),
    ("lbfgs", _smooth),
    ("davis_yin", _sparse_and_nonnegative),
    ("douglas_rachford", _two_proxes),
    ("pd3o", _total_variation),
    ("pd3o", _poisson_ridge),
    ("admm", _deblurring),
    ("adaptive_primal_dual", _absolute_deviations),
    ("adaptive_primal_dual", _generalised_variation),
    ("adaptive_primal_dual", partial(_emission, Box(0.0, np.inf))),
    ("mlem", partial(_emission, NonNegative())),
    ("map_em", partial(_emission, NonNegative(), 0.2 * SquaredL2(), quadratic=0.2)),
]


@pytest.mark.parametrize(("name", "problem"), PROBLEMS)
def test_the_method_that_is_chosen_finds_the_minimiser_inside_of_jit(name, problem) -> None:
    with jax.enable_x64(True):
        cost, x0, minimiser = problem()
        run = quick_jit(lambda cost, x0: minimise(cost, x0, 40000, tolerance=1e-10))
        result = run(cost, x0)
        assert result.name == name
        assert result.status == Status.CONVERGED
        error = np.linalg.norm(result.x - minimiser) / np.linalg.norm(minimiser)
        assert error < 1e-6, f"{error:.1e} after {result.iterations} steps"


def test_it_says_what_it_chose_and_how_the_run_ended() -> None:
    cost = [LeastSquares(None, jnp.ones(8)), 0.1 * TotalVariation((8,)), NonNegative()]
    choice = choose(cost, jnp.zeros(8))
    assert str(choice).startswith("pd3o: LeastSquares by the gradient, NonNegative by its prox")
    assert "TotalVariation freed" in choice.reason
    result = minimise(cost, jnp.zeros(8), 200, tolerance=1e-5, trace=lambda s: s.x[0])
    assert (result.name, result.reason) == (choice.name, choice.reason)
    assert result.history.shape == (200,)
    text = result.describe()
    assert text.startswith("converged after")
    assert str(choice) in text
    np.testing.assert_allclose(result.x, 1, rtol=1e-3)
    short = minimise(cost, jnp.zeros(8), 1, tolerance=0.0)
    assert short.status == Status.NOT_CONVERGED
    assert "Allow more steps" in short.describe()


def test_weights_and_data_are_traced_and_batched() -> None:
    """One compilation for all weights and data; a path of weights by vmap, as one by one."""
    matrix, data = (jnp.asarray(a) for a in system(np.float32))
    traces = []

    def image(data, weight):
        traces.append(1)
        cost = [LeastSquares(Matrix(matrix), data), weight * TotalVariation((8,)), NonNegative()]
        return minimise(cost, jnp.zeros(8), 300, tolerance=1e-6).x

    run = quick_jit(image)
    single = [run(data, 0.05), run(2 * data, 0.5)]
    assert len(traces) == 1
    both = quick_jit(jax.vmap(image))(jnp.stack([data, 2 * data]), jnp.asarray([0.05, 0.5]))
    np.testing.assert_allclose(both, jnp.stack(single), atol=1e-4)


def test_derivatives_of_the_minimum_in_a_weight() -> None:
    with jax.enable_x64(True):
        matrix, data, f = _fidelity()

        def size(weight):
            cost = [f, weight * SquaredL2(), 0.1 * L1()]
            run = minimise(cost, jnp.zeros(8), 60, tolerance=1e-12, differentiable=True)
            return jnp.sum(run.x**2)

        value, slope = quick_jit(jax.value_and_grad(size))(0.2)
        points = [_elastic_net(matrix, data, 0.2 + h) for h in (-1e-5, 1e-5)]
        expected = (np.sum(points[1] ** 2) - np.sum(points[0] ** 2)) / 2e-5
        np.testing.assert_allclose(value, np.sum(points[0] ** 2), rtol=1e-3)
        np.testing.assert_allclose(slope, expected, rtol=1e-4)


def _elastic_net(matrix, data, damping):
    rows = np.vstack([matrix, np.sqrt(damping) * np.eye(8)])
    return lasso(rows, np.append(data, np.zeros(8)), 0.1)


def test_units_of_the_image_do_not_change_the_number_of_steps() -> None:
    """All in units 1024 times smaller, which is exact in binary."""
    with jax.enable_x64(True):
        matrix, data, _ = _fidelity()

        @quick_jit
        def steps(scale):
            f = L1().translate(scale * jnp.asarray(data)) @ Matrix(jnp.asarray(matrix))
            cost = [f, 0.3 * TotalVariation((8,))]
            return minimise(cost, scale * jnp.ones(8), 4000, tolerance=1e-6).iterations

        counts = [int(steps(scale)) for scale in (1.0, 1024.0, 1 / 1024)]
        assert counts[0] < 4000
        assert max(counts) - min(counts) <= 2, counts


def test_blocks_are_scaled_and_still_the_same_term() -> None:
    """g(A x) stays, ||A|| keeps its bound, and blocks of other sizes come to equal ones."""
    a, b = draw(1, (6, 4), np.float32), 100 * draw(2, (5, 4), np.float32)
    blocks = [Block(L1(), L1(), Matrix(jnp.asarray(a))), Block(L1(), L1(), Matrix(jnp.asarray(b)))]
    balanced, step = balanced_by_duals(blocks, jnp.ones(4))
    x = jnp.asarray(draw(3, (4,), np.float32))
    expected = np.abs(a @ x).sum() + np.abs(b @ x).sum()
    np.testing.assert_allclose(balanced.functional(balanced.operator(x)), expected, rtol=1e-5)
    rows = [np.asarray(part).T for part in jax.vmap(balanced.operator)(jnp.eye(4))]
    norms = [np.linalg.norm(part, 2) for part in rows]
    assert step * np.linalg.norm(np.vstack(rows), 2) ** 2 <= 1
    assert step * sum(n**2 for n in norms) == pytest.approx(0.99, rel=1e-2)
    assert 0.2 < norms[1] / norms[0] < 20  # 100 before


class Opaque(Functional):
    """A value, and nothing else."""

    def __call__(self, x):
        return jnp.sum(jnp.abs(x) ** 1.5)


A = Matrix(jnp.asarray(draw(1, (6, 4), np.float32)))
DATA = jnp.asarray(draw(2, (6,), np.float32))
X0 = jnp.zeros(4)


@pytest.mark.parametrize(
    ("cost", "x0", "error", "message"),
    [
        ([LeastSquares(A, DATA), Opaque()], X0, NotImplementedError, "term 2, Opaque.*define grad"),
        (Opaque() @ A, X0, NotImplementedError, "Opaque @ Matrix: Opaque has no prox"),
        ([UnknownVariance(A, DATA), L1() @ A], X0, NotImplementedError, "UnknownVariance.*HuberT"),
        ([2.0 * TotalGeneralisedVariation((4,))] * 2, X0, NotImplementedError, "takes one Total"),
        (3.0, X0, TypeError, "a functional, a sum"),
        ([L1(), 3.0], X0, TypeError, "a functional, a sum"),
        ([Zero(), 2.0 * Zero()], X0, ValueError, "at least one term"),
        (LeastSquares(A, DATA), jnp.full(4, jnp.nan), ValueError, "NaN"),
        (LeastSquares(A, DATA), jnp.zeros(5), ValueError, "LeastSquares expected x0"),
        ([KullbackLeibler(A, jnp.abs(DATA)), NonNegative()], X0 + 1, ValueError, "non-negative"),
    ],
)
def test_bad_input_is_one_clear_error(cost, x0, error, message) -> None:
    with pytest.raises(error, match=message):
        minimise(cost, x0, 1, tolerance=0.0)


def test_what_is_read_off_the_structure_of_terms() -> None:
    space = jax.ShapeDtypeStruct((8, 8), jnp.float32)
    constraints = [NonNegative(), L1(), Box(0.0, np.inf), SquaredL2(), WaveletL1((8, 8), levels=1)]
    assert [keeps_nonnegative(f, space) for f in constraints] == [True, *[False] * 4]
    kernel, periodic = jnp.ones((3, 3)) / 9, {"shape": (8, 8), "boundary": "periodic"}
    assert commutes_with_shifts(Fourier((8, 8)))
    assert commutes_with_shifts(2.0 * FiniteDifference(**periodic) @ Convolution(kernel, (8, 8)))
    assert not commutes_with_shifts(Convolution(kernel, (8, 8), "zero"))
    assert not commutes_with_shifts(FiniteDifference((8, 8)))
    assert not commutes_with_shifts(Matrix(jnp.eye(8)))
