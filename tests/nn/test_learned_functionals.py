"""Gradient-step denoisers, fields of experts, convex ridges: what is promised of them."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import ndimage
from scipy.integrate import quad

from jaxrecon import nn
from jaxrecon.train import fit
from tests.laws.cases import quick_jit

IMAGE = jax.random.normal(jax.random.key(0), (6, 6))


@pytest.fixture(scope="module")
def denoiser():
    return nn.GradientStep(nn.DnCNN(2, 4, inputs=2, rngs=nnx.Rngs(0)))


def residual(denoiser, x):
    """grad g of batches (batch, y, x) at noise level 0.1."""
    return jax.vmap(nn.GradientStepPotential(denoiser, 0.1).grad)(x)


def test_denoiser_is_a_step_down_its_potential(denoiser):
    f = nn.GradientStepPotential(denoiser, 0.1)
    np.testing.assert_allclose(
        nn.on_images(denoiser, IMAGE, 0.1), IMAGE - jax.grad(f)(IMAGE), atol=1e-6
    )
    network = nn.on_images(denoiser.network, IMAGE, 0.1)
    np.testing.assert_allclose(f(IMAGE), jnp.sum((IMAGE - network) ** 2) / 2, rtol=1e-5)


def test_complex_denoiser():
    complex_denoiser = nn.GradientStep(
        nn.DnCNN(2, 4, inputs=2, outputs=2, rngs=nnx.Rngs(0)), channels=2
    )
    f = nn.GradientStepPotential(complex_denoiser)
    x = jax.lax.complex(IMAGE, IMAGE.T)
    np.testing.assert_allclose(f.grad(x), jax.grad(f)(x).conj(), atol=1e-5)


def test_jacobian_norm_of_each_image(denoiser):
    """The Jacobian of the residual is symmetric, and its norm is its largest singular value."""
    x = jax.random.normal(jax.random.key(1), (2, 4, 4))
    jacobian = jax.jit(jax.jacobian(lambda x: residual(denoiser, x)))(x).reshape(2, 16, 2, 16)
    norms = jax.jit(lambda x: nn.jacobian_norm(lambda z: residual(denoiser, z), x, iterations=200))
    for i, norm in enumerate(norms(x)):
        one = np.asarray(jacobian[i, :, i])
        np.testing.assert_allclose(one, one.T, atol=1e-5)
        np.testing.assert_allclose(norm, np.linalg.svd(one, compute_uv=False)[0], rtol=1e-3)


def test_jacobian_norm_of_a_map_that_is_not_symmetric():
    matrix = jax.random.normal(jax.random.key(2), (5, 5))
    norm = nn.jacobian_norm(lambda x: x @ matrix, jnp.ones((1, 5)), iterations=100)
    np.testing.assert_allclose(norm, [np.linalg.norm(matrix, 2)], rtol=1e-4)
    assert nn.jacobian_norm(lambda x: 0 * x, jnp.ones((1, 5))) == 0


def test_lipschitz_penalty_pushes_the_norm_down():
    """d||A|| / dA = u v^T, so that a step against it lowers the largest singular value by it."""
    matrix = jax.random.normal(jax.random.key(3), (4, 4))

    def penalty(matrix, limit):
        return nn.lipschitz_penalty(lambda x: x @ matrix, jnp.ones((3, 4)), limit, iterations=200)

    u, s, v = np.linalg.svd(np.asarray(matrix))
    value, gradient = jax.value_and_grad(penalty)(matrix, 0.5)
    np.testing.assert_allclose(value, s[0] - 0.5, rtol=1e-4)
    np.testing.assert_allclose(gradient, np.outer(u[:, 0], v[0]), atol=1e-3)
    assert penalty(matrix, 1.1 * float(s[0])) == 0


def test_penalty_reaches_every_parameter_of_a_denoiser(denoiser):
    def penalty(denoiser):
        return nn.lipschitz_penalty(lambda z: residual(denoiser, z), IMAGE[None], 0.0, iterations=3)

    gradient = nnx.to_pure_dict(nnx.state(jax.jit(jax.grad(penalty))(denoiser)))
    kernels = [layer["kernel"] for layer in gradient["network"]["layers"].values()]
    assert all(bool(jnp.any(k != 0)) and bool(jnp.all(jnp.isfinite(k))) for k in kernels)


REGULARISERS = {
    "fields of experts": lambda: nn.fields_of_experts(3, 3, rngs=nnx.Rngs(0)),
    "convex ridge": lambda: nn.convex_ridge(3, 3, 4, reach=2.0, rngs=nnx.Rngs(0)),
}


@pytest.mark.parametrize("name", REGULARISERS)
def test_lipschitz_is_a_bound_and_a_close_one(name):
    """The Hessian at 0 is the sum of weighted W_c^T W_c, where both curve most."""
    f = REGULARISERS[name]()
    hessian = np.asarray(jax.jit(jax.hessian(f))(jnp.full((12, 12), 1e-4))).reshape(144, 144)
    norm, bound = np.linalg.norm(hessian, 2), float(f.lipschitz())
    assert norm <= bound * (1 + 1e-5)
    assert bound <= 1.3 * norm  # zero padding of 12 x 12 pixels, and the factor between samples


def test_bound_is_exact_for_large_images():
    """Of a difference filter [-1, 0, 1]: |w^|^2 = 4 sin^2, with the largest value 4."""
    kernel = jnp.asarray([-1.0, 0, 1]).reshape(1, 3, 1)
    bound = float(nn.filter_bank_bound(kernel, jnp.ones(1)))
    assert 4 <= bound <= 4.02
    eigenvalues = 4 * np.cos(np.pi / 401) ** 2  # of 400 pixels, zero padded
    assert eigenvalues <= bound


def test_bound_is_exact_for_large_volumes():
    """Of differences along all three axes: |w^|^2 is the product of three 4 sin^2."""
    difference = jnp.asarray([-1.0, 0, 1])
    kernel = jnp.einsum("i,j,k->ijk", difference, difference, difference)[..., None]
    bound = float(nn.filter_bank_bound(kernel, jnp.ones(1)))
    assert 64 <= bound <= 64 / np.cos(np.pi / 32) ** 3 * (1 + 1e-5)
    assert 64 * np.cos(np.pi / 401) ** 6 <= bound  # of 400 voxels a side, zero padded


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 4)])
@pytest.mark.parametrize("dtype", [float, complex])
def test_fields_of_experts_as_written_out(shape, dtype):
    """R and its gradient, the sum of exp(a_c) W_c^T (y_c / (1 + |y_c|^2 / 2)), y_c = W_c x."""
    with jax.enable_x64(True):
        experts = nn.fields_of_experts(2, 3, dims=len(shape), rngs=nnx.Rngs(0))
        rng = np.random.default_rng(8)
        x = rng.standard_normal(shape).astype(dtype)
        x += 1j * rng.standard_normal(shape) if dtype is complex else 0
        value, slope = 0.0, np.zeros_like(x)
        kernels = np.asarray(experts.kernels[...], float)
        for kernel, a in zip(np.moveaxis(kernels, -1, 0), experts.log_weights[...], strict=True):
            kernel = kernel - kernel.mean()
            y = ndimage.correlate(x, kernel, mode="constant")
            value += np.exp(a) * np.sum(np.log1p(np.abs(y) ** 2 / 2))
            part = y / (1 + np.abs(y) ** 2 / 2)
            slope += np.exp(a) * ndimage.convolve(part, kernel, mode="constant")
        run = quick_jit(lambda f, x: (f(x), f.grad(x)))
        got, gradient = run(experts, jnp.asarray(x))
        np.testing.assert_allclose(got, value, rtol=1e-12)
        np.testing.assert_allclose(gradient, slope, atol=1e-12)


def test_ridge_is_convex_and_fields_of_experts_weakly_so():
    ridge, experts = REGULARISERS["convex ridge"](), REGULARISERS["fields of experts"]()
    curvature = float(experts.lipschitz()) / 16
    values = {
        "ridge": jax.jit(jax.vmap(ridge)),
        "experts": jax.jit(jax.vmap(lambda x: experts(x) + curvature * jnp.sum(x**2))),
    }
    a, b = (5 * jax.random.normal(jax.random.key(i), (20, 6, 6)) for i in (4, 5))
    for f in values.values():
        ends, middle = (f(a) + f(b)) / 2, f((a + b) / 2)
        assert jnp.all(middle <= ends * (1 + 1e-5))
    along = [float(experts(c * a[0])) for c in (1, 2, 3)]
    assert along[1] > (along[0] + along[2]) / 2  # concave far out, along rays


def test_potential_is_the_integral_of_its_spline():
    """psi(t) against the integral of the interpolated knots, with responses that are the pixels."""
    slopes, h = np.array([0.5, 2.0, 0.1]), 0.4
    kernel = jnp.zeros((3, 3, 1)).at[1, 1, 0].set(9 / 8)  # less its mean 1/8: 1 in the middle
    theta = jnp.log(jnp.expm1(jnp.asarray(slopes, jnp.float32)))[None]
    f = nn.ConvexRidge(kernel, theta, h)
    knots, heights = h * np.arange(4), h * np.concatenate([[0], np.cumsum(slopes)])
    for t in (-2.0, -0.3, 0.0, 0.5, 1.3):
        centre = quad(lambda s: np.interp(s, knots, heights), 0, abs(t), points=knots)[0]
        np.testing.assert_allclose(f(jnp.array([[t]])), centre, rtol=1e-5, atol=1e-7)


def test_steps_of_one_over_l_descend():
    f = REGULARISERS["convex ridge"]()
    data, values, x = IMAGE, [], IMAGE
    step = 1 / (1 + float(f.lipschitz()))

    @jax.jit
    def descend(x):
        return x - step * (x - data + f.grad(x)), jnp.sum((x - data) ** 2) / 2 + f(x)

    for _ in range(30):
        x, value = descend(x)
        values.append(float(value))
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(values))  # rounding at the end
    assert values[-1] < 0.95 * values[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", REGULARISERS)
def test_learned_by_fit(name):
    """One gradient step of denoising, trained: all parameters move and the loss falls."""
    f = REGULARISERS[name]()
    clean = jnp.broadcast_to(jnp.linspace(0, 2, 8)[:, None], (16, 8, 8))

    def loss(f, batch, key):
        noisy = batch + 0.3 * jax.random.normal(key, batch.shape)
        return jnp.mean((noisy - jax.vmap(f.grad)(noisy) - batch) ** 2)

    result = fit(
        f, loss, clean, key=jax.random.key(0), epochs=15, batch_size=16, learning_rate=0.05
    )
    assert result.losses[-3:].mean() < 0.8 * result.losses[:3].mean()
    before, after = (jax.tree.leaves(nnx.state(g, nnx.Param)) for g in (f, result.module))
    assert len(before) == 2
    assert all(bool(jnp.any(a != b)) for a, b in zip(before, after, strict=True))


def test_bad_input():
    with pytest.raises(ValueError, match="spacing > 0"):
        nn.ConvexRidge(jnp.ones((3, 3, 1)), jnp.ones((1, 2)), 0.0)
    with pytest.raises(ValueError, match="at least 2"):
        nn.fields_of_experts(2, 3, rngs=nnx.Rngs(0))(jnp.ones(4))


@pytest.mark.parametrize("make", [nn.fields_of_experts, nn.convex_ridge])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "for count, got 0"),
        ({"size": 4}, "an odd size, got 4"),
        ({"size": 0}, "for size, got 0"),
        ({"dims": 4}, "dims to be one of"),
    ],
)
def test_filters_are_checked_when_made(make, options, message):
    with pytest.raises(ValueError, match=f"{make.__name__} expected .*{message}"):
        make(**options, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"knots": 0}, "for knots, got 0"), ({"reach": -1.0}, "reach > 0"), ({"reach": 0}, "reach")],
)
def test_splines_are_checked_when_made(options, message):
    with pytest.raises(ValueError, match=f"convex_ridge expected .*{message}"):
        nn.convex_ridge(**options, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("use", [lambda f, x: f(x), lambda f, x: f.grad(x)], ids=["g", "grad g"])
def test_channels_of_a_potential_are_checked_in_every_use(use):
    network = nn.DnCNN(2, 4, inputs=2, outputs=2, rngs=nnx.Rngs(0))
    f = nn.GradientStepPotential(nn.GradientStep(network), 0.1)
    with pytest.raises(ValueError, match=r"channels = 1, but the network returns 2"):
        use(f, jnp.ones((6, 6)))
