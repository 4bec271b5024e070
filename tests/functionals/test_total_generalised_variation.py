"""Total generalised variation: no staircases, closed forms, its value by linear programming."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from jaxrecon import solve
from jaxrecon.core.norm import operator_norm
from jaxrecon.functionals import (
    LeastSquares,
    TotalGeneralisedVariation,
    TotalVariation,
    Zero,
)
from jaxrecon.linops import SymmetrisedDerivative, gradient
from jaxrecon.solvers import diagonal_steps, primal_dual_hybrid_gradient
from tests.laws.cases import quick_jit


@quick_jit
def value(f: Any, x: Any) -> Any:
    return f(x)


def ramp() -> np.ndarray:
    y, x = np.mgrid[:12, :16]
    return 0.3 * y - 0.2 * x + 1.0


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("spacing", [1.0, (1.0, 0.5)])
def test_affine_images_have_none_and_quadratic_ones_little(spacing) -> None:
    tgv = TotalGeneralisedVariation((12, 16), 1.0, 2.0, spacing=spacing)
    assert value(tgv, jnp.asarray(ramp(), jnp.float32)) < 1e-3
    bend = jnp.asarray(0.05 * np.arange(12.0)[:, None] ** 2 + np.zeros((1, 16)), jnp.float32)
    # with w = D x: 10 differences in each column of a spacing of 1
    assert value(tgv, bend) <= 2 * 10 * 16 * 0.1 * (1 + 1e-4)


def test_value_in_one_dimension_equals_a_linear_programme() -> None:
    """min sum t + 2 sum u, with t >= |D x - w| and u >= |E w|."""
    n, second = 12, 1.5
    x = np.cumsum(np.repeat([1.0, 0.2, -0.5], 4)) + 2.0 * (np.arange(n) > 6) + 0.1 * noise(n)
    steps = np.diff(x)
    m = len(steps)
    bend = np.diff(np.eye(m), axis=0)
    zero, one, two = np.zeros((m, m - 1)), np.eye(m), np.eye(m - 1)
    rows = np.block([
        [-one, -one, zero], [one, -one, zero], [bend, zero.T, -two], [-bend, zero.T, -two],
    ])  # fmt: skip
    limits = np.concatenate([-steps, steps, np.zeros(2 * (m - 1))])
    cost = np.concatenate([np.zeros(m), np.ones(m), np.full(m - 1, second)])
    expected = linprog(cost, rows, limits, bounds=(None, None)).fun
    with jax.enable_x64(True):
        tgv = TotalGeneralisedVariation((n,), 1.0, second, tolerance=1e-7, iterations=100000)
        got = float(value(tgv, jnp.asarray(x)))
    assert got == pytest.approx(expected, rel=2e-7)
    assert got >= expected * (1 - 1e-12)


def test_value_lies_below_total_variation_and_meets_it_at_isolated_edges() -> None:
    x = jnp.asarray(noise(9, 8), jnp.float32)
    tv = TotalVariation((9, 8))(x)
    assert value(TotalGeneralisedVariation((9, 8), 1.0, 1.0), x) < tv
    assert value(TotalGeneralisedVariation((9, 8), 1.0, 100.0), x) <= tv * (1 + 1e-6)
    jump = jnp.zeros((8, 8), jnp.float32).at[:, 4:].set(1.0)
    np.testing.assert_allclose(value(TotalGeneralisedVariation((8, 8)), jump), 8, rtol=2e-3)


def test_derivatives_of_the_value_equal_finite_differences() -> None:
    with jax.enable_x64(True):
        x, d = jnp.asarray(noise(5, 6)), jnp.asarray(noise(5, 6, seed=1))

        def f(x: Any, first: Any, second: Any) -> Any:
            options: dict = {"tolerance": 1e-10, "iterations": 20000}
            return TotalGeneralisedVariation((5, 6), first, second, **options)(x)

        at, along = (x, 1.0, 0.8), (d, 0.5, -0.7)
        got = quick_jit(jax.grad(f, (0, 1, 2)))(*at)
        slope = sum(jnp.vdot(a, b) for a, b in zip(got, along, strict=True))
        compiled = quick_jit(f)
        up, down = (
            compiled(*jax.tree.map(lambda a, b, h=h: a + h * b, at, along)) for h in (1e-4, -1e-4)
        )
        np.testing.assert_allclose(slope, (up - down) / 2e-4, rtol=2e-4)


@quick_jit
def reconstruct(method: Any, start: Any) -> Any:
    return solve(method, start, 1500)[0][0]


@pytest.mark.slow
@pytest.mark.parametrize("smooth", [False, True])
def test_a_ramp_comes_back_without_staircases(smooth) -> None:
    """min 1/2 ||x - v||^2 + TGV(x) from a noisy ramp; total variation makes plateaus of it."""
    clean = ramp().astype(np.float32)
    v = jnp.asarray(clean + 0.05 * noise(12, 16).astype(np.float32))
    tgv = TotalGeneralisedVariation(v.shape, 0.4, 4.0)
    f = LeastSquares(None, v)
    options: dict = {"smooth": tgv.lift(f)} if smooth else {}
    first = tgv.lift(Zero() if smooth else f)
    method = primal_dual_hybrid_gradient(first, *tgv.split(), **options)
    x = reconstruct(method, tgv.start(v))
    bent = np.abs(np.diff(x, 2, axis=0)).max()
    flat = TotalVariation(v.shape).prox(v, 0.4)
    error, error_of_tv = (float(np.sqrt(np.mean((a - clean) ** 2))) for a in (x, flat))
    assert error < 0.015 < 0.05 < error_of_tv
    assert bent < 0.01 < 0.1 < np.abs(np.diff(flat, 2, axis=0)).max()


def test_diagonal_steps_know_the_operator() -> None:
    _, operator = TotalGeneralisedVariation((4, 5), spacing=(1.0, 0.5)).split()
    ones = jax.tree.map(lambda s: jnp.eye(s.size, dtype=s.dtype), operator.domain)
    sizes = [s.size for s in operator.domain]
    columns = []
    for k, size in enumerate(sizes):
        for i in range(size):
            unit = [jnp.zeros(s.shape, s.dtype) for s in operator.domain]
            unit[k] = ones[k][i].reshape(operator.domain[k].shape)
            image = operator.apply(tuple(unit))
            columns.append(np.concatenate([np.ravel(b) for b in image]))
    matrix = np.abs(np.stack(columns, 1))
    cut = operator.codomain[0].size
    rows, sums = operator.absolute_sums()
    bounds = (rows[0], matrix[:cut].sum(1)), (rows[1], matrix[cut:].sum(1)), (
        sums[0], matrix[:, : sizes[0]].sum(0)), (sums[1], matrix[:, sizes[0] :].sum(0))  # fmt: skip
    for bound, measured in bounds:
        assert 0.7 * bound <= measured.max() <= bound * (1 + 1e-6)
    diagonal_steps(operator)
    norm = np.linalg.norm(np.stack(columns, 1), 2)
    assert 0.8 * operator.norm_bound() < norm <= operator.norm_bound()


def test_symmetrised_derivative_of_fields_by_hand() -> None:
    field = noise(2, 5, 6)
    up = [np.diff(field[0], axis=a) for a in (0, 1)]
    across = [np.diff(field[1], axis=a) for a in (0, 1)]
    got = SymmetrisedDerivative((5, 6))(jnp.asarray(field, jnp.float32))
    np.testing.assert_allclose(got[0, :3], up[0][:3], atol=1e-6)
    np.testing.assert_allclose(got[1, :, :4], across[1][:, :4], atol=1e-6)
    mixed = (up[1][:4] + across[0][:, :5]) / np.sqrt(2)
    np.testing.assert_allclose(got[2, :4, :5], mixed, atol=1e-6)
    for part, valid in ((got[0], (3, 6)), (got[1], (5, 4)), (got[2], (4, 5))):
        assert not np.any(part[valid[0] :])
        assert not np.any(part[:, valid[1] :])
    e = SymmetrisedDerivative((8, 9), "periodic", (1.0, 0.5))
    assert 0.9 * e.norm_bound() < operator_norm(e, 100) <= e.norm_bound() * (1 + 1e-6)
    assert not np.any(SymmetrisedDerivative((4, 5))(gradient(ramp()[:4, :5]))[:, :3, :3] > 1e-5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TotalGeneralisedVariation((4, 4), 0.0), ValueError, "first > 0"),
        (lambda: TotalGeneralisedVariation((4, 4), 1.0, 1j), TypeError, "real second"),
        (lambda: TotalGeneralisedVariation((4, 4), boundary="zero"), ValueError, "boundary"),
        (lambda: TotalGeneralisedVariation((4, 4), tolerance=-1), ValueError, "tolerance >= 0"),
        (lambda: TotalGeneralisedVariation((4, 4))(jnp.ones((4, 5))), ValueError, "x of float32"),
        (
            lambda: TotalGeneralisedVariation((4, 4)).prox(jnp.ones((4, 4)), 1.0),
            NotImplementedError,
            "no prox",
        ),
        (lambda: SymmetrisedDerivative((4, 4), spacing=0.0), ValueError, "spacing > 0"),
    ],
)
def test_bad_input(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
