"""Least squares and Kullback-Leibler: values, bad input, and what a batch must not do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import kl_div

from jaxrecon.core import Identity, stack, struct
from jaxrecon.functionals import KullbackLeibler, LeastSquares
from jaxrecon.linops.matrix import Matrix
from tests.laws.cases import quick_jit
from tests.solvers.problems import draw


def _matrix(rows: int = 4, columns: int = 3, dtype=np.float32) -> Matrix:
    return Matrix(jnp.asarray(np.abs(draw(0, (rows, columns), dtype))))


def test_least_squares_is_the_weighted_sum_of_squares() -> None:
    a, m, x = (
        draw(1, (4, 3), np.complex64),
        draw(2, (4,), np.complex64),
        draw(3, (3,), np.complex64),
    )
    w = np.array([0.0, 1.0, 2.0, 3.0], np.float32)
    f = LeastSquares(Matrix(jnp.asarray(a)), jnp.asarray(m), w)
    np.testing.assert_allclose(f(x), np.sum(w * np.abs(a @ x - m) ** 2) / 2, rtol=1e-5)
    np.testing.assert_allclose(f.grad(x), a.conj().T @ (w * (a @ x - m)), rtol=1e-4, atol=1e-5)
    top = np.linalg.norm(np.sqrt(w)[:, None] * a, 2) ** 2
    np.testing.assert_allclose(f.lipschitz(), top, rtol=1e-4)


def test_least_squares_on_several_data_at_once() -> None:
    both = stack(_matrix(), Identity(struct(3)))
    data = (jnp.ones(4), jnp.zeros(3))
    f = LeastSquares(both, data, weights=(jnp.ones(4), 0.5))
    x = jnp.arange(3.0)
    alone = LeastSquares(_matrix(), data[0])(x) + 0.25 * jnp.sum(x**2)
    np.testing.assert_allclose(f(x), alone, rtol=1e-6)


def test_precomposed_least_squares_is_its_two_parts() -> None:
    f = LeastSquares(_matrix(), jnp.ones(4), 2.0)
    g, a = f.split()
    x = jnp.arange(3.0)
    np.testing.assert_allclose((g @ a)(x), f(x), rtol=1e-6)
    np.testing.assert_allclose((g @ a).hessian(x), f.hessian(x), rtol=1e-5)
    np.testing.assert_allclose((g @ a).lipschitz(), f.lipschitz(), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LeastSquares(_matrix(), jnp.ones(3)), ValueError, r"data of float32\[4\]"),
        (lambda: LeastSquares(_matrix(), jnp.ones((2, 4))), ValueError, "jax.vmap"),
        (lambda: LeastSquares(_matrix(), jnp.ones(4, jnp.complex64)), TypeError, "real-valued"),
        (lambda: LeastSquares(_matrix(), jnp.ones(4), -jnp.ones(4)), ValueError, "weights >= 0"),
        (lambda: LeastSquares(_matrix(), jnp.ones(4), jnp.ones(3)), ValueError, "broadcast"),
        (lambda: LeastSquares(_matrix(), jnp.ones(4), 1j), TypeError, "real weights"),
        (lambda: KullbackLeibler(_matrix(), -np.ones(4, np.float32)), ValueError, "counts >= 0"),
        (lambda: KullbackLeibler(_matrix(), np.ones(5, np.float32)), ValueError, "counts"),
        (lambda: KullbackLeibler(None, np.ones(5, np.complex64)), TypeError, "real counts"),
        (lambda: KullbackLeibler(None, np.ones(5, int)), TypeError, "floating-point counts"),
        (lambda: KullbackLeibler(None, np.ones(5), -0.1), ValueError, "background >= 0"),
        (lambda: KullbackLeibler(None, np.ones(5), np.ones(4)), ValueError, "background"),
        (lambda: KullbackLeibler(_matrix(), np.ones(4, np.float32)).prox(jnp.ones(3), 1.0),
         NotImplementedError, "primal_dual_hybrid_gradient"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_negative_counts_under_jit_are_not_looked_at() -> None:
    value = jax.jit(lambda y: KullbackLeibler(None, y)(jnp.ones(3)))(-jnp.ones(3))
    assert value.shape == ()


def test_kullback_leibler_equals_scipy_and_is_infinite_outside() -> None:
    with jax.enable_x64(True):
        counts = np.array([0.0, 3.0, 1.0, 0.0, 1e6])
        x = np.array([0.5, 2.0, 4.0, 0.0, 1e6 + 1.0])
        f = KullbackLeibler(None, jnp.asarray(counts))
        np.testing.assert_allclose(f(x), np.sum(kl_div(counts, x)), rtol=1e-9)
        assert f(counts) == 0
        assert f(jnp.asarray([0.5, 0.0, 4.0, 0.0, 1.0])) == np.inf
        assert f(jnp.asarray([-0.5, 1.0, 4.0, 0.0, 1.0])) == np.inf
        gradient = f.grad(jnp.asarray(x))
        assert np.all(np.isfinite(gradient))
        np.testing.assert_allclose(gradient[jnp.asarray([0, 3])], 1.0)


def test_kullback_leibler_keeps_small_differences_of_large_counts_in_float32() -> None:
    counts = np.full(10, 1e6, np.float32)
    got = KullbackLeibler(None, counts)(jnp.asarray(counts + 64))
    np.testing.assert_allclose(got, np.sum(kl_div(counts.astype(float), counts + 64.0)), rtol=1e-3)


def test_kullback_leibler_is_finite_far_below_the_counts_in_float32() -> None:
    expected = jnp.asarray([1e-3, 1e-8, 1e-30])
    f = KullbackLeibler(None, jnp.ones(3))
    np.testing.assert_allclose(f(expected), np.sum(kl_div(1.0, np.asarray(expected, float))), 1e-6)
    np.testing.assert_allclose(jax.grad(f)(expected), f.grad(expected), rtol=1e-5)


def test_items_of_a_batch_do_not_touch_each_other() -> None:
    """One item outside the domain, or of another size, changes nothing for its neighbours."""
    counts = jnp.asarray([[1.0, 2.0], [1e6, 0.0]])
    images = jnp.asarray([[2.0, 2.0], [-1.0, 0.0]])
    batch = quick_jit(jax.vmap(lambda y, x: KullbackLeibler(None, y)(x)))(counts, images)
    np.testing.assert_allclose(batch[0], KullbackLeibler(None, counts[0])(images[0]), rtol=1e-6)
    assert batch[1] == np.inf
