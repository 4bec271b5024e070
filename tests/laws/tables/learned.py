"""Plug-and-play and equilibrium methods, and Anderson acceleration, with linear denoisers."""

import jax.numpy as jnp
import numpy as np

from jaxrecon import struct
from jaxrecon.core import Identity
from jaxrecon.core.products import matmul
from jaxrecon.functionals import LeastSquares
from jaxrecon.linops import Matrix
from jaxrecon.nn import (
    DenoiserPrior,
    LearnedStep,
    RegularisationByDenoising,
    plug_and_play_half_quadratic,
)
from jaxrecon.solvers import admm, anderson, fista, gradient_descent, ista
from tests.laws.cases import FunctionalCase, MethodCase

N = 12


def precision():
    """A symmetric positive definite matrix: the inverse covariance of a Gaussian prior."""
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((N, N)))
    return rotation @ np.diag(np.linspace(0.5, 3, N)) @ rotation.T


def gaussian(inverse, z, sigma):
    """(I + sigma^2 P)^-1 z: the denoiser of the prior exp(-<x, P x> / 2)."""
    inverse = inverse.astype(z.dtype)
    sigma = jnp.asarray(sigma, z.dtype)
    return jnp.linalg.solve(jnp.eye(N, dtype=z.dtype) + sigma**2 * inverse, z)


def system():
    rng = np.random.default_rng(1)
    return rng.standard_normal((20, N)) / 4, rng.standard_normal(20)


def problem(dtype):
    """(f, P, the minimiser of f(x) + lam/2 <x, P x> as a function of lam)."""
    a, m = system()

    def minimiser(inverse):
        return jnp.asarray(np.linalg.solve(a.T @ a + inverse, a.T @ m), dtype)

    f = LeastSquares(Matrix(jnp.asarray(a, dtype)), jnp.asarray(m, dtype))
    return f, jnp.asarray(precision(), dtype), minimiser


def proximal(method):
    def make(dtype):
        f, inverse, minimiser = problem(dtype)
        prior = jnp.asarray(0.6, dtype) * DenoiserPrior(inverse, gaussian)
        return method(f, prior, dtype), jnp.zeros(N, dtype), minimiser(0.6 * precision())

    return make


def by_denoising(method):
    """x - D(x) = (I - (I + s^2 P)^-1) x: the fixed point has that matrix for the prior."""

    def make(dtype):
        f, inverse, minimiser = problem(dtype)
        weight, sigma = jnp.asarray(2.0, dtype), jnp.asarray(0.5, dtype)
        red = weight * RegularisationByDenoising(inverse, sigma, gaussian)
        effective = np.eye(N) - np.linalg.inv(np.eye(N) + 0.25 * precision())
        return method(f, red, dtype), jnp.zeros(N, dtype), minimiser(2 * effective)

    return make


def half_quadratic(dtype):
    """With one level, f and the Moreau envelope of g at the step sigma^2 / weight = s:

    x = (I + weight s P)^-1 z, (A^H A + 1/s) z = A^H m + x / s, in x by elimination of z.
    """
    (f, inverse, _), (a, m) = problem(dtype), system()
    sigma, weight = 0.8, 0.5
    s = sigma**2 / weight
    smooth = np.linalg.inv(np.eye(N) + sigma**2 * precision())
    pull = np.linalg.inv(a.T @ a + np.eye(N) / s)
    x = np.linalg.solve(np.eye(N) - smooth @ pull / s, smooth @ pull @ a.T @ m)
    method = plug_and_play_half_quadratic(
        f,
        DenoiserPrior(inverse, gaussian),
        struct((N,), dtype),
        jnp.asarray([2.0, sigma], dtype),
        jnp.asarray(weight, dtype),
    )
    return method, jnp.zeros(N, dtype), jnp.asarray(x, dtype)


def contraction(parameters, x):
    matrix, offset = parameters
    return matmul(matrix, x) + offset


def affine(dtype):
    """x = M x + b, with the largest eigenvalue of M at 0.9."""
    matrix = 0.9 / 3 * precision()
    offset = np.random.default_rng(2).standard_normal(N)
    exact = np.linalg.solve(np.eye(N) - matrix, offset)
    step = LearnedStep((jnp.asarray(matrix, dtype), jnp.asarray(offset, dtype)), contraction)
    return step, jnp.zeros(N, dtype), jnp.asarray(exact, dtype)


def accelerated(dtype):
    """Regularised so far that rounding stays rounding."""
    step, x0, exact = affine(dtype)
    return anderson(step, 3, regularisation=jnp.asarray(1e-4, dtype)), x0, exact


def space(dtype):
    return Identity(struct((N,), dtype))


def scalar(value, dtype):
    return jnp.asarray(value, dtype)


METHODS = [
    MethodCase(
        "plug-and-play ISTA",
        proximal(lambda f, g, d: ista(f, g, scalar(0.5, d))),
        200,
        1e-10,
    ),
    MethodCase(
        "plug-and-play FISTA",
        proximal(lambda f, g, d: fista(f, g, scalar(0.35, d))),
        400,
        1e-8,
        variant=True,
    ),
    MethodCase(
        "plug-and-play ADMM",
        proximal(lambda f, g, d: admm(f, g, space(d), scalar(1.0, d))),
        200,
        1e-10,
        variant=True,
    ),
    MethodCase("plug-and-play half-quadratic", half_quadratic, 100, 1e-10),
    MethodCase(
        "RED gradient descent",
        by_denoising(lambda f, g, d: gradient_descent(f + g, scalar(0.3, d))),
        300,
        1e-10,
        variant=True,
    ),
    MethodCase(
        "RED proximal gradient",
        by_denoising(lambda f, g, d: ista(g, f, scalar(0.4, d))),
        200,
        1e-10,
    ),
    MethodCase("LearnedStep", affine, 300, 1e-10),
    MethodCase("Anderson", accelerated, 60, 1e-10),
]


def red(dtype):
    _, inverse, _ = problem(dtype)
    x = jnp.linspace(-1, 2, N, dtype=dtype)
    return RegularisationByDenoising(inverse, scalar(0.5, dtype), gaussian), x


FUNCTIONALS = [FunctionalCase("RegularisationByDenoising", red, has_prox=False, has_grad=True)]
