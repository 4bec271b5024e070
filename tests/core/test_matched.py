"""A matched pair has the derivatives of the function written out, in every direction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import matched, struct

KEYS = jax.random.split(jax.random.key(0), 3)
MATRIX = jax.random.normal(KEYS[0], (3, 4), jnp.complex64)
PARAMETERS = {"matrix": MATRIX, "angle": jnp.float32(0.3)}
X = jax.random.normal(KEYS[1], (4,), jnp.complex64)


def raw(p, x):
    return jnp.sin(p["angle"]) * (p["matrix"] @ x)


def raw_adjoint(p, y):
    return jnp.sin(p["angle"]) * (p["matrix"].conj().T @ y)


pairs = {
    "vectorised": matched(raw, raw_adjoint),
    "looped": matched(raw, raw_adjoint, loop_on_cpu=True),
}


@pytest.fixture(params=pairs)
def forward(request):
    return pairs[request.param][0]


def energy(function, p, x):
    return jnp.sum(jnp.abs(function(p, x)) ** 4)


def assert_trees_close(a, b):
    jax.tree.map(lambda m, n: np.testing.assert_allclose(m, n, rtol=2e-4, atol=1e-3), a, b)


def test_value_and_reverse_mode(forward):
    np.testing.assert_allclose(forward(PARAMETERS, X), raw(PARAMETERS, X), atol=1e-6)
    gradient = jax.jit(jax.grad(energy, (1, 2)), static_argnums=0)
    assert_trees_close(gradient(forward, PARAMETERS, X), gradient(raw, PARAMETERS, X))


def test_forward_mode_and_second_order(forward):
    def of_angle(function, angle):
        return energy(function, PARAMETERS | {"angle": angle}, X)

    angle = PARAMETERS["angle"]
    for derivative in (jax.jacfwd, jax.hessian):
        ours = derivative(lambda t: of_angle(forward, t))(angle)
        assert_trees_close(ours, derivative(lambda t: of_angle(raw, t))(angle))


def test_vmap_over_either_side(forward):
    xs = jnp.stack([X, 2 * X])
    many = jax.tree.map(lambda a: jnp.stack([a, 3 * a]), PARAMETERS)
    for axes, p, x in [((None, 0), PARAMETERS, xs), ((0, None), many, X), ((0, 0), many, xs)]:
        ours = jax.vmap(jax.grad(lambda p, x: energy(forward, p, x), (0, 1)), axes)(p, x)
        theirs = jax.vmap(jax.grad(lambda p, x: energy(raw, p, x), (0, 1)), axes)(p, x)
        assert_trees_close(
            jax.tree.map(lambda a: a / jnp.abs(a).max(), ours),
            jax.tree.map(lambda a: a / jnp.abs(a).max(), theirs),
        )


def test_the_hand_written_adjoint_is_the_one_used():
    forward, _ = matched(lambda p, x: p * x, lambda p, y: 100 * p * y)
    x = jnp.ones(3)
    np.testing.assert_array_equal(jax.grad(lambda x: forward(2.0, x).sum())(x), 200 * x)
    np.testing.assert_array_equal(jax.jvp(lambda x: forward(2.0, x), (x,), (x,))[1], 2 * x)


def test_inside_scan_checkpoint_and_export(forward):
    adjoint = pairs["vectorised"][1]

    @jax.checkpoint
    def step(x, _):
        return 0.1 * adjoint(PARAMETERS, forward(PARAMETERS, x), struct(4, jnp.complex64)), None

    def final(x):
        return jnp.sum(jnp.abs(jax.lax.scan(step, x, None, 3)[0]) ** 2)

    matrix = 0.1 * jnp.sin(0.3) ** 2 * MATRIX.conj().T @ MATRIX
    cube = matrix @ matrix @ matrix
    np.testing.assert_allclose(final(X), jnp.sum(jnp.abs(cube @ X) ** 2), rtol=1e-4)
    np.testing.assert_allclose(
        jax.grad(final)(X).conj(), 2 * cube.conj().T @ (cube @ X), rtol=1e-3, atol=1e-6
    )
    jax.export.export(jax.jit(jax.grad(final)), platforms=["cuda", "tpu"])(X)
