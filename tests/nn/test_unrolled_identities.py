"""Every unrolled scheme with the classical operation for a network is the classical solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.core import Identity
from jaxrecon.functionals import L1, KullbackLeibler, LeastSquares, SquaredL2, soft_threshold
from jaxrecon.linops import Matrix
from jaxrecon.solvers import (
    admm,
    gradient_descent,
    half_quadratic_splitting,
    ista,
    map_em,
    mlem,
)
from tests.laws.cases import quick_jit
from tests.nn.unrolled_cases import (
    BATCH,
    CODES,
    COMPLEX,
    COMPLEX_DATA,
    COUNTS,
    DATA,
    OPERATOR,
    POSITIVE,
    SHAPE,
    SPARSE_DATA,
    START,
    images,
)

STEPS = 6
WEIGHT = jnp.float32(0.1)


class Threshold(nnx.Module):
    """The soft threshold as a network."""

    def __init__(self, value):
        self.value = nnx.Param(jnp.asarray(value))

    def __call__(self, x):
        return soft_threshold(x, self.value[...])


class Constant(nnx.Module):
    """A network that ignores its input."""

    def __init__(self, images):
        self.images = nnx.Param(images)

    def __call__(self, x):
        return self.images[...][..., None].astype(x.dtype)


def zero(x):
    return jnp.zeros_like(x)


def classical(method, operator, data, x0, steps=STEPS):
    """Images of `method` for LeastSquares(operator, m) of each item."""

    def one(m, start):
        return jr.solve(method(LeastSquares(operator, m)), start, steps)[0]

    return quick_jit(jax.vmap(one))(data, x0)


def unrolled(module, *arguments):
    return quick_jit(lambda m: m(*arguments))(module)


@pytest.mark.parametrize("shared", [True, False])
def test_proximal_gradient_with_soft_threshold_is_ista_bit_for_bit(shared):
    step = jnp.float32(0.8)
    value = step * WEIGHT
    network = Threshold(value if shared else jnp.full(STEPS, value))
    module = nn.UnrolledProximalGradient(network, steps=STEPS, shared=shared, step_size=step)
    x = classical(lambda f: ista(f, WEIGHT * L1(), step), OPERATOR, DATA, START)
    assert 0 < jnp.count_nonzero(x) < x.size
    np.testing.assert_array_equal(unrolled(module, OPERATOR, DATA, START), x)


def test_ista_net_with_identity_transforms_is_ista():
    """H = C relu(B .) is the identity for B x = (x, -x) and C (a, b) = a - b."""
    step = 0.8
    module = nn.ISTANet(
        STEPS, features=2, size=1, threshold=step * float(WEIGHT), residual=False, shared=True,
        step_size=step, rngs=nnx.Rngs(0),
    )  # fmt: skip
    split, join = jnp.array([[1.0, -1.0]]), jnp.array([[1.0, 0.0], [-1.0, 0.0]])
    transform = module.network
    for layer, weights in (
        (transform.forward[0], split),
        (transform.forward[1], join),
        (transform.backward[0], jnp.array([[1.0, -1.0], [0.0, 0.0]])),
        (transform.backward[1], join[:, :1]),
    ):
        assert layer.kernel.shape[2:] == weights.shape
        layer.kernel[...] = weights[None, None]
    x, asymmetry = quick_jit(lambda m: m(OPERATOR, DATA, START, trace=lambda s: s.asymmetry))(
        module
    )
    expected = classical(lambda f: ista(f, WEIGHT * L1(), step), OPERATOR, DATA, START)
    np.testing.assert_allclose(x, expected, atol=1e-6)
    assert jnp.all(asymmetry == 0)


def test_ista_net_plus_adds_the_decoded_features():
    block = nn.TransformThreshold(2, threshold=0.3, rngs=nnx.Rngs(1))
    assert block.encode is not None
    assert block.decode is not None
    x = images(10)[..., None]
    d = block.encode(x)
    h = block.forward[1](jax.nn.relu(block.forward[0](d)))

    def back(c):
        return block.backward[1](jax.nn.relu(block.backward[0](c)))

    y, asymmetry = block.with_asymmetry(x)
    shrunk = jnp.sign(h) * jnp.maximum(jnp.abs(h) - 0.3, 0)
    np.testing.assert_allclose(y, x + block.decode(back(shrunk)), atol=1e-6)
    np.testing.assert_allclose(asymmetry, jnp.mean((back(h) - d) ** 2), rtol=1e-5)


def test_lista_and_alista_start_as_ista():
    step = 1.0  # the matrix has norm one
    start = jnp.zeros((BATCH, 30))
    expected = classical(lambda f: ista(f, WEIGHT * L1(), step), CODES, SPARSE_DATA, start)
    lista = nn.LISTA(CODES.matrix, float(WEIGHT), steps=STEPS)
    alista = nn.ALISTA(CODES.matrix, steps=STEPS, threshold=float(WEIGHT))
    assert 0 < jnp.count_nonzero(expected) < expected.size
    np.testing.assert_allclose(unrolled(lista, SPARSE_DATA), expected, atol=1e-5)
    np.testing.assert_allclose(unrolled(alista, CODES, SPARSE_DATA), expected, atol=1e-6)
    assert nn.parameter_count(alista) == 2 * STEPS


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_analytic_weights_solve_their_quadratic_programs(dtype):
    """Against the optimality conditions 2 G w + mu a = 0, a^H w = 1, solved one by one."""
    random = np.random.default_rng(0)
    a = random.standard_normal((6, 9)) + 1j * random.standard_normal((6, 9))
    a = a.astype(dtype) if dtype == np.complex64 else a.real.astype(dtype)
    w = np.asarray(nn.analytic_weights(a))
    assert w.dtype == dtype
    for i in range(9):
        column = a[:, i : i + 1].astype(complex)
        system = np.block([[2 * a @ a.conj().T, column], [column.conj().T, np.zeros((1, 1))]])
        expected = np.linalg.solve(system, np.append(np.zeros(6), 1))[:6]
        np.testing.assert_allclose(w[:, i], expected, atol=1e-5)


def test_analytic_weights_recover_faster_than_ista():
    random = np.random.default_rng(1)
    a = random.standard_normal((25, 50)).astype(np.float32)
    a /= np.linalg.norm(a, axis=0)
    x = np.zeros((20, 50), np.float32)
    for row in x:
        row[random.choice(50, 3, replace=False)] = random.choice([-1, 1], 3)
    operator, m = Matrix(a), x @ a.T
    thresholds = 0.4 * 0.8 ** np.arange(16)
    alista = nn.ALISTA(nn.analytic_weights(a), steps=16, threshold=thresholds)
    step = 1 / np.linalg.norm(a, 2) ** 2
    usual = nn.ALISTA(a, steps=16, step_size=step, threshold=step * 0.05)
    error, slow = (np.linalg.norm(unrolled(n, operator, m) - x) for n in (alista, usual))
    assert error < slow / 3


def test_half_quadratic_with_soft_threshold_is_the_solver():
    penalties = jnp.linspace(0.5, 3, STEPS)
    module = nn.UnrolledHalfQuadratic(Threshold(0.0), steps=STEPS, shared=True, penalty=penalties)
    penalties = module.numbers()
    module.network = Threshold((1 / penalties) * WEIGHT)
    module.shared = False
    x = classical(
        lambda f: half_quadratic_splitting(f, WEIGHT * L1(), Identity(OPERATOR.domain), penalties),
        OPERATOR, DATA, START,
    )  # fmt: skip
    np.testing.assert_allclose(unrolled(module, OPERATOR, DATA, START), x, atol=2e-6)


def test_admm_net_with_soft_threshold_is_admm():
    """Bit for bit but for the multiplier u + 1 (u' - u), and with the x-update that follows."""
    penalty = 0.7
    module = nn.ADMMNet(
        Threshold(jnp.float32(1 / penalty) * WEIGHT), steps=STEPS, shared=True, penalty=penalty
    )
    x = classical(
        lambda f: admm(f, WEIGHT * L1(), Identity(OPERATOR.domain), penalty),
        OPERATOR, DATA, START, STEPS + 1,
    )  # fmt: skip
    np.testing.assert_allclose(unrolled(module, OPERATOR, DATA, START), x, atol=1e-5)


def test_modl_with_soft_threshold_is_half_quadratic_splitting():
    penalty = 0.7
    module = nn.MoDL(Threshold(WEIGHT / penalty), steps=STEPS, penalty=penalty, iterations=100)
    x = classical(
        lambda f: half_quadratic_splitting(f, WEIGHT * L1(), Identity(OPERATOR.domain), penalty),
        OPERATOR, DATA, START,
    )  # fmt: skip
    np.testing.assert_allclose(unrolled(module, OPERATOR, DATA, START), x, atol=1e-5)


def test_data_consistency_of_complex_data_and_its_derivatives():
    """Against the dense system; derivatives against those of the dense solve."""
    with jax.enable_x64(True):
        a = np.asarray(COMPLEX.matrix, complex)
        operator = Matrix(jnp.asarray(a), SHAPE)
        m, z = (np.asarray(b[0], complex) for b in (COMPLEX_DATA, images(11, jnp.complex64)))
        weights = np.linspace(0.5, 2, m.size)

        def ours(damping, z):
            return nn.data_consistency(operator, m, z, damping, weights=weights, iterations=60)

        def dense(damping, z):
            matrix = a.conj().T @ (weights[:, None] * a) + damping * np.eye(36)
            rhs = a.conj().T @ (weights * m) + damping * z.ravel()
            return jnp.linalg.solve(matrix, rhs).reshape(SHAPE)

        def derivatives(f):
            loss = jax.grad(lambda d, z: jnp.sum(jnp.abs(f(d, z)) ** 4), argnums=(0, 1))
            return f(0.3, z), *quick_jit(loss)(0.3, z)

        for got, expected in zip(derivatives(ours), derivatives(dense), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("operator", "data"), [(OPERATOR, DATA), (COMPLEX, COMPLEX_DATA)], ids=["real", "complex"]
)
def test_variational_network_without_network_is_gradient_descent_bit_for_bit(operator, data):
    step = jnp.float32(0.8)
    start = images(12, data.dtype)
    module = nn.VariationalNetwork(zero, steps=STEPS, shared=True, step_size=step)
    x = classical(lambda f: gradient_descent(f, step), operator, data, start)
    np.testing.assert_array_equal(unrolled(module, operator, data, start), x)


COMPLEX_START = images(12, jnp.complex64)


def soft(value):
    """The soft threshold of complex images as a network of two channels."""

    def network(x):
        y = soft_threshold(jax.lax.complex(x[..., 0], x[..., 1]), value)
        return jnp.stack([y.real, y.imag], axis=-1)

    return network


COMPLEX_SCHEMES = {
    "proximal gradient": (
        nn.UnrolledProximalGradient(soft(0.8 * 0.1), steps=STEPS, shared=True, step_size=0.8),
        lambda f: ista(f, WEIGHT * L1(), 0.8),
        STEPS,
    ),
    "half-quadratic": (
        nn.UnrolledHalfQuadratic(soft(0.1 / 0.7), steps=STEPS, shared=True, penalty=0.7),
        lambda f: half_quadratic_splitting(f, WEIGHT * L1(), Identity(COMPLEX.domain), 0.7),
        STEPS,
    ),
    "ADMM-Net": (
        nn.ADMMNet(soft(0.1 / 0.7), steps=STEPS, shared=True, penalty=0.7),
        lambda f: admm(f, WEIGHT * L1(), Identity(COMPLEX.domain), 0.7),
        STEPS + 1,
    ),
}


@pytest.mark.parametrize("name", COMPLEX_SCHEMES)
def test_with_the_complex_soft_threshold_schemes_are_the_solvers(name):
    """The threshold of the modulus couples real and imaginary part."""
    module, method, steps = COMPLEX_SCHEMES[name]
    x = classical(method, COMPLEX, COMPLEX_DATA, COMPLEX_START, steps)
    found = unrolled(module, COMPLEX, COMPLEX_DATA, COMPLEX_START)
    assert found.dtype == jnp.complex64
    assert jnp.abs(x.imag).max() > 0.1
    np.testing.assert_allclose(found, x, atol=1e-5)


def test_ista_net_of_two_channels_thresholds_both_parts():
    """With identity transforms: the real and the imaginary part, each by itself."""
    step, value = 0.8, 0.08
    module = nn.ISTANet(
        STEPS, features=4, channels=2, size=1, threshold=value, residual=False, shared=True,
        step_size=step, rngs=nnx.Rngs(0),
    )  # fmt: skip
    eye, none = np.eye(2), np.zeros((2, 2))
    transform = module.network
    for layer, weights in (
        (transform.forward[0], np.block([[eye, -eye]])),
        (transform.forward[1], np.block([[eye, none], [-eye, none]])),
        (transform.backward[0], np.block([[eye, -eye], [none, none]])),
        (transform.backward[1], np.vstack([eye, -eye])),
    ):
        assert layer.kernel.shape[2:] == weights.shape
        layer.kernel[...] = jnp.asarray(weights, jnp.float32)[None, None]
    x = COMPLEX_START
    for _ in range(STEPS):
        z = x - step * jax.vmap(lambda a, m: COMPLEX.adjoint(COMPLEX(a) - m))(x, COMPLEX_DATA)
        x = jax.lax.complex(soft_threshold(z.real, value), soft_threshold(z.imag, value))
    found = unrolled(module, COMPLEX, COMPLEX_DATA, COMPLEX_START)
    np.testing.assert_allclose(found, x, atol=1e-5)


@pytest.mark.parametrize("kind", [nn.MoDL, nn.VariationalNetwork])
def test_complex_data_are_trained_on(kind):
    network = nn.CNN((4,), (3, 3), inputs=2, outputs=2, rngs=nnx.Rngs(0))
    module = kind(network, steps=2, shared=True)
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)
    truth, start = images(5, jnp.complex64), jnp.zeros((BATCH, *SHAPE), jnp.complex64)

    @quick_jit
    def loss_and_gradient(p):
        def loss(p):
            x = nnx.merge(graph, p, rest)(COMPLEX, COMPLEX_DATA, start)
            assert x.dtype == jnp.complex64
            return jnp.mean(jnp.abs(x - truth) ** 2)

        return jax.value_and_grad(loss)(p)

    loss, gradient = loss_and_gradient(parameters)
    assert all(jnp.any(g != 0) and jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient))
    moved = jax.tree.map(lambda p, g: p - 0.01 * g, parameters, gradient)
    assert loss_and_gradient(moved)[0] < loss


def test_the_experts_gradient_has_a_potential():
    """Its Jacobian is symmetric, and it is what the formula says."""
    experts = nn.ExpertsGradient(2, channels=2, size=3, centres=5, bound=2.0, rngs=nnx.Rngs(2))
    experts.weights[...] = jax.random.normal(jax.random.key(13), (5, 2))
    x = jax.random.normal(jax.random.key(14), (1, 4, 4, 2))
    jacobian = quick_jit(jax.jacfwd(experts))(x).reshape(32, 32)
    np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-5)
    kernel = np.asarray(experts.kernel[...])
    kernel = kernel - kernel.mean(axis=(0, 1, 2))
    kernel = kernel / np.sqrt((kernel**2).sum(axis=(0, 1, 2)))

    def respond(x):  # K x, written out; its transpose by autodiff
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    response, adjoint = jax.vjp(respond, x)
    centres = np.linspace(-2, 2, 5)
    basis = np.exp(-((np.asarray(response)[..., None] - centres) ** 2) / 2)
    phi = np.einsum("byxcj,jc->byxc", basis, experts.weights[...])
    np.testing.assert_allclose(experts(x), adjoint(jnp.asarray(phi))[0], atol=1e-5)


def test_learned_em_of_vanishing_strength_is_mlem():
    ones = jnp.ones((BATCH, *SHAPE))
    module = nn.LearnedEM(zero, steps=STEPS, strength=1e-9)

    def one(y):
        return jr.solve(mlem(KullbackLeibler(POSITIVE, y, 0.1)), ones[0], STEPS)[0]

    expected = quick_jit(jax.vmap(one))(COUNTS)
    np.testing.assert_allclose(unrolled(module, POSITIVE, COUNTS, ones, 0.1), expected, rtol=1e-4)


def test_learned_em_with_a_constant_network_is_map_em():
    ones, prior = jnp.ones((BATCH, *SHAPE)), jnp.abs(images(15))
    module = nn.LearnedEM(Constant(prior), steps=STEPS, strength=0.4)
    c = module.numbers()[0]

    def one(y, z):
        penalty = c * SquaredL2().translate(z)
        method = map_em(KullbackLeibler(POSITIVE, y, 0.1), penalty, penalty_curvature=c)
        return jr.solve(method, ones[0], STEPS)[0]

    expected = quick_jit(jax.vmap(one))(COUNTS, prior)
    np.testing.assert_allclose(unrolled(module, POSITIVE, COUNTS, ones, 0.1), expected, rtol=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match="least squares only"):
        nn.MoDL(zero, steps=1)(OPERATOR, DATA, START, fidelity=lambda a, m: LeastSquares(a, m))
    with pytest.raises(TypeError, match="real matrix"):
        nn.LISTA(COMPLEX.matrix, 0.1, steps=2)
    with pytest.raises(ValueError, match="columns that are not zero"):
        nn.analytic_weights(jnp.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"a matrix \(M, N\)"):
        nn.ALISTA(jnp.zeros(3), steps=2)
    with pytest.raises(ValueError, match="counts >= 0"):
        nn.LearnedEM(zero, steps=1)(POSITIVE, -COUNTS, jnp.ones((BATCH, *SHAPE)))
    with pytest.raises(TypeError, match="real operator"):
        nn.LearnedEM(zero, steps=1)(COMPLEX, COUNTS, jnp.ones((BATCH, *SHAPE)))
    with pytest.raises(ValueError, match="odd size"):
        nn.ExpertsGradient(2, size=4, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="threshold must be positive"):
        nn.TransformThreshold(2, threshold=0, rngs=nnx.Rngs(0))
