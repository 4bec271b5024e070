"""What all unrolled schemes have in common: sharing, training, and every iterate on demand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxrecon import mri, nn
from jaxrecon.functionals import LeastSquares
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from tests.laws.cases import quick_jit
from tests.nn.unrolled_cases import CASES, DATA, OPERATOR, START, STEPS, networks

GROUPS = (0, 1, 1)

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def grouped_and_copied(case):
    """The scheme with partly shared weights, and with copies of them in each step."""
    grouped, copies = case.make(GROUPS), case.make(False)
    copies.network = nn.spread(grouped.network, GROUPS)
    return grouped, copies


@every
def test_partly_shared_weights_equal_unshared_copies(case):
    x, expected = (quick_jit(lambda m: m(*case.arguments))(m) for m in grouped_and_copied(case))
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_gradients_of_steps_that_share_are_added():
    case = CASES[0]
    of = quick_jit(jax.grad(lambda module: jnp.sum((module(*case.arguments) - 1) ** 2)))
    gradients = [of(m).network for m in grouped_and_copied(case)]
    for a, b in zip(*map(jax.tree.leaves, gradients), strict=True):
        scale = float(jnp.max(jnp.abs(b)))
        np.testing.assert_allclose(a, jnp.stack([b[0], b[1] + b[2]]), atol=1e-5 * scale)


@every
def test_everything_is_trained_and_a_step_reduces_the_loss(case):
    module = case.make(True)
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)
    target = 1.2

    @quick_jit
    def loss_and_gradient(parameters):
        def loss(p):
            x, history = nnx.merge(graph, p, rest)(*case.arguments, trace=case.trace)
            return jnp.mean((x - target) ** 2) + 0.1 * jnp.mean((history - target) ** 2)

        return jax.value_and_grad(loss)(parameters)

    loss, gradient = loss_and_gradient(parameters)
    for path, leaf in jax.tree_util.tree_flatten_with_path(gradient)[0]:
        assert jnp.all(jnp.isfinite(leaf)), path
        each_step = leaf if leaf.shape == (STEPS,) else jnp.any(leaf != 0)
        assert jnp.all(each_step != 0), path
    adam = optax.sgd(1e-3)
    updates, _ = adam.update(gradient, adam.init(parameters), parameters)
    assert loss_and_gradient(optax.apply_updates(parameters, updates))[0] < loss


@every
def test_deep_supervision_sees_the_iterates(case):
    """Record k is what a scheme of k steps has."""
    module = case.make(True)
    run = quick_jit(lambda m: m(*case.arguments, trace=case.trace))
    x, history = run(module)
    assert history.shape == (STEPS, *x.shape)
    shorter = jax.tree.map(lambda a: a[:2] if a.shape == (STEPS,) else a, module)
    shorter.steps = 2
    np.testing.assert_allclose(run(shorter)[1], history[:2], atol=1e-6)
    if case.ends_at_record:
        np.testing.assert_array_equal(x, history[-1])


def test_neither_trace_nor_recomputation_changes_the_result():
    case = CASES[0]
    module = case.make(True)
    x, _ = module(*case.arguments, trace=lambda s: s.x)
    np.testing.assert_allclose(module(*case.arguments), x, atol=1e-6)
    np.testing.assert_allclose(module(*case.arguments, remat=False), x, atol=1e-6)

    def slopes(remat):
        return jax.grad(lambda m: jnp.sum(m(*case.arguments, remat=remat) ** 2))(module)

    for a, b in zip(*map(jax.tree.leaves, (slopes(True), slopes(STEPS))), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * float(jnp.abs(b).max()))
    with pytest.raises(ValueError, match="remat = 2"):
        module(*case.arguments, remat=2)


def test_fixed_numbers_are_not_trained():
    for learned in (True, False):
        module = nn.UnrolledHalfQuadratic(networks(True), steps=2, shared=True, learned=learned)
        kind = nnx.Param if learned else nn.Frozen
        assert isinstance(module.log_penalties, kind)
        trained = nn.parameter_count(module) - nn.parameter_count(module.network)
        assert trained == (2 if learned else 0)


def test_a_trace_of_an_own_scheme():
    x, history = nn.unroll(lambda p, x: p * x, jnp.array([2.0, 3.0]), 1.0, trace=lambda x: x)
    assert x == 6
    np.testing.assert_array_equal(history, [2, 6])
    x, history = nn.unroll(lambda p, x: p * x, 2.0, 1.0, length=3, trace=lambda x: x)
    np.testing.assert_array_equal(history, [2, 4, 8])


def test_bad_input():
    with pytest.raises(ValueError, match="one index for each of 3 steps"):
        nn.UnrolledProximalGradient(networks((0, 1)), steps=3, shared=(0, 1))
    with pytest.raises(ValueError, match="need 2 networks stacked"):
        nn.UnrolledProximalGradient(networks(False), steps=STEPS, shared=GROUPS)
    with pytest.raises(ValueError, match="numbered from 0"):
        nn.spread(jnp.ones((2, 4)), (1, 2, 2))
    with pytest.raises(ValueError, match="penalty > 0"):
        nn.ADMMNet(networks(True), steps=2, shared=True, penalty=0.0)
    with pytest.raises(ValueError, match="another size"):
        nn.UnrolledProximalGradient(networks(True), steps=2, shared=True)(
            OPERATOR, DATA[:, :-1], START
        )


def test_complex_data_fidelities_are_not_computed_again_in_the_backward_pass():
    """A and A^H of a step forward, and both backward."""
    maps = jax.random.normal(jax.random.key(0), (2, 4, 5), jnp.complex64)
    operator = mri.Sense(maps)
    x0 = jax.random.normal(jax.random.key(1), (1, 4, 5), jnp.complex64)
    data = BatchedFidelity(LeastSquares, operator, jax.vmap(operator)(x0 + 1))

    def loss(p, remat):
        x = nn.unroll(lambda p, x: jnp.tanh(x - p * data.grad(x)), p, x0, remat=remat)
        return jnp.sum(jnp.abs(x) ** 2)

    p = jnp.full(3, 0.1)
    program = str(jax.make_jaxpr(lambda p: jax.grad(loss)(p, True))(p))
    assert program.count("jaxrecon_matched[") == 4
    np.testing.assert_allclose(jax.grad(loss)(p, True), jax.grad(loss)(p, False), rtol=1e-4)
