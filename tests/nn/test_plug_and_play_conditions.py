"""Where plug-and-play converges and where it does not: linear denoisers, whose properties are known
exactly, with data terms 1/2 sum w (x - m)^2, and fixed points by direct solves."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.core import Identity
from jaxrecon.functionals import LeastSquares
from jaxrecon.solvers import admm, fista, gradient_descent, ista
from tests.laws.cases import quick_jit

N, STEPS = 6, 1500
EYE = np.eye(N)
M = np.random.default_rng(0).standard_normal(N)
X0 = np.random.default_rng(1).standard_normal(N)
LARGEST = 2.0
WITH_NULL_SPACE = np.array([LARGEST, 1.5, 1, 0.5, 0, 0])
FULL_RANK = np.linspace(LARGEST, 1, N)


def rotation(n):
    """Of an even dimension, without the eigenvalue 1."""
    q, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((n, n)))
    q[:, 0] *= np.linalg.det(q)
    return q


ROTATION = rotation(N)


def linear(matrix, z, sigma):
    return matrix @ z


def half_quadratic(f, prior, s):
    return nn.plug_and_play_half_quadratic(f, prior, jr.struct((N,), float), jnp.sqrt(s)[None], 1.0)


METHODS = {
    "ista": ista,
    "fista": fista,
    "half-quadratic": half_quadratic,
    "admm": lambda f, prior, s: admm(f, prior, Identity(jr.struct((N,), float)), 1 / s),
}


def _plug_and_play(name, weights, denoiser, s):
    f = LeastSquares(None, jnp.asarray(M), weights)
    method = METHODS[name](f, nn.DenoiserPrior(denoiser, linear), s)
    return jr.solve(method, jnp.asarray(X0), STEPS, trace=lambda state: state.x)[1]


RUNS = {name: quick_jit(partial(_plug_and_play, name)) for name in METHODS}
"""Step sizes are traced: those beyond 2 / L would be refused."""


def fixed_point(name, weights, denoiser, s):
    """x = D(x - s grad f(x)), or x = D(prox_{s f}(x)), for D and grad f affine."""
    if name == "half-quadratic":
        part = denoiser @ np.diag(1 / (1 + s * weights))
        return np.linalg.solve(EYE - part, part @ (s * weights * M))
    return np.linalg.solve(EYE - denoiser @ np.diag(1 - s * weights), denoiser @ (s * weights * M))


def errors(name, weights, denoiser, s):
    """Iterates less the fixed point, (STEPS, N)."""
    with jax.enable_x64(True):
        path = np.asarray(RUNS[name](*(jnp.asarray(a, float) for a in (weights, denoiser, s))))
    return path - fixed_point(name, weights, denoiser, s)


def assert_converges(error):
    np.testing.assert_allclose(error[-1], 0, atol=1e-10)


def assert_factor(error, factor, count=60):
    """Each step multiplies the error by that."""
    np.testing.assert_allclose(error[1 : count + 1], factor * error[:count], rtol=1e-7)


def averaged(theta, nonexpansive):
    return (1 - theta) * EYE + theta * nonexpansive


@pytest.mark.parametrize(("name", "s"), [("ista", 1.95 / LARGEST), ("half-quadratic", 5.0)])
def test_averaged_denoisers_converge_where_the_operator_has_a_null_space(name, s):
    for theta in (0.5, 0.9):
        assert_converges(errors(name, WITH_NULL_SPACE, averaged(theta, ROTATION), s))


@pytest.mark.parametrize(("name", "s"), [("ista", 1 / LARGEST), ("half-quadratic", 1.0)])
def test_nonexpansive_denoisers_need_not_converge(name, s):
    """A rotation in the null space turns what lies there for ever; averaged, it shrinks it."""
    angle = 2.0
    nonexpansive = EYE.copy()
    nonexpansive[4:, 4:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    for theta in (1.0, 0.9):
        error = errors(name, WITH_NULL_SPACE, averaged(theta, nonexpansive), s)
        assert_factor(np.linalg.norm(error[:, 4:], axis=1), abs(1 - theta + theta * np.exp(2j)))
        np.testing.assert_allclose(error[-1, :4], 0, atol=1e-10)
    assert_converges(error)


def test_ista_with_an_averaged_denoiser_ends_at_twice_the_inverse_of_l():
    """D keeps the direction of the largest eigenvalue, where each step multiplies by 1 - s L."""
    nonexpansive = EYE.copy()
    nonexpansive[2:, 2:] = rotation(4)
    denoiser = averaged(0.5, nonexpansive)
    assert_converges(errors("ista", WITH_NULL_SPACE, denoiser, 1.95 / LARGEST))
    error = errors("ista", WITH_NULL_SPACE, denoiser, 2.05 / LARGEST)
    assert_factor(error[:, 0], -1.05)


@pytest.mark.parametrize("penalty", [0.02, 1.0, 50.0])
def test_admm_with_a_firmly_nonexpansive_denoiser_converges_at_every_penalty(penalty):
    assert_converges(errors("admm", WITH_NULL_SPACE, averaged(0.5, ROTATION), 1 / penalty))


def test_admm_with_an_averaged_denoiser_that_is_not_firmly_nonexpansive():
    """Where N = -1, a step multiplies by (1 - (4 theta - 1) r) / 2, r = (1 - s w) / (1 + s w): it
    grows at a small penalty, though the other methods converge."""
    s = 20 / LARGEST
    r = (1 - s * LARGEST) / (1 + s * LARGEST)
    for theta, converges in ((0.5, True), (0.55, False)):
        denoiser = averaged(theta, np.diag([-1.0, 0, 0, 0, 0, 0]))
        error = errors("admm", WITH_NULL_SPACE, denoiser, s)
        factor = (1 - (4 * theta - 1) * r) / 2
        assert (factor < 1) == converges
        assert_factor(error[1:, 0], factor)  # the multiplier starts at 0
    assert_converges(errors("half-quadratic", WITH_NULL_SPACE, denoiser, s))
    assert_converges(errors("ista", WITH_NULL_SPACE, denoiser, 1.95 / LARGEST))


EPS = 0.2
"""The Lipschitz constant of I - D, for a data term with 1 <= w <= 2."""


def test_ista_with_a_strongly_convex_data_term_between_its_two_steps():
    """D = (1 + eps) I reaches both ends: a step multiplies by (1 + eps) (1 - s w)."""
    smallest = 1 / (1 + 1 / EPS)
    largest = 2 / LARGEST - 1 / (LARGEST * (1 + 1 / EPS))
    for s in (1.2 * smallest, 0.98 * largest):
        for change in (EYE, ROTATION):
            assert_converges(errors("ista", FULL_RANK, EYE + EPS * change, s))
    for s, where in ((0.9 * smallest, -1), (1.02 * largest, 0)):
        factor = (1 + EPS) * (1 - s * FULL_RANK[where])
        assert abs(factor) > 1
        assert_factor(errors("ista", FULL_RANK, (1 + EPS) * EYE, s)[:, where], factor)


def test_admm_with_a_strongly_convex_data_term():
    """Where D = 1 + eps a step multiplies by (1 + (1 + 2 eps) r) / 2, r = (1 - s w) / (1 + s w),
    which is less than 1 for s w > eps / (1 + eps), slightly below the bound that is proved."""
    bound = EPS / (1 + EPS - 2 * EPS**2)
    for change in (EYE, ROTATION):
        assert_converges(errors("admm", FULL_RANK, EYE + EPS * change, 1.2 * bound))
    s = 0.9 * EPS / (1 + EPS)
    factor = (1 + (1 + 2 * EPS) * (1 - s) / (1 + s)) / 2
    assert factor > 1
    assert_factor(errors("admm", FULL_RANK, (1 + EPS) * EYE, s)[1:, -1], factor)


def of_a_symmetric_denoiser(denoiser, s):
    """Hessian and minimiser of f + g, s g(x) = <x, (D^-1 - I) x> / 2, so that D = prox_{s g}."""
    hessian = np.diag(WITH_NULL_SPACE) + (np.linalg.inv(denoiser) - EYE) / s
    return hessian, np.linalg.solve(hessian, WITH_NULL_SPACE * M)


SMOOTHING = EYE * 2 / 3 + (np.roll(EYE, 1, 0) + np.roll(EYE, -1, 0)) / 6
"""Symmetric, doubly stochastic, positive definite."""


def test_with_a_symmetric_positive_nonexpansive_denoiser_every_method_ends_at_the_minimiser():
    s = 1 / LARGEST
    _, minimiser = of_a_symmetric_denoiser(SMOOTHING, s)
    exact = fixed_point("ista", WITH_NULL_SPACE, SMOOTHING, s)
    np.testing.assert_allclose(exact, minimiser, atol=1e-12)
    for name in ("ista", "admm", "fista"):
        assert_converges(errors(name, WITH_NULL_SPACE, SMOOTHING, s))


def test_fista_with_a_symmetric_denoiser_has_its_rate():
    """F(x_k) - F* <= 2 ||x_0 - x*||^2 / (s (k + 1)^2), which ista exceeds with a weak denoiser."""
    s = 1 / LARGEST
    weak = EYE - 0.01 * (EYE - SMOOTHING)
    hessian, minimiser = of_a_symmetric_denoiser(weak, s)
    bound = 2 * np.sum((X0 - minimiser) ** 2) / (s * np.arange(2, STEPS + 2) ** 2)
    for name, holds in (("fista", True), ("ista", False)):
        error = errors(name, WITH_NULL_SPACE, weak, s)
        above = np.einsum("ki,ij,kj->k", error, hessian, error) / 2
        assert np.all(above <= bound) == holds


def test_symmetry_needs_eigenvalues_from_zero():
    """D exchanges two pixels that A does not see: symmetric, doubly stochastic, nonexpansive. In
    the end the solvers exchange them for ever, and momentum diverges."""
    exchange = EYE[[0, 1, 2, 3, 5, 4]]
    for name in ("ista", "half-quadratic", "admm"):
        part = difference_of_the_last_two(name, exchange)
        assert abs(part[0]) > 0.1
        assert_factor(part[1:], -1)
    assert abs(difference_of_the_last_two("fista", exchange)[60]) > 1e3


def difference_of_the_last_two(name, denoiser):
    with jax.enable_x64(True):
        given = (jnp.asarray(a, float) for a in (WITH_NULL_SPACE, denoiser, 1 / LARGEST))
        path = np.asarray(RUNS[name](*given))
    return path[:, 4] - path[:, 5]


def test_momentum_needs_symmetry():
    """D = (I + Q) / 2 with a rotation Q by 2 a in the null space: ista converges. With momentum the
    roots of z^2 - 2 d z + d, d = cos(a) exp(i a), are its factors in the end: one is above 1."""
    a = 0.3
    turn = np.array([[np.cos(2 * a), -np.sin(2 * a)], [np.sin(2 * a), np.cos(2 * a)]])
    denoiser = EYE.copy()
    denoiser[4:, 4:] = (np.eye(2) + turn) / 2
    assert_converges(errors("ista", WITH_NULL_SPACE, denoiser, 1 / LARGEST))
    d = np.cos(a) * np.exp(1j * a)
    factor = np.abs(np.roots([1, -2 * d, d])).max()
    assert factor > 1.3
    error = errors("fista", WITH_NULL_SPACE, denoiser, 1 / LARGEST)[400:402, 4:]
    first, second = np.linalg.norm(error, axis=1)
    np.testing.assert_allclose(second / first, factor, rtol=0.02)  # momentum 1 - 3 / k


def test_ista_with_a_gradient_step_descends_below_one_over_l():
    """D = I - H, ||H|| < 1 and H not positive: a prox, of a g that is not convex. Near 2 / L, where
    ista converges for convex g, it need not: where D = 1.9, a step multiplies by 1.9 (1 - s w)."""
    s = 0.99 / LARGEST
    denoiser = ROTATION @ np.diag(np.linspace(0.5, 1.2, N)) @ ROTATION.T
    error = errors("ista", FULL_RANK, denoiser, s)
    hessian = np.diag(FULL_RANK) + (np.linalg.inv(denoiser) - EYE) / s
    values = np.einsum("ki,ij,kj->k", error, hessian, error)
    assert_converges(error)
    assert np.all(np.diff(values[:20]) < 0)
    strong = np.diag([1.9, 1, 1, 1, 1, 1])
    assert_converges(errors("ista", FULL_RANK, strong, s))
    assert_factor(errors("ista", FULL_RANK, strong, 1.6 / LARGEST)[:, 0], -1.9 * 0.6)


WEIGHT = 0.7


def _red(name, weights, denoiser, s):
    h = LeastSquares(None, jnp.asarray(M), weights)
    red = WEIGHT * nn.RegularisationByDenoising(denoiser, jnp.asarray(0.1), linear)
    method = ista(red, h, s) if name == "ista" else gradient_descent(h + red, s)
    return jr.solve(method, jnp.asarray(X0), STEPS, trace=lambda state: method.solution(state))[1]


@pytest.mark.parametrize(
    ("name", "largest", "where"),
    [("ista", 1 / WEIGHT, -1), ("gradient descent", 2 / (LARGEST + 2 * WEIGHT), 0)],
)
def test_regularisation_by_denoising_converges_below_its_step_and_not_beyond(name, largest, where):
    """Where D = -1, x - D(x) = 2 x: a step multiplies by 1 - s (w + 2 weight), and by
    1 - 2 s weight for ista where w = 0."""
    run = quick_jit(partial(_red, name))
    flip = np.zeros((N, N))
    flip[where, where] = -1
    for denoiser, share in ((ROTATION, 0.95), (flip, 0.95), (flip, 1.05)):
        hessian = np.diag(WITH_NULL_SPACE) + WEIGHT * (EYE - denoiser)
        with jax.enable_x64(True):
            arguments = (
                jnp.asarray(a, float) for a in (WITH_NULL_SPACE, denoiser, share * largest)
            )
            error = np.asarray(run(*arguments)) - np.linalg.solve(hessian, WITH_NULL_SPACE * M)
        if share < 1:
            assert_converges(error)
        else:
            assert_factor(error[:, where], 1 - 2 * share)
