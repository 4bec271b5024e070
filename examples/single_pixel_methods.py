"""Every method of the single-pixel study as one function of the measurements.

Each takes a batch of coefficients (batch, M) and, where there is noise, their variances, and
returns images (batch, y, x). Penalties are chosen on validation patches, never on the test set.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import lecture_networks as networks
from single_pixel_study import Study

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.direct import tikhonov
from jaxrecon.functionals import L1, Box, LeastSquares, TotalVariation
from jaxrecon.linops import Wavelet
from jaxrecon.metrics import psnr
from jaxrecon.solvers import fista, ista, primal_dual_hybrid_gradient

ITERATIONS = 200
NOISY_TV_GRID = {
    50.0: (1e-2, 2e-2, 4e-2),
    10.0: (4e-2, 8e-2, 0.16),
    2.0: (0.12, 0.25, 0.5),
}
STRENGTHS = (1e5, 1e7)


def fidelity(study: Study, m: jax.Array, variance: Any = None) -> jr.Functional:
    """1/2 ||A f - m||_W^2, W the inverse variances times their mean (so that they are near 1).

    A has orthonormal rows: said with `tight`, so that the fidelity has a prox in closed form.
    """
    weights = None if variance is None else jnp.mean(variance) / jnp.maximum(variance, 1e-12)
    return jr.tight(LeastSquares(None, m, weights), study.operator)


def constrained(study: Study, m: jax.Array, _: Any, __: Any) -> jax.Array:
    """min 1/2 ||A f - m||^2 over f in the box [0, 1], by projected gradient."""
    method = ista(LeastSquares(study.operator, m), Box(0.0, 1.0), 1.0)
    return jr.solve(method, study.operator.adjoint(m), ITERATIONS)[0]


def sparse(algorithm: Callable) -> Callable:
    """min 1/2 ||A f - m||^2 + lambda ||Psi f||_1, Psi Daubechies-4 wavelets, by ISTA or FISTA."""

    def reconstruct(study: Study, m: jax.Array, _: Any, penalty: Any) -> jax.Array:
        psi = Wavelet(study.shape, "db4", 3)
        method = algorithm(LeastSquares(study.operator, m), jr.tight(penalty * L1(), psi), 1.0)
        return jr.solve(method, study.operator.adjoint(m), ITERATIONS)[0]

    return reconstruct


def total_variation(study: Study, m: jax.Array, variance: Any, penalty: Any) -> jax.Array:
    """min 1/2 ||A f - m||_W^2 + lambda TV(f), by the primal-dual hybrid gradient method."""
    g, difference = TotalVariation(study.shape).split()
    data = fidelity(study, m, variance)
    primal = jnp.clip(0.06 / penalty, 0.05, 60.0)  # the dual field must reach the penalty
    method = primal_dual_hybrid_gradient(
        data, penalty * g, difference, primal_step=primal, dual_step=0.124 / primal
    )
    return jr.solve(method, study.operator.adjoint(m), 2 * ITERATIONS)[0]


def plug_and_play(network: Any, study: Study, m: jax.Array, strength: Any) -> jax.Array:
    """Half-quadratic splitting with the trained denoiser in the place of a prox, on a batch."""
    sigmas = jnp.geomspace(0.1, 0.005, 24)

    def reconstruct(m: jax.Array) -> jax.Array:
        data = fidelity(study, m)
        prior, space = nn.DenoiserPrior(network), study.operator.domain
        method = nn.plug_and_play_half_quadratic(data, prior, space, sigmas, 1 / strength)
        return jr.solve(method, study.estimator(m), len(sigmas))[0]

    return jax.vmap(reconstruct)(m)


@cache
def batched(reconstruct: Callable) -> Callable:
    """From one image to a batch: (study, m, variance, penalty)."""

    def run(study: Study, m: jax.Array, variance: Any, penalty: Any) -> jax.Array:
        axes = (None, 0, None if variance is None else 0, None)
        return jax.vmap(reconstruct, in_axes=axes)(study, m, variance, penalty)

    return run


def tuned(
    reconstruct: Callable, study: Study, m: jax.Array, variance: Any, grid: Any, truth: jax.Array
) -> float:
    """The penalty of the grid with the best mean PSNR on patches that are not test patches."""

    values = [float(score(reconstruct)(study, m, variance, jnp.float32(p), truth)) for p in grid]
    return float(grid[values.index(max(values))])


@cache
def score(reconstruct: Callable) -> Callable:
    """Compiled (study, m, variance, penalty, truth) -> mean PSNR."""

    def quality(study: Study, m: Any, variance: Any, penalty: Any, truth: Any) -> jax.Array:
        x = batched(reconstruct)(study, m, variance, penalty)
        return psnr(x, truth, study.range_of(truth)).mean()

    return nn.jit(quality)


CLASSICAL: dict[str, tuple[str, Callable, Any]] = {
    "pseudo-inverse": ("analytic", lambda s, m, v, p: s.operator.adjoint(m), None),
    "Tikhonov": (
        "variational",
        lambda s, m, v, p: tikhonov(s.operator, m, p),
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    ),
    "box constraint": ("variational", constrained, None),
    "wavelet l1, ISTA": ("variational", sparse(ista), (1e-3, 1e-2, 1e-1)),
    "wavelet l1, FISTA": ("variational", sparse(fista), (1e-3, 1e-2, 1e-1)),
    "total variation": ("variational", total_variation, (3e-4, 1e-3, 3e-3, 1e-2)),
    "statistical completion": ("linear MMSE", lambda s, m, v, p: s.estimator(m), None),
}
"""name: (group, one-image function, grid of penalties or None), for noiseless measurements."""

NOISY: dict[str, tuple[Callable, Any]] = {
    "pseudo-inverse": (lambda s, m, v, p: s.operator.adjoint(m), None),
    "Tikhonov": (lambda s, m, v, p: tikhonov(s.operator, m, p), (1e-2, 1e-1, 1.0)),
    "denoised completion (diagonal)": (lambda s, m, v, p: s.estimator.diagonal(m, v), None),
    "linear MMSE (exact)": (lambda s, m, v, p: s.estimator(m, v), None),
    "total variation": (total_variation, NOISY_TV_GRID),
}
"""name: (one-image function, penalties or None); for total variation they depend on the photons."""

LEARNED: dict[str, str] = {
    "pseudo-inverse + CNN": "pinvnet",
    "compNET (frozen first layer)": "compnet",
    "free first layer": "freenet",
    "unrolled, shared weights": "unrolled-shared",
    "unrolled, unshared weights": "unrolled",
}
"""name: file of its weights."""


@cache
def learned(name: str) -> Callable:
    def run(module: Any, study: Study, m: jax.Array, variance: Any = None) -> jax.Array:
        return networks.reconstruct(name, module, study, m, variance)

    return run
