"""The total variations beyond the laws: exact references, closed forms, accuracy, derivatives."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.functionals import (
    DirectionalTotalVariation,
    GroupL21,
    GroupNuclear,
    HuberTotalVariation,
    LeastSquares,
    TotalVariation,
    VectorialTotalVariation,
)
from jaxrecon.functionals.difference_penalty import BLOCK
from jaxrecon.linops import DirectionalDifference, FiniteDifference
from jaxrecon.solvers import ista
from tests.laws.cases import quick_jit


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@quick_jit
def prox(f: Any, v: Any, step: Any) -> Any:
    return f.prox(v, step)


def differences(x: np.ndarray, axes: tuple[int, ...], spacing: Any = 1.0) -> np.ndarray:
    spacing = np.broadcast_to(spacing, len(axes))
    pairs = zip(axes, spacing, strict=True)
    return np.stack([np.diff(x, axis=a, append=x.take([-1], a)) / h for a, h in pairs])


def divergence(p: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """-D^T p."""
    total = np.zeros_like(p[0])
    for q, a in zip(p, axes, strict=True):
        inner = np.delete(q, -1, a)
        zeros = np.zeros_like(q.take([0], a))
        total += np.concatenate([inner, zeros], a) - np.concatenate([zeros, inner], a)
    return total


def denoised(v: np.ndarray, step: float, project: Any, axes: tuple[int, ...]) -> np.ndarray:
    """The prox by 4000 projected dual steps with the momentum k / (k + 3), in NumPy."""
    p = last = np.zeros((len(axes), *v.shape))
    for k in range(4000):
        y = p + (k / (k + 3)) * (p - last)
        slope = differences(v + step * divergence(y, axes), axes)
        last, p = p, project(y + slope / (4 * len(axes) * step))
    return v + step * divergence(p, axes)


def onto_balls(p: np.ndarray) -> np.ndarray:
    return p / np.maximum(np.sqrt(np.sum(p**2, 0)), 1)


def onto_spectral_balls(p: np.ndarray) -> np.ndarray:
    """Of the (direction, channel) matrices of pixels."""
    u, s, v = np.linalg.svd(np.moveaxis(p, (0, 1), (-2, -1)), full_matrices=False)
    return np.moveaxis((u * np.minimum(s, 1)[..., None, :]) @ v, (-2, -1), (0, 1))


def taut_string(v: np.ndarray, step: float) -> np.ndarray:
    """The prox of total variation in one dimension, exactly.

    The sums S of the minimiser are the shortest path from (0, 0) to (n, sum v) within `step` of the
    sums R of v. From each end of a straight piece, the path goes on to the furthest point that it
    sees; it turns where the tube first blocks the view.
    """
    n, sums = len(v), np.concatenate([[0.0], np.cumsum(v)])
    low, high = sums - step, sums + step
    low[[0, -1]] = high[[0, -1]] = sums[[0, -1]]
    slopes, start, height = np.empty(n), 0, 0.0
    while start < n:
        least, most, at_least, at_most = -np.inf, np.inf, start, start
        for k in range(start + 1, n + 1):
            up, down = (high[k] - height) / (k - start), (low[k] - height) / (k - start)
            if down > most:  # the tube rises above the view: turn at its upper bound
                end, slope = at_most, most
                break
            if up < least:
                end, slope = at_least, least
                break
            if down >= least:
                least, at_least = down, k
            if up <= most:
                most, at_most = up, k
        else:
            end, slope = n, (sums[n] - height) / (n - start)
        slopes[start:end] = slope
        height += slope * (end - start)
        start = end
    return slopes


@pytest.mark.parametrize("step", [0.05, 0.7, 4.0])
def test_prox_in_one_dimension_equals_the_taut_string(step) -> None:
    v = np.repeat([0.0, 2.0, -1.0, 0.5], 10) + 0.5 * noise(40)
    expected = taut_string(v, step)
    with jax.enable_x64(True):
        tv = TotalVariation((40,), tolerance=1e-14, iterations=20000)
        got = prox(tv, jnp.asarray(v), step)
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic", "space-time"])
def test_prox_equals_a_long_run_in_numpy(kind) -> None:
    shape = (5, 6, 4) if kind == "space-time" else (9, 11)
    axes, v = tuple(range(len(shape))), noise(*shape)
    project = (lambda p: np.clip(p, -1, 1)) if kind == "anisotropic" else onto_balls
    with jax.enable_x64(True):
        tv = TotalVariation(shape, kind != "anisotropic", tolerance=1e-12)
        got = prox(tv, jnp.asarray(v), 0.6)
    np.testing.assert_allclose(got, denoised(v, 0.6, project, axes), atol=1e-5)


def test_nuclear_prox_equals_a_long_run_with_the_svd_of_numpy() -> None:
    v = noise(3, 6, 5)
    with jax.enable_x64(True):
        tv = VectorialTotalVariation(v.shape, coupling="nuclear", tolerance=1e-12)
        got = prox(tv, jnp.asarray(v), 0.6)
    np.testing.assert_allclose(got, denoised(v, 0.6, onto_spectral_balls, (1, 2)), atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_nuclear_norm_of_groups_equals_that_of_numpy(rows) -> None:
    x = (noise(rows, 4, 5) + 1j * noise(rows, 4, 5, seed=1)).astype(np.complex64)
    x[..., 0] = 0
    x[:, :, 1] = x[:1, :, 1]  # of rank 1
    singular = np.linalg.svd(np.moveaxis(x, 2, 0), compute_uv=False)
    np.testing.assert_allclose(quick_jit(GroupNuclear())(x), singular.sum(), rtol=2e-6)


@pytest.mark.slow
def test_coupling_of_channels() -> None:
    x = noise(3, 7, 8).astype(np.float32)
    jacobian = differences(x, (1, 2), (1.0, 0.5))
    got = VectorialTotalVariation(x.shape, spacing=(1.0, 0.5))(x)
    np.testing.assert_allclose(got, np.sqrt((jacobian**2).sum((0, 1))).sum(), rtol=1e-6)
    last = np.moveaxis(x, 0, -1)
    got = VectorialTotalVariation(last.shape, -1, "nuclear", spacing=(1.0, 0.5))(last)
    singular = np.linalg.svd(np.moveaxis(jacobian, (0, 1), (-2, -1)), compute_uv=False)
    np.testing.assert_allclose(got, singular.sum(), rtol=1e-6)
    one = jnp.asarray(x[:1])
    for coupling in ("frobenius", "nuclear"):
        got = VectorialTotalVariation(one.shape, coupling=coupling)(one)
        np.testing.assert_allclose(got, TotalVariation(one.shape[1:])(one[0]), rtol=1e-5)


def test_total_variation_of_a_square_is_its_perimeter() -> None:
    square = jnp.zeros((8, 8)).at[2:5, 3:6].set(2.0)
    np.testing.assert_allclose(TotalVariation((8, 8), isotropic=False)(square), 2 * 12)
    corner = 1 / np.sqrt(2)  # one pixel sees both sides: sqrt(2) in the place of 2
    np.testing.assert_allclose(TotalVariation((8, 8))(square), 2 * (10 + 2 * corner), rtol=1e-6)
    np.testing.assert_allclose(TotalVariation((8, 8), isotropic=False, spacing=0.5)(square), 4 * 12)
    np.testing.assert_allclose(TotalVariation((2, 8, 8))(jnp.stack([square, square])), 2 * (
        2 * (10 + 2 * corner)), rtol=1e-6)  # fmt: skip


def test_prox_lowers_a_disc_by_step_times_perimeter_over_area() -> None:
    """In the continuum: 1 inside becomes 1 - 2 s / r; the grid is within a tenth of that drop."""
    y, x = np.mgrid[:48, :48] - 23.5
    disc = (x**2 + y**2 < 12**2).astype(np.float32)
    got = prox(TotalVariation((48, 48)), jnp.asarray(disc), 1.5)
    drop = 1 - float(got[22:26, 22:26].mean())
    assert drop == pytest.approx(2 * 1.5 / 12, rel=0.1)


def image(dtype: Any = np.float32) -> jax.Array:
    y, x = np.mgrid[:32, :32]
    clean = (x > 12) + 0.5 * ((x - 16) ** 2 + (y - 16) ** 2 < 64)
    v = clean + 0.1 * noise(32, 32)
    if np.issubdtype(dtype, np.complexfloating):
        v = v * np.exp(0.3j * y / 10)
    return jnp.asarray(v.astype(dtype))


@quick_jit
def gap(f: Any, v: Any, step: Any) -> Any:
    return f.prox_gap(v, step)


SIDE = np.mgrid[:32, :32][1] / 8.0


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (TotalVariation, np.complex64),
        (lambda shape, **o: TotalVariation(shape, isotropic=False, **o), np.float32),
        (lambda shape, **o: HuberTotalVariation(shape, 0.1, **o), np.float32),
        (lambda shape, **o: DirectionalTotalVariation(SIDE, 0.1, **o), np.float32),
    ],
)
def test_prox_reaches_the_gap_that_is_asked_for(make, dtype) -> None:
    v = image(dtype)
    for tolerance in (1e-2, 1e-4):
        reached = float(gap(make((32, 32), tolerance=tolerance), v, 0.2))
        assert 0 <= reached <= 1.01 * tolerance  # another compilation may round otherwise
        assert float(gap(make((32, 32), tolerance=tolerance, iterations=BLOCK), v, 0.2)) > 1e-4


def test_the_gap_is_that_of_the_primal_and_the_dual_value() -> None:
    with jax.enable_x64(True):
        v, tv = image(np.complex128), TotalVariation((32, 32), tolerance=1e-3)
        x = prox(tv, v, 0.3)
        primal = 0.3 * tv(x) + np.sum(np.abs(x - v) ** 2) / 2
        dual = (np.sum(np.abs(v) ** 2) - np.sum(np.abs(x) ** 2)) / 2
        np.testing.assert_allclose(gap(tv, v, 0.3), (primal - dual) / primal, rtol=1e-6)


def test_the_gap_bounds_the_distance_from_the_exact_prox() -> None:
    with jax.enable_x64(True):
        v = image(np.float64)
        rough, exact = (TotalVariation((32, 32), tolerance=t) for t in (1e-3, 1e-11))
        p, q = prox(rough, v, 0.3), prox(exact, v, 0.3)
        objective = 0.3 * rough(p) + np.sum((p - v) ** 2) / 2
        distance, bound = np.sum((p - q) ** 2), 2 * gap(rough, v, 0.3) * objective
        assert 0 < distance <= bound


def test_a_warm_start_saves_steps() -> None:
    """Five steps from the field of a nearby image get further than fifty from 0."""

    @quick_jit
    def run(f: Any, v: Any, step: Any, start: Any) -> Any:
        return f.prox_from(v, step, start)

    with jax.enable_x64(True):
        v = image(np.float64)
        settled = TotalVariation((32, 32), tolerance=1e-10)
        exact, _ = run(settled, v, 0.3, settled.prox_start(v))
        _, field = run(settled, v + 1e-3 * noise(32, 32, seed=3), 0.33, settled.prox_start(v))
        few = TotalVariation((32, 32), tolerance=0.0, iterations=BLOCK)
        many = TotalVariation((32, 32), tolerance=0.0, iterations=5 * BLOCK)
        warm, _ = run(few, v, 0.3, field)
        cold, _ = run(many, v, 0.3, many.prox_start(v))
        again, _ = run(settled, v, 0.3, field)
    assert np.linalg.norm(warm - exact) < np.linalg.norm(cold - exact)
    np.testing.assert_allclose(again, exact, atol=1e-3)


def test_outer_loops_carry_the_field_from_step_to_step() -> None:
    """Ten inner steps a call are enough for ISTA when they go on from the last ones."""
    v, tv = image(), TotalVariation((32, 32), tolerance=0.0, iterations=BLOCK)
    method = ista(LeastSquares(None, v), 0.3 * tv, 0.5)
    state = method.init(v)
    step = quick_jit(method.step)
    for _ in range(40):
        state = step(state)
    exact = prox(TotalVariation((32, 32), tolerance=1e-5), v, 0.3)
    cold = prox(tv, v, 0.3)
    assert np.linalg.norm(state.x - exact) < 0.05 * np.linalg.norm(cold - exact)


def test_derivatives_of_the_prox_equal_finite_differences() -> None:
    """In the image, the step and the spacing: one direction in all of them together."""
    with jax.enable_x64(True):
        v, weights, d = (jnp.asarray(noise(5, 6, seed=s)) for s in range(3))
        spacing = jnp.asarray([1.0, 0.7])

        def value(v: Any, step: Any, spacing: Any) -> Any:
            tv = TotalVariation((5, 6), spacing=spacing, tolerance=1e-15, iterations=5000)
            return jnp.vdot(weights, tv.prox(v, step))

        at, along = (v, 0.4, spacing), (d, 1.0, jnp.asarray([0.5, -1.0]))
        compiled = quick_jit(value)
        slopes = quick_jit(jax.grad(value, (0, 1, 2)))(*at)
        slope = sum(jnp.vdot(a, b) for a, b in zip(slopes, along, strict=True))
        up, down = (
            compiled(*jax.tree.map(lambda a, b, h=h: a + h * b, at, along)) for h in (1e-6, -1e-6)
        )
        np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-5)
        forward = quick_jit(lambda at, along: jax.jvp(value, at, along)[1])(at, along)
        np.testing.assert_allclose(forward, slope, rtol=1e-8)


def test_derivatives_at_a_flat_image_and_at_step_0() -> None:
    """Where x is constant the prox averages; where the step is 0 it is the identity."""
    tv, weights = TotalVariation((4, 5)), jnp.asarray(noise(4, 5).astype(np.float32))

    @quick_jit
    @jax.value_and_grad
    def total(v: Any, step: Any) -> Any:
        return jnp.vdot(weights, tv.prox(v, step))

    _, flat = total(jnp.ones((4, 5)), 0.3)
    np.testing.assert_allclose(flat, np.full((4, 5), weights.mean()), atol=1e-5)
    value, same = total(weights, 0.0)
    np.testing.assert_allclose(value, np.vdot(weights, weights), rtol=1e-6)
    np.testing.assert_allclose(same, weights, rtol=1e-6)


def test_prox_keeps_a_constant_and_the_mean() -> None:
    tv = TotalVariation((5, 6))
    np.testing.assert_allclose(prox(tv, jnp.full((5, 6), 3.0), 1.0), 3.0, rtol=1e-6)
    v = jnp.asarray(noise(5, 6).astype(np.float32))
    np.testing.assert_allclose(jnp.mean(prox(tv, v, 0.4)), jnp.mean(v), atol=1e-6)


def test_nan_in_the_data_comes_out() -> None:
    v = image().at[3, 4].set(jnp.nan)
    assert bool(jnp.any(jnp.isnan(prox(TotalVariation((32, 32)), v, 0.2))))


def test_directional_total_variation_is_cheap_along_the_edges_of_the_side_image() -> None:
    x = jnp.zeros((8, 8)).at[:, 4:].set(1.0)
    plain = float(TotalVariation((8, 8))(x))
    aligned, crossed = (DirectionalTotalVariation(s, 0.1)(x) for s in (-3 * x, x.T))
    length = 3 / np.hypot(3, 0.1)
    np.testing.assert_allclose(aligned, plain * (1 - length**2), rtol=1e-4)
    # the two edges cross in one pixel, where xi has no part along D x
    np.testing.assert_allclose(crossed, plain, rtol=1e-6)
    np.testing.assert_allclose(DirectionalTotalVariation(0 * x, 0.1)(x), plain, rtol=1e-6)


def test_directional_prox_keeps_the_height_of_a_shared_edge() -> None:
    step = np.zeros((16, 16), np.float32)
    step[:, 8:] = 1.0
    v = jnp.asarray(step + 0.05 * noise(16, 16).astype(np.float32))
    with_side = prox(DirectionalTotalVariation(5 * step, 0.01), v, 0.5)
    without = prox(TotalVariation((16, 16)), v, 0.5)
    heights = [float(jnp.mean(x[:, 8:]) - jnp.mean(x[:, :8])) for x in (v, with_side, without)]
    assert heights[1] == pytest.approx(heights[0], abs=1e-3)
    assert heights[2] < heights[0] - 0.1


@pytest.mark.parametrize("make", [
    lambda: VectorialTotalVariation((2, 5, 6), delta=0.2),
    lambda: DirectionalTotalVariation(SIDE[:5, :6], 0.3, delta=0.2),
])  # fmt: skip
def test_rounding_lies_within_half_delta_a_pixel(make) -> None:
    rounded = make()
    shape = (2, 5, 6) if isinstance(rounded, VectorialTotalVariation) else (5, 6)
    x = jnp.asarray(noise(*shape), jnp.float32)
    exact = rounded.replace(delta=None)(x)
    assert exact - 30 * 0.2 / 2 <= rounded(x) < exact


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TotalVariation((4, 4), boundary="mirror"), ValueError, "boundary"),  # type: ignore[arg-type]
        (lambda: TotalVariation((4, 4), iterations=0), ValueError, "iterations"),
        (lambda: TotalVariation((4, 4), tolerance=-1.0), ValueError, "tolerance >= 0"),
        (lambda: TotalVariation((4, 4))(jnp.ones((3, 4))), ValueError, r"float32\[4,4\]"),
        (lambda: TotalVariation((4, 4)).prox(jnp.ones((2, 4, 4)), 1.0), ValueError, "jax.vmap"),
        (lambda: VectorialTotalVariation((3, 4), coupling="l1"), ValueError, "coupling"),  # type: ignore[arg-type]
        (lambda: VectorialTotalVariation((3, 4), 2), ValueError, "axes within"),
        (lambda: VectorialTotalVariation((3, 4), 0, "nuclear", delta=0.1), ValueError, "Frobenius"),
        (lambda: DirectionalTotalVariation(SIDE, 0.0), ValueError, "edge > 0"),
        (lambda: DirectionalTotalVariation(1j * SIDE, 1.0), TypeError, "real side"),
        (lambda: DirectionalTotalVariation(SIDE, 1.0)(jnp.ones(4)), ValueError, "x of float32"),
        (lambda: GroupNuclear((1, 1)), ValueError, "two different axes"),
        (
            lambda: DirectionalDifference(FiniteDifference((4, 4)), np.ones((2, 4, 4))),
            ValueError,
            "length <= 1",
        ),
        (
            lambda: DirectionalDifference(FiniteDifference((4, 4)), np.ones((2, 4))),
            ValueError,
            "one component",
        ),
    ],
)
def test_bad_input(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_group_norms_of_long_and_short_axes_agree() -> None:
    x = noise(12, 3, 4).astype(np.float32)
    for axis in (0, 1, (0, -1), ()):
        expected = np.sqrt(np.sum(x**2, axis)).sum()
        np.testing.assert_allclose(GroupL21(axis)(x), expected, rtol=1e-6)
