"""Plug-and-play: levels, fixed points of denoisers that are no prox, and contraction factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.core import Identity
from jaxrecon.functionals import LeastSquares
from jaxrecon.linops import Matrix
from jaxrecon.solvers import admm, ista

N = 10


def problem():
    """A of full rank, m, and the eigenvalue bounds of A^T A."""
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.standard_normal((14, N)))
    v, _ = np.linalg.qr(rng.standard_normal((N, N)))
    values = np.linspace(1, np.sqrt(2), N)
    return u @ np.diag(values) @ v.T, rng.standard_normal(14), 1.0, 2.0


def rotation():
    q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((N, N)))
    return q


def fidelity(a, m):
    return LeastSquares(Matrix(jnp.asarray(a)), jnp.asarray(m))


def linear(matrix, z, sigma):
    return matrix @ z


def test_the_level_is_the_root_of_weight_times_step():
    prior = nn.DenoiserPrior((), lambda p, z, sigma: sigma * jnp.ones_like(z))
    np.testing.assert_allclose((3.0 * prior).prox(jnp.zeros(2), 0.12), 0.6, rtol=1e-6)


def test_half_quadratic_equals_the_schedule_written_out():
    network = nn.CNN((4,), (3, 3), inputs=2, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(2)
    m, weights = (jnp.asarray(rng.random((8, 8)), jnp.float32) for _ in range(2))
    f, levels = LeastSquares(None, m, 50 * weights), jnp.geomspace(0.3, 0.05, 3)
    prior = nn.DenoiserPrior(network)
    method = nn.plug_and_play_half_quadratic(f, prior, jr.struct((8, 8)), levels, 0.3)
    x = jnp.zeros((8, 8))
    got, _ = jr.solve(method, x, 3)
    for sigma in levels:
        s = sigma**2 / 0.3
        z = (x + s * 50 * weights * m) / (1 + s * 50 * weights)
        x = nn.on_images(network, z, sigma)
    np.testing.assert_allclose(got, x, rtol=1e-4, atol=1e-5)


def test_firmly_nonexpansive_denoisers_that_are_no_prox():
    """D = (I + Q)/2 with a rotation Q is no gradient: the fixed points are in closed form, and
    depend on the step."""
    with jax.enable_x64(True):
        a, m, _, _ = problem()
        d = (np.eye(N) + rotation()) / 2
        f, prior = fidelity(a, m), nn.DenoiserPrior(jnp.asarray(d), linear)
        limits = []
        for s in (0.4, 0.9):
            exact = np.linalg.solve(np.eye(N) - d @ (np.eye(N) - s * a.T @ a), s * d @ a.T @ m)
            x, _ = jr.solve(ista(f, prior, s), jnp.zeros(N), 300)
            np.testing.assert_allclose(x, exact, atol=1e-10)
            limits.append(exact)
        assert np.linalg.norm(limits[0] - limits[1]) > 1e-2
        # z = D(x + u), x = z  and  A^T (A x - m) = -penalty u:  x = D(x - grad f / penalty)
        x, _ = jr.solve(admm(f, prior, Identity(jr.struct((N,), float)), 2.5), jnp.zeros(N), 300)
        np.testing.assert_allclose(x, limits[0], atol=1e-8)


@pytest.mark.parametrize("s", [0.5, 0.7])
def test_contraction_where_the_fidelity_is_strongly_convex(s):
    """D = I + eps sin(Q .): not nonexpansive, and I - D is eps-Lipschitz."""
    with jax.enable_x64(True):
        eps = 0.2
        a, m, mu, lipschitz = problem()
        prior = nn.DenoiserPrior(
            jnp.asarray(rotation()), lambda q, z, sigma: z + eps * jnp.sin(q @ z)
        )
        method = ista(fidelity(a, m), prior, s)
        factor = (1 + eps) * max(abs(1 - s * mu), abs(1 - s * lipschitz))
        assert factor < 1
        x, y = (
            jr.solve(method, x0, 12, trace=lambda state: state.x)[1]
            for x0 in (jnp.full(N, 3.0), -jnp.ones(N))
        )
        distances = jnp.linalg.norm(x - y, axis=1)
        assert jnp.all(distances[1:] <= factor * distances[:-1] * (1 + 1e-12))
        end = jr.solve_until(method, x[-1], 500, tolerance=1e-12)
        assert end.status == jr.Status.CONVERGED


def test_red_takes_a_network():
    network = nn.CNN((4,), (3, 3), inputs=2, rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(2).random((8, 8)), jnp.float32)
    red = nn.RegularisationByDenoising(network, 0.1)
    np.testing.assert_allclose(red.grad(x), x - nn.on_images(network, x, 0.1))
    np.testing.assert_allclose((0.5 * red).lipschitz(), 1.0)


def test_bad_input():
    prior = nn.DenoiserPrior(jnp.eye(N), linear)
    with pytest.raises(NotImplementedError, match="RegularisationByDenoising"):
        prior(jnp.ones(N))
    f = LeastSquares(None, jnp.ones(N))
    for levels, weight in (([0.1, -0.1], 1.0), ([0.1], 0.0)):
        with pytest.raises(ValueError, match="> 0"):
            nn.plug_and_play_half_quadratic(f, prior, jr.struct((N,)), jnp.array(levels), weight)
    for g, space, named in ((jnp.tanh, jr.struct((N,)), "DenoiserPrior"), (prior, (N,), "struct")):
        with pytest.raises(TypeError, match=named):
            nn.plug_and_play_half_quadratic(f, g, space, jnp.ones(1))  # pyright: ignore[reportArgumentType]
