"""SAGA, SVRG and the stochastic gradient: their estimates, special cases, noise, and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.functionals import (
    KullbackLeibler,
    LeastSquares,
    NonNegative,
    SquaredL2,
    TotalVariation,
    TransmissionPoisson,
)
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import emission_step, ista, saga, stochastic_gradient, svrg
from jaxrecon.solvers.subset_fidelity import subset_fidelity
from tests.laws.cases import quick_jit
from tests.solvers.emission_problems import emission_minimiser, emission_problem
from tests.solvers.problems import ridge, step_signal
from tests.solvers.subset_problems import (
    matrix_subsets,
    nonnegative_system,
    transmission_problem,
)

KEY = jax.random.key(3)


def _problem():
    """Noisy least squares, a penalty, and the start; in float64."""
    matrix, data = nonnegative_system(np.float64, noise=0.3)
    f = LeastSquares(Matrix(jnp.asarray(matrix)), jnp.asarray(data), jnp.linspace(0.5, 2.0, 12))
    return f, 0.3 * SquaredL2(), jnp.full(8, 0.4)


def _counts():
    matrix, counts, background = emission_problem(np.float64)
    return KullbackLeibler(Matrix(jnp.asarray(matrix)), jnp.asarray(counts), background)


def _transmission():
    matrix, counts, photons, background = transmission_problem(np.float64)
    a = Matrix(jnp.asarray(matrix))
    return TransmissionPoisson(a, jnp.asarray(counts), jnp.asarray(photons), background)


def _iterates(method, x0, steps):
    return quick_jit(lambda m, x: solve(m, x, steps, trace=lambda s: s.x))(method, x0)[1]


def test_subset_gradients_average_to_the_full_one() -> None:
    with jax.enable_x64(True):
        x0 = jnp.linspace(0.3, 1.0, 8)
        for f in (_problem()[0], _counts(), _transmission()):
            parts = subset_fidelity(f, matrix_subsets(f.operator, 3), what="test")
            gradients = jax.vmap(lambda k, p=parts: p.gradient(x0, k))(jnp.arange(3))
            np.testing.assert_allclose(jnp.mean(gradients, 0), f.grad(x0), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(parts.full(x0)[0], f.grad(x0), rtol=1e-12, atol=1e-12)


def test_saga_keeps_the_sum_of_the_slopes_it_has_seen() -> None:
    with jax.enable_x64(True):
        f, penalty, x0 = _problem()
        subsets = matrix_subsets(f.operator, 3)
        method = saga(f, subsets, penalty=penalty, key=KEY)
        state = solve_state(method, x0, 50)
        back = jax.vmap(method.fidelity.backproject)(state.slopes, jnp.arange(3))
        np.testing.assert_allclose(state.gradient, jnp.sum(back, 0), atol=1e-12)


def solve_state(method, x0, steps):
    run = quick_jit(lambda m, x: solve(m, x, steps, trace=lambda s: s, every=steps))
    return jax.tree.map(lambda a: a[0], run(method, x0)[1])


def test_where_nothing_is_random_all_are_ista() -> None:
    """One subset, or with SVRG a full gradient before every step."""
    with jax.enable_x64(True):
        f, penalty, x0 = _problem()
        options = {"penalty": penalty, "constraint": NonNegative(), "step_size": 0.05, "key": KEY}
        one, three = matrix_subsets(f.operator, 1), matrix_subsets(f.operator, 3)
        expected = _iterates(ista(f + penalty, NonNegative(), 0.05), x0, 12)
        for method in (
            saga(f, one, **options),
            svrg(f, one, **options),
            svrg(f, three, period=1, **options),
            stochastic_gradient(f, one, decay=0.0, **options),
        ):
            np.testing.assert_allclose(_iterates(method, x0, 12), expected, rtol=1e-12)


def test_noise_stays_with_plain_steps_falls_with_decay_and_vanishes_with_memory() -> None:
    with jax.enable_x64(True):
        f, penalty, x0 = _problem()
        subsets = matrix_subsets(f.operator, 3)
        best = ridge(f.operator.matrix, f.data, np.linspace(0.5, 2.0, 12), 0.3)
        options = {"penalty": penalty, "key": KEY}

        def error(method):
            last = _iterates(method, x0, 3000)[-300:]
            return np.sqrt(np.mean(np.sum((last - best) ** 2, 1))) / np.linalg.norm(best)

        plain = error(stochastic_gradient(f, subsets, decay=0.0, **options))
        decayed = error(stochastic_gradient(f, subsets, decay=0.1, **options))
        assert plain > 0.03
        assert decayed < plain / 5
        assert error(saga(f, subsets, **options)) < 1e-10
        assert error(svrg(f, subsets, **options)) < 1e-10


def test_other_keys_take_other_ways_to_the_same_image() -> None:
    with jax.enable_x64(True):
        f, penalty, x0 = _problem()
        method = svrg(f, matrix_subsets(f.operator, 3), penalty=penalty, key=KEY)
        keys = jax.random.split(KEY, 3)
        run = quick_jit(jax.vmap(lambda k: solve(method.replace(key=k), x0, 2400, trace=_image)[1]))
        images = run(keys)
        assert np.all(np.linalg.norm(images[1:, 5] - images[0, 5], axis=-1) > 1e-3)
        np.testing.assert_allclose(images[:, -1], images[:1, -1].repeat(3, 0), atol=1e-9)


def _image(state):
    return state.x


def test_pixels_at_zero_leave_it_with_emission_steps() -> None:
    with jax.enable_x64(True):
        f = _counts()
        subsets = matrix_subsets(f.operator, 3)
        best = emission_minimiser(f.operator.matrix, f.counts, 1.5, 0.1 * np.eye(8))
        penalty = 0.1 * SquaredL2()
        step = emission_step(f, subsets, penalty=penalty, relaxation=0.5, floor=0.1)
        method = saga(
            f, subsets, penalty=penalty, constraint=NonNegative(), step_size=step, key=KEY
        )
        x = _iterates(method, jnp.zeros(8), 1500)[-1]
        np.testing.assert_allclose(x, best, atol=1e-9)


def test_proxes_that_iterate_start_where_they_ended() -> None:
    with jax.enable_x64(True):
        data, minimiser = step_signal(np.float64, 0.3)
        f = LeastSquares(Matrix(jnp.eye(12)), jnp.asarray(data))
        simple = 0.3 * TotalVariation((12,), tolerance=1e-12)
        method = saga(f, matrix_subsets(f.operator, 3), constraint=simple, key=KEY)
        state = solve_state(method, jnp.zeros(12), 300)
        np.testing.assert_allclose(state.x, minimiser, atol=1e-5)
        assert np.max(np.abs(state.start)) > 0.9


def test_errors_name_the_cause() -> None:
    a = Matrix(jnp.ones((6, 3)))
    f, subsets = LeastSquares(a, jnp.ones(6)), matrix_subsets(a, 2)
    for method in (saga, svrg, stochastic_gradient):
        with pytest.raises(TypeError, match=r"split\(\) as f, got SquaredL2"):
            method(SquaredL2(), subsets, key=KEY)
        with pytest.raises(ValueError, match="subsets of the operator of f"):
            method(f, matrix_subsets(Matrix(jnp.ones((6, 4))), 2), key=KEY)
        with pytest.raises(ValueError, match=r"step_size \(n max_k .* <= 1, got 1\.8"):
            method(f, subsets, step_size=0.1, key=KEY)  # n ||A_k||^2 = 2 * 9
        with pytest.raises(ValueError, match="step_size > 0"):
            method(f, subsets, step_size=-0.1, key=KEY)
        with pytest.raises(ValueError, match="x0 of float32"):
            method(f, subsets, step_size=0.05, key=KEY).init(jnp.ones(4))
    with pytest.raises(ValueError, match=r"got 2\.3"):
        saga(f, subsets, penalty=5.0 * SquaredL2(), step_size=0.1, key=KEY)
    with pytest.raises(ValueError, match="positive whole number for period"):
        svrg(f, subsets, period=0, key=KEY)
    with pytest.raises(ValueError, match="decay >= 0"):
        stochastic_gradient(f, subsets, decay=-0.1, key=KEY)
    with pytest.raises(TypeError, match="KullbackLeibler"):
        emission_step(f, subsets)
    with pytest.raises(ValueError, match="floor and relaxation > 0"):
        emission_step(KullbackLeibler(a, jnp.ones(6)), subsets, floor=0.0)


def test_a_weighted_fidelity_is_a_path_of_its_own_inside_of_jit() -> None:
    """Data that jit closes over are traced there, and a weight is one number for all subsets."""
    with jax.enable_x64(True):
        f, penalty, x0 = _problem()

        @quick_jit
        def run(c):
            subsets = matrix_subsets(f.operator, 3)
            return solve(saga(c * f, subsets, penalty=c * penalty, key=KEY), x0, 30)[0]

        twice = saga(2.0 * f, matrix_subsets(f.operator, 3), penalty=2.0 * penalty, key=KEY)
        np.testing.assert_allclose(run(2.0), solve(twice, x0, 30)[0], rtol=1e-10)
        np.testing.assert_allclose(run(0.5), run(1.0), rtol=1e-10)  # steps scale with 1 / L
