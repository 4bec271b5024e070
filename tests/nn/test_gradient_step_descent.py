"""Descent with a gradient step of a bound that is certain, and how a penalty leads to a bound."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxrecon import nn, noise, solve
from jaxrecon.functionals import LeastSquares
from jaxrecon.linops import Convolution
from jaxrecon.solvers import fourier_quadratic, gradient_descent, ista

SHAPE = (12, 12)
LAM = 0.5
BOUND = 0.9
RANDOM = np.random.default_rng(0)


def sums(kernel):
    """The largest sum of |k| over what enters one output, and over what one input enters."""
    size = jnp.sum(jnp.abs(kernel), axis=(0, 1))
    return jnp.max(jnp.sum(size, axis=0)), jnp.max(jnp.sum(size, axis=1))


def bounded_step():
    r"""A gradient step with a grad g of the Lipschitz constant BOUND or less, whatever x.

    With N(x) = x - r, r = -C_2 tanh(C_1 x), the Hessian is J^T J + C_1^T S C_1, with J the Jacobian
    of r and S diagonal, at most |tanh''| |C_2^T r|. ||C||^2 is at most the product of its two
    largest sums (Schur's test), which bound |C_2^T r| too as |tanh| <= 1, and |tanh''| is at most
    4 / 27^(1/2). The bound is quadratic in C_1, which is scaled to it. Kernels without signs come
    near it.
    """
    network = nn.DnCNN(2, 4, activation=jnp.tanh, rngs=nnx.Rngs(0))
    first, second = network.layers
    first.kernel[...], second.kernel[...] = jnp.abs(first.kernel[...]), jnp.abs(second.kernel[...])
    outputs, inputs = sums(second.kernel[...])
    norms = jnp.prod(jnp.stack(sums(first.kernel[...])))
    bound = norms * outputs * inputs * (1 + 4 / 27**0.5)
    first.kernel[...] = first.kernel[...] * jnp.sqrt(BOUND / bound)
    return nn.GradientStep(network)


def fidelity():
    """f of a blurred image with noise, with its prox."""
    profile = jnp.array([1.0, 2.0, 1.0]) / 4
    operator = Convolution(jnp.outer(profile, profile), SHAPE)
    m = noise.gaussian(jax.random.key(0), operator(jnp.asarray(RANDOM.uniform(size=SHAPE))), 0.1)
    return fourier_quadratic(LeastSquares(operator, m), operator.domain)


def sufficient_decrease(costs, images, step, lipschitz):
    """F(x') <= F(x) - (1/s - L/2) ||x' - x||^2 in every step."""
    squares = jnp.sum(jnp.diff(images, axis=0) ** 2, axis=(1, 2))
    assert squares[0] > 1e-6
    allowed = costs[:-1] - (1 / step - lipschitz / 2) * squares
    assert jnp.all(costs[1:] <= allowed + 1e-12)


def test_the_norm_of_the_hessian_is_within_the_bound():
    step = bounded_step()
    scale = jnp.linspace(0, 3, 8)[:, None, None, None]
    x = scale * jax.random.normal(jax.random.key(1), (8, *SHAPE, 1))
    norms = jax.jit(lambda x: nn.jacobian_norm(step.gradient, x, iterations=30))(x)
    assert jnp.all(norms < BOUND)
    assert jnp.max(norms) > 0.3 * BOUND


@pytest.mark.parametrize("method", ["proximal gradient", "gradient descent"])
def test_the_cost_falls_in_every_step_within_the_bound(method):
    with jax.enable_x64(True):
        f, g = fidelity(), LAM * nn.GradientStepPotential(bounded_step())
        if method == "proximal gradient":
            lipschitz = LAM * BOUND
            step = 0.99 / lipschitz
            solver = ista(g, f, step)
        else:
            lipschitz = f.lipschitz() + LAM * BOUND
            step = 0.99 / lipschitz
            solver = gradient_descent(f + g, step)

        @jax.jit
        def run(x):
            return solve(solver, x, 50, trace=lambda s: (f(s.x) + g(s.x), s.x))[1]

        costs, images = run(jnp.zeros(SHAPE))
        sufficient_decrease(costs, images, step, lipschitz)


def test_plug_and_play_with_the_denoiser_as_a_prox_descends_on_the_cost_that_it_has():
    """x' = D(z) = prox_phi(z), z = x - s grad f(x), with phi(D(z)) = g(z) - ||z - D(z)||^2 / 2.

    f has the constant L, and s L < 1: s f + phi falls.
    """
    with jax.enable_x64(True):
        f, denoiser = fidelity(), bounded_step()
        prior = nn.DenoiserPrior(denoiser, lambda network, x, sigma: nn.on_images(network, x))
        potential = nn.GradientStepPotential(denoiser)
        step = 0.99 / f.lipschitz()
        solver = ista(f, prior, step)

        @jax.jit
        def run(x):
            return solve(solver, x, 50, trace=lambda s: s.x)[1]

        images = run(jnp.zeros(SHAPE))

        @jax.jit
        @jax.vmap
        def cost(x, after):
            z = x - step * f.grad(x)
            return step * f(after) + potential(z) - jnp.sum((z - after) ** 2) / 2

        costs = cost(images[:-1], images[1:])
        assert jnp.all(jnp.diff(costs) <= 1e-12)
        assert costs[0] - costs[-1] > 1e-4


def test_a_few_steps_down_the_penalty_bring_the_norm_below_the_limit():
    limit = 0.5
    network = nn.DnCNN(3, 8, activation=jax.nn.silu, rngs=nnx.Rngs(0))
    last = network.layers[-1]
    last.kernel[...] = 6 * last.kernel[...]
    x = jax.random.normal(jax.random.key(2), (2, *SHAPE, 1))
    optimiser = optax.adam(0.01)
    graph, state = nnx.split(nn.GradientStep(network))

    def penalty(state):
        step = nnx.merge(graph, state)
        return nn.lipschitz_penalty(step.gradient, x, limit, iterations=8)

    @jax.jit
    def improve(state, moments):
        value, slope = jax.value_and_grad(penalty)(state)
        updates, moments = optimiser.update(slope, moments, state)
        return optax.apply_updates(state, updates), moments, value

    moments, values = optimiser.init(state), []
    for _ in range(25):
        state, moments, value = improve(state, moments)
        values.append(float(value))
    assert values[0] > 0.5
    assert values[-1] == 0
    after = nnx.merge(graph, state)
    norms = jax.jit(lambda x: nn.jacobian_norm(after.gradient, x, iterations=50))(x)
    assert jnp.all(norms < limit + 0.02)
