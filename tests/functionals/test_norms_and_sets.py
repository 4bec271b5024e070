"""l1 and indicators beyond the laws: closed forms, bad input."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.functionals import (
    L1,
    Affine,
    Box,
    GroupL21,
    NonNegative,
    Simplex,
    soft_threshold,
)
from jaxrecon.linops.matrix import Matrix
from tests.solvers.problems import draw


def test_soft_threshold_of_real_and_complex_numbers() -> None:
    v = jnp.asarray([-2.0, -0.5, 0.0, 0.5, 2.0])
    np.testing.assert_allclose(soft_threshold(v, 1.0), [-1, 0, 0, 0, 1])
    phase = jnp.exp(1j * jnp.asarray([0.3, 1.0, 2.0, -1.0, -2.0]))
    np.testing.assert_allclose(
        soft_threshold(v * phase, 1.0), np.array([-1, 0, 0, 0, 1]) * phase, atol=1e-6
    )


def test_group_norm_of_one_member_is_the_l1_norm() -> None:
    x = jnp.asarray(draw(0, (1, 5), np.complex64))
    np.testing.assert_allclose(GroupL21()(x), L1()(x), rtol=1e-6)
    np.testing.assert_allclose(GroupL21().prox(x, 0.4), L1().prox(x, 0.4), rtol=1e-5)


def test_indicators_are_infinite_outside() -> None:
    x = jnp.asarray([0.5, 0.5, -0.1])
    assert NonNegative()(x) == np.inf
    assert Box(0.0, 1.0)(x) == np.inf
    assert Box(-1.0, 1.0)(x) == 0
    assert Simplex(0.9)(x) == np.inf
    assert Simplex()(jnp.asarray([0.5, 0.5, 0.0])) == 0
    rows = Matrix(jnp.asarray([[1.0, 1.0, 0.0]]))
    assert Affine(rows, jnp.asarray([1.0]))(x) == 0
    assert Affine(rows, jnp.asarray([1.1]))(x) == np.inf


def test_simplex_projection_keeps_its_points_and_sums_to_the_total() -> None:
    inside = jnp.asarray([0.2, 0.0, 0.8])
    np.testing.assert_allclose(Simplex().prox(inside, 1.0), inside, atol=1e-7)
    v = jnp.asarray(draw(3, (7, 50), np.float32)) * 100 + 1e4
    projected = Simplex(3.0, axis=1).prox(v, 1.0)
    assert float(projected.min()) >= 0
    np.testing.assert_allclose(projected.sum(1), 3.0, rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Box(1.0, 0.0), ValueError, "lower <= upper"),
        (lambda: Box(0.0, 1j), TypeError, "real upper"),
        (lambda: Box()(jnp.ones(3, jnp.complex64)), TypeError, "real x"),
        (lambda: NonNegative().prox(jnp.ones(3, jnp.complex64), 1.0), TypeError, "real v"),
        (lambda: Simplex(-1.0), ValueError, "total > 0"),
        (lambda: Simplex()(jnp.ones(3, jnp.complex64)), TypeError, "real x"),
        (lambda: L1(-1.0), ValueError, "weights >= 0"),
        (lambda: L1(1j), TypeError, "real weights"),
        (lambda: GroupL21(axis=[0, 1]), TypeError, "hashable"),  # type: ignore[arg-type]
        (lambda: Affine(Matrix(jnp.ones((1, 3))), jnp.ones(2)), ValueError, "data"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
