"""SIRT, SART and CGLS: fixed points, monotonicity, subsets, and their errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import Status, solve, solve_until, stack
from jaxrecon.core.vectors import norm
from jaxrecon.functionals import LeastSquares, NonNegative
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    Subsets,
    cgls,
    conjugate_gradient,
    ordered_subsets,
    sart,
    sirt,
    split_rows,
)
from jaxrecon.solvers.subsets import bit_reversal
from tests.solvers.problems import draw
from tests.solvers.subset_problems import matrix_subsets, nonnegative_system, take_rows


def _sums(matrix):
    rows = matrix.sum(1)
    inverse_rows = np.divide(1, rows, out=np.zeros_like(rows), where=rows > 0)
    return inverse_rows, 1 / matrix.sum(0)


def _iterates(method, x0, steps, every=1):
    return np.asarray(
        jax.jit(lambda m, x: solve(m, x, steps, trace=lambda s: s.x, every=every))(method, x0)[1]
    )


def test_sirt_ends_at_the_weighted_solution_nearest_to_the_start() -> None:
    """With fewer rays than pixels: nearest in the norm of C^-1; an unseen pixel stays as it is."""
    matrix, data = nonnegative_system(np.float64)
    matrix, data = matrix[:6], data[:6]
    matrix[:, 2] = 0
    unseen = matrix.sum(0) == 0
    x0 = np.linspace(0.3, 0.9, 8)
    seen = matrix[:, ~unseen]
    inverse_rows, inverse_columns = _sums(seen)
    root, scale = np.sqrt(inverse_rows), np.sqrt(inverse_columns)
    shortest = np.linalg.pinv(root[:, None] * seen * scale) @ (root * (data - matrix @ x0))
    expected = x0.copy()
    expected[~unseen] += scale * shortest
    with jax.enable_x64(True):
        method = sirt(Matrix(jnp.asarray(matrix)), jnp.asarray(data), relaxation=1.8)
        x = _iterates(method, jnp.asarray(x0), 3000, 3000)[-1]
    assert unseen.sum() >= 1
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("relaxation", [0.7, 1.99])
def test_sirt_descends_in_its_norm_in_every_step(relaxation) -> None:
    matrix, data = nonnegative_system(np.float64, noise=1.0)
    inverse_rows, _ = _sums(matrix)
    with jax.enable_x64(True):
        for constraint in (None, NonNegative()):
            method = sirt(
                Matrix(jnp.asarray(matrix)),
                jnp.asarray(data),
                relaxation=relaxation,
                constraint=constraint,
            )
            x = _iterates(method, jnp.zeros(8), 60)
            misfit = np.sum(inverse_rows * (x @ matrix.T - data) ** 2, 1)
            assert np.all(np.diff(misfit) <= 1e-13 * misfit[:-1])
            assert misfit[-1] < 0.9 * misfit[0]


def test_sirt_is_one_subset_and_a_separable_surrogate_with_the_weights_of_its_norm() -> None:
    matrix, data = nonnegative_system(np.float64)
    inverse_rows, _ = _sums(matrix)
    with jax.enable_x64(True):
        a, m, x0 = Matrix(jnp.asarray(matrix)), jnp.asarray(data), jnp.full(8, 0.5)
        options = {"relaxation": 1.3, "constraint": NonNegative()}
        expected = _iterates(sirt(a, m, **options), x0, 5)
        f = LeastSquares(a, m, jnp.asarray(inverse_rows))
        for same in (
            sart(split_rows(a, 1, take_rows), m, **options),
            ordered_subsets(f, momentum=False, **options),
        ):
            np.testing.assert_allclose(_iterates(same, x0, 5), expected, rtol=1e-13)


def test_sart_steps_are_those_of_the_formula_and_approach_a_solution_monotonically() -> None:
    matrix, data = nonnegative_system(np.float64, noise=0.0)
    truth = np.linalg.lstsq(matrix, data, rcond=None)[0]
    order = (0, 2, 1, 3)
    largest = np.max([matrix[k::4].sum(0) for k in range(4)], axis=0)
    inverse_rows, _ = _sums(matrix)
    x, expected = np.full(8, 0.5), []
    for k in 2 * order:
        residual = inverse_rows[k::4] * (data[k::4] - matrix[k::4] @ x)
        x = np.maximum(x + 1.5 / largest * (matrix[k::4].T @ residual), 0)
        expected.append(x)
    with jax.enable_x64(True):
        subsets = matrix_subsets(Matrix(jnp.asarray(matrix)), 4)
        method = sart(subsets, jnp.asarray(data), relaxation=1.5, constraint=NonNegative())
        got = _iterates(method, jnp.full(8, 0.5), 8)
    assert subsets.order == order
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    distances = np.sum(largest * (got - truth) ** 2, 1)
    assert np.all(np.diff(distances) <= 1e-15)


def test_orders_of_visits_and_the_data_of_subsets() -> None:
    assert bit_reversal(1) == (0,)
    assert bit_reversal(8) == (0, 4, 2, 6, 1, 5, 3, 7)
    assert sorted(bit_reversal(12)) == list(range(12))
    assert bit_reversal(6) == (0, 4, 2, 1, 5, 3)
    a = Matrix(jnp.asarray(draw(1, (6, 3), np.float32)))
    data = np.arange(6.0, dtype=np.float32)
    subsets = split_rows(a, 3, take_rows, order="sequential")
    np.testing.assert_array_equal(subsets.split(data), [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(subsets.operator_of(1).matrix, a.matrix[jnp.asarray([1, 4])])


def test_errors_name_the_cause() -> None:
    a = Matrix(jnp.ones((6, 3)))
    m = jnp.ones(6)
    with pytest.raises(ValueError, match=r"divides the 6 rows.*got 4; \[1, 2, 3, 6\] do"):
        split_rows(a, 4, take_rows)
    with pytest.raises(ValueError, match="order to be one of"):
        split_rows(a, 3, take_rows, order="random")
    with pytest.raises(ValueError, match="permutation"):
        Subsets(a, take_rows, (0, 0, 1))
    with pytest.raises(ValueError, match="rows along axis 0"):
        split_rows(stack(a, a), 1, take_rows)
    negative = Matrix(jnp.asarray([[1.0, -2.0], [1.0, 1.0]]))
    with pytest.raises(ValueError, match=r"sirt expected .* non-negative weights.*'joseph'"):
        sirt(negative, jnp.ones(2))
    with pytest.raises(ValueError, match=r"sart expected .* non-negative weights"):
        sart(split_rows(negative, 2, take_rows), jnp.ones(2))
    with pytest.raises(ValueError, match="NaN"):
        sirt(Matrix(jnp.full((6, 3), jnp.nan)), m)
    for relaxation in (0.0, 2.0, np.nan):
        with pytest.raises(ValueError, match="0 < relaxation < 2"):
            sirt(a, m, relaxation=relaxation)
    with pytest.raises(TypeError, match="real operator"):
        sirt(Matrix(jnp.ones((6, 3), jnp.complex64)), jnp.ones(6, jnp.complex64))
    for method in (sirt, cgls):
        with pytest.raises(ValueError, match="data of float32"):
            method(a, jnp.ones(5))
    with pytest.raises(ValueError, match="x0 of float32"):
        sirt(a, m).init(jnp.ones(4))


def test_cgls_makes_the_iterates_of_conjugate_gradients_and_shows_the_residual() -> None:
    with jax.enable_x64(True):
        matrix, data = draw(1, (12, 8), np.complex128), draw(2, (12,), np.complex128)
        a, m = Matrix(jnp.asarray(matrix)), jnp.asarray(data)
        options = {"weights": jnp.linspace(0.5, 2, 12), "damping": 0.2}
        x0 = jnp.asarray(draw(3, (8,), np.complex128))
        run = jax.jit(lambda method, x: solve(method, x, 6, trace=lambda s: s))
        got = run(cgls(a, m, **options), x0)[1]
        expected = run(conjugate_gradient(a, m, **options), x0)[1].x
        np.testing.assert_allclose(got.x, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(got.residual[-1], m - a(got.x[-1]), rtol=0, atol=1e-13)


def test_cgls_is_more_accurate_where_the_condition_number_is_large() -> None:
    """float32, condition 1e3 with a consistent system: the normal equations square it."""
    u, _ = np.linalg.qr(draw(1, (30, 12), np.float64))
    v, _ = np.linalg.qr(draw(2, (12, 12), np.float64))
    matrix, truth = u * np.geomspace(1, 1e-3, 12) @ v.T, draw(3, (12,), np.float64)
    a, m = Matrix(jnp.asarray(matrix, jnp.float32)), jnp.asarray(matrix @ truth, jnp.float32)
    misfits = [
        np.linalg.norm(matrix @ np.asarray(solve(method, jnp.zeros(12), 60)[0], float) - m)
        for method in (cgls(a, m), conjugate_gradient(a, m))
    ]
    assert misfits[0] < 0.01 * misfits[1]


def test_cgls_stops_by_the_discrepancy_principle() -> None:
    with jax.enable_x64(True):
        matrix = np.asarray(nonnegative_system(np.float64)[0])
        noise = 0.05 * draw(4, (12,), np.float64)
        a, m = Matrix(jnp.asarray(matrix)), jnp.asarray(matrix @ np.ones(8) + noise)
        threshold = 12**0.5 * 0.05
        misfit = lambda s: norm(s.residual)  # noqa: E731
        history = np.asarray(solve(cgls(a, m), jnp.zeros(8), 8, trace=misfit)[1])
        end = solve_until(cgls(a, m), jnp.zeros(8), 8, tolerance=threshold, residual=misfit)
    reached = np.flatnonzero(history <= threshold)
    assert 0 < reached[0] < 7
    assert (end.status, end.iterations) == (Status.CONVERGED, reached[0] + 1)
    np.testing.assert_allclose(end.residual, history[reached[0]], rtol=1e-9)
