"""Quadratic and relative difference priors against loops over pixels, and their majorisers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.functionals import QuadraticPrior, RelativeDifferencePrior, neighbour_weights
from tests.laws.cases import quick_jit
from tests.solvers.problems import draw

SPACING = (3.0, 1.0, 2.0)


def _loop(x, kappa, potential) -> float:
    """Half the sum over pixels and over their neighbours, as the priors are usually written."""
    total = 0.0
    for j in itertools.product(*map(range, x.shape)):
        for step in itertools.product((-1, 0, 1), repeat=x.ndim):
            k = tuple(a + b for a, b in zip(j, step, strict=True))
            if any(step) and all(0 <= a < n for a, n in zip(k, x.shape, strict=True)):
                weight = min(SPACING) / np.linalg.norm(np.multiply(step, SPACING))
                total += weight * kappa[j] * kappa[k] * potential(x[j], x[k]) / 2
    return total


def _volume() -> tuple[np.ndarray, np.ndarray]:
    x, kappa = np.abs(draw(1, (2, 3, 4, 2), np.float64)).transpose(3, 0, 1, 2)
    return x, kappa + 0.1


def test_quadratic_prior_is_the_sum_over_neighbours() -> None:
    with jax.enable_x64(True):
        x, kappa = _volume()
        z = x + 1j * kappa
        f = QuadraticPrior(x.shape, neighbour_weights(SPACING), kappa)
        expected = _loop(z, kappa, lambda a, b: abs(a - b) ** 2 / 2)
        np.testing.assert_allclose(f(z), expected, rtol=1e-12)
        assert QuadraticPrior(x.shape)(np.full(x.shape, 5.0)) == 0


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_relative_difference_prior_is_the_sum_over_neighbours(gamma) -> None:
    with jax.enable_x64(True):
        x, kappa = _volume()
        f = RelativeDifferencePrior(x.shape, neighbour_weights(SPACING), kappa, gamma, 0.05)

        def potential(a, b):
            return (a - b) ** 2 / (a + b + gamma * abs(a - b) + 0.05)

        np.testing.assert_allclose(f(x), _loop(x, kappa, potential), rtol=1e-12)


def _hessian(f, x) -> np.ndarray:
    return np.asarray(quick_jit(jax.jacobian(f.grad))(x)).reshape(x.size, x.size)


@pytest.mark.slow
def test_diagonals_and_majorisers_of_the_priors() -> None:
    with jax.enable_x64(True):
        x, kappa = _volume()
        x[0, 0, 0] = 0  # where the curvature is largest
        x[0, 0, 1] = 0
        weights = neighbour_weights(SPACING)
        for f in (
            QuadraticPrior(x.shape, weights, kappa),
            RelativeDifferencePrior(x.shape, weights, kappa, 2.0, 0.3),
            RelativeDifferencePrior(x.shape, weights, kappa, 0.0, 0.3),
        ):
            hessian = _hessian(f, jnp.asarray(x))
            np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
            np.testing.assert_allclose(f.hessian_diagonal(x).ravel(), np.diag(hessian), rtol=1e-10)
            least = np.linalg.eigvalsh(hessian)
            assert least[0] > -1e-10 * least[-1]  # convex on x >= 0
            margin = np.diag(np.ravel(f.curvature())) - hessian
            assert np.linalg.eigvalsh(margin)[0] > -1e-10 * least[-1]
            assert least[-1] <= f.lipschitz()


def test_bound_of_the_relative_difference_prior_is_reached_at_zero() -> None:
    with jax.enable_x64(True):
        f = RelativeDifferencePrior((2,), epsilon=0.3)
        top = np.linalg.eigvalsh(_hessian(f, jnp.zeros(2)))[-1]
        np.testing.assert_allclose(top, f.lipschitz(), rtol=1e-12)


def test_relative_difference_prior_is_relative() -> None:
    """Without epsilon f(c x) = c f(x), and its gradient does not change."""
    x = jnp.asarray(_volume()[0], jnp.float32)
    f = RelativeDifferencePrior(x.shape)
    value, grad = quick_jit(f), quick_jit(f.grad)
    np.testing.assert_allclose(value(100 * x), 100 * value(x), rtol=1e-5)
    np.testing.assert_allclose(grad(100 * x), grad(x), atol=1e-5)


def test_relative_difference_prior_is_finite_at_zeros_and_below() -> None:
    f = RelativeDifferencePrior((3, 4))

    @quick_jit
    def maps(x):
        return f(x), f.grad(x), jax.grad(f)(x), jax.jacobian(f.grad)(x), f.hessian_diagonal(x)

    for x in (jnp.zeros((3, 4)), jnp.asarray(draw(1, (3, 4), np.float32))):
        results = maps(x)
        assert all(np.all(np.isfinite(a)) for a in results)
        np.testing.assert_allclose(results[1], results[2], atol=1e-5)


def test_weights_of_neighbours_are_inverse_distances() -> None:
    diagonal = 1 / np.sqrt(2)
    expected = [[diagonal, 1, diagonal], [1, 0, 1], [diagonal, 1, diagonal]]
    np.testing.assert_allclose(neighbour_weights((1.0, 1.0)), expected, rtol=1e-6)
    np.testing.assert_allclose(neighbour_weights((2.0, 1.0))[:, 1], [0.5, 0, 0.5])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: QuadraticPrior((4, 4), jnp.ones((3, 3, 3))), ValueError, r"shape \(3, 3\)"),
        (lambda: QuadraticPrior((4,), jnp.asarray([1.0, 0, 2])), ValueError, "symmetric"),
        (lambda: QuadraticPrior((4,), jnp.asarray([-1.0, 0, -1])), ValueError, "weights >= 0"),
        (lambda: QuadraticPrior((4,), kappa=jnp.ones(3)), ValueError, "kappa"),
        (lambda: QuadraticPrior((4,), kappa=jnp.full(4, jnp.nan)), ValueError, "NaN"),
        (lambda: QuadraticPrior((4,))(jnp.ones(5)), ValueError, r"float32\[4\]"),
        (lambda: RelativeDifferencePrior((4,), gamma=-1.0), ValueError, "gamma >= 0"),
        (lambda: RelativeDifferencePrior((4,), epsilon=-1.0), ValueError, "epsilon >= 0"),
        (lambda: RelativeDifferencePrior((4,))(jnp.ones(4, complex)), TypeError, "real x"),
    ],
)
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
