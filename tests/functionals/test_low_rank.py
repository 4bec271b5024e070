"""Nuclear norm and locally low rank against NumPy's singular values, and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.functionals import LocallyLowRank, NuclearNorm, shrink_singular_values
from tests.laws.cases import quick_jit
from tests.solvers.problems import draw


def _shrunk(x: np.ndarray, step: float) -> np.ndarray:
    u, s, v = np.linalg.svd(x, full_matrices=False)
    return (u * np.maximum(s - step, 0)) @ v


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 4)])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_singular_values_are_shrunk(shape, dtype) -> None:
    with jax.enable_x64(True):
        x = draw(1, shape, dtype)
        for step in (0.0, 0.5, 2.0, 100.0):
            got = shrink_singular_values(jnp.asarray(x), step)
            np.testing.assert_allclose(got, _shrunk(x, step), atol=1e-12)


def test_error_in_single_precision_is_as_documented() -> None:
    """About eps S_1^2 / step: the Gram matrix squares the condition."""
    u, v = (np.linalg.qr(draw(seed, (40, 8), np.float64))[0] for seed in (1, 2))
    x = ((u * np.geomspace(1, 1e-3, 8)) @ v.T).astype(np.float32)
    for step in (1e-1, 1e-2, 1e-3):
        got = shrink_singular_values(jnp.asarray(x), step)
        error = np.linalg.norm(np.asarray(got, float) - _shrunk(x.astype(float), step), 2)
        assert error < 2 * np.finfo(np.float32).eps / step


def _singular(values) -> np.ndarray:
    u, v = (np.linalg.qr(draw(seed, (5, 3), np.complex128))[0] for seed in (3, 4))
    return (u * np.asarray(values, float)) @ v.conj().T


@pytest.mark.parametrize(
    "values",
    [(3, 2, 0.5), (2, 2, 2), (2, 2, 0.25), (2, 0.5, 0.5), (2, 2 + 1e-9, 0), (0.5, 0.25, 0)],
    ids=str,
)
def test_derivative_of_the_prox_equals_finite_differences(values) -> None:
    """Also where singular values are equal, or nearly so, or 0; at the threshold 1 it has none."""
    with jax.enable_x64(True):
        x, d = _singular(values), draw(5, (5, 5), np.complex128)
        got = jax.jvp(
            shrink_singular_values, (jnp.asarray(x), 1.0), (jnp.asarray(d), jnp.asarray(0.3))
        )[1]
        h = 1e-5
        expected = (_shrunk(x + h * d, 1 + 0.3 * h) - _shrunk(x - h * d, 1 - 0.3 * h)) / (2 * h)
        np.testing.assert_allclose(got, expected, atol=1e-8 * np.linalg.norm(d))


def test_gradient_through_the_prox_is_finite_at_the_threshold_and_at_0() -> None:
    points = jnp.asarray(np.stack([np.zeros((3, 4)), np.eye(3, 4), 2 * np.eye(3, 4)]))
    loss = quick_jit(jax.grad(lambda x, s: jnp.sum(NuclearNorm(1, 2).prox(x, s) ** 2), (0, 1)))
    for part in loss(points, 1.0):
        assert np.all(np.isfinite(part))


def test_nuclear_norm_of_a_film_and_of_jacobians() -> None:
    x = draw(1, (3, 2, 4, 5), np.complex64)
    film = NuclearNorm(rows=0)(jnp.asarray(x))
    np.testing.assert_allclose(film, np.linalg.norm(x.reshape(3, -1), "nuc"), rtol=1e-5)
    each = np.moveaxis(x, (0, 1), (-2, -1))
    expected = np.sum(np.linalg.svd(each, compute_uv=False))
    np.testing.assert_allclose(NuclearNorm(0, 1)(jnp.asarray(x)), expected, rtol=1e-5)
    np.testing.assert_allclose(NuclearNorm(1, 0)(jnp.asarray(x)), expected, rtol=1e-5)
    pixel = NuclearNorm(-4, -3).prox(jnp.asarray(x), 0.5)[:, :, 2, 3]
    np.testing.assert_allclose(pixel, _shrunk(x[:, :, 2, 3], 0.5), atol=1e-5)
    assert NuclearNorm()(jnp.eye(3)) == pytest.approx(3)


def test_locally_low_rank_is_the_sum_over_blocks() -> None:
    x, step = draw(1, (5, 2, 6, 8), np.complex64), 1.5
    f = LocallyLowRank((3, 4), shift=(2, -1))
    moved = np.roll(x, (2, -1), (-2, -1)).reshape(10, 6, 8)
    value, prox = 0.0, np.zeros_like(moved)
    for i in (0, 3):
        for j in (0, 4):
            block = moved[:, i : i + 3, j : j + 4].reshape(10, 12)
            value += np.linalg.norm(block, "nuc")
            prox[:, i : i + 3, j : j + 4] = _shrunk(block, step).reshape(10, 3, 4)
    np.testing.assert_allclose(f(jnp.asarray(x)), value, rtol=1e-5)
    expected = np.roll(prox.reshape(x.shape), (-2, 1), (-2, -1))
    np.testing.assert_allclose(f.prox(jnp.asarray(x), step), expected, atol=1e-4)


def test_another_shift_does_not_recompile() -> None:
    traces = []

    @quick_jit
    def value(f, x):
        traces.append(1)
        return f(x)

    x = jnp.asarray(draw(1, (3, 4, 4), np.float32))
    f = LocallyLowRank((2, 2))
    values = [float(value(f.replace(shift=(s, 0)), x)) for s in (0, 1, 2)]
    assert len(traces) == 1
    assert values[0] == pytest.approx(values[2], rel=1e-5)  # the period of the tiles
    assert abs(values[0] - values[1]) > 1e-3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: NuclearNorm(rows=2)(jnp.ones((3, 4))), ValueError, "of 2 axes"),
        (lambda: NuclearNorm(0, (0, 1))(jnp.ones((3, 4))), ValueError, "named once"),
        (lambda: NuclearNorm((0, 1))(jnp.ones((3, 4))), ValueError, "columns"),
        (lambda: LocallyLowRank((3, 3))(jnp.ones((2, 4, 4))), ValueError, "multiples"),
        (lambda: LocallyLowRank((2, 2))(jnp.ones((4, 4))), ValueError, "frames"),
        (lambda: LocallyLowRank((0, 2)), ValueError, "block"),
        (lambda: LocallyLowRank((2, 2), shift=0.5), TypeError, "whole numbers"),
    ],
)
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
