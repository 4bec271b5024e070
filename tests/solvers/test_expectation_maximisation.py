"""MLEM, OSEM, MAP-EM and BSREM: what theory says of every step, references, and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jaxrecon import solve
from jaxrecon.functionals import (
    HuberTotalVariation,
    KullbackLeibler,
    LeastSquares,
    QuadraticPrior,
    RelativeDifferencePrior,
    TransmissionPoisson,
    Zero,
)
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import bsrem, map_em, mlem, osem
from tests.laws.cases import quick_jit
from tests.solvers.emission_problems import (
    balanced_problem,
    emission_minimiser,
    emission_problem,
    quadratic_matrix,
)
from tests.solvers.subset_problems import matrix_subsets


def _fidelity(background=None):
    matrix, counts, b = emission_problem(np.float64)
    b = b if background is None else background
    return KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), b)


def _balanced():
    """Noisy counts of a matrix whose three subsets have equal sensitivities."""
    matrix, expected, _ = balanced_problem(np.float64)
    counts = np.random.default_rng(1).poisson(4 * expected)
    return KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts, float))


def _iterates(method, x0, steps):
    return quick_jit(lambda m, x: solve(m, x, steps, trace=lambda s: s.x))(method, x0)[1]


def _costs(total, images):
    return np.asarray(quick_jit(jax.vmap(total))(images))


def test_mlem_raises_the_likelihood_and_keeps_the_counts() -> None:
    """sum s x = sum y after every step without background; less with one."""
    with jax.enable_x64(True):
        f = _balanced()
        matrix, x0 = np.asarray(f.operator.matrix), jnp.linspace(1.0, 9.0, 5)
        images = _iterates(mlem(f), x0, 60)
        assert np.all(np.diff(_costs(f, jnp.concatenate([x0[None], images]))) < 1e-12)
        seen = images @ matrix.sum(0)
        np.testing.assert_allclose(seen, np.sum(f.counts), rtol=1e-13)

        f, x0 = _fidelity(), jnp.full(8, 5.0)
        images = _iterates(mlem(f), x0, 60)
        assert np.all(np.diff(_costs(f, jnp.concatenate([x0[None], images]))) < 1e-12)
        assert np.all(images @ np.asarray(f.operator.matrix).sum(0) < np.sum(f.counts))


def test_mlem_is_its_formula() -> None:
    with jax.enable_x64(True):
        f = _fidelity()
        a, y, x = np.asarray(f.operator.matrix), np.asarray(f.counts), np.linspace(1.0, 4.0, 8)
        expected = x / a.sum(0) * (a.T @ (y / (a @ x + 1.5)))
        np.testing.assert_allclose(_iterates(mlem(f), jnp.asarray(x), 1)[0], expected, rtol=1e-14)


def test_unseen_pixels_masks_and_dead_bins() -> None:
    with jax.enable_x64(True):
        matrix, counts, b = emission_problem(np.float64)
        matrix[:, 3] = 0.0
        alive = np.ones(12)
        alive[[4, 7]] = 0.0
        dead = Matrix(jnp.asarray(alive[:, None] * matrix))
        f = KullbackLeibler(dead, jnp.asarray(alive * counts), jnp.asarray(alive * b))
        kept = alive > 0
        fewer = KullbackLeibler(Matrix(jnp.asarray(matrix[kept])), jnp.asarray(counts[kept]), b)
        x0 = jnp.full(8, 5.0).at[6].set(0.0)
        for method in (mlem(f), osem(f, matrix_subsets(dead, 1))):
            images = _iterates(method, x0, 30)
            np.testing.assert_allclose(images, _iterates(mlem(fewer), x0, 30), rtol=1e-12)
            assert np.all(images[:, 3] == 5.0)
            assert np.all(images[:, 6] == 0.0)
        smooth = map_em(f, 0.1 * QuadraticPrior((8,), jnp.asarray([1.0, 0, 1])))
        x = _iterates(smooth, jnp.full(8, 5.0), 600)[-1]
        np.testing.assert_allclose(x[3], (x[2] + x[4]) / 2, rtol=1e-10)  # filled in


def test_map_em_without_a_penalty_is_mlem() -> None:
    with jax.enable_x64(True):
        f, x0 = _fidelity(), jnp.full(8, 5.0)
        plain = _iterates(map_em(f, Zero(), penalty_curvature=0.0), x0, 20)
        np.testing.assert_allclose(plain, _iterates(mlem(f), x0, 20), rtol=1e-13)


def _relative_differences(x):
    d, t = np.diff(x), x[1:] + x[:-1]
    return 0.5 * np.sum(d**2 / (t + 2 * np.abs(d) + 3.0))


def _huber(x):
    d = np.abs(np.diff(x))
    return 0.3 * np.sum(np.where(d <= 1.0, d**2 / 2, d - 0.5))


@pytest.mark.parametrize(
    ("make", "reference"),
    [
        (
            lambda: (
                0.5
                * RelativeDifferencePrior((8,), jnp.asarray([1.0, 0, 1]), gamma=2.0, epsilon=3.0)
            ),
            _relative_differences,
        ),
        (lambda: 0.3 * HuberTotalVariation((8,), 1.0), _huber),
    ],
)
def test_map_em_descends_to_the_minimiser_of_scipy(make, reference) -> None:
    """Objectives written out in NumPy, minimised with finite differences."""
    with jax.enable_x64(True):
        f, penalty, x0 = _fidelity(), make(), jnp.full(8, 5.0)
        images = _iterates(map_em(f, penalty), x0, 400)
        costs = _costs(f + penalty, images)
        assert np.all(np.diff(costs) <= 1e-12)
        assert np.all(images >= 0)

        a, y = np.asarray(f.operator.matrix), np.asarray(f.counts)

        def cost(x):
            mean = a @ x + 1.5
            return np.sum(mean - y * np.log(mean)) + reference(x)

        best = scipy.optimize.minimize(
            cost, np.full(8, 5.0), method="L-BFGS-B", bounds=[(0, None)] * 8, jac="3-point",
            options={"ftol": 1e-15, "gtol": 1e-9},
        )  # fmt: skip
        assert cost(images[-1]) <= best.fun + 1e-10
        np.testing.assert_allclose(images[-1], best.x, atol=1e-4)


@pytest.mark.slow
def test_osem_is_fast_first_and_ends_in_a_cycle() -> None:
    with jax.enable_x64(True):
        f, x0 = _balanced(), jnp.full(5, 5.0)
        subsets = matrix_subsets(f.operator, 3)
        whole, ordered = _iterates(mlem(f), x0, 4), _iterates(osem(f, subsets), x0, 900)
        costs = _costs(f, jnp.stack([whole[3], ordered[5]]))
        assert costs[1] < costs[0]  # two passes of three subsets against four of one
        np.testing.assert_allclose(ordered[-1], ordered[-4], rtol=1e-12)
        assert np.linalg.norm(ordered[-1] - ordered[-2]) > 0.1


def test_bsrem_converges_where_osem_cycles_and_keeps_its_bounds() -> None:
    with jax.enable_x64(True):
        f, x0 = _fidelity(), jnp.full(8, 5.0)
        quadratic = quadratic_matrix(8, 0.02)
        best = emission_minimiser(f.operator.matrix, f.counts, 1.5, quadratic)
        prior = 0.02 * QuadraticPrior((8,), jnp.asarray([1.0, 0, 1]))
        subsets = matrix_subsets(f.operator, 3)

        def errors(decay):
            method = bsrem(f, subsets, penalty=prior, decay=decay, upper=60.0)
            images = _iterates(method, x0, 1200)
            assert np.all((images > 0) & (images < 60))
            return np.linalg.norm(images - best, axis=1) / np.linalg.norm(best)

        relaxed, cycling = errors(0.3), errors(0.0)
        assert cycling[-1] > 0.01
        assert relaxed[-1] < 1e-3
        assert 0.4 < relaxed[-1] / relaxed[599] < 0.6  # like the steps: half for twice the passes


def test_errors_name_the_cause() -> None:
    a = Matrix(jnp.ones((6, 3)))
    f, prior = KullbackLeibler(a, jnp.ones(6)), QuadraticPrior((3,))
    subsets = matrix_subsets(a, 2)
    with pytest.raises(
        TypeError, match=r"KullbackLeibler\(A, counts, background\) as f, got Least"
    ):
        mlem(LeastSquares(a, jnp.ones(6)))
    with pytest.raises(TypeError, match="got TransmissionPoisson"):
        map_em(TransmissionPoisson(a, jnp.ones(6), 2.0), prior)
    with pytest.raises(TypeError, match="fidelity of an operator"):
        mlem(KullbackLeibler(None, jnp.ones(6)))
    with pytest.raises(ValueError, match="non-negative weights"):
        mlem(KullbackLeibler(Matrix(-jnp.ones((6, 3))), jnp.ones(6), 9.0))
    empty = Matrix(jnp.ones((6, 3)).at[2].set(0))
    with pytest.raises(ValueError, match="counts in 1 bins that A does not reach"):
        mlem(KullbackLeibler(empty, jnp.ones(6)))
    mlem(KullbackLeibler(empty, jnp.ones(6), 0.1))
    with pytest.raises(ValueError, match="x0 of float32"):
        mlem(f).init(jnp.ones(4))
    with pytest.raises(ValueError, match="stay at 0"):
        mlem(f).init(jnp.zeros(3))
    with pytest.raises(ValueError, match="x0 >= 0, got a minimum of -1"):
        osem(f, subsets).init(-jnp.ones(3))
    with pytest.raises(ValueError, match="subsets of the operator of f"):
        osem(f, matrix_subsets(Matrix(jnp.ones((6, 4))), 2))
    with pytest.raises(ValueError, match="epsilon > 0"):
        map_em(f, 2.0 * RelativeDifferencePrior((3,), epsilon=jnp.zeros(())))
    with pytest.raises(ValueError, match=r"0 < relaxation < 2, got 2\.5"):
        bsrem(f, subsets, relaxation=2.5)
    with pytest.raises(ValueError, match="decay >= 0, got -1"):
        bsrem(f, subsets, decay=-1.0)
    with pytest.raises(ValueError, match="upper - 2 lower > 0"):
        bsrem(f, subsets, lower=1.0, upper=1.5)
