"""Stopping by a tolerance: both forms of the loop, batches, records, and how a run ended."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import Method, Status, solve, solve_until
from jaxrecon.core.vectors import norm
from jaxrecon.functionals import L1, LeastSquares
from jaxrecon.linops import Matrix
from jaxrecon.solvers import fista, gradient_descent, ista, primal_dual_hybrid_gradient
from tests.laws.cases import quick_jit
from tests.solvers.problems import as_jax, lasso, system

LENGTH = 600
WEIGHT = 0.3


class Halving(Method):
    """x <- x / 2 + shift, with the fixed point 2 shift: its changes are known exactly."""

    shift: Any
    factor: Any = 0.5

    class State(NamedTuple):
        x: Any

    def init(self, x0: Any) -> Any:
        return self.State(x0)

    def step(self, state: Any) -> Any:
        return self.State(self.factor * state.x + self.shift)


def image(state: Any) -> Any:
    return state.x


def lasso_problem(dtype: Any = np.float64) -> Any:
    a, m = as_jax(*system(dtype))
    f = LeastSquares(Matrix(a), m)
    return f, WEIGHT * L1(), jnp.zeros(8, a.dtype)


@pytest.mark.parametrize("every", [1, 10])
def test_both_forms_agree_in_result_count_and_history(every):
    with jax.enable_x64(True):
        f, g, x0 = lasso_problem()
        method = fista(f, g, restart=True)

        def run(differentiable):
            return quick_jit(
                lambda method, x0: solve_until(
                    method,
                    x0,
                    LENGTH,
                    tolerance=1e-9,
                    trace=lambda s: {"x": s.x, "cost": (f + g)(s.x)},
                    every=every,
                    differentiable=differentiable,
                )
            )(method, x0)

        loop, scan = run(False), run(True)
        assert loop.status == scan.status == Status.CONVERGED
        assert loop.iterations == scan.iterations
        assert every < int(loop.iterations) < LENGTH
        assert int(loop.iterations) % every == 0
        for one, other in zip(jax.tree.leaves(loop), jax.tree.leaves(scan), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(loop.x, lasso(*system(np.float64), WEIGHT), rtol=1e-6)

        # records: those of a plain run up to the end, then the last one again
        count = int(loop.iterations)
        plain = solve(method, x0, count, trace=image, every=every)[1]
        kept = count // every
        assert loop.history["x"].shape == (LENGTH // every, 8)
        np.testing.assert_allclose(loop.history["x"][:kept], plain, rtol=1e-12, atol=1e-15)
        assert np.all(loop.history["x"][kept:] == loop.x)


def test_relative_change_is_that_of_the_image():
    """x_k = 2 - 2^-k from x_0 = 1: changes of 2^-k, so that 1e-3 is met by both of k = 9, 10."""
    end = solve_until(Halving(jnp.float32(1)), jnp.float32(1), 100, tolerance=1e-3)
    changes = 2.0 ** -np.arange(1, 30) / (2 - 2.0 ** -np.arange(1, 30))
    assert end.iterations == np.flatnonzero(changes <= 1e-3)[0] + 2
    np.testing.assert_allclose(end.residual, changes[int(end.iterations) - 2], rtol=1e-5)


def test_an_image_at_rest_in_the_first_step_has_not_converged():
    """The primal-dual method from 0 moves its dual variable first."""
    with jax.enable_x64(True):
        a, m = as_jax(*system(np.float64))
        method = primal_dual_hybrid_gradient(
            WEIGHT * L1(), LeastSquares(Matrix(jnp.eye(12)), m), Matrix(a)
        )
        x0 = jnp.zeros(8)
        assert np.all(solve(method, x0, 1)[0] == 0)
        end = solve_until(method, x0, 3000, tolerance=1e-10)
        assert end.status == Status.CONVERGED
        np.testing.assert_allclose(end.x, lasso(a, m, WEIGHT), atol=1e-7)


def test_a_residual_of_the_users_own_and_runs_of_no_steps():
    with jax.enable_x64(True):
        f, _, x0 = lasso_problem()
        method = gradient_descent(f)
        start = norm(f.grad(x0))

        def run(x0, tolerance):
            return solve_until(
                method,
                x0,
                LENGTH,
                tolerance=tolerance,
                residual=lambda s: norm(f.grad(s.x)) / start,
                trace=image,
            )

        end = quick_jit(run)(x0, 1e-4)
        gradients = [
            norm(f.grad(x)) / start for x in solve(method, x0, int(end.iterations), trace=image)[1]
        ]
        assert gradients[-1] <= 1e-4 < gradients[-2]
        np.testing.assert_allclose(end.residual, gradients[-1], rtol=1e-9)

        again = quick_jit(run)(end.x, 1e-3)
        assert (again.iterations, again.status) == (0, Status.CONVERGED)
        assert np.all(again.x == end.x)
        assert np.all(again.history == end.x)


@pytest.mark.parametrize("differentiable", [False, True])
def test_each_item_of_a_batch_stops_as_it_would_alone(differentiable):
    with jax.enable_x64(True):
        f, _, x0 = lasso_problem()

        def run(weight, tolerance):
            return solve_until(
                ista(f, weight * L1(), 1.0 / f.lipschitz()),
                x0,
                400,
                tolerance=tolerance,
                trace=image,
                differentiable=differentiable,
            )

        weights, tolerances = jnp.array([0.1, 0.5, 2.0, 0.1]), jnp.array([1e-5, 1e-7, 1e-6, 1e-12])
        batch = quick_jit(jax.vmap(run))(weights, tolerances)
        alone = quick_jit(run)
        for i in range(4):
            one = alone(weights[i], tolerances[i])
            item = jax.tree.map(lambda a, i=i: a[i], batch)
            assert item.iterations == one.iterations
            for got, expected in zip(jax.tree.leaves(item), jax.tree.leaves(one), strict=True):
                np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-14)
        assert len(set(batch.iterations.tolist())) == 4
        assert batch.status.tolist() == [0, 0, 0, 1]
        assert batch.describe() == (
            f"4 runs: 3 converged, 1 not converged; {batch.iterations.min()} to 400 steps."
        )


def test_data_penalties_and_tolerances_do_not_compile_again():
    f, _, x0 = lasso_problem(np.float32)
    traces = []

    @quick_jit
    def run(f, weight, tolerance):
        traces.append(1)
        return solve_until(ista(f, weight * L1(), 0.5), x0, 50, tolerance=tolerance).iterations

    counts = {
        int(run(f.replace(data=c * f.data), jnp.float32(w), jnp.float32(t)))
        for c, w, t in [(1.0, 0.3, 1e-1), (2.0, 0.3, 1e-1), (1.0, 0.1, 1e-2)]
    }
    assert len(traces) == 1
    assert len(counts) > 1


def test_derivatives_through_a_stopped_run_are_those_of_its_steps():
    with jax.enable_x64(True):
        f, _, x0 = lasso_problem()

        def stopped(weight, **options):
            method = ista(f, weight * L1(), 0.5)
            return solve_until(method, x0, 80, tolerance=1e-2, **options)

        count = int(stopped(WEIGHT).iterations)
        assert 10 < count < 80
        plain = quick_jit(jax.grad(lambda w: jnp.sum(solve(ista(f, w * L1(), 0.5), x0, count)[0])))(
            WEIGHT
        )
        for remat in (False, True, 10):
            options = {"differentiable": True, "remat": remat}
            got = quick_jit(jax.grad(lambda w, o=options: jnp.sum(stopped(w, **o).x)))(WEIGHT)
            np.testing.assert_allclose(got, plain, rtol=1e-12)
        forward = quick_jit(lambda w: jax.jvp(lambda w: jnp.sum(stopped(w).x), (w,), (1.0,))[1])
        np.testing.assert_allclose(forward(WEIGHT), plain, rtol=1e-12)
        with pytest.raises(ValueError, match="while_loop"):
            jax.grad(lambda w: jnp.sum(stopped(w).x))(WEIGHT)


def test_diverged_runs_say_so():
    f, g, x0 = lasso_problem(np.float32)
    method = ista(f, g)

    @quick_jit
    def run(method, x0, growth):
        return solve_until(method, x0, 400, tolerance=1e-3, growth=growth)

    # where the iterates pass from step to step: by growth, else once they overflow
    wild = method.replace(step_size=8 * method.step_size)
    grown, overflown = run(wild, x0, 1e8), run(wild, x0, jnp.inf)
    assert grown.status == overflown.status == Status.DIVERGED
    assert int(grown.iterations) < int(overflown.iterations) < 400
    assert np.all(np.isfinite(grown.x))
    assert not np.all(np.isfinite(norm(overflown.x)))
    assert "grew" in grown.describe()
    # NaN in the data or the start, before the first step
    broken = jax.tree.map(lambda a: a.at[3].set(jnp.nan) if jnp.shape(a) == (12,) else a, method)
    for end in (run(broken, x0, 1e8), run(method, x0.at[0].set(jnp.nan), 1e8)):
        assert (end.status, end.iterations) == (Status.DIVERGED, 0)
        assert "NaN" in end.describe()


def test_residuals_that_are_nan_or_have_no_bound():
    method, x0 = Halving(jnp.float32(1)), jnp.float32(1)

    def run(residual):
        return solve_until(method, x0, 8, tolerance=0.1, residual=residual)

    assert run(lambda s: jnp.where(s.x > 1.8, jnp.nan, 1.0)).status == Status.DIVERGED
    assert run(lambda s: jnp.log(0 * s.x)).status == Status.DIVERGED
    infinite = run(lambda s: jnp.where(s.x > 1.8, 0.0, jnp.inf))  # a duality gap may be
    assert (infinite.status, infinite.iterations) == (Status.CONVERGED, 3)


def test_tolerance_not_met_within_the_length():
    end = solve_until(Halving(jnp.float32(1)), jnp.float32(1), 4, tolerance=1e-3)
    assert (end.status, end.iterations) == (Status.NOT_CONVERGED, 4)
    assert end.describe().startswith("not converged after 4 steps, residual 0.0667")


def test_growth_within_bounds_is_none():
    """From an image of 1e-12, in one step, to the right size; and from 0, which has no size."""
    for x0, every in [(1e-12, 1), (1e-12, 20), (0.0, 1)]:
        method = Halving(jnp.float32(1))
        end = solve_until(method, jnp.float32(x0), 100, tolerance=1e-3, every=every)
        assert end.status == Status.CONVERGED


def test_an_image_of_zero_converges():
    f, _, x0 = lasso_problem(np.float32)
    end = solve_until(ista(f, 1e3 * L1()), x0, 9, tolerance=0.0)
    assert (end.status, end.iterations, end.residual) == (Status.CONVERGED, 2, 0)


def test_lowers_for_accelerators():
    f, g, x0 = lasso_problem(np.float32)
    run = jax.jit(lambda m, x: solve_until(m, x, 20, tolerance=1e-3, trace=image, every=2))
    exported = jax.export.export(run, platforms=["cuda", "tpu"])(fista(f, g), x0)
    assert exported.platforms == ("cuda", "tpu")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"length": 0}, ValueError, "positive whole number for length"),
        ({"every": 3}, ValueError, "multiple of every"),
        ({"tolerance": -1.0}, ValueError, "tolerance >= 0"),
        ({"remat": True}, ValueError, "differentiable"),
        ({"residual": lambda s: s.x * jnp.ones(2)}, TypeError, "real scalar"),
        ({"residual": lambda s: s.x * 1j}, TypeError, "real scalar"),
    ],
)
def test_bad_input(options, error, message):
    options = {"length": 10, "tolerance": 0.1} | options
    with pytest.raises(error, match=message):
        solve_until(Halving(jnp.float32(1)), jnp.float32(1), **options)
