"""Learned primal-dual and learned gradient descent start as the methods that they unroll."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.functionals import L1, LeastSquares
from jaxrecon.linops import FiniteDifference, Matrix
from jaxrecon.nn.unrolled.learned_gradient import LearnedGradientState
from jaxrecon.nn.unrolled.learned_primal_dual import LearnedPrimalDualState
from jaxrecon.single_pixel import HadamardSubsampling, sequency_order_2d
from jaxrecon.solvers import gradient_descent, operator_norm, primal_dual_hybrid_gradient
from jaxrecon.solvers.primal_dual import PrimalDualState
from tests.laws.cases import quick_jit

A = Matrix(jax.random.normal(jax.random.key(1), (12, 9)))
M = jax.random.normal(jax.random.key(2), (12,))


class ToSinogram(jr.LinearOperator):
    """A real operator from images (8, 8) to data of two axes (4, 5)."""

    hadamard: HadamardSubsampling

    @property
    def domain(self):
        return self.hadamard.domain

    @property
    def codomain(self):
        return jr.struct((4, 5))

    def apply(self, x):
        return self.hadamard.apply(x).reshape(4, 5)

    def adjoint(self, y):
        return self.hadamard.adjoint(y.reshape(20))


NORM = 30.0
OPERATOR = NORM * ToSinogram(HadamardSubsampling(sequency_order_2d((8, 8))[:20], (8, 8)))
IMAGES = jax.random.normal(jax.random.key(0), (3, 8, 8))
DATA = jax.vmap(OPERATOR)(IMAGES)
START = jax.vmap(OPERATOR.adjoint)(DATA) / 900
SCHEMES = {
    "primal-dual": lambda **o: nn.LearnedPrimalDual(
        3, operator_norm=operator_norm(OPERATOR), features=4, rngs=nnx.Rngs(0), **o
    ),
    "gradient": lambda **o: nn.LearnedGradient(
        3, operator_norm=operator_norm(OPERATOR), features=4, rngs=nnx.Rngs(0), **o
    ),
}


def test_with_classical_proxes_the_step_is_chambolle_and_pock():
    sigma, tau, weight, steps = 0.12, 0.12, 3.0, 30
    fidelity, prior = LeastSquares(None, M), weight * L1()

    def update_dual(seen):
        h, forward = seen[..., 0], seen[..., 1]
        return (fidelity.conj_prox((h + sigma * forward)[0], sigma)[None] - h)[..., None]

    def update_primal(seen):
        x, behind, backward = jnp.moveaxis(seen, -1, 0)
        new = prior.prox(x - tau * backward, tau)
        return jnp.stack([new - x, 2 * new - x - behind], axis=-1)

    def step(state):
        return nn.learned_primal_dual_step(A, M[None], update_dual, update_primal, state)

    start = LearnedPrimalDualState(jnp.zeros((1, 12, 1)), jnp.zeros((1, 9, 2)))
    ours, _ = quick_jit(lambda s: jr.iterate(step, s, steps))(start)
    method = primal_dual_hybrid_gradient(prior, fidelity, A, primal_step=tau, dual_step=sigma)
    ahead = PrimalDualState(jnp.zeros(9), fidelity.conj_prox(jnp.zeros(12), sigma))
    theirs, _ = quick_jit(lambda s: jr.iterate(method.step, s, steps))(ahead)
    assert 0 < jnp.count_nonzero(theirs.x) < 9
    np.testing.assert_allclose(ours.primal[0, :, 0], theirs.x, atol=2e-6)


def test_with_a_linear_update_the_step_is_gradient_descent():
    fidelity, rate = LeastSquares(A, M), 0.02

    def step(state):
        return nn.learned_gradient_step(
            lambda x: (fidelity.grad(x[0])[None],), lambda seen: -rate * seen[..., 1:2], state
        )

    start = LearnedGradientState(jnp.zeros((1, 9)), jnp.zeros((1, 9, 0)))
    ours, _ = quick_jit(lambda s: jr.iterate(step, s, 20))(start)
    theirs, _ = jr.solve(gradient_descent(fidelity, rate), jnp.zeros(9), 20)
    np.testing.assert_allclose(ours.x[0], theirs, atol=2e-6)


class DualProx(nnx.Module):
    """The prox of the conjugate of 1/2 ||. - m||^2 as an update of the first of two channels."""

    def __init__(self, step):
        self.step = nnx.Param(step)

    def __call__(self, seen):
        h, memory, forward, m = jnp.moveaxis(seen, -1, 0)
        sigma = self.step[...]
        new = LeastSquares(None, m).conj_prox(h + sigma * forward, sigma)
        return jnp.stack([new - h, 0 * memory], axis=-1)


class PrimalProx(nnx.Module):
    """The prox of weight ||.||_1 and the extrapolation, as an update of the first two of three."""

    def __init__(self, step, weight):
        self.step, self.weight = nnx.Param(step), weight

    def __call__(self, seen):
        x, ahead, memory, backward = jnp.moveaxis(seen, -1, 0)
        tau = self.step[...]
        new = (self.weight * L1()).prox(x - tau * backward, tau)
        return jnp.stack([new - x, 2 * new - x - ahead, 0 * memory], axis=-1)


@pytest.mark.parametrize("shared", [True, False])
def test_with_classical_proxes_learned_primal_dual_is_the_solver(shared):
    """A / n and m / n inside are the solver at tau / n^2 and sigma, for the weight times n^2."""
    steps, sigma, tau, weight = 8, 0.9, 1.0, 0.1
    module = nn.LearnedPrimalDual(
        steps, operator_norm=NORM, primal=3, dual=2, features=1, shared=shared, rngs=nnx.Rngs(0)
    )
    of_steps = jnp.asarray if shared else lambda value: jnp.full(steps, value)
    module.network = nnx.List([DualProx(of_steps(sigma)), PrimalProx(of_steps(tau), weight)])
    x, ours = quick_jit(lambda m: m(OPERATOR, DATA, START, trace=lambda s: s.primal[..., 0]))(
        module
    )

    def one(m, x0):
        fidelity, prior = LeastSquares(None, m), weight * NORM**2 * L1()
        method = primal_dual_hybrid_gradient(
            prior, fidelity, OPERATOR, primal_step=tau / NORM**2, dual_step=sigma
        )
        ahead = PrimalDualState(x0, fidelity.conj_prox(sigma * OPERATOR(x0), sigma))
        return jr.iterate(method.step, ahead, steps, trace=lambda s: s.x)[1]

    theirs = quick_jit(jax.vmap(one, out_axes=1))(DATA, START)
    assert 0 < jnp.count_nonzero(theirs[-1]) < theirs[-1].size
    assert jnp.abs(theirs[-1] - theirs[-2]).max() > 1e-3  # far from the end, where all agree
    np.testing.assert_allclose(ours, theirs, atol=2e-5)  # some ten roundings of 3 in each step
    np.testing.assert_array_equal(x, ours[-1])


class Descent(nnx.Module):
    """-rate (grad f_1 + smoothing grad f_2) + momentum (x - x'), x' of the step before.

    Memories are not negative, so that x' is kept as its positive and its negative part.
    """

    def __init__(self, rate, smoothing, momentum=0.0):
        self.rate, self.smoothing, self.momentum = nnx.Param(rate), smoothing, momentum

    def __call__(self, seen):
        x, slope, roughness, positive, negative = jnp.moveaxis(seen, -1, 0)
        change = -self.rate[...] * (slope + self.smoothing * roughness)
        change += self.momentum * (x - (positive - negative))
        return jnp.stack([change, x, -x], axis=-1)


def smooth_problem(m, smoothing):
    """1/2 ||A x - m||^2 + smoothing n^2 / 2 ||D x||^2, n^2 times what the network sees."""
    difference = FiniteDifference((8, 8))
    roughness = LeastSquares(difference, jnp.zeros(difference.codomain.shape))
    return LeastSquares(OPERATOR, m) + smoothing * NORM**2 * roughness


def learned_gradient(network, steps, shared, x0):
    module = nn.LearnedGradient(
        steps, operator_norm=NORM, memory=2, features=1, shared=shared, rngs=nnx.Rngs(0)
    )
    module.network = network
    return quick_jit(lambda m: m(OPERATOR, DATA, x0, trace=lambda s: s.x))(module)[1]


@pytest.mark.parametrize("shared", [True, False])
def test_with_a_linear_update_learned_gradient_is_gradient_descent(shared):
    steps, rate, smoothing = 8, 0.4, 0.3
    network = Descent(jnp.asarray(rate) if shared else jnp.full(steps, rate), smoothing)

    def one(m, x0):
        method = gradient_descent(smooth_problem(m, smoothing), rate / NORM**2)
        return jr.solve(method, x0, steps, trace=lambda s: s.x)[1]

    theirs = quick_jit(jax.vmap(one, out_axes=1))(DATA, START)
    assert jnp.abs(theirs[-1] - theirs[-2]).max() > 1e-3
    ours = learned_gradient(network, steps, shared, START)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_the_memory_of_learned_gradient_carries_the_heavy_ball():
    steps, rate, smoothing, momentum = 8, 0.4, 0.3, 0.5

    def one(m, x0):
        f = smooth_problem(m, smoothing)

        def step(state):
            x, before = state
            return x - rate / NORM**2 * f.grad(x) + momentum * (x - before), x

        return jr.iterate(step, (x0, x0), steps, trace=lambda s: s[0])[1]

    nothing = jnp.zeros_like(START)
    theirs = quick_jit(jax.vmap(one, out_axes=1))(DATA, nothing)
    network = Descent(jnp.asarray(rate), smoothing, momentum)
    ours = learned_gradient(network, steps, True, nothing)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_training_starts_from_the_image_given(scheme):
    result = nn.jit(lambda module: module(OPERATOR, DATA, START))(SCHEMES[scheme]())
    np.testing.assert_array_equal(result, START)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_every_weight_is_trained_and_remat_changes_nothing(scheme):
    module = SCHEMES[scheme](scale=1.0)

    def loss(module, remat):
        return jnp.sum((module(OPERATOR, DATA, START, remat=remat) - IMAGES) ** 2)

    gradient = nn.jit(jax.grad(lambda m: loss(m, True)))(module)
    plain = nn.jit(jax.grad(lambda m: loss(m, False)))(module)
    for a, b in zip(
        *(jax.tree.leaves(nnx.state(g, nnx.Param)) for g in (gradient, plain)), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())
        assert np.all(np.any(np.abs(a.reshape(len(a), -1)) > 0, axis=1)[:-1])


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_units_of_the_operator_do_not_matter(scheme):
    module = SCHEMES[scheme](scale=1.0)
    in_metres = SCHEMES[scheme](scale=1.0)
    in_metres.operator_norm[...] = 1e-3 * module.operator_norm[...]
    expected = module(OPERATOR, DATA, START)
    result = in_metres(1e-3 * OPERATOR, 1e-3 * DATA, START)
    np.testing.assert_allclose(result, expected, atol=1e-4 * float(jnp.abs(expected).max()))


def test_bad_input():
    with pytest.raises(ValueError, match="primal >= 2"):
        nn.LearnedPrimalDual(operator_norm=1.0, primal=1, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="memory >= 0"):
        nn.LearnedGradient(operator_norm=1.0, memory=-1, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="at least 2"):
        nn.UpdateNetwork(2, 1, depth=1, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("scheme", [nn.LearnedPrimalDual, nn.LearnedGradient])
def test_complex_operators_and_norms_of_zero_are_refused(scheme):
    module = scheme(1, operator_norm=1.0, rngs=nnx.Rngs(0))
    complex_operator = jr.core.Identity(jr.struct((4, 4), jnp.complex64))
    ones = jnp.ones((1, 4, 4), jnp.complex64)
    with pytest.raises(TypeError, match=scheme.__name__):
        module(complex_operator, ones, ones)
    with pytest.raises(ValueError, match="operator_norm"):
        scheme(1, operator_norm=0.0, rngs=nnx.Rngs(0))
