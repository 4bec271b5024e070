"""l1, indicators and total variation beyond the laws: closed forms, bad input, accuracy."""

import jax
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
    TotalVariation,
    soft_threshold,
)
from jaxrecon.linops.matrix import Matrix
from tests.solvers.problems import draw, step_signal


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
        (lambda: TotalVariation((4, 4), boundary="mirror"), ValueError, "boundary"),  # type: ignore[arg-type]
        (lambda: TotalVariation((4, 4), iterations=0), ValueError, "iterations"),
        (lambda: TotalVariation((4, 4))(jnp.ones((3, 4))), ValueError, r"float32\[4,4\]"),
        (lambda: TotalVariation((4, 4)).prox(jnp.ones((2, 4, 4)), 1.0), ValueError, "jax.vmap"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_total_variation_of_a_square_is_its_perimeter() -> None:
    square = jnp.zeros((8, 8)).at[2:5, 3:6].set(2.0)
    np.testing.assert_allclose(TotalVariation((8, 8), isotropic=False)(square), 2 * 12)
    corner = 1 - (2 - np.sqrt(2)) / 2  # one pixel sees both sides: sqrt(2) in the place of 2
    np.testing.assert_allclose(TotalVariation((8, 8))(square), 2 * (10 + 2 * corner), rtol=1e-6)
    np.testing.assert_allclose(TotalVariation((8, 8), isotropic=False, spacing=0.5)(square), 4 * 12)


def test_prox_of_total_variation_lowers_a_step_by_the_closed_form() -> None:
    with jax.enable_x64(True):
        jump, expected = step_signal(np.float64, 0.3)
        got = TotalVariation((12,), iterations=2000).prox(jnp.asarray(jump), 0.3)
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize(("isotropic", "dtype"), [(True, np.float32), (False, np.complex64)])
def test_prox_of_total_variation_has_a_duality_gap_below_1e_4(isotropic, dtype) -> None:
    """On a noisy image with values from 0 to 1, at the default number of steps."""
    rows, columns = np.mgrid[:64, :64]
    image = ((rows - 30) ** 2 + (columns - 34) ** 2 < 400) + 0.3 * (columns > 20)
    v = jnp.asarray(image + 0.1 * draw(4, (64, 64), dtype), dtype)
    tv = TotalVariation((64, 64), isotropic)
    gap = jax.jit(lambda f, v: f.prox_gap(v, 0.1))(tv, v)
    assert 0 <= gap < 1e-4
    with jax.enable_x64(True):  # that the figure is not lost in float32
        wide = v.astype(np.result_type(dtype, np.float64))
        measured = tv.prox_gap(wide, 0.1)
        q = tv.prox_dual(wide, 0.1)
        x = wide - tv.difference(wide.dtype).adjoint(q)
        primal = 0.1 * tv(x) + jnp.sum(jnp.abs(x - wide) ** 2) / 2
        dual = (jnp.sum(jnp.abs(wide) ** 2) - jnp.sum(jnp.abs(x) ** 2)) / 2
        np.testing.assert_allclose(measured, (primal - dual) / primal, rtol=1e-5)


def test_prox_of_total_variation_keeps_a_constant_and_the_mean() -> None:
    tv = TotalVariation((5, 6))
    np.testing.assert_allclose(tv.prox(jnp.full((5, 6), 3.0), 0.5), 3.0, rtol=1e-6)
    v = jnp.asarray(draw(6, (5, 6), np.float32))
    np.testing.assert_allclose(tv.prox(v, 0.5).mean(), v.mean(), atol=1e-6)
    np.testing.assert_array_equal(tv.prox(v, 0.0), v)
