"""The CT problem of optimisation_methods.py: its data, both costs, and their minimisers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import Functional, LinearOperator, ct, separable, solve, stack
from jaxrecon import solvers as s
from jaxrecon.core import Pytree
from jaxrecon.core.vectors import norm
from jaxrecon.data.ct_slice import WATER, ct_slice
from jaxrecon.functionals import HuberTotalVariation, LeastSquares, MoreauEnvelope, NonNegative

PHOTONS, SUBSETS = 1e5, 12
WEIGHT, DELTA = 0.001, 0.01  # of Huber total variation; images in units of water
REFERENCE_STEPS = 1500


class Problem(Pytree):
    """The terms of both costs. Images are in units of water, and ||A|| is near 1."""

    operator: ct.XRayTransform
    fidelity: LeastSquares
    start: jax.Array

    @property
    def penalty(self) -> Functional:
        return WEIGHT * HuberTotalVariation(self.start.shape, DELTA)

    @property
    def cost(self) -> Functional:
        """What is minimised over x >= 0."""
        return self.fidelity + self.penalty

    @property
    def smooth_cost(self) -> Functional:
        """What is minimised without a constraint."""
        return self.cost + MoreauEnvelope(NonNegative(), DELTA / WEIGHT)

    @property
    def differences(self) -> tuple[Functional, LinearOperator]:
        """(g, D) of the penalty g(D x)."""
        huber, difference = HuberTotalVariation(self.start.shape, DELTA).split(self.start.dtype)
        return WEIGHT * huber, difference

    @property
    def both(self) -> tuple[Functional, LinearOperator]:
        """(g, K) of fidelity and penalty, g(K x)."""
        data_term, _ = self.fidelity.split()
        penalty, difference = self.differences
        return separable(data_term, penalty), stack(self.operator, difference)

    @property
    def subsets(self) -> s.Subsets:
        return ct.view_subsets(self.operator, SUBSETS)

    @property
    def largest_weight(self) -> jax.Array:
        return jnp.max(self.fidelity.weights)


class Consensus(Functional):
    """0 where all images of a tuple are equal, else infinite; the prox is their mean."""

    def prox(self, v: Any, step: Any) -> Any:
        mean = sum(v) / len(v)
        return tuple(mean for _ in v)


def measure(size: int, views: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Slice in units of water, (size, size); line integrals; their variance; pixel size in mm.

    The scan is computed from the 512x512 pixels of the slice, with several rays in each bin, whose
    intensities the detector adds up.
    """
    attenuation, (spacing, _) = ct_slice("head")
    n = len(attenuation)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    fine = np.where(np.hypot(y, x) < n / 2, attenuation, 0)
    factor = n // size
    truth = fine.reshape(size, factor, size, factor).mean(axis=(1, 3)) / WATER
    pixel = spacing * factor
    bins = ct.parallel_beam((size, size), views, pixel_size=pixel).bins
    scanner = ct.parallel_beam(
        fine.shape, views, pixel_size=spacing, pitch=spacing, bins=bins * factor
    )
    rays = jax.jit(ct.project)(jnp.asarray(fine), scanner).reshape(views, bins, factor)
    sinogram = -jnp.log(jnp.mean(jnp.exp(-rays), axis=-1))
    counts = ct.transmission_counts(jax.random.key(0), sinogram, PHOTONS)
    line_integrals, variance = ct.log_transform(counts, PHOTONS)
    return truth, np.asarray(line_integrals), np.asarray(variance), pixel


def pose(p: np.ndarray, variance: np.ndarray, size: int, pixel: float, dtype: Any) -> Problem:
    """The problem in the precision of `dtype`, with the length for which ||A|| is near 1."""
    views = len(p)
    unit = pixel * np.sqrt(views * size)
    geometry = ct.parallel_beam((size, size), views, pixel_size=pixel / unit, dtype=dtype)
    operator = ct.XRayTransform(geometry, "shear")  # non-negative weights, for subsets
    data = jnp.asarray(p / (unit * WATER), dtype)
    fidelity = LeastSquares(operator, data, jnp.asarray(variance.mean() / variance, dtype))
    start = jax.jit(ct.filtered_backprojection, static_argnums=2)(data, geometry, "hann")
    return Problem(operator, fidelity, jnp.maximum(start, 0))


@jax.jit
def costs(problem: Problem, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Values, and norms of projected gradients, of both costs at images: (2, count) each."""
    step = 1 / problem.smooth_cost.lipschitz()

    def one(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        values = problem.cost(x), problem.smooth_cost(x)
        projected = x - jnp.maximum(x - step * problem.cost.grad(x), 0)
        residuals = norm(projected) / step, norm(problem.smooth_cost.grad(x))
        return jnp.stack(values), jnp.stack(residuals)

    values, residuals = jax.lax.map(one, images)
    return values.T, residuals.T


@jax.jit
def minimisers(problem: Problem) -> jax.Array:
    """Of the cost with x >= 0, and of its smooth variant, for reference."""
    constrained = s.pogm(problem.cost, NonNegative(), restart=True)
    smooth = s.lbfgs(problem.smooth_cost, memory=20)
    return jnp.stack([solve(m, problem.start, REFERENCE_STEPS)[0] for m in (constrained, smooth)])
