"""Anderson acceleration, and the derivatives of equilibrium models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.core import FunctionOperator, Identity
from jaxrecon.functionals import L1, LeastSquares
from jaxrecon.linops import Matrix
from jaxrecon.mri import Sense
from jaxrecon.solvers import anderson, ista
from tests.laws.cases import quick_jit


def affine(parameters, x):
    matrix, offset = parameters
    return matrix @ x + offset


def contraction(n, largest):
    """M with the spectrum from -1/2 to `largest`, b, and the fixed point of x = M x + b."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    matrix = q @ np.diag(np.linspace(-0.5, largest, n)) @ q.T
    offset = rng.standard_normal(n)
    return matrix, offset, np.linalg.solve(np.eye(n) - matrix, offset)


def error_after(method, steps, exact):
    x = quick_jit(lambda m: jr.solve(m, jnp.zeros(exact.size), steps)[0])(method)
    return np.linalg.norm(x - exact) / np.linalg.norm(exact)


def test_anderson_beats_the_plain_iteration_on_a_contraction():
    with jax.enable_x64(True):
        matrix, offset, exact = contraction(40, 0.99)
        plain = nn.LearnedStep((jnp.asarray(matrix), jnp.asarray(offset)), affine)
        assert error_after(plain, 100, exact) > 0.2  # 0.99^100 = 0.37 of the slowest part is left
        assert error_after(anderson(plain, 5), 100, exact) < 1e-3
        assert error_after(anderson(plain, 10), 100, exact) < 1e-5


def test_with_full_memory_it_ends_after_as_many_steps_as_dimensions():
    """For affine steps it is GMRES, which is done after n steps; one more shows the point."""
    with jax.enable_x64(True):
        matrix, offset, exact = contraction(6, 0.95)
        plain = nn.LearnedStep((jnp.asarray(matrix), jnp.asarray(offset)), affine)
        assert error_after(anderson(plain, 6, regularisation=0.0), 7, exact) < 1e-8


def test_a_safeguard_of_zero_is_the_plain_iteration():
    matrix, offset, _ = contraction(6, 0.95)
    plain = nn.LearnedStep((jnp.asarray(matrix), jnp.asarray(offset)), affine)
    x, _ = jr.solve(plain, jnp.zeros(6), 9)
    y, _ = jr.solve(anderson(plain, 3, safeguard=0.0), jnp.zeros(6), 9)
    np.testing.assert_array_equal(x, y)


def test_a_step_that_leaves_the_domain_is_taken_back():
    """x -> sqrt(x): extrapolation below 0 gives NaN from there; the plain step goes on."""
    root = nn.LearnedStep(jnp.ones(1), lambda p, x: jnp.where(x > 0, jnp.sqrt(x), jnp.nan) * p)
    end = jr.solve_until(anderson(root, 2), jnp.full(1, 100.0), 60, tolerance=1e-6)
    assert end.status == jr.Status.CONVERGED
    np.testing.assert_allclose(end.x, 1, rtol=1e-5)


def test_anderson_of_a_nonsmooth_method():
    """ISTA for an l1 penalty, by the conditions of optimality: |grad f| <= 1/2, and on the support
    grad f = -sign(x) / 2."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(3)
        f = LeastSquares(Matrix(jnp.asarray(rng.standard_normal((30, 40)))), jnp.ones(30))
        method = ista(f, 0.5 * L1())
        run = quick_jit(lambda m: jr.solve(m, jnp.zeros(40), 500)[0])

        def violation(x):
            slope = f.grad(x)
            off = jnp.maximum(jnp.abs(slope) - 0.5, 0)
            return float(jnp.max(jnp.where(x == 0, off, jnp.abs(slope + 0.5 * jnp.sign(x)))))

        assert violation(run(anderson(method))) < 1e-7
        assert violation(run(method)) > 1e-4


def nonlinear(parameters, x):
    matrix, offset = parameters
    return jnp.tanh(matrix @ x + offset)


def directional(loss, at):
    """(derivative of the loss along a random direction, central difference)."""
    rng = np.random.default_rng(4)
    leaves, tree = jax.tree.flatten(at)
    along = tree.unflatten([jnp.asarray(rng.standard_normal(a.shape)) for a in leaves])

    @quick_jit
    def both(t):
        moved = jax.tree.map(lambda a, d: a + t * d, at, along)
        value, slope = jax.value_and_grad(loss)(moved)
        parts = jax.tree.map(jnp.vdot, slope, along)
        return value, sum(jax.tree.leaves(parts))

    h = 1e-5
    return both(0.0)[1], (both(h)[0] - both(-h)[0]) / (2 * h)


@pytest.mark.parametrize("memory", [0, 4])
def test_implicit_derivatives_equal_finite_differences(memory):
    with jax.enable_x64(True):
        matrix, offset, _ = contraction(8, 0.8)
        at = jnp.asarray(matrix), jnp.asarray(offset)

        def loss(p):
            end = nn.equilibrium(nonlinear, p, jnp.zeros(8), 200, tolerance=1e-13, memory=memory)
            return jnp.sum(end.x**3)

        np.testing.assert_allclose(*directional(loss, at), rtol=1e-7)


def test_one_step_derivatives_are_those_of_one_step():
    """dx = dS instead of (I - M)^-1 dS: for x = M x + b, d x / d b = I."""
    with jax.enable_x64(True):
        matrix, offset, exact = contraction(8, 0.3)

        def point(b):
            options = {"tolerance": 1e-13, "derivative": "one step"}
            return nn.equilibrium(affine, (jnp.asarray(matrix), b), jnp.zeros(8), **options).x

        b = jnp.asarray(offset)
        np.testing.assert_allclose(point(b), exact, rtol=1e-10)
        np.testing.assert_allclose(jax.jacrev(point)(b), np.eye(8), atol=1e-12)


def test_memory_does_not_grow_with_the_length():
    def temporary(length):
        def loss(p, x):
            return jnp.sum(nn.equilibrium(nonlinear, p, x, length).x)

        at = jnp.eye(200) / 2, jnp.ones(200)
        compiled = quick_jit(jax.grad(loss)).lower(at, jnp.zeros(200)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary(500) == temporary(10)


def model(**options):
    network = nn.CNN((3,), (3, 3), residual=False, rngs=nnx.Rngs(0))
    return nn.DeepEquilibrium(network, step_size=0.4, **options)


def batch():
    rng = np.random.default_rng(5)
    operator = Matrix(jnp.asarray(rng.standard_normal((20, 36)) / 6)) @ FunctionOperator(
        jnp.ravel, jr.struct((6, 6), float)
    )
    data = jnp.asarray(rng.standard_normal((2, 20)))
    return operator, data, jax.vmap(operator.adjoint)(data)


def test_a_deep_equilibrium_is_a_fixed_point_with_derivatives():
    with jax.enable_x64(True):
        operator, data, x0 = batch()
        graph, state = nnx.split(jax.tree.map(lambda a: a.astype(float), model(tolerance=1e-12)))
        module = nnx.merge(graph, state)
        end = quick_jit(lambda d: module.solve(operator, d, x0))(data)
        assert jnp.all(end.status == jr.Status.CONVERGED)
        residual = jax.vmap(operator)(end.x) - data
        z = end.x - 0.4 * jax.vmap(operator.adjoint)(residual)
        np.testing.assert_allclose(nn.on_images(module.network, z), end.x, atol=1e-9)

        def loss(state):
            return jnp.sum(nnx.merge(graph, state)(operator, data, x0) ** 2)

        np.testing.assert_allclose(*directional(loss, state), rtol=1e-5)


def complex_model(**options):
    """Real and imaginary part as channels; a last kernel with which steps contract by one half."""
    network = nn.CNN((3,), (3, 3), inputs=2, outputs=2, residual=False, rngs=nnx.Rngs(0))
    network.layers[1].kernel[...] *= 4
    module = nn.DeepEquilibrium(network, step_size=0.7, **options)
    return jax.tree.map(lambda a: a.astype(float), module)


def complex_batch():
    rng = np.random.default_rng(7)
    maps = rng.standard_normal((2, 4, 6)) + 1j * rng.standard_normal((2, 4, 6))
    maps /= np.sqrt(np.sum(np.abs(maps) ** 2, axis=0))
    operator = Sense(jnp.asarray(maps), rng.random((4, 6)) < 0.6)
    images = rng.standard_normal((2, 4, 6)) + 1j * rng.standard_normal((2, 4, 6))
    data = jax.vmap(operator)(jnp.asarray(images))
    return operator, data, jax.vmap(operator.adjoint)(data)


def test_complex_images_have_a_fixed_point_with_the_derivatives_of_the_unrolled_steps():
    with jax.enable_x64(True):
        operator, data, x0 = complex_batch()
        graph, state = nnx.split(complex_model(length=100, tolerance=1e-13))

        def implicit(state, data):
            end = nnx.merge(graph, state).solve(operator, data, x0)
            return jnp.sum(jnp.abs(end.x) ** 2), end

        def unrolled(state, data, steps=60):
            module = nnx.merge(graph, state)
            x, _ = jr.iterate(lambda x: module.step(operator, data, x), x0, steps)
            return jnp.sum(jnp.abs(x) ** 2), x

        both = (0, 1)
        by_points = quick_jit(jax.grad(implicit, both, has_aux=True))
        by_steps = quick_jit(jax.grad(unrolled, both, has_aux=True))
        slopes, end = by_points(state, data)
        expected, x = by_steps(state, data)
        assert jnp.all(end.status == jr.Status.CONVERGED)
        assert end.x.dtype == complex
        np.testing.assert_allclose(end.x, x, atol=1e-10)
        for a, b in zip(jax.tree.leaves(slopes), jax.tree.leaves(expected), strict=True):
            assert jnp.abs(b).max() > 1e-3
            np.testing.assert_allclose(a, b, atol=1e-9 * float(jnp.abs(b).max()))


class Scaled(nnx.Module):
    def __init__(self, factor):
        self.factor = nnx.Param(jnp.asarray(factor))

    def __call__(self, x):
        return self.factor[...] * x


@pytest.mark.parametrize(("factor", "contracts"), [(0.9, True), (3.0, False)])
def test_the_result_says_whether_the_step_contracts(factor, contracts):
    """x -> factor (x - eta A^T (A x - m)) has the Jacobian factor (I - eta A^T A)."""
    operator, data, x0 = batch()
    module = nn.DeepEquilibrium(Scaled(factor), step_size=0.4, length=30, tolerance=1e-5)
    end = quick_jit(lambda d: module.solve(operator, d, x0))(data)
    assert np.all((end.status == jr.Status.CONVERGED) == contracts)
    assert np.all((end.residual < 1e-5) == contracts)
    matrix = np.stack([operator(e.reshape(6, 6)) for e in np.eye(36, dtype=np.float32)], axis=1)
    expected = np.linalg.norm(factor * (np.eye(36) - 0.4 * matrix.T @ matrix), 2)
    got = quick_jit(lambda x: module.contraction(operator, data, x, iterations=60))(end.x)
    np.testing.assert_allclose(got, expected, rtol=1e-2)
    assert (expected < 1) == contracts
    if contracts:
        np.testing.assert_allclose(module.step(operator, data, end.x), end.x, atol=1e-4)


def test_contraction_of_complex_images():
    rng = np.random.default_rng(6)
    matrix = (rng.standard_normal((5, 4)) + 1j * rng.standard_normal((5, 4))).astype(np.complex64)
    operator = Matrix(jnp.asarray(matrix / 4), (2, 2))
    data = jnp.ones((2, 5), jnp.complex64)
    module = nn.DeepEquilibrium(Scaled(0.8), step_size=0.5)
    got = module.contraction(operator, data, jnp.ones((2, 2, 2), jnp.complex64), iterations=60)
    gram = matrix.conj().T @ matrix / 16
    expected = 0.8 * np.linalg.norm(np.eye(4) - 0.5 * gram, 2)
    np.testing.assert_allclose(got, expected, rtol=1e-2)


@pytest.mark.slow
def test_too_few_steps_are_told():
    operator, data, x0 = batch()
    end = model(length=2, tolerance=1e-7).solve(operator, data, x0)
    assert np.all(end.status == jr.Status.NOT_CONVERGED)
    assert np.all(end.iterations == 4)  # two accelerated and two plain ones
    assert np.all(end.residual > 1e-7)


def test_bad_batches_and_channels():
    operator, data, x0 = batch()
    with pytest.raises(
        ValueError, match=r"as many of each.*x0 float32\[2,6,6\], measurements float32\[1,20\]"
    ):
        model()(operator, data[:1], x0)
    with pytest.raises(
        ValueError, match=r"each item of measurements of float32\[20\], got float32\[1\]"
    ):
        model()(operator, data[:, :1], x0)
    with pytest.raises(ValueError, match=r"a batch of x0 \(batch, 6, 6\)"):
        model()(operator, data[0], x0[0])
    volumes = jnp.ones((2, 3, 6, 6))
    with pytest.raises(ValueError, match=r"an operator on images \(y, x\)"):
        model()(Identity(jr.struct((3, 6, 6))), volumes, volumes)
    with pytest.raises(TypeError, match=r"each item of measurements.*got int32"):
        model()(operator, data.astype(jnp.int32), x0)
    network = nn.CNN((3,), (3, 3), inputs=2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"expected 2 channels.*with 1.*`inputs`"):
        nn.DeepEquilibrium(network)(operator, data, x0)
    with pytest.raises(ValueError, match="step_size > 0"):
        nn.DeepEquilibrium(network, step_size=0.0)
    for options, message in (
        ({"derivative": "foo"}, "derivative to be one of"),
        ({"memory": -1}, "memory >= 0"),
    ):
        with pytest.raises(ValueError, match=message):
            model(**options)
    for options, message in (({"length": 0}, "length"), ({"tolerance": -1.0}, "tolerance")):
        with pytest.raises(ValueError, match=message):
            model(**options)(operator, data, x0)


def test_bad_input():
    with pytest.raises(ValueError, match="whole number"):
        anderson(nn.LearnedStep((), affine), 0)
    with pytest.raises(ValueError, match="safeguard"):
        anderson(nn.LearnedStep((), affine), safeguard=-1.0)
    operator, data, x0 = batch()
    with pytest.raises(ValueError, match="each item of x0 of float32"):
        model()(operator, data, x0[:, :5])
