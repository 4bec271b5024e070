"""Learned methods on complex images and several coils: plug-and-play, MoDL, and SSDU."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn, solve
from jaxrecon.core import Identity
from jaxrecon.functionals import LeastSquares
from jaxrecon.mri import Sense, sampling
from jaxrecon.solvers import admm, fista
from jaxrecon.train import losses
from tests.laws.cases import quick_jit
from tests.mri.coil_cases import body, kspace, maps

SHAPE, COILS, MU = (12, 10), 3, 0.3
KEY = jax.random.key(0)
MASK = sampling.variable_density_lines(12, 2, calibration=4, seed=1)[:, None] & np.ones(10, bool)
CENTRE = np.zeros(SHAPE, bool)
CENTRE[4:8, 3:7] = True


def unit_maps():
    s = maps(SHAPE, COILS)
    return s / np.linalg.norm(s, axis=0)


def smooth(x, share=0.2):
    """Symmetric, with eigenvalues from 1 - 4 share to 1; over the last two axes, periodic."""
    near = sum(jnp.roll(x, step, axis) for step in (1, -1) for axis in (-2, -1))
    return (1 - 2 * share) * x + share * near / 2


@cache
def problem():
    """In double precision: A, its matrix, the matrix of the smoothing, and noisy data."""
    operator = Sense(unit_maps(), MASK)
    basis = np.eye(MASK.size).reshape(-1, *SHAPE).astype(complex)
    columns = np.asarray(quick_jit(jax.vmap(operator))(basis)).reshape(MASK.size, -1)
    smoothing = np.asarray(smooth(basis)).reshape(MASK.size, -1)
    random = np.random.default_rng(2)
    noise = random.normal(size=(COILS, *SHAPE)) + 1j * random.normal(size=(COILS, *SHAPE))
    return operator, columns.T, smoothing.real, MASK * (kspace(SHAPE, COILS) + 0.1 * noise)


@pytest.mark.parametrize("method", ["fista", "admm"])
def test_plug_and_play_with_a_symmetric_smoothing_finds_the_minimiser(method):
    """D is the prox of g(x) = x^H (D^-1 - I) x / 2 with the step 1, for complex x, too."""
    with jax.enable_x64():
        operator, a, d, y = problem()
        prior = nn.DenoiserPrior((), lambda _, z, sigma: smooth(z))
        f, step = LeastSquares(operator, jnp.asarray(y)), 0.8
        if method == "fista":
            run = fista(f, prior, step, restart=True)
        else:
            run = admm(f, prior, Identity(operator.domain), 1 / step, iterations=50)
        x = quick_jit(lambda m: solve(m, jnp.zeros(SHAPE, complex), 200)[0])(run)
        system = step * a.conj().T @ a + np.linalg.inv(d) - np.eye(len(d))
        expected = np.linalg.solve(system, step * a.conj().T @ y.ravel()).reshape(SHAPE)
        assert np.linalg.norm(expected.imag) > 0.1 * np.linalg.norm(expected)
        np.testing.assert_allclose(x, expected, atol=1e-6 * np.abs(expected).max())


class Smoothing(nnx.Module):
    """The smoothing as a network of two channels."""

    def __init__(self):
        self.share = nnx.Param(jnp.asarray(0.2))

    def __call__(self, x):
        return jnp.moveaxis(smooth(jnp.moveaxis(x, -1, 1), self.share[...]), 1, -1)


@pytest.mark.parametrize("steps", [1, 3])
def test_modl_is_smoothing_and_the_exact_solution_in_turns(steps):
    with jax.enable_x64():
        operator, a, d, y = problem()
        batch = jnp.asarray(np.stack([y, 1j * y[::-1]]))
        start = jax.vmap(operator.adjoint)(batch)
        options = {"penalty": MU, "iterations": 200, "tolerance": 1e-12}
        module = nn.MoDL(Smoothing(), steps=steps, **options)
        got = quick_jit(lambda m: m(operator, batch, start))(module)
        for m, x, found in zip(np.asarray(batch), np.asarray(start), got, strict=True):
            x = x.ravel()
            for _ in range(steps):
                right = a.conj().T @ m.ravel() + MU * d @ x
                x = np.linalg.solve(a.conj().T @ a + MU * np.eye(len(d)), right)
            np.testing.assert_allclose(found.ravel(), x, atol=1e-8)


def ssdu(reconstruct, operator, **options):
    settings = {"axes": (-2, -1), "kept": CENTRE, "measured": MASK, **options}
    return losses.SSDU(reconstruct, operator, **settings)


def scan():
    """In single precision: A and two items of data."""
    y = kspace(SHAPE, COILS)
    batch = MASK * np.stack([y, y[::-1] * 1j])
    return Sense(unit_maps().astype(np.complex64), MASK), jnp.asarray(batch, jnp.complex64)


def test_ssdu_splits_what_was_measured_and_keeps_the_centre():
    operator, _ = scan()
    seen, hidden = (np.asarray(m) for m in ssdu(adjoint, operator).split(KEY))
    assert seen.shape == hidden.shape == (1, *SHAPE)  # all coils together
    assert not (seen * hidden).any()
    np.testing.assert_array_equal(seen + hidden, MASK[None])
    assert seen[0, CENTRE & MASK].all()
    free = (MASK & ~CENTRE).sum()
    assert 0.2 * free < hidden.sum() < 0.6 * free


def adjoint(module, operator, data):
    return jax.vmap(operator.adjoint)(data)


def test_ssdu_shows_the_network_the_seen_part_only():
    operator, batch = scan()
    shown = []

    def record(module, part, data):
        shown.append((part, data))
        return adjoint(module, part, data)

    loss = ssdu(record, operator)
    seen, hidden = (np.asarray(m) for m in loss.split(KEY))
    value = loss(None, batch, KEY)
    part, data = shown[0]
    np.testing.assert_array_equal(data, seen * batch)
    x = jnp.asarray(body(SHAPE), jnp.complex64)
    np.testing.assert_allclose(part(x), seen * operator(x), atol=1e-5)
    y = batch[0]
    np.testing.assert_allclose(part.adjoint(y), operator.adjoint(seen * y), atol=1e-5)

    entry = tuple(np.argwhere(hidden[0])[0])
    changed = loss(None, batch.at[:, 1, *entry].add(3.0), KEY)
    np.testing.assert_array_equal(shown[1][1], data)
    assert abs(changed - value) > 1e-3 * value
    entry = tuple(np.argwhere(seen[0])[0])
    loss(None, batch.at[:, 1, *entry].add(3.0), KEY)
    assert not np.array_equal(shown[2][1], data)


def test_ssdu_compares_on_the_hidden_part_only():
    operator, batch = scan()
    fixed = jnp.asarray(body(SHAPE), jnp.complex64)
    loss = ssdu(lambda *_: jnp.stack([fixed, 2j * fixed]), operator)
    seen, hidden = loss.split(KEY)
    value = loss(None, batch, KEY)
    assert loss(None, batch + 5 * seen, KEY) == value
    assert abs(loss(None, batch + hidden, KEY) - value) > 1e-3 * value


def modl(module, operator, data):
    return module(operator, data, jax.vmap(operator.adjoint)(data))


def test_a_gradient_step_of_modl_lowers_the_loss_as_the_gradient_says():
    operator, batch = scan()
    network = nn.CNN((4,), (3, 3), inputs=2, outputs=2, rngs=nnx.Rngs(0))
    module = nn.MoDL(network, steps=2, penalty=MU, iterations=30)
    loss = ssdu(modl, operator)
    both = quick_jit(jax.value_and_grad(lambda m: loss(m, batch, KEY)))
    value, gradient = both(module)
    square = sum(float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient))
    rate = 0.01 * value / square  # to lower it by one part in a hundred
    after, _ = both(jax.tree.map(lambda p, g: p - rate * g, module, gradient))
    assert 0.005 * value < value - after < 0.015 * value


def test_the_fraction_held_out_is_checked_where_it_is_known():
    operator, _ = scan()
    for wrong in (0.0, 1.0, 40):
        with pytest.raises(ValueError, match="0 < held_out < 1"):
            ssdu(adjoint, operator, held_out=wrong)

    @quick_jit
    def hidden(share):
        return ssdu(adjoint, operator, held_out=share).split(KEY)[1].sum()

    assert 0 < hidden(0.2) < hidden(0.7)
