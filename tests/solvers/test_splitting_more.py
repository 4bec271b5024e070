"""Splitting methods: their parts against dense matrices, adaptive rules, warm starts, pytrees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import Functional, Status, separable, solve, solve_until, stack, struct
from jaxrecon.core import Identity
from jaxrecon.core.vectors import norm
from jaxrecon.functionals import (
    L1,
    GroupL21,
    KullbackLeibler,
    LeastSquares,
    NonNegative,
    SquaredL2,
    Zero,
)
from jaxrecon.linops.convolution import Convolution
from jaxrecon.linops.finite_difference import FiniteDifference
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import (
    accelerated_primal_dual,
    adaptive_primal_dual,
    admm,
    davis_yin,
    diagonal_steps,
    douglas_rachford,
    forward_backward_forward_primal_dual,
    fourier_quadratic,
    fourier_update,
    geometric_penalties,
    half_quadratic_splitting,
    linearised_admm,
    pd3o,
    primal_dual_hybrid_gradient,
    stochastic_primal_dual,
)
from jaxrecon.solvers.diagonal_steps import absolute_sums
from jaxrecon.solvers.normal_form import normal_form
from tests.laws.cases import quick_jit
from tests.solvers.problems import counts_problem, draw, poisson_ridge
from tests.solvers.splitting_problems import KERNEL, circulant, differences
from tests.solvers.subset_problems import matrix_subsets

A = Matrix(jnp.asarray(draw(1, (6, 4), np.float32)))
DATA = jnp.asarray(draw(2, (6,), np.float32))
FIDELITY = LeastSquares(A, DATA)
SUBSETS = matrix_subsets(A, 2)
KEY = jax.random.key(0)
run = quick_jit(lambda method, x0: solve(method, x0, 20)[0])


def test_steps_for_each_block_need_a_separable_functional() -> None:
    both = stack(A, Identity(struct(4)))
    tau, sigma = diagonal_steps(both)
    method = primal_dual_hybrid_gradient(Zero(), L1(), both, primal_step=tau, dual_step=sigma)
    with pytest.raises(TypeError, match="separable"):
        solve(method, jnp.ones(4), 1)


def test_absolute_sums_are_those_of_the_dense_matrix() -> None:
    d = FiniteDifference((2, 3), boundary="periodic", spacing=(1.0, 0.5))
    weights = Matrix(jnp.asarray(np.random.default_rng(0).uniform(size=(5, 6)), jnp.float32))
    image = Matrix(weights.matrix, domain_shape=(2, 3))
    blur = Convolution(jnp.ones((1, 3)) / 3, (2, 3))
    rows, columns = absolute_sums(stack(image, -2.0 * d, blur, Identity(d.domain)))
    dense = [np.asarray(weights.matrix), -2 * _dense(d), _dense(blur), np.eye(6)]
    np.testing.assert_allclose(columns.ravel(), sum(np.abs(m).sum(0) for m in dense), rtol=1e-5)
    for got, m, exact in zip(rows, dense, (True, False, True, True), strict=True):
        expected = np.abs(m).sum(1)
        np.testing.assert_allclose(
            np.ravel(np.broadcast_to(got, expected.shape if np.ndim(got) == 0 else got.shape)),
            expected if exact else np.full_like(expected, expected.max()),
            rtol=1e-5,
        )


def _dense(operator):
    basis = jnp.eye(operator.domain.size).reshape(-1, *operator.domain.shape)
    return np.asarray(jax.vmap(operator)(basis)).reshape(len(basis), -1).T


def test_diagonal_steps_keep_the_norm_of_the_preconditioned_operator_at_most_one() -> None:
    d = FiniteDifference((2, 3))
    matrix = jnp.asarray(np.random.default_rng(1).uniform(size=(5, 6)), jnp.float32)
    both = stack(Matrix(matrix, domain_shape=(2, 3)), d)
    for ratio in (0.1, 1.0, 10.0):
        tau, (first, second) = diagonal_steps(both, ratio)
        dense = np.vstack([matrix, _dense(d)])
        sigma = np.concatenate([first, np.full(12, second)])
        scaled = np.sqrt(sigma)[:, None] * dense * np.sqrt(np.ravel(tau))
        assert 0.5 < np.linalg.norm(scaled, 2) <= 1 + 1e-6


def test_fourier_quadratic_is_the_functional_it_stands_for() -> None:
    """Values, gradients, proxes and the Lipschitz constant against dense matrices, odd sizes."""
    for n, dtype in ((7, np.float32), (8, np.complex64)):
        kernel = KERNEL.astype(dtype) * (1 if dtype == np.float32 else 1 + 0.5j)
        dense, m, x = circulant(kernel, n), draw(3, (n,), dtype), draw(4, (n,), dtype)
        f = 2.0 * LeastSquares(Convolution(jnp.asarray(kernel), (n,)), jnp.asarray(m))
        q = fourier_quadratic(f, struct(n, dtype))
        gradient = 2 * dense.conj().T @ (dense @ x - m)
        np.testing.assert_allclose(q.grad(jnp.asarray(x)), gradient, atol=1e-5)
        system = np.eye(n) + 0.7 * 2 * dense.conj().T @ dense
        prox = np.linalg.solve(system, x + 0.7 * 2 * dense.conj().T @ m)
        np.testing.assert_allclose(q.prox(jnp.asarray(x), 0.7), prox, atol=1e-5)
        np.testing.assert_allclose(q.lipschitz(), 2 * np.linalg.norm(dense, 2) ** 2, rtol=1e-5)
        np.testing.assert_allclose(q(jnp.asarray(x)), f(jnp.asarray(x)), rtol=1e-6)


def test_fourier_update_solves_its_system_and_leaves_unseen_frequencies_at_zero() -> None:
    n, m, v = 8, draw(3, (8,), np.float32), draw(4, (1, 8), np.float32)
    d = FiniteDifference((n,), boundary="periodic")
    dense, blur = differences(n, periodic=True), circulant(KERNEL, n)
    f = LeastSquares(Convolution(jnp.asarray(KERNEL, jnp.float32), (n,)), jnp.asarray(m))
    expected = np.linalg.solve(blur.T @ blur + 3 * dense.T @ dense, blur.T @ m + 3 * dense.T @ v[0])
    got = fourier_update(f, d)(jnp.asarray(v), 3.0, None)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    got = fourier_update(Zero(), d)(jnp.asarray(v), 3.0, None)  # the mean is not determined
    np.testing.assert_allclose(got, np.linalg.pinv(dense) @ v[0], atol=1e-5)


def test_a_quadratic_term_is_applied_as_its_normal_operator() -> None:
    counts = []

    class Counting(Matrix):
        def apply(self, x):
            counts.append("A")
            return super().apply(x)

        def normal(self, x):
            counts.append("normal")
            return self.matrix.T @ (self.matrix @ x)

    f = normal_form(LeastSquares(Counting(A.matrix), DATA), A.domain)
    counts.clear()
    x = jnp.asarray([1.0, -2.0, 0.5, 3.0])
    np.testing.assert_allclose(f.grad(x), FIDELITY.grad(x), rtol=1e-5, atol=1e-5)
    assert counts == ["normal"]
    assert isinstance(normal_form(L1(), A.domain), L1)


def test_adaptive_rules_find_their_scale_from_any_start() -> None:
    """With a penalty or ratio 1000 times off, fixed ones hardly move; adaptive ones converge."""
    f = LeastSquares(None, jnp.asarray([0.0, 0.2, 3.0, 3.1, -1.0]))
    g, d = 0.1 * L1(), FiniteDifference((5,))
    exact = solve(admm(f, g, d, 1.0, iterations=20), f.data, 400)[0]
    long = quick_jit(lambda method, x0: solve(method, x0, 100)[0])
    for wrong in (1e-3, 1e3):
        errors = [
            float(norm(long(admm(f, g, d, wrong, adaptive=adaptive), f.data) - exact))
            for adaptive in (False, True)
        ]
        assert errors[1] < 1e-3 < errors[0]
        size = float(d.norm_bound())
        steps = {"primal_step": 0.9 / (wrong * size), "dual_step": wrong / size}
        fixed = long(primal_dual_hybrid_gradient(f, g, d, **steps), f.data)
        adaptive = long(adaptive_primal_dual(f, g, d, **steps), f.data)
        assert norm(adaptive - exact) < min(1e-2, 0.1 * norm(fixed - exact))


def test_the_adaptive_penalty_settles_and_does_not_depend_on_units() -> None:
    g, d = 0.1 * L1(), FiniteDifference((6,))

    def penalties(unit):
        """In other units of the image, of the same problem."""
        scaled_f = (1 / unit**2) * LeastSquares(None, unit * DATA)
        method = admm(scaled_f, (1 / unit) * g, d, 50.0 / unit**2, adaptive=True, iterations=20)
        return solve(method, unit * DATA, 60, trace=lambda s: s.penalty)[1] * unit**2

    first, other = penalties(1.0), penalties(100.0)
    assert first[0] < 50.0
    np.testing.assert_allclose(first[:20], other[:20], rtol=1e-2)
    assert abs(float(first[-1] / first[-2]) - 1) <= 2 ** (1 / 6.9**2) - 1


class Counted(Functional):
    """A functional of which every prox tells how many came before it, by its start."""

    def prox_start(self, v):
        return jnp.zeros(())

    def prox(self, v, step):
        raise AssertionError("the prox should be warm-started")

    def prox_from(self, v, step, start):
        return v / (1 + step), start + 1


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (lambda f: douglas_rachford(f, f, 1.0), lambda s: s.starts),
        (lambda f: davis_yin(f, f, SquaredL2()), lambda s: s.starts),
        (lambda f: admm(f, f, Identity(struct(3)), 1.0), lambda s: s.starts),
        (lambda f: admm(Zero(), f, 1.0 * Identity(struct(3)), 1.0), lambda s: s.starts[1]),
        (lambda f: linearised_admm(f, f, Identity(struct(3)), 1.0), lambda s: s.starts),
        (lambda f: half_quadratic_splitting(f, f, Identity(struct(3)), 1.0), lambda s: s.starts),
        (lambda f: stochastic_primal_dual(f, FIDELITY, SUBSETS, key=KEY), lambda s: s.start),
    ],
)
def test_proxes_start_where_they_ended(make, read) -> None:
    method = make(Counted())
    n = 4 if hasattr(method, "subsets") else 3
    state = method.init(jnp.ones(n))
    for _ in range(3):
        state = method.step(state)
    assert all(start == 3 for start in jax.tree.leaves(read(state)))


def test_penalties_grow_from_the_first_to_the_last_and_stay() -> None:
    np.testing.assert_allclose(geometric_penalties(1.0, 100.0, 3), [1, 10, 100], rtol=1e-5)
    identity = Identity(struct(2))
    schedule = half_quadratic_splitting(SquaredL2(), L1(), identity, jnp.asarray([1.0, 9.0]))
    x0 = jnp.asarray([3.0, -2.0])
    first, _ = solve(schedule, x0, 1)
    np.testing.assert_allclose(first, [1.0, -0.5], rtol=1e-6)  # (|x| - 1) / 2
    second, _ = solve(schedule, x0, 2)
    np.testing.assert_allclose(second, np.asarray([1 - 1 / 9, -0.5 + 1 / 9]) * 0.9, rtol=1e-5)


def test_rest_under_an_early_penalty_does_not_end_a_run() -> None:
    """Penalties of 1e-6 leave the image at rest at the data; 4 gives the Huber minimiser."""
    f = LeastSquares(None, jnp.asarray([3.0, -2.0]))
    penalties = jnp.asarray([1e-6] * 20 + [4.0])
    method = half_quadratic_splitting(f, L1(), Identity(struct(2)), penalties)
    end = solve_until(method, jnp.zeros(2), 200, tolerance=1e-4)
    assert end.status == Status.CONVERGED
    assert 21 < end.iterations < 100
    np.testing.assert_allclose(end.x, [2.0, -1.0], rtol=1e-3)  # x - m + sign(x) = 0
    assert solve_until(method, jnp.zeros(2), 20, tolerance=1e-4).status == Status.NOT_CONVERGED


def test_images_may_be_pytrees() -> None:
    x0 = (jnp.asarray([1.0, -2.0]), jnp.asarray([[3.0]]))
    space = (struct(2), struct((1, 1)))
    f, g = LeastSquares(None, x0), 0.5 * separable(L1(), L1())
    identity = Identity(space)
    tau = (jnp.asarray([0.5, 0.4]), jnp.asarray([[0.3]]))
    methods = [
        primal_dual_hybrid_gradient(f, g, identity),
        primal_dual_hybrid_gradient(
            separable(Zero(), Zero()),
            separable(0.5 * L1(), 0.5 * L1()),
            identity,
            smooth=f,
            primal_step=tau,
            dual_step=(1.0, 1.0),
        ),
        accelerated_primal_dual(f, g, identity, primal_convexity=0.5),
        adaptive_primal_dual(f, g, identity),
        pd3o(Zero(), g, identity, f),
        admm(f, g, 1.0 * identity, 1.0, adaptive=True),
        linearised_admm(f, g, identity, 1.0),
        douglas_rachford(f, g, 1.0),
        davis_yin(Zero(), g, f),
        forward_backward_forward_primal_dual(f, g, identity),
    ]
    for method in methods:
        x = quick_jit(lambda m, x: solve(m, x, 400)[0])(method, x0)
        np.testing.assert_allclose(x[0], [0.5, -1.5], rtol=1e-4)
        np.testing.assert_allclose(x[1], [[2.5]], rtol=1e-4)


def test_the_order_of_the_subsets_is_that_of_the_key() -> None:
    def at(seed):
        method = stochastic_primal_dual(
            SquaredL2(), FIDELITY, SUBSETS, key=jax.random.key(seed), dual_step=0.1
        )
        return run(method, jnp.zeros(4))

    np.testing.assert_array_equal(at(0), at(0))
    assert norm(at(0) - at(1)) > 0


def test_constraints_hold_at_every_image_of_methods_whose_image_is_a_prox() -> None:
    g, d = 0.1 * GroupL21(axis=0), FiniteDifference((2, 2))
    f = LeastSquares(None, jnp.asarray([[1.0, -3.0], [-2.0, 0.5]]))
    for method in (
        pd3o(NonNegative(), g, d, f),
        primal_dual_hybrid_gradient(NonNegative(), g, d, smooth=f),
        douglas_rachford(NonNegative(), f, 1.0),
        davis_yin(NonNegative(), L1(), f),
    ):
        _, path = solve(method, f.data, 5, trace=lambda s: s.x)
        assert jnp.min(path) >= 0


def test_stochastic_primal_dual_finds_the_minimiser_of_a_poisson_likelihood() -> None:
    with jax.enable_x64(True):
        matrix, counts, background = counts_problem(np.float64)
        a = Matrix(jnp.asarray(matrix))
        fidelity = KullbackLeibler(a, jnp.asarray(counts), background)
        method = stochastic_primal_dual(
            0.1 * SquaredL2(), fidelity, matrix_subsets(a, 4), key=KEY, dual_step=0.1
        )
        got = quick_jit(lambda m, x: solve(m, x, 4000)[0])(method, jnp.ones(5))
        expected = poisson_ridge(matrix, counts, background, 0.1)
        np.testing.assert_allclose(got, expected, rtol=1e-10)
