"""Closed forms against their definitions in NumPy, float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.direct import linear_mmse, pseudo_inverse, tikhonov
from jaxrecon.linops import Matrix

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def matrix(m, n, dtype):
    a = RANDOM.normal(size=(m, n))
    return (a + 1j * RANDOM.normal(size=(m, n))).astype(dtype) if dtype is complex else a


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("size", [(5, 9), (9, 5)])
class TestClosedForms:
    def test_pseudo_inverse(self, size, dtype):
        a, y = matrix(*size, dtype), matrix(size[0], 1, dtype)[:, 0]
        x = pseudo_inverse(Matrix(jnp.asarray(a)), jnp.asarray(y), rtol=1e-12)
        np.testing.assert_allclose(x, np.linalg.pinv(a) @ y, atol=1e-10)

    @pytest.mark.parametrize("method", ["dense", "iterative"])
    def test_tikhonov(self, size, dtype, method):
        a, y = matrix(*size, dtype), matrix(size[0], 1, dtype)[:, 0]
        x = tikhonov(Matrix(jnp.asarray(a)), jnp.asarray(y), 0.3, method=method)
        expected = np.linalg.solve(a.conj().T @ a + 0.3 * np.eye(size[1]), a.conj().T @ y)
        np.testing.assert_allclose(x, expected, atol=1e-9)


def test_pseudo_inverse_drops_null_directions():
    a = np.outer(np.arange(1.0, 4), np.arange(1.0, 6))
    x = pseudo_inverse(Matrix(jnp.asarray(a)), jnp.ones(3))
    np.testing.assert_allclose(x, np.linalg.pinv(a) @ np.ones(3), atol=1e-10)


def test_tikhonov_has_derivatives_in_its_penalty():
    a, y = Matrix(jnp.asarray(matrix(4, 7, float))), jnp.arange(4.0)

    def norm(penalty, method):
        return jnp.sum(tikhonov(a, y, penalty, method=method) ** 2)

    finite = (norm(0.5 + 1e-5, "dense") - norm(0.5 - 1e-5, "dense")) / 2e-5
    for method in ("dense", "iterative"):
        assert float(jax.grad(norm)(0.5, method)) == pytest.approx(float(finite), rel=1e-6)


@pytest.fixture(params=[float, complex])
def problem(request):
    square = matrix(12, 12, request.param)
    covariance = square @ square.conj().T + 0.1 * np.eye(12)
    mean, a = matrix(1, 12, request.param)[0], matrix(5, 12, request.param)
    estimator = linear_mmse(Matrix(jnp.asarray(a)), jnp.asarray(mean), jnp.asarray(covariance))
    return a, mean, covariance, estimator


def data_of(a, count):
    """Random measurements of the matrix, as many as given."""
    return matrix(count, a.shape[0], complex if np.iscomplexobj(a) else float)


def formula(a, mean, covariance, m, noise):
    adjoint = a.conj().T
    gain = covariance @ adjoint @ np.linalg.inv(a @ covariance @ adjoint + noise)
    return mean + gain @ (m - a @ mean)


def test_linear_mmse_with_every_form_of_noise(problem):
    a, mean, covariance, estimator = problem
    m, variances = data_of(a, 1)[0], RANDOM.uniform(0.5, 2, 5)
    for given, dense in [
        (None, np.zeros((5, 5))),
        (0.7, 0.7 * np.eye(5)),
        (variances, np.diag(variances)),
        (np.diag(variances) + 0.1, np.diag(variances) + 0.1),
    ]:
        np.testing.assert_allclose(
            estimator(jnp.asarray(m), given), formula(a, mean, covariance, m, dense), atol=1e-9
        )


def test_linear_mmse_batch_with_a_noise_covariance_per_image(problem):
    a, mean, covariance, estimator = problem
    m, variances = data_of(a, 3), RANDOM.uniform(0.5, 2, (3, 5))
    images = jax.vmap(estimator)(jnp.asarray(m), jnp.asarray(variances))
    for i in range(3):
        expected = formula(a, mean, covariance, m[i], np.diag(variances[i]))
        np.testing.assert_allclose(images[i], expected, atol=1e-9)


def test_completion_keeps_the_measurements(problem):
    a, _, _, estimator = problem
    m = data_of(a, 1)[0]
    np.testing.assert_allclose(a @ np.asarray(estimator(jnp.asarray(m))), m, atol=1e-9)
    weights, offset = estimator.affine()
    np.testing.assert_allclose(weights @ m + offset, estimator(jnp.asarray(m)), atol=1e-9)


def test_diagonal_form_is_exact_where_it_should_be(problem):
    a, *_, estimator = problem
    m = jnp.asarray(data_of(a, 1)[0])
    np.testing.assert_allclose(estimator.diagonal(m, jnp.zeros(5)), estimator(m), atol=1e-9)
    prior = jnp.diag(estimator.measured_covariance)
    shrunk = estimator.measured_mean + prior / (prior + 2.0) * (m - estimator.measured_mean)
    np.testing.assert_allclose(estimator.diagonal(m, 2.0), estimator(shrunk), atol=1e-9)


def test_linear_mmse_beats_other_affine_estimators(problem):
    a, mean, covariance, estimator = problem
    factor = np.linalg.cholesky(covariance)
    dtype = complex if np.iscomplexobj(a) else float
    images = mean + matrix(20000, 12, dtype) @ factor.T
    m = images @ a.T + matrix(20000, 5, dtype)
    variance = jnp.ones(5)
    exact = jax.vmap(estimator, (0, None))(jnp.asarray(m), variance)
    other = jax.vmap(estimator.diagonal, (0, None))(jnp.asarray(m), variance)
    assert np.mean(abs(exact - images) ** 2) < np.mean(abs(other - images) ** 2)


def test_bad_input(problem):
    _, mean, covariance, estimator = problem
    operator = Matrix(jnp.asarray(matrix(5, 12, float)))
    with pytest.raises(ValueError, match=r"needs mean \(12,\)"):
        linear_mmse(operator, mean[:6], covariance)
    with pytest.raises(ValueError, match=r"jax\.vmap"):
        estimator(jnp.ones(5), jnp.ones((2, 5, 5)))
    with pytest.raises(ValueError, match=r"noise must be a scalar, \(5,\) or"):
        estimator(jnp.ones(5), jnp.ones((1, 1)))
    for wrong in (1.0, jnp.ones(1), jnp.ones((2, 5))):
        for form in (estimator, estimator.diagonal):
            with pytest.raises(ValueError, match=r"measurements must be \(5,\)"):
                form(wrong, 0.3)
    with pytest.raises(ValueError, match="diagonal takes a variance or"):
        estimator.diagonal(jnp.ones(5), jnp.ones((5, 5)))
    with pytest.raises(ValueError, match="'auto'"):
        tikhonov(operator, jnp.ones(5), 1.0, method="svd")
    with pytest.raises(ValueError, match="pseudo_inverse expected measurements"):
        pseudo_inverse(operator, jnp.ones(6))
